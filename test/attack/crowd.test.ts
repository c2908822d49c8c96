// Two addresses that take every connection of the page's port, in each way that costs them nothing, and take back what they lose.
import { execFile, spawn } from "node:child_process";
import { Agent, get, type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { programOf, top } from "../program.ts";

let at: HubFolder;
let hub: RunningHub;
let port: number;
/** Of the machine at 127.0.0.3, and of one behind the same address as an attacker. */
let honest: string;
let neighbour: string;
let administrator: string;
let crowd: Crowd | undefined;
const agents: Agent[] = [];

beforeAll(async () => {
  at = hubFolder();
  at.write({ servers: {} });
  hub = await startHub(at, { GOHM_PUSH_REGISTER: "open" });
  port = Number(new URL(hub.url).port);
  honest = await registered("honest", "127.0.0.3");
  neighbour = await registered("neighbour", "127.0.0.1");
  administrator = await adminToken(at);
});

afterEach(() => {
  crowd?.leave();
  crowd = undefined;
  for (const agent of agents.splice(0)) agent.destroy();
});

afterAll(async () => {
  await hub?.stop();
  at?.remove();
});

async function adminToken({ data }: HubFolder): Promise<string> {
  const args = [join(top, "dist/gohm.mjs"), "token", "create", "test", "--scope", "admin"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { GOHM_DATA: data } });
  return stdout.trim();
}

interface Asked {
  readonly from: string;
  readonly token?: string;
  readonly body?: string;
  readonly agent?: Agent | false;
  readonly url?: string;
}

/** The status of an answer; 0 if the connection was closed before. */
function statusOf(path: string, { from, token, body, agent = false, url = hub.url }: Asked): Promise<number> {
  return new Promise((resolve) => {
    const sent = request(`${url}${path}`, {
      method: body === undefined ? "GET" : "POST",
      localAddress: from,
      agent,
      headers: {
        ...(body === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
    });
    sent.on("response", (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    });
    sent.on("error", () => resolve(0));
    sent.end(body);
  });
}

async function registered(hostname: string, from: string, url = hub.url): Promise<string> {
  const body = JSON.stringify({ hostname, capabilities: {} });
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const sent = request(`${url}/api/monitoring/register`, {
      method: "POST",
      localAddress: from,
      agent: false,
      headers,
    });
    sent.on("error", reject);
    sent.on("response", async (response: IncomingMessage) => {
      resolve((JSON.parse((await response.toArray()).join("")) as { token: string }).token);
    });
    sent.end(body);
  });
}

const report = (token: string, from: string, agent: Agent | false = false, url = hub.url): Promise<number> =>
  statusOf("/api/monitoring/report", { from, token, agent, url, body: '{"hostname": "h", "cpuUsagePct": 5}' });

/** Connections of some addresses: what each sends at first, and then again and again. */
interface Behaviour {
  readonly says: string;
  readonly dribbles?: string;
}

/** Keeps a number of connections open, reads nothing, and opens another for each that is closed. */
class Crowd {
  readonly #behaviour: Behaviour;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  #timer: NodeJS.Timeout | undefined;
  /** Connections that may still be opened. */
  #left = 1600;
  #gone = false;

