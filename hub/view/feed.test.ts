import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Event, EventSchema } from "../../proto/gen/feed_pb.js";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { openFront } from "../../test/door.ts";
import { viewOf } from "../../test/view.ts";
import { application } from "../http/application.ts";
import { listen, type WebServer } from "../http/server.ts";
import { Live } from "../live.ts";
import { silent } from "../log.ts";
import { Privacy } from "../privacy.ts";
import { type EntryPoint, offered } from "../who.ts";
import { feed } from "./feed.ts";
import type { RunningView } from "./view.ts";

let now = 0;
let read: "open" | "login" = "open";
/** Names in the header x-user that have a session. */
let signedIn: Set<string>;
let live: Live;
let privacy: Privacy;
let timers: (() => void)[] = [];
let folder = "";
let open: RunningView;
let web: WebServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-feed-"));
  now = 1_800_000_000_000;
  [read, timers] = ["open", []];
  live = new Live(() => now);
  live.expect("a", "x:1");
  privacy = new Privacy({ now: () => now, users: "shown" });
  // Time passes when a test says so, and nothing happens by itself.
  const after = (_ms: number, run: () => void) => {
    timers.push(run);
    return () => {
      timers = timers.filter((timer) => timer !== run);
    };
  };
  const view = viewOf({ live, clock: { now: () => now, after }, web: folder, privacy });
  open = await feed.open(view, {});
  signedIn = new Set(["ann"]);
  const entry: EntryPoint = {
    offers: offered,
    open: () => read === "open",
    identify(head) {
      const name = head.header("x-user") ?? "";
      return signedIn.has(name) ? { kind: "viewer", name, origin: "" } : { kind: "anonymous", origin: "" };
    },
  };
  web = await listen(application([open], { log: silent, entry }), {
    address: "127.0.0.1:0",
    front: openFront,
    names: () => [],
    log: silent,
  });
});

afterEach(async () => {
  await open.close();
  await web.close();
  rmSync(folder, { recursive: true });
});

/** A viewer that stays, and its first event. */
async function join_(): Promise<Event> {
  const answer = await fetch(`http://127.0.0.1:${web.port}/feed`);
  let text = "";
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  while (!text.includes("\n\n")) text += (await reader?.read())?.value ?? "";
  return fromBinary(EventSchema, Buffer.from(/^data: (.*)$/m.exec(text)?.[1] ?? "", "base64"));
}

test("every viewer's first event carries the hub's clock of that moment, however long the others have been there", async () => {
  expect((await join_()).now).toBe(1_800_000_000_000n);
  now += 13_500;
  expect((await join_()).now).toBe(1_800_000_013_500n);
  now -= 3_600_000;
  expect((await join_()).now).toBe(BigInt(now));
});

test("the first event names the script of the page that is there now, also after a new build, and none during one", async () => {
  const index = join(folder, "index.html");
  expect((await join_()).page).toBe("");
  writeFileSync(index, '<script type="module" src="app-AAAAAAAA.js"></script>');
  now += 2000;
  expect((await join_()).page).toBe("app-AAAAAAAA.js");
  rmSync(index);
  now += 2000;
  expect((await join_()).page).toBe("");
  writeFileSync(index, '<title>x</title><script type="module" src="app-BBBBBBBB.js"></script>');
  now += 2000;
  expect((await join_()).page).toBe("app-BBBBBBBB.js");
});

test("a viewer is disconnected seconds after losing the right to read, and its browser is told to sign in", async () => {
  const answer = await fetch(`http://127.0.0.1:${web.port}/feed`);
  const reader = answer.body?.getReader();
  await reader?.read();
  const step = (): void => {
    live.notice("step", `${now}`);
    for (const run of timers.splice(0)) run();
  };
  now += 5000;
  step();
  read = "login";
  now += 4000;
  step();
  expect((await reader?.read())?.done).toBe(false);
  now += 1000;
  step();
  await expect(
    (async () => {
      while (!(await reader?.read())?.done);
    })(),
  ).rejects.toThrow();
  expect((await fetch(`http://127.0.0.1:${web.port}/feed`)).status).toBe(401);
});

/** A viewer that stays: the names of users that each of its events has, and whether it was disconnected. */
async function follow(user = "") {
  const answer = await fetch(`http://127.0.0.1:${web.port}/feed`, { headers: { "x-user": user } });
  const seen = { users: [] as string[][], cut: false };
  let text = "";
  const take = async (): Promise<void> => {
    for await (const piece of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += piece;
      const events = text.split("\n\n").slice(0, -1);
      seen.users = events.map((event) => {
        const { hosts } = fromBinary(EventSchema, Buffer.from(/^data: (.*)$/m.exec(event)?.[1] ?? "", "base64"));
        return hosts.flatMap(({ info }) => info?.gpus[0]?.procs.map(({ username = "?" }) => username) ?? []);
      });
    }
  };
  take().catch(() => {
    seen.cut = true;
  });
  await vi.waitFor(() => expect(seen.users.length).toBeGreaterThan(0));
  return seen;
}

const uses = (...users: string[]): void =>
  live.received("a", create(HostInfoSchema, { gpus: [{ id: 0, procs: users.map((username) => ({ username })) }] }));

const tick = (): void => {
  now += 1000;
  live.notice("tick", `${now}`);
  // The beat that was set before it is not due.
  timers.pop()?.();
};

test("a change of privacy.users disconnects at once those who now see more or less, before anything else is sent to them", async () => {
  uses("alice");
  const [stranger, ann] = [await follow(), await follow("ann")];
  privacy.change("hidden");
  await vi.waitFor(() => expect(stranger.cut).toBe(true));
  const again = await follow();
  uses("alice", "bob");
  tick();
  await vi.waitFor(() => expect(ann.users).toEqual([["alice"], ["alice", "bob"]]));
  await vi.waitFor(() => expect(again.users).toEqual([["#1"], ["#1", "#2"]]));
  expect(stranger.users).toEqual([["alice"]]);
  privacy.change("initials");
  await vi.waitFor(() => expect(again.cut).toBe(true));
  expect((await follow()).users).toEqual([["a.", "b."]]);
  privacy.change("shown");
  expect((await follow()).users).toEqual([["alice", "bob"]]);
  expect(ann.cut).toBe(false);
});

test("who signs out gets no more names from a feed that is open, and who signed in since gets them", async () => {
  privacy.change("initials");
  uses("alice");
  const [ann, eve] = [await follow("ann"), await follow("eve")];
  expect([ann.users, eve.users]).toEqual([[["alice"]], [["a."]]]);
  signedIn = new Set(["eve"]);
  now += 4000;
  uses("alice", "bob");
  tick();
  await vi.waitFor(() => expect([ann.cut, eve.cut]).toEqual([true, true]));
  expect(ann.users).toEqual([["alice"]]);
  expect((await follow("eve")).users).toEqual([["alice", "bob"]]);
});

test("hosts are encoded once for all viewers, and a second time only if some of them may not see the users", async () => {
  uses("alice");
  const read = vi.spyOn(live, "hosts");
  const perTick = (): number => {
    read.mockClear();
    tick();
    return read.mock.calls.length;
  };
  for (const user of ["", "", "ann"]) await follow(user);
  expect(perTick()).toBe(1);
  privacy.change("hidden");
  // Ann is left.
  expect(perTick()).toBe(1);
  const strangers = [await follow(), await follow()];
  expect(perTick()).toBe(2);
  privacy.change("shown");
  await vi.waitFor(() => expect(strangers.map(({ cut }) => cut)).toEqual([true, true]));
  expect(perTick()).toBe(1);
});
