// Reports made to exhaust the hub or to deceive those who read it: what they cost, and what others notice meanwhile.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { type OutgoingHttpHeaders, request } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { clean } from "../../proto/clean.ts";
import { type HostInfo, HostInfoSchema } from "../../proto/gen/host_pb.js";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { hostileBodies, sampleType } from "../hostile.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { top } from "../program.ts";

let at: HubFolder;
let hub: RunningHub;
let polled: PlayedHost;
let honest: string;
let peak: number;
let administrator: Readonly<Record<string, string>>;
const sockets: Socket[] = [];
/** Stay open until the hub closes them. */
const stopped: Socket[] = [];
/** Megabytes by which the hub may grow in one attack. */
const mostGrowth = 200;

interface Answered {
  readonly status: number;
  readonly text: string;
}

interface Sent {
  readonly method?: string;
  readonly token?: string;
  /** Address of this machine to send from. */
  readonly from?: string;
  readonly headers?: OutgoingHttpHeaders;
}

/** Sends a request whose headers are as given; the answer may come before the body was sent. */
function post(
  path: string,
  body: string | Uint8Array,
  { method = "POST", token, from, headers }: Sent = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${hub.url}/api/monitoring/${path}`,
      {
        method,
        ...(from === undefined ? {} : { localAddress: from }),
        // A connection of its own: what is not sent of a body must not be taken for the next request.
        agent: false,
        headers: {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...headers,
        },
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (piece: string) => {
          text += piece;
        });
        response.on("error", () => resolve({ status: response.statusCode ?? 0, text }));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      },
    );
    sent.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE" || error.code === "ECONNRESET") resolve({ status: 0, text: "" });
      else reject(error);
    });
    sent.end(body);
  });
}

const json = (path: string, body: unknown, sent: Sent = {}): Promise<Answered> =>
  post(path, JSON.stringify(body), sent);
const sample = (token: string, info: HostInfo | Uint8Array): Promise<Answered> =>
  post("report", info instanceof Uint8Array ? info : toBinary(HostInfoSchema, info), {
    token,
    headers: { "content-type": sampleType },
  });

let names = 0;
/** Registers a machine of its own for one attack. */
async function enrolled(): Promise<{ readonly token: string; readonly hostname: string }> {
  const hostname = `bad${names++}`;
  const { status, text } = await json("register", { hostname, capabilities: {} });
  expect(status).toBe(200);
  return { token: (JSON.parse(text) as { token: string }).token, hostname };
}

interface Series {
  readonly level: string;
  readonly key: string;
  readonly t: number[];
}

async function history(host: string, metric: string): Promise<Series[]> {
  const answer = await fetch(`${hub.url}/api/history?host=${encodeURIComponent(host)}&metric=${metric}&step=0`);
  if (answer.status !== 200) return [];
  // A host that is live has series without samples, too.
  return ((await answer.json()) as { series: Series[] }).series.filter(({ t }) => t.length > 0);
}

interface Refusal {
  readonly address: string;
  readonly host: string | null;
  readonly counts: readonly { readonly code: string; readonly count: number }[];
}

/** What administrators see of the addresses that were refused. */
async function refusals(from: string): Promise<Refusal | undefined> {
  const answer = await fetch(`${hub.url}/api/v1/admin/refusals`, { headers: administrator });
  return ((await answer.json()) as { refusals: Refusal[] }).refusals.find(({ address }) => address === from);
}

/** How often an address was refused with a code. */
const refused = async (from: string, code: string): Promise<number> =>
  (await refusals(from))?.counts.find((one) => one.code === code)?.count ?? 0;

/** What administrators see to be wrong with a host. */
async function troubles(hostname: string): Promise<readonly string[]> {
  const { nodes } = (await (await fetch(`${hub.url}/api/v1/admin/nodes`, { headers: administrator })).json()) as {
    nodes: readonly { name: string; trouble: string[] }[];
  };
  return nodes.find(({ name }) => name === hostname)?.trouble ?? [];
}

function memory(name: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${hub.child.pid}/status`, "utf8");
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024;
}

