import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { expositionFor } from "../../program/accept.ts";
import { trackRequests } from "../../program/connections.ts";
import { type ListenAddress, makeListener } from "../../program/listen.ts";
import type { HostInfo } from "../../proto/gen/host_pb.js";
import { hardware, metrics } from "../../proto/hardware.ts";
import { exporterInput } from "../../proto/reading.ts";
import { contentType, exposition } from "../../proto/text.ts";
import type { Allow } from "../allow.ts";
import { gzipFor } from "./exporter/accept.ts";
import { type ConnectionTimeouts, ScrapeConnections, defaultTimeouts as usual } from "./exporter/connections.ts";
import { type DcgmNames, dcgm } from "./exporter/dcgm.ts";
import { metricsObject, nodeObject } from "./exporter/node.ts";

/** Options of the metrics' content. */
export interface MetricOptions {
  /** Value of the `node` label; the host name if undefined. */
  readonly node: string | undefined;
  /** Version of this program. */
  readonly version: string;
  /** Disabled keys of [metrics.enabled]. */
  readonly off: ReadonlySet<string>;
  /** Metric names of dcgm-exporter to add; "" for none. */
  readonly dcgm: DcgmNames | "";
}

export interface ExporterOptions extends MetricOptions {
  readonly allow: Allow;
  /** Shared by concurrent callers; never takes longer than the deadline of a reading. */
  readonly collect: () => Promise<HostInfo>;
  readonly log: (line: string) => void;
  readonly ticks: () => number;
  readonly patience?: ConnectionTimeouts;
}

export interface ExporterServer {
  readonly port: number;
  /** Makes /ready succeed from now on. */
  ready(): void;
  /** Lets answers under way finish for up to `grace` milliseconds. */
  close(grace: number): Promise<void>;
}

/** A metric in the documents, with the key that disables it. */
export interface ListedMetric {
  readonly name: string;
  readonly help: string;
  readonly key: string;
}

/** All metrics of the exporter, those of the catalogue and its own. */
export const listedMetrics: readonly ListedMetric[] = metrics.map(({ name, help, key }) => ({ name, help, key }));

interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const text = "text/plain; charset=utf-8";
const plain = (status: number, words: string): HttpAnswer => ({ status, type: text, body: `${words}\n` });
const json = (status: number, value: object): HttpAnswer => ({
  status,
  type: "application/json",
  body: `${JSON.stringify(value)}\n`,
});

/** Milliseconds between two CPU readings that yield a utilization, plus a margin for early timers. */
const cpuSpanMs = 1010;

/**
 * Collects. In the first second after the start, collects once more if CPU utilization is not known yet: the earlier exporter
 * had it in every scrape.
 */
function withCpu({ collect, ticks }: ExporterOptions): ExporterOptions["collect"] {
  const begun = ticks();
  return async () => {
    const info = await collect();
    const left = begun + cpuSpanMs - ticks();
    if (info.cpu === undefined || info.cpu.busy !== undefined || left <= 0) return info;
    await pause(left);
    return await collect();
  };
}

type Page = (request: IncomingMessage) => HttpAnswer | Promise<HttpAnswer>;

function pages(options: ExporterOptions, isReady: () => boolean): ReadonlyMap<string, Page> {
  const collect = withCpu(options);
  const scene = async () => exporterInput(await collect(), options.node);
  const state = (status: number, word: string) => json(status, { status: word, version: options.version });
  const alive: Page = () => state(200, "healthy");
  const ready: Page = () => (isReady() ? state(200, "healthy") : state(503, "not ready"));
  const show: Page = async ({ headers, socket }) => {
    const form = expositionFor(headers.accept);
    const now = await scene();
    if (socket.destroyed) return plain(503, "cut off");
    const families = [...hardware(now, options.off), ...(options.dcgm === "" ? [] : dcgm(now, options.dcgm))];
    return { status: 200, type: contentType[form.format], body: exposition(families, form) };
  };
  const all = new Map<string, Page>([
    ["/metrics", show],
    ["/metrics/json", async () => json(200, metricsObject(await scene()))],
    ["/node", async () => json(200, nodeObject(await scene()))],
    ["/health", alive],
    ["/healthz", alive],
    ["/livez", alive],
    ["/ready", ready],
  ]);
  return all.set("/", () =>
    plain(200, `hmonitor answers ${[...all.keys()].filter((path) => path !== "/").join(", ")}`),
  );
}

