// A played task API, which knows whose task runs on which GPU: GET /api/v2/consumption/task as docs/reports.md has it, with
// the faults that such an API shows in the field.
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A GPU of a task; values of other types may be given. */
export type PlayedGpu = Readonly<Record<"uuid" | "id" | "name" | "memory", unknown>>;

/** A task as the API has it. */
export interface PlayedTask {
  readonly username?: unknown;
  readonly hostname?: unknown;
  readonly gpus?: readonly Partial<PlayedGpu>[];
  readonly task?: Readonly<Record<string, unknown>>;
  /** "YYYY-MM-DD HH:MM:SS", in the zone of the reports. */
  readonly start?: unknown;
  /** null while it runs. */
  readonly end?: unknown;
  readonly total_seconds?: unknown;
}

/** A request that was received. */
export interface TaskRequest {
  readonly path: string;
  readonly start: string | null;
  readonly end: string | null;
  readonly authorization: string | undefined;
}

const path = "/api/v2/consumption/task";
const stamp = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/;

/** A task with everything that one has. */
export const playedTask = (
  username: string,
  hostname: string,
  gpus: readonly { readonly uuid: string; readonly id: number | string }[],
  more: PlayedTask = {},
): PlayedTask => ({
  username,
  hostname,
  gpus: gpus.map((gpu) => ({ ...gpu, name: "AMD Instinct MI300X", memory: 196592 })),
  task: {
    _type: "notebook",
    project_uuid: "6f1b2c3d-0000-4000-8000-000000000001",
    image: "rocm/pytorch:latest",
    create_time: "2025-08-01 08:59:58",
  },
  start: "2025-08-01 09:00:00",
  end: null,
  total_seconds: 3600,
  ...more,
});

/** Tasks that end one after the other on the cards of a host, as many as are wanted. */
export const manyTasks = (count: number, hostname: string, cards: readonly number[]): ReadonlyMap<string, PlayedTask> =>
  new Map(
    Array.from({ length: count }, (_, i) => {
      const id = cards[i % cards.length] ?? 0;
      return [`${count - i}`, playedTask(`user${i}`, hostname, [{ uuid: `GPU-${hostname}-${i}`, id }])];
    }),
  );

/** The task API on a free port of the loopback. */
export class PlayedTasks {
  readonly token: string;
  /** Tasks by id, in the order in which they are answered; a text is sent as it is. */
  tasks: ReadonlyMap<string, unknown> | Readonly<Record<string, unknown>> | string = {};
  fault: TaskFault | undefined;
  /** Where it sends those who ask, with the fault "redirects". */
  elsewhere = "";
  /** Requests in order, also those that it refused. */
  readonly requests: TaskRequest[] = [];
  /** What a client did that the API's documentation does not allow. */
  readonly wrong: string[] = [];
  #server: Server | undefined;
  #port = 0;