beforeAll(async () => {
  at = hubFolder();
  polled = await playHost(() => machine(Date.now()));
  at.write({ servers: { polled: polled.address }, poll: { interval: 1 } });
  hub = await startHub(at, { GOHM_PUSH_REGISTER: "open" });
  const { text } = await json("register", { hostname: "honest", capabilities: {} });
  honest = (JSON.parse(text) as { token: string }).token;
  const gohm = [join(top, "dist/gohm.mjs"), "token", "create", "test", "--scope", "admin"];
  const { stdout } = await promisify(execFile)(process.execPath, gohm, { env: { GOHM_DATA: at.data } });
  administrator = { authorization: `Bearer ${stdout.trim()}` };
  peak = memory("VmHWM");
  // Half a head each, which the last test looks for.
  for (let i = 0; i < 3; i++) {
    const socket = connect({ port: Number(new URL(hub.url).port), host: "127.0.0.1", localAddress: "127.0.0.77" });
    socket.on("error", () => {}).resume(); // to be cut off is what is wanted
    socket.write("POST /api/monitoring/report HTTP/1.1\r\n");
    stopped.push(socket);
  }
});

/** Whatever came before: others are answered, and memory is bounded. */
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  expect(await json("report", { hostname: "honest", cpuUsagePct: 5 }, { token: honest })).toMatchObject({
    status: 200,
  });
  expect(memory("VmHWM") - peak).toBeLessThan(mostGrowth);
  peak = Math.max(peak, memory("VmHWM"));
  expect(hub.output()).not.toMatch(/a request failed/);
});

afterAll(async () => {
  for (const socket of stopped) socket.destroy();
  await hub.stop();
  polled.close();
  at.remove();
});

const GPU = { id: 0, uuid: "GPU-1", name: "A100", temp: 40 };
const info = (more: object): HostInfo =>
  create(HostInfoSchema, { hostname: "h", agentVersion: "1", sampled: BigInt(Date.now()), ...more });

test("a gigabyte that is declared is refused before it is sent, with or without a token", async () => {
  const { token, hostname } = await enrolled();
  const headers = { "content-length": 2 ** 30 };
  const from = "127.0.0.81";
  expect(await post("report", "x", { token, headers }).catch((error: Error) => error)).toMatchObject({ status: 413 });
  expect(await post("register", "x", { from, headers }).catch((error: Error) => error)).toMatchObject({ status: 413 });
  expect(await post("report", "x", { from, headers }).catch((error: Error) => error)).toMatchObject({ status: 401 });
  expect(await troubles(hostname)).toEqual([expect.stringContaining("A report was refused: ")]);
  expect([await refused(from, "body_too_large"), await refused(from, "sign_in_needed")]).toEqual([1, 1]);
});

test("a gigabyte that is sent in chunks is cut off", async () => {
  const { token, hostname } = await enrolled();
  const piece = Buffer.alloc(65_536, " ");
  let sent = 0;
  const status = await new Promise<number>((resolve) => {
    const out = request(`${hub.url}/api/monitoring/report`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    });
    out.on("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
      out.destroy();
    });
    out.on("error", () => resolve(0));
    const push = (): void => {
      while (!out.destroyed && sent < 2 ** 30) {
        sent += piece.length;
        if (!out.write(piece)) break;
      }
    };
    out.on("drain", push);
    push();
  });
  expect([413, 0]).toContain(status);
  expect(sent).toBeLessThan(2 ** 30);
  expect(await troubles(hostname)).toEqual([expect.stringContaining("A report was refused: ")]);
});

