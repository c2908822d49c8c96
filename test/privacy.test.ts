// What of the people who use the machines is sent to whom, on every surface of the hub.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { application } from "../hub/http/application.ts";
import { Ingest, type Owner } from "../hub/ingest.ts";
import { Live } from "../hub/live.ts";
import { silent } from "../hub/log.ts";
import { notice } from "../hub/notice.ts";
import { Privacy, type UserPrivacy, userPrivacies } from "../hub/privacy.ts";
import { reason } from "../hub/reason.ts";
import { loggerQueryRoutes } from "../hub/route/logger-query.ts";
import { socket } from "../hub/who.ts";
import { EventSchema, HostSchema } from "../proto/gen/feed_pb.js";
import { HistReqSchema } from "../proto/gen/history_pb.js";
import { type HostInfo, HostInfoSchema } from "../proto/gen/host_pb.js";
import { summarize } from "../proto/summary.ts";
import { asked, dailyReport as daily } from "./asked.ts";
import { Door, start as now } from "./door.ts";
import { Model } from "./model.ts";
import { captured, commands, people, places } from "./people.ts";
import { writeExample } from "./report/written.ts";
import { RosterFixture } from "./roster.ts";
import { type ServedViews, serveViews } from "./served.ts";
import { noReports, viewOf } from "./view.ts";

const poll: Owner = { input: "poll", origin: "settings" };
const push: Owner = { input: "portal", origin: "push" };
let door: Door;
/** Of the daily reports. */
let folder: string;
let live: Live;
let ingest: Ingest;
let privacy: Privacy;
let served: ServedViews;
let client: grpc.Client;
/** Those that a change of live state sets. */
let timers: (() => void)[];

beforeEach(async () => {
  door = new Door();
  timers = [];
  const after = (ms: number, run: () => void) => {
    if (ms <= 1000) timers.push(run);
    return () => {
      timers = timers.filter((timer) => timer !== run);
    };
  };
  const clock = { now: () => now, after };
  const scene = new RosterFixture({ dgx: "127.0.0.1:1", down: "127.0.0.1:2" });
  scene.write({
    hosts: [{ name: "dgx", labels: { owner: "alice", contact: "carol@lab" } }],
    nodes: [{ hostname: "stranger" }],
  });
  live = new Live(clock.now);
  const history = new Model();
  ingest = new Ingest({ live, history, now: clock.now, directory: scene.roster });
  privacy = new Privacy({ now: clock.now, users: "shown" });
  const { identity, book, desk } = door;
  folder = mkdtempSync(join(tmpdir(), "gohm-privacy-"));
  writeExample(folder);
  const reports = () => ({ ...noReports(), folder });
  const hub = { ...viewOf({ live, history, clock, privacy, reports }), roster: scene.roster, identity, book, desk };
  for (const name of ["dgx", "down"]) ingest.claim(name, poll, "127.0.0.1:1");
  ingest.claim("stranger", push, "127.0.0.9");
  report();
  ingest.received("down", create(HostInfoSchema, { agentVersion: "1", sampled: BigInt(now - 1000) }), poll);
  ingest.failed(
    "down",
    reason("refused", { address: "x:1", answer: "what answers is a program in /home/heidi/bin" }),
    poll,
  );
  ingest.received("stranger", unknown(), push);
  live.notice("settings", notice("settings_bad", { message: "Cannot read /home/ivan/gohm/settings.json: line 3" }));
  served = await serveViews(hub);
  client = new grpc.Client(served.grpc, grpc.credentials.createInsecure());
});

afterEach(async () => {
  client.close();
  await served.close();
  door.close();
  rmSync(folder, { recursive: true });
});

const report = (change: (info: HostInfo) => void = () => {}): void => {
  const info = captured();
  change(info);
  ingest.received("dgx", info, poll);
};