async function answerTo(request: IncomingMessage, all: ReadonlyMap<string, Page>): Promise<HttpAnswer> {
  const path = (request.url ?? "").replace(/[?#].*$/s, "");
  const page = all.get(path);
  if (page === undefined) return plain(404, `There is no such page here; ask for one of ${[...all.keys()].join(", ")}`);
  if (request.method !== "GET" && request.method !== "HEAD") return plain(405, "Only GET and HEAD are answered here");
  return await page(request);
}

/** Shortest answer that is compressed, in bytes. */
const worth = 1024;

function send(request: IncomingMessage, response: ServerResponse, { status, type, body }: HttpAnswer): void {
  // The client closed the connection, or `ScrapeConnections` did.
  if (request.socket.destroyed) return;
  const bytes = Buffer.from(body, "utf8");
  const packed = bytes.length >= worth && gzipFor(String(request.headers["accept-encoding"] ?? ""));
  const sent = packed ? gzipSync(bytes) : bytes;
  // The body of a request is not read: its connection is closed instead.
  const announced = request.headers["content-length"] ?? request.headers["transfer-encoding"];
  if (announced !== undefined && announced !== "0") response.shouldKeepAlive = false;
  response.writeHead(status, {
    "Content-Type": type,
    "Content-Length": sent.length,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    Vary: "Accept, Accept-Encoding",
    ...(packed && { "Content-Encoding": "gzip" }),
    ...(status === 405 && { Allow: "GET, HEAD" }),
  });
  response.end(request.method === "HEAD" ? undefined : sent);
}

const refusals: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
};

/** Answers a malformed request with an HTTP status and closes the connection. */
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (socket.writable && error.code !== "ECONNRESET") {
    socket.end(`HTTP/1.1 ${refusals[error.code ?? ""] ?? "400 Bad Request"}\r\nConnection: close\r\n\r\n`);
  }
  socket.destroySoon();
}

function httpServer(options: ExporterOptions, all: ReadonlyMap<string, Page>, lines: ScrapeConnections): Server {
  const server = createServer({ maxHeaderSize: 8192 }, (request, response) => {
    const { socket } = request;
    if (!lines.begin(socket, response)) return;
    const reply = (answer: HttpAnswer): void => {
      send(request, response, answer);
      lines.sending(socket);
    };
    answerTo(request, all).then(reply, (error: unknown) => {
      options.log(`exporter: ${String(error)}`);
      reply(plain(500, "The reading failed; the agent's log says why"));
    });
  });
  server.keepAliveTimeout = (options.patience ?? usual).idle;
  server.on("clientError", refuse);
  return server;
}

/**
 * Serves metrics of this machine for Prometheus, and as JSON.
 * @throws ListenError
 */
export async function serveExporter(at: ListenAddress, options: ExporterOptions): Promise<ExporterServer> {
  const { allow, log, ticks } = options;
  let ready = false;
  const all = pages(options, () => ready);
  const lines = new ScrapeConnections(options.patience ?? usual);
  const server = httpServer(options, all, lines);
  const serve = (socket: Socket): void => {
    lines.add(socket);
    server.emit("connection", socket);
    socket.resume();
  };
  const listener = makeListener({ name: "metrics port", allows: allow.allows, serve, log, ticks });
  trackRequests(server, listener.connections);
  const { port } = await listener.listen(at);
  return {
    port,
    ready() {
      ready = true;
    },
    close(grace) {
      ready = false;
      const closed = listener.close(grace);
      lines.closeIdle();
      return closed;
    },
  };
}