test.each(hostileBodies)("$name: $status", async ({ type, headers, body, status, trouble }) => {
  const { token, hostname } = await enrolled();
  for (let i = 0; i < 4; i++) {
    const answer = await post("report", body, { token, headers: { "content-type": type, ...headers } });
    // Of a body that is too large, the rest is not read: the answer may be lost with the connection.
    if (answer.status !== 0 || status !== 413) expect(answer.status).toBe(status);
    expect(answer.text.length).toBeLessThan(2000);
  }
  const shown = status === 200 ? (trouble ?? []) : ["A report was refused: "];
  expect(await troubles(hostname)).toEqual(shown.map((text) => expect.stringContaining(text)));
});

test("of ten thousand cards in a sample as many are kept as one machine may have", async () => {
  const { token, hostname } = await enrolled();
  const gpus = Array.from({ length: 10_000 }, (_, id) => ({ id, temp: 40 }));
  expect((await sample(token, info({ gpus }))).status).toBe(200);
  expect((await history(hostname, "gpu_temperature")).length).toBeLessThanOrEqual(256);
  expect(await troubles(hostname)).toEqual([expect.stringContaining("more than 256 devices")]);
});

test("names that change with every report are 256 devices", async () => {
  const { token, hostname } = await enrolled();
  for (let i = 0; i < 40; i++) {
    const nics = Array.from({ length: 50 }, (_, n) => ({ name: `n${i}-${n}`, rxMbps: n, txMbps: 0 }));
    expect((await json("report", { hostname: "h", nics }, { token })).status).toBe(200);
  }
  expect(await history(hostname, "network_receive")).toHaveLength(256);
  expect(await troubles(hostname)).toEqual([expect.stringContaining("more than 256 devices")]);
});

test("texts of a megabyte, hidden characters and what is no UTF-8 are cut and cleaned", async () => {
  const { token, hostname } = await enrolled();
  const bad = "\u202e<script>alert(1)</script>\u001b[2J\u0000\"},{'=HYPERLINK(1)\n";
  const long = "x".repeat(900_000);
  expect(
    (await json("report", { hostname: long, gpus: [{ index: 0, name: bad, utilizationPct: 1 }] }, { token })).status,
  ).toBe(200);
  expect(
    (await sample(token, info({ hostname: bad, nics: [{ name: `${bad}${long}`, rxRate: 1n }], err: bad }))).status,
  ).toBe(200);
  const raw = Buffer.concat([
    Buffer.from('{"hostname": "h", "nics": [{"name": "'),
    Buffer.from([0xff, 0xc0, 0x80, 0xed, 0xa0, 0x80]),
    Buffer.from('", "rxMbps": 1}]}'),
  ]);
  expect((await post("report", raw, { token })).status).toBe(200);
  const keys = (await history(hostname, "network_receive")).map(({ key }) => key);
  expect(keys).toHaveLength(2);
  for (const key of keys) {
    expect(key).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    expect(Buffer.byteLength(key)).toBeLessThanOrEqual(256);
  }
  expect(await troubles(hostname)).toEqual([expect.stringContaining(" KiB, far more than usual")]);
});

test.each([
  "<script>alert(1)</script>",
  "=cmd|' /C calc'!A0",
  'a",b="c',
  "{a}",
  "a\nb",
  "\u202egpu",
  "../../etc",
  "x".repeat(300),
])("%j is no host name", async (hostname) => {
  const from = "127.0.0.82";
  const before = await refused(from, "bad_request");
  expect((await json("register", { hostname, capabilities: {} }, { from })).status).toBe(400);
  expect(await refused(from, "bad_request")).toBe(before + 1);
  expect((await refusals(from))?.host).toBe(clean(hostname, 64));
});