/** A machine that nobody has approved, and that sends a name to learn whose alias it is. */
const unknown = (): HostInfo =>
  create(HostInfoSchema, {
    agentVersion: "1",
    sampled: BigInt(now - 1000),
    err: "alice was here",
    gpus: [{ id: 0, uuid: "GPU-s", procs: [{ uid: 1, username: "alice", mem: 9n }, { username: "mallory" }] }],
    disks: [{ mount: "/home/alice", used: 1n, total: 2n }],
  });

type Headers = Readonly<Record<string, string>>;

/** Who is asked as, by the headers that they send. */
const clients = {
  anonymous: (): Headers => ({}),
  node: (): Headers => bearer(door.node("n1")),
  "token to push": (): Headers => bearer(door.token("push")),
  viewer: (): Headers => ({ cookie: `gohm_session_http=${door.signIn("vera")}` }),
  administrator: (): Headers => ({ cookie: `gohm_session_http=${door.signIn("ada", "administrator")}` }),
  "token to read": (): Headers => bearer(door.token("read")),
  "token of an administrator": (): Headers => bearer(door.token("admin")),
};
const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` });

/** Bytes of an answer as text, and what base64 in it contains. */
function plain(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString("latin1");
  const packed = text.match(/[A-Za-z0-9+/]{24,}={0,2}/g) ?? [];
  return [text, ...packed.map((one) => Buffer.from(one, "base64").toString("latin1"))].join("\n").toLowerCase();
}

/** Events of the feed: everything, then numbers that changed, then a host whose shape changed. */
async function feedEvents(headers: Headers): Promise<Uint8Array[]> {
  const stop = new AbortController();
  const answer = await fetch(`${served.url}/feed`, {
    headers: { ...headers, "accept-encoding": "identity" },
    signal: stop.signal,
  });
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const read = async (count: number): Promise<void> => {
    while (text.split("\n\n").length <= count) text += (await reader?.read())?.value ?? "";
  };
  const tick = (): void => {
    for (const run of timers.splice(0)) run();
  };
  await read(1);
  report((info) => Object.assign(info.gpus[0] ?? {}, { utilization: 12, temp: 33 }));
  tick();
  await read(2);
  report((info) => info.gpus.at(-2)?.procs.push(...(info.gpus[0]?.procs ?? [])));
  tick();
  await read(3);
  stop.abort();
  report();
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data = ""]) => Buffer.from(data, "base64"));
}

/** What a client is sent by every surface, by its address. */
async function surfaces(headers: Headers): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for (const [i, event] of (await feedEvents(headers)).entries()) all.set(`/feed ${i}`, plain(event));
  for (const path of Object.values(asked).flat()) {
    for (const accept of ["application/json", "application/x-protobuf"]) {
      const answer = await fetch(`${served.url}${path}`, { headers: { ...headers, accept }, redirect: "manual" });
      const heads = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
      all.set(`${accept} ${path}`, heads.toLowerCase() + plain(new Uint8Array(await answer.arrayBuffer())));
    }
  }
  const body = JSON.stringify({ start_date: "2027-01-14", end_date: "2027-01-16" });
  for (const { path, method } of Object.values(loggerQueryRoutes)) {
    if (method !== "POST") continue;
    const answer = await fetch(`${served.url}${path}`, { method, headers: { ...headers, origin: served.url }, body });
    all.set(`POST ${path}`, plain(new Uint8Array(await answer.arrayBuffer())));
  }
  for (const [id, type] of [
    ["dgx_0", "util"],
    ["dgx", "load1"],
    ["nobody", "load1"],
    ["dgx_77", "util"],
    ["dgx", "nothing"],
  ] as const)
    all.set(`gRPC ${id} ${type}`, await getHistory({ id, type }, headers));
  return all;
}

function getHistory(request: { id: string; type: string }, { authorization }: Headers): Promise<string> {
  const metadata = new grpc.Metadata();
  if (authorization !== undefined) metadata.set("authorization", authorization);
  const bytes = Buffer.from(toBinary(HistReqSchema, create(HistReqSchema, request)));
  const same = (held: Buffer): Buffer => held;
  return new Promise((resolve) => {
    client.makeUnaryRequest("/gpu.History/GetHistory", same, same, bytes, metadata, (error, answer) =>
      resolve(error === null ? plain(answer ?? Buffer.alloc(0)) : error.message.toLowerCase()),
    );
  });
}

/** Words that occur in what a client was sent, with where they do. */
const found = (sent: ReadonlyMap<string, string>, words: readonly string[]): string[] =>
  [...sent].flatMap(([where, text]) => words.filter((word) => text.includes(word)).map((word) => `${where}: ${word}`));

/** Cards, idle cards and memory of each holder of the fleet, largest first. */
async function holders(headers: Headers) {
  const [first = new Uint8Array()] = await feedEvents(headers);
  const { hosts } = fromBinary(EventSchema, first);
  return summarize(hosts.map((host) => ({ host, fresh: true }))).holders;
}

const feedHost = async (headers: Headers, name = "dgx") => {
  const answer = await fetch(`${served.url}/feed/host?name=${name}`, { headers });
  return fromBinary(HostSchema, new Uint8Array(await answer.arrayBuffer())).info;
};

test("every route of the views that reads is among those that are asked here", () => {
  const reading = served.parts
    .flatMap(({ routes }) => Object.entries(routes?.routes ?? {}))
    .filter(([, { method, needs }]) => method === "GET" && (needs === "open" || needs === "read"));
  expect(reading.map(([name]) => name).sort()).toEqual(Object.keys(asked).sort());
});

describe.each(["initials", "hidden"] as const)("%s", (users) => {
  test.each(["anonymous", "node", "token to push"] as const)(
    "%s: no name, home folder, command, container, job or uid of a person is in any answer",
    async (who) => {
      privacy.change(users);
      const sent = await surfaces(clients[who]());
      expect(sent.size).toBeGreaterThan(30);
      expect(found(sent, [...people, ...commands, ...places])).toEqual([]);
      // What is asked for is there, so that nothing is clean by being empty.
      for (const path of ["/feed 0", "/feed 2", "application/json /feed/host?name=dgx"])
        expect(sent.get(path)).toMatch(/gpu-[\s\S]*\/home[\s\S]*nas/);
      // Of a message, what it quotes is left out as a whole.
      expect(sent.get("application/json /api/health")).toContain(
        '"notices":["the settings have an error. the previous',
      );
      expect(sent.get(`application/json ${asked.history?.[0]}`)).toContain('"key":"/raid"');
      for (const path of [daily, `${daily}/page`, `${daily}/gpu0_2025-08-01.csv`])
        expect(sent.get(`application/json ${path}`)).toContain("45.67");
    },
  );

  test.each(["viewer", "administrator", "token to read", "token of an administrator"] as const)(
    "%s: sees everything",
    async (who) => {
      privacy.change(users);
      const headers = clients[who]();
      const sent = await surfaces(headers);
      const everything = ["alice", "bob", "carol", "dmitri", "python3", "vllm"];
      for (const path of ["/feed 0", "/feed 2", "application/json /feed/host?name=dgx"])
        for (const word of everything) expect(sent.get(path)).toContain(word);
      for (const word of [...places, "erin", "hopper", "judy"])
        expect(sent.get("application/json /feed/host?name=dgx")).toContain(word);
      expect(sent.get(`application/json ${asked.history?.[0]}`)).toContain('"key":"/home/alice"');
      for (const path of [daily, `${daily}/page`, `${daily}/summary_2025-08-01.txt`])
        expect(sent.get(`application/json ${path}`)).toContain("alice");
      expect(sent.get("application/json /api/health")).toContain("/home/ivan/gohm");
      expect(await feedHost(headers)).toEqual(live.host("dgx")?.info);
    },
  );

  test("the sums of each person are the same as with names, under one alias each", async () => {
    privacy.change(users);
    const named = await holders(clients.viewer());
    const masked = await holders({});
    const sums = (all: typeof named) => all.map(({ cards, idle, memory }) => ({ cards, idle, memory }));
    expect(sums(masked)).toEqual(sums(named));
    expect(named.map(({ user }) => user)).toContain("alice");
    expect(new Set(masked.map(({ user }) => user)).size).toBe(named.length);
    for (const { user } of masked) expect(user).toMatch(users === "hidden" ? /^#\d+$/ : /^[a-z]\.( \d+)?$/);
    // Again, and on the host's own page, they are the same.
    expect(await holders({})).toEqual(masked);
    const own = (await feedHost({}))?.gpus.flatMap(({ procs }) => procs.map(({ username }) => username));
    expect(masked.map(({ user }) => user)).toEqual(expect.arrayContaining(own ?? []));
  });

  test("a machine that waits for approval does not learn whose alias is which", async () => {
    privacy.change(users);
    await feedHost({});
    const info = await feedHost({}, "stranger");
    expect(info?.gpus[0]?.procs).toMatchObject([{ mem: 9n }, {}]);
    expect(info?.gpus[0]?.procs.map(({ username, uid }) => username ?? uid)).toEqual([undefined, undefined]);
    expect(info?.disks).toMatchObject([{ mount: "/home/?" }]);
    expect(info?.err).toBeUndefined();
  });

  test("history is found under the mount point that is shown, and the hidden one is answered like one that is not there", async () => {
    privacy.change(users);
    const mounts = (await feedHost({}))?.disks.map(({ mount = "" }) => mount) ?? [];
    const ask = async (mount: string, headers: Headers = {}) => {
      const query = new URLSearchParams({ host: "dgx", metric: "disk_used", key: mount });
      const answer = await fetch(`${served.url}/api/history?${query}`, { headers });
      return { status: answer.status, body: await answer.text() };
    };
    const home = mounts.find((mount) => mount.startsWith("/home/")) ?? "";
    expect(home).toMatch(users === "hidden" ? /^\/home\/#\d+$/ : /^\/home\/a\.$/);
    expect(JSON.parse((await ask(home)).body).series).toMatchObject([{ key: home, avg: [96] }]);
    expect(JSON.parse((await ask("/home/alice", clients.viewer())).body).series).toMatchObject([
      { key: "/home/alice" },
    ]);
    const [hidden, absent] = [await ask("/home/alice"), await ask("/home/nobody")];
    expect(hidden.status).toBe(404);
    expect(hidden.body.replace("alice", "nobody")).toBe(absent.body);
    expect(new Set(mounts).size).toBe(mounts.length);
  });
});

test("shown: everybody sees everything, as before there was such a setting", async () => {
  const [anonymous, viewer] = [await surfaces({}), await surfaces(clients.viewer())];
  for (const word of ["alice", "python3", "/home/alice"])
    expect(anonymous.get("application/json /feed/host?name=dgx")).toContain(word);
  expect(await feedHost({})).toEqual(live.host("dgx")?.info);
  for (const [path, text] of anonymous)
    if (!/\/feed|\/(me|metrics|sessions)$/.test(path)) expect(without(text)).toBe(without(viewer.get(path) ?? ""));
});

/** Without what differs from answer to answer. */
const without = (text: string): string => text.replace(/^(date|etag): .*$|(?<=#\/sign-in\/)\S+/gm, "");

test("the hub's owner sees everything on the control socket", async () => {
  privacy.change("hidden");
  const answer = await application(served.parts, { log: silent, entry: socket }).request("/feed/host?name=dgx");
  expect(fromBinary(HostSchema, new Uint8Array(await answer.arrayBuffer())).info).toEqual(live.host("dgx")?.info);
});

test("a person has one alias while the hub runs, whatever the setting was meanwhile", async () => {
  const seen = new Map<UserPrivacy, unknown>();
  for (const users of [...userPrivacies, ...userPrivacies]) {
    privacy.change(users);
    const all = await holders({});
    expect(all).toEqual(seen.get(users) ?? all);
    seen.set(users, all);
  }
  expect(seen.size).toBe(3);
});