  constructor(behaviour: Behaviour, to: number) {
    this.#behaviour = behaviour;
    this.#port = to;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** Resolves once that many were opened from each address. */
  async come(addresses: readonly string[], each: number): Promise<void> {
    for (let left = each; left > 0; left -= 50) {
      const some = Array.from({ length: Math.min(50, left) }, () => addresses).flat();
      await Promise.all(some.map((from) => this.#open(from)));
    }
    const { dribbles } = this.#behaviour;
    if (dribbles === undefined) return;
    this.#timer = setInterval(() => {
      for (const socket of this.#sockets) socket.write(dribbles);
    }, 1000);
  }

  leave(): void {
    this.#gone = true;
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.destroy();
  }

  #open(from: string): Promise<void> {
    if (this.#gone || this.#left-- <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const socket = connect({ port: this.#port, host: "127.0.0.1", localAddress: from });
      this.#sockets.add(socket);
      socket.on("error", () => {}); // to be closed is what is wanted
      socket.once("connect", () => {
        socket.write(this.#behaviour.says);
        resolve();
      });
      socket.once("close", () => {
        this.#sockets.delete(socket);
        resolve();
        setImmediate(() => void this.#open(from));
      });
    });
  }
}

const head = "POST /api/monitoring/report HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
const ask = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

const behaviours: readonly (readonly [string, Behaviour])[] = [
  ["open and silent", { says: "" }],
  ["half a head", { says: head }],
  [
    "half a sign-in, a byte at a time",
    {
      says: `${head.replace("monitoring/report", "v1/session")}Content-Length: 4000\r\n\r\n{`,
      dribbles: " ",
    },
  ],
  ["live pages that nobody reads", { says: ask("/feed") }],
  ["idle after a request", { says: ask("/api/health") }],
];

interface Refusal {
  readonly address: string;
  readonly counts: readonly { readonly reason: string; readonly count: number }[];
}

async function refusals(): Promise<readonly Refusal[]> {
  const headers = { authorization: `Bearer ${administrator}` };
  const answer = await fetch(`${hub.url}/api/v1/admin/refusals`, { headers });
  return ((await answer.json()) as { refusals: Refusal[] }).refusals;
}

test.each(behaviours)(
  "connections that are %s keep out no machine and no person from an address that has fewer",
  async (_, behaviour) => {
    const keeping = new Agent({ keepAlive: true, maxSockets: 1 });
    agents.push(keeping);
    expect(await report(honest, "127.0.0.3", keeping)).toBe(200);
    // A person whose page is open, and a report that is on its way from the very address of an attacker.
    const page = get(`${hub.url}/feed`, {
      localAddress: "127.0.0.4",
      headers: { authorization: `Bearer ${administrator}` },
    });
    const opened = new Promise<IncomingMessage>((resolve) => page.once("response", resolve));
    let ended = false;
    page.on("error", () => {
      ended = true;
    });
    (await opened).resume().once("close", () => {
      ended = true;
    });
    const half = '{"hostname": "h", ';
    const slow = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.1" });
    let heard = "";
    slow.on("data", (piece) => {
      heard += String(piece);
    });
    slow.write(`${head}Authorization: Bearer ${neighbour}\r\nContent-Length: ${half.length + 17}\r\n\r\n${half}`);
    crowd = new Crowd(behaviour, port);
    await crowd.come(["127.0.0.1", "127.0.0.2"], 540);
    const statuses: number[] = [];
    for (let i = 0; i < 10; i++) {
      statuses.push(await report(honest, "127.0.0.3", i % 2 === 0 ? false : keeping));
      statuses.push(await statusOf("/api/v1/me", { from: "127.0.0.5" }));
    }
    expect(statuses).toEqual(Array.from({ length: 20 }, () => 200));
    expect(ended).toBe(false);
    slow.write('"cpuUsagePct": 5}');
    await vi.waitFor(() => expect(heard).toMatch(/^HTTP\/1\.1 200 /));
    // A machine behind the address of an attacker gets in, too.
    expect(await report(neighbour, "127.0.0.1")).toBe(200);
    page.destroy();
    slow.destroy();
  },
);

test("administrators see which addresses had too many connections, and nobody else does", async () => {
  const found = await refusals();
  for (const address of ["127.0.0.1", "127.0.0.2"]) {
    const { counts = [] } = found.find((one) => one.address === address) ?? {};
    expect(counts.find(({ reason }) => reason === "crowd")?.count).toBeGreaterThan(0);
  }
  expect(found.some(({ address }) => address === "127.0.0.3" || address === "127.0.0.4")).toBe(false);
  expect(await statusOf("/api/v1/admin/refusals", { from: "127.0.0.5" })).toBe(401);
});

test("a hub that may open few files keeps some for itself: its machines report, and its commands work", async () => {
  const other = hubFolder();
  const few = { GOHM_SETTINGS: other.settings, GOHM_DATA: other.data, GOHM_PUSH_REGISTER: "open" };
  const addresses = { GOHM_HUB_ADDR: "127.0.0.1:0", GOHM_HISTORY_ADDR: "127.0.0.1:0" };
  other.write({ servers: {} });
  const limited = ["-c", 'ulimit -n 256 && exec "$@"', "sh", process.execPath, join(top, "dist/gohm.mjs")];
  const child = spawn("sh", limited, {
    env: { PATH: process.env.PATH, ...few, ...addresses },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const program = programOf(child, "gohm.mjs");
  try {
    const [, url = ""] = await program.line(/hub ready: (http:\/\/\S+) /);
    const token = await registered("few", "127.0.0.3", url);
    crowd = new Crowd({ says: ask("/feed") }, Number(new URL(url).port));
    await crowd.come(["127.0.0.1", "127.0.0.2"], 80);
    for (let i = 0; i < 10; i++) expect(await report(token, "127.0.0.3", false, url)).toBe(200);
    expect(await adminToken(other)).not.toBe("");
    expect(program.output()).toMatch(/may open only few files .* takes 64 connections/);
    expect(program.output()).not.toMatch(/EMFILE/);
  } finally {
    await program.stop();
    other.remove();
  }
});