test("cards with one id are one series, and values that cannot be are absent", async () => {
  const { token, hostname } = await enrolled();
  const same = Array.from({ length: 50 }, (_, i) => ({ ...GPU, temp: 40 + i }));
  expect((await sample(token, info({ gpus: same }))).status).toBe(200);
  expect((await history(hostname, "gpu_temperature")).map(({ key, t }) => [key, t.length])).toEqual([["GPU-1", 1]]);
  const impossible = {
    index: 1,
    utilizationPct: 1e308,
    memoryUsedMB: -1,
    memoryTotalMB: 1e300,
    temperatureC: 5000,
    powerDrawW: 1e9,
  };
  expect((await json("report", { hostname: "h", gpus: [impossible], loadAvg: [1e308] }, { token })).status).toBe(200);
  expect(await history(hostname, "gpu_power")).toEqual([]);
  expect(await troubles(hostname)).toEqual([expect.stringContaining("49 of 50 GPUs have the id of another one")]);
});

test("times of 1970 and 2500 are refused or dated by the hub, and a sample that comes again counts once", async () => {
  const { token, hostname } = await enrolled();
  const before = Date.now();
  expect((await sample(token, info({ sampled: 0n, gpus: [GPU] }))).status).toBe(400);
  expect((await sample(token, info({ sampled: BigInt(Date.UTC(1970, 0, 2)), gpus: [GPU] }))).status).toBe(400);
  const again = info({ gpus: [{ ...GPU, sampled: undefined }] });
  for (let i = 0; i < 5; i++) expect((await sample(token, again)).status).toBe(200);
  expect((await history(hostname, "gpu_temperature")).map(({ t }) => t)).toEqual([[Number(again.sampled)]]);
  expect((await sample(token, info({ sampled: BigInt(Date.UTC(2500, 0, 1)), gpus: [GPU] }))).status).toBe(200);
  const [series] = await history(hostname, "gpu_temperature");
  expect(series?.t).toHaveLength(2);
  expect(series?.t.every((time) => time >= before && time <= Date.now())).toBe(true);
  expect(await troubles(hostname)).toEqual(
    expect.arrayContaining([expect.stringContaining("A report was refused: "), expect.stringMatching(/clock/)]),
  );
});

test("a token is for its own machine, and one that is made up for none", async () => {
  const [one, other] = [await enrolled(), await enrolled()];
  expect((await json("report", { hostname: other.hostname, cpuUsagePct: 99 }, { token: one.token })).status).toBe(200);
  expect(await history(other.hostname, "cpu_utilization")).toEqual([]);
  const from = "127.0.0.83";
  for (const token of ["", "x", `${one.token}x`, one.token.slice(1), "__proto__"]) {
    expect((await json("report", { hostname: one.hostname }, { token, from })).status).toBe(401);
  }
  expect(await refused(from, "sign_in_needed")).toBe(5);
});

test("requests that stop half-way keep nobody from being answered", async () => {
  const { token } = await enrolled();
  const { port } = new URL(hub.url);
  const head = `POST /api/monitoring/report HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer ${token}\r\n`;
  for (let i = 0; i < 300; i++) {
    const socket = connect(Number(port), "127.0.0.1");
    socket.on("error", () => {}); // to be cut off is what is wanted
    socket.write(i % 3 === 0 ? head : `${head}Content-Length: 1000000\r\n\r\n{"hostname": "${"x".repeat(i)}`);
    sockets.push(socket);
  }
  await vi.waitFor(async () => {
    const { status } = await json("report", { hostname: "honest" }, { token: honest });
    expect(status).toBe(200);
  });
  const others = await enrolled();
  expect((await json("report", { hostname: "h" }, { token: others.token })).status).toBe(200);
});

test("requests that stopped half-way are seen once the hub has closed their connections", async () => {
  await vi.waitFor(async () => expect(await refused("127.0.0.77", "request_too_slow")).toBe(3), { timeout: 20_000 });
});

test("after all of that the polled machine is asked as before", async () => {
  const calls = polled.calls();
  await vi.waitFor(() => expect(polled.calls()).toBeGreaterThan(calls + 1), { timeout: 20_000 });
  expect((await history("polled", "cpu_utilization"))[0]?.t.length).toBeGreaterThan(1);
});
