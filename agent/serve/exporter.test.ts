import { once } from "node:events";
import { type IncomingHttpHeaders, request } from "node:http";
import { connect, type Socket } from "node:net";
import { gunzipSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { afterEach, expect, test } from "vitest";
import { type HostInfo, HostInfoSchema } from "../../proto/gen/host_pb.js";
import { readExposition } from "../../test/exposition.ts";
import { parseAllow } from "../allow.ts";
import { type ExporterOptions, type ExporterServer, serveExporter } from "./exporter.ts";

let server: ExporterServer | undefined;
afterEach(async () => {
  await server?.close(0);
  server = undefined;
});

const nics = Array.from({ length: 20 }, (_, i) => ({ name: `eth${i}`, rxBytes: 1n }));
const info = create(HostInfoSchema, { hostname: "box", system: { uptime: 9n }, nics });

async function open(options: Partial<ExporterOptions> = {}): Promise<ExporterServer> {
  const at = { address: "127.0.0.1:0", setting: "GOHM_METRICS_ADDR" };
  server = await serveExporter(at, {
    allow: parseAllow("127.0.0.1"),
    collect: () => Promise.resolve(info),
    log: () => undefined,
    ticks: () => 0,
    node: undefined,
    version: "1.2.3",
    off: new Set(),
    dcgm: "",
    ...options,
  });
  return server;
}

interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

async function get(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Got> {
  const asked = request({ host: "127.0.0.1", port: server?.port, path, headers, method, agent: false });
  asked.end();
  const [response] = await once(asked, "response");
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(pieces) };
}

/** Everything the server says to these bytes until it hangs up. */
async function say(bytes: string): Promise<string> {
  const socket = connect(server?.port ?? 0, "127.0.0.1");
  socket.on("error", () => undefined); // being reset is as good as being closed
  let text = "";
  socket.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  socket.write(bytes);
  await once(socket, "close");
  return text;
}

test("tells the format it speaks, and speaks it", async () => {
  await open();
  const plain = await get("/metrics");
  expect(plain.headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(readExposition(plain.body.toString(), "text").length).toBeGreaterThan(1);
  const openMetrics = await get("/metrics", { accept: "application/openmetrics-text;version=1.0.0,text/plain;q=0.5" });
  expect(openMetrics.headers["content-type"]).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
  expect(readExposition(openMetrics.body.toString(), "openmetrics").length).toBeGreaterThan(1);
});

test("packs a long answer for those who can unpack it", async () => {
  await open();
  const plain = await get("/metrics");
  const packed = await get("/metrics", { "accept-encoding": "gzip" });
  expect(packed.headers["content-encoding"]).toBe("gzip");
  expect(gunzipSync(packed.body)).toEqual(plain.body);
  expect(plain.headers["content-encoding"]).toBeUndefined();
  expect((await get("/health", { "accept-encoding": "gzip" })).headers["content-encoding"]).toBeUndefined();
});

test.each(["/metrics", "/metrics/json", "/node", "/health"])(
  "HEAD %s has the headers of GET and no body",
  async (path) => {
    await open();
    const [whole, head] = [await get(path), await get(path, {}, "HEAD")];
    expect(head.status).toBe(200);
    expect(head.body.length).toBe(0);
    expect(head.headers["content-length"]).toBe(String(whole.body.length));
  },
);

const json = async (path: string) => {
  const { headers, body } = await get(path);
  expect(headers["content-type"]).toBe("application/json");
  return JSON.parse(body.toString());
};

test("/metrics/json has the names that it had beside those of /node", async () => {
  const memory = { total: 3000n, used: 1000n };
  const cpu = { busy: 12.5, threads: 3 };
  await open({
    node: "n1",
    collect: async () => create(HostInfoSchema, { hostname: "box", system: { uptime: 9n }, memory, cpu }),
  });
  const node = await json("/node?x=1");
  const percents = { cpu_usage_percent: 12.5, cpu_used_cores: 0.38, memory_usage_percent: 33.33 };
  expect(node).toMatchObject({ hostname: "box", node: "n1", uptime_secs: 9, gpu_devices: [], ...percents });
  const old = { cpu_usage: 12.5, memory_total: 3000, memory_used: 1000, uptime: 9 };
  expect(await json("/metrics/json")).toEqual({ ...node, ...old });
  expect(node).not.toHaveProperty("uptime");
});

test("a node may be called nothing at all", async () => {
  await open({ node: "" });
  expect(await json("/node")).toMatchObject({ hostname: "box", node: "" });
  expect((await get("/metrics")).body.toString()).toContain('hw_node_uptime_seconds{node=""} 9\n');
});

test("the first scrape waits until the CPU has a share, and no later one does", async () => {
  let now = 0;
  let collections = 0;
  const collect = async () => {
    collections++;
    return create(HostInfoSchema, { cpu: { threads: 4, ...(collections === 2 && { busy: 50 }) } });
  };
  await open({ collect, ticks: () => now });
  now = 1000;
  const first = (await get("/metrics")).body.toString();
  expect(first).toContain('hw_cpu_usage_percent{node=""} 50\n');
  expect(first).toContain('hw_cpu_used_cores{node=""} 2\n');
  now = 5000;
  expect((await get("/metrics")).body.toString()).not.toContain("hw_cpu_usage");
  expect(collections).toBe(3);
});

test("is alive at once, and ready when the first reading was made", async () => {
  const { ready } = await open();
  const healthy = { status: "healthy", version: "1.2.3" };
  const answer = async (path: string) => {
    const { status, headers, body } = await get(path);
    expect(headers["content-type"]).toBe("application/json");
    return [status, JSON.parse(body.toString())];
  };
  for (const path of ["/health", "/healthz", "/livez"]) expect(await answer(path), path).toEqual([200, healthy]);
  expect(await answer("/ready")).toEqual([503, { ...healthy, status: "not ready" }]);
  ready();
  expect(await answer("/ready")).toEqual([200, healthy]);
});

test("probes make no reading", async () => {
  let readings = 0;
  await open({ collect: () => Promise.resolve(info).finally(() => readings++) });
  for (const path of ["/health", "/healthz", "/ready", "/livez", "/"]) await get(path);
  expect(readings).toBe(0);
});

test("what is not there is refused with what is, what is not GET with what may be", async () => {
  await open();
  const missing = await get("/metric");
  expect(missing.status).toBe(404);
  expect(missing.body.toString()).toContain("/metrics/json");
  const post = await get("/metrics", {}, "POST");
  expect(post).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
  expect((await get("/nothing", {}, "DELETE")).status).toBe(404);
});

test("a reading that fails is a 500 whose reason stands in the log, not in the answer", async () => {
  const lines: string[] = [];
  await open({ collect: () => Promise.reject(new Error("secret path")), log: (line) => lines.push(line) });
  const { status, body } = await get("/metrics");
  expect(status).toBe(500);
  expect(body.toString()).not.toContain("secret");
  expect(lines).toEqual(["exporter: Error: secret path"]);
});

test("a scraper that asks for text by name gets the types of the earlier exporter", async () => {
  await open();
  const old = await get("/metrics", { accept: "text/plain;version=0.0.4;q=1,*/*;q=0.1" });
  expect(old.body.toString()).toContain("# TYPE hw_node_uptime_seconds counter\n");
  expect((await get("/metrics")).body.toString()).toContain("# TYPE hw_node_uptime_seconds untyped\n");
});

test("a peer outside the networks is reset before it says a word", async () => {
  const lines: string[] = [];
  const { port } = await open({ allow: parseAllow("127.0.0.2"), log: (line) => lines.push(line) });
  const socket = connect(port, "127.0.0.1");
  const [error] = await once(socket, "error");
  expect(error.code).toBe("ECONNRESET");
  expect(lines).toEqual(["Reject: 127.0.0.1"]);
});

const short = { request: 60, answer: 60, reading: 60, idle: 60 };
const long = { request: 20_000, answer: 20_000, reading: 20_000, idle: 20_000 };

test.each([
  ["says nothing", ""],
  ["stops in the middle of its headers", "GET /metrics HTTP/1.1\r\nHost: x\r\n"],
])("a client that %s is hung up on", async (_, bytes) => {
  await open({ patience: { ...long, request: 60 } });
  expect(await say(bytes)).toBe("");
});

test("a client that comes back no more is hung up on", async () => {
  await open({ patience: { ...long, idle: 60 } });
  expect(await say("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*healthy[^\n]*\n$/);
});

test("a client that asks and does not read is hung up on", async () => {
  const nics = Array.from({ length: 50_000 }, (_, i) => ({ name: `${"x".repeat(200)}${i}`, rxBytes: 1n }));
  const big: HostInfo = create(HostInfoSchema, { nics });
  let asked = (): void => undefined;
  const reading = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const collect = () => Promise.resolve(big).finally(asked);
  const { port, close } = await open({ collect, patience: { ...long, reading: 500 } });
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined); // the reset, once somebody looks
  socket.pause();
  socket.write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  await reading;
  // Resolves when the last one is gone, which the client will not be by itself.
  await close(60_000);
  server = undefined;
  socket.destroy();
});

test("a client that asks for more than four things at once is hung up on", async () => {
  await open();
  const ask = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
  expect(await say(ask.repeat(5))).toBe("");
  expect(await say(ask.repeat(3) + ask.replace("Host", "Connection: close\r\nHost"))).toMatch(/(200 OK[\s\S]*){4}/);
});

test("an address has sixteen places: a further connection takes that of one that says nothing, then the longest idle one's", async () => {
  const { port } = await open({ patience: long });
  const gone: string[] = [];
  const dial = async (name: string, ask = ""): Promise<Socket> => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined).once("close", () => gone.push(name));
    await once(socket, "connect");
    if (ask === "") return socket.resume();
    socket.write(ask);
    await once(socket, "data");
    return socket.resume();
  };
  const ask = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
  const sockets: Socket[] = [];
  for (let i = 0; i < 15; i++) sockets.push(await dial(`idle ${i}`, ask));
  sockets.push(await dial("silent"));
  expect(gone).toEqual([]);
  for (const name of ["a", "b"]) sockets.push(await dial(name, ask));
  await expect.poll(() => gone).toEqual(["silent", "idle 0"]);
  for (const socket of sockets) socket.destroy();
});

test("noise, headers without end, and a body nobody wants are refused, and the next client is served", async () => {
  await open();
  expect(await say("\x16\x03\x01 noise\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
  expect(await say(`GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}`)).toMatch(/^HTTP\/1\.1 431 /);
  expect(await say("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nabc")).toMatch(
    /^HTTP\/1\.1 405 [\s\S]*Connection: close/,
  );
  expect((await get("/health")).status).toBe(200);
});

test("closing lets an answer under way finish and hangs up on the idle", async () => {
  let give = (_: HostInfo): void => undefined;
  const asked = new Promise<void>((resolve) => {
    open({
      patience: long,
      collect: () => {
        resolve();
        return new Promise((done) => {
          give = done;
        });
      },
    });
  });
  await expect.poll(() => server !== undefined).toBe(true);
  const idle = connect(server?.port ?? 0, "127.0.0.1");
  await once(idle, "connect");
  const answer = get("/node");
  await asked;
  const closed = server?.close(10_000);
  await once(idle.resume(), "close");
  give(info);
  expect((await answer).status).toBe(200);
  await closed;
  server = undefined;
});

test("slow clients are many and cost nobody else a thing", async () => {
  const { port } = await open({ patience: short });
  const silent = Array.from({ length: 100 }, () => connect(port, "127.0.0.1"));
  const gone = Promise.all(silent.map((socket) => once(socket.resume(), "close")));
  expect((await get("/health")).status).toBe(200);
  await gone;
});