  constructor(token = "eyJhbGciOiJIUzI1NiJ9.played.token") {
    this.token = token;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Listens; after `down` on the same port again. */
  async up(): Promise<this> {
    const server = createServer((request, response) => this.#answer(request, response));
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  /** Is away: connections are refused. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "", this.url);
    const { authorization } = request.headers;
    const [start, end] = [url.searchParams.get("start_t"), url.searchParams.get("end_t")];
    this.requests.push({ path: url.pathname, start, end, authorization });
    // A client that goes away is what some faults are for.
    response.on("error", () => {});
    if (this.fault !== undefined) {
      const text = this.#text("0000-00-00 00:00:00", "9999-12-31 23:59:59");
      faults[this.fault]({ request, response, text, elsewhere: this.elsewhere });
    } else if (authorization !== `Bearer ${this.token}`) send(response, 401, { detail: "Invalid token" });
    else if (url.pathname !== path || request.method !== "GET") send(response, 404, { detail: "Not Found" });
    else if (start === null || end === null || !stamp.test(start) || !stamp.test(end) || end < start) {
      this.wrong.push(`start_t ${start}, end_t ${end}`);
      send(response, 422, { detail: "start_t and end_t must be YYYY-MM-DD HH:MM:SS" });
    } else response.writeHead(200, json).end(this.#text(start, end));
  }

  /** The answer: tasks that ran between two times. */
  #text(start: string, end: string): string {
    if (typeof this.tasks === "string") return this.tasks;
    const all = this.tasks instanceof Map ? [...this.tasks] : Object.entries(this.tasks);
    const ran = all.filter(([, task]) => ranBetween(task, start, end));
    // As JSON.stringify would order numbers before other names.
    return `{${ran.map(([id, task]) => `${JSON.stringify(id)}: ${JSON.stringify(task)}`).join(", ")}}`;
  }
}

/** What a fault does with a request. */
interface Failing {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What would have been answered. */
  readonly text: string;
  readonly elsewhere: string;
}

const json = { "Content-Type": "application/json" };

/** What the API does instead of answering. */
const faults = {
  /** Accepts the connection, and never says a word. */
  hangs: () => {},
  /** Sends the head and the beginning of the answer, and then nothing. */
  stalls: ({ response, text }: Failing) => void response.writeHead(200, json).write(text.slice(0, 1)),
  /** Sends a byte now and then. */
  slow: ({ response }: Failing) => {
    response.writeHead(200, json);
    const timer = setInterval(() => response.write(" "), 20);
    response.once("close", () => clearInterval(timer));
  },
  /** Says 200, and sends the page of a portal. */
  html: ({ response }: Failing) =>
    void response
      .writeHead(200, { "Content-Type": "text/html; charset=utf-8" })
      .end("<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in</body></html>"),
  unauthorized: ({ response }: Failing) => send(response, 401, { detail: "Token has expired" }),
  broken: ({ response }: Failing) => send(response, 500, { detail: "Internal Server Error" }),
  /** Sends the client, and its token if it follows, to `elsewhere`. */
  redirects: ({ response, elsewhere }: Failing) => void response.writeHead(302, { Location: elsewhere }).end(),
  /** Announces the whole answer, and sends half of it. */
  cut: ({ response, text }: Failing) => {
    response.writeHead(200, { ...json, "Content-Length": Buffer.byteLength(text) });
    response.write(text.slice(0, text.length / 2), () => response.destroy());
  },
  /** Sends half of the JSON as if it was whole. */
  half: ({ response, text }: Failing) => void response.writeHead(200, json).end(text.slice(0, text.length / 2)),
  /** Never ends. */
  endless: ({ response }: Failing) => {
    response.writeHead(200, json).write("{");
    pour(response);
  },
  /** Answers another form with 200, as some do with an error. */
  error: ({ response }: Failing) => send(response, 200, { detail: "Not authenticated", code: 40_100 }),
  /** Quotes the token in its error and in its address. */
  echoes: ({ request, response }: Failing) => {
    const { authorization = "" } = request.headers;
    response.setHeader("Location", `/?${authorization}`);
    send(response, 403, { detail: `refused: ${authorization}` });
  },
} as const satisfies Readonly<Record<string, (failing: Failing) => void>>;

export type TaskFault = keyof typeof faults;

/** True if a task ran between two local times, or if its times are none. */
function ranBetween(task: unknown, from: string, to: string): boolean {
  const { start, end } = (task ?? {}) as PlayedTask;
  if (typeof start === "string" && stamp.test(start) && start > to) return false;
  return !(typeof end === "string" && stamp.test(end) && end < from);
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, json).end(JSON.stringify(body));
}

/** Writes as fast as the client reads, until it goes away. */
function pour(response: ServerResponse): void {
  const piece = Buffer.alloc(65_536, " ");
  while (!response.destroyed && response.write(piece));
  if (!response.destroyed) response.once("drain", () => pour(response));
}
