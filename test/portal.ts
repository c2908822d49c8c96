// A simulated portal for hmonitor --server: the interface of docs/decisions/0011, strictly checked, with faults to switch on.
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A received report. */
export interface Received {
  readonly type: string;
  readonly body: Buffer;
  readonly token: string | undefined;
}

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

export class TestPortal {
  /** Tokens by name of the node. */
  readonly nodes = new Map<string, string>();
  readonly capabilities: Record<string, unknown>[] = [];
  readonly reports: Received[] = [];
  configs = 0;
  config: Record<string, unknown> = {
    gpuIndices: null,
    diskMounts: null,
    nicNames: null,
    reportIntervalSec: 1,
  };
  /** Version of the configuration, sent only in answers to reports. */
  version = 0;
  /** Secret that a registration must contain; "" for none. */
  secret = "";
  /** True if it accepts reports as protobuf, which it then announces. */
  rich = false;
  /** True if it rejects null, as a portal whose schema has only numbers. */
  strict = false;
  /** Replacements of the normal answers, by the last part of the path. */
  faults: Partial<Record<"register" | "config" | "report", Handler | undefined>> = {};
  /** Violations of the interface by the agent. */
  readonly wrong: string[] = [];
  #server: Server | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Parsed reports that were sent as JSON. */
  get plain(): Record<string, unknown>[] {
    return this.reports.filter(({ type }) => type === "application/json").map(({ body }) => JSON.parse(String(body)));
  }

  async up(): Promise<void> {
    const server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      request.on("end", () => this.#answer(request, response, Buffer.concat(pieces)));
    });
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async down(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const last = /^\/api\/monitoring\/(register|config|report)$/.exec(request.url ?? "")?.[1];
    if (last !== "register" && last !== "config" && last !== "report") {
      this.wrong.push(`${request.method} ${request.url}`);
      json(response, 404, { detail: "Not Found" });
      return;
    }
    if (request.method !== (last === "config" ? "GET" : "POST")) this.wrong.push(`${request.method} ${request.url}`);
    const fault = this.faults[last];
    if (fault !== undefined) {
      fault(request, response, body);
      return;
    }
    if (this.rich && last !== "register") {
      response.setHeader("Accept-Post", 'application/json, application/x-protobuf; messageType="gpu.HostInfo"');
    }
    const [status, answer] = last === "register" ? this.#register(request, body) : this.#known(last, request, body);
    json(response, status, answer);
  }

  #register(request: IncomingMessage, body: Buffer): [number, unknown] {
    if (request.headers.authorization !== undefined) this.wrong.push("a token at registration");
    const asked = JSON.parse(body.toString("utf8")) as {
      hostname: string;
      capabilities: Record<string, unknown>;
      secret?: string;
    };
    if (this.strict && body.includes("null")) return [422, { detail: [{ msg: "not a number" }] }];
    if (this.secret !== "" && asked.secret !== this.secret) return [403, { error: "Invalid registration secret" }];
    if (this.nodes.has(asked.hostname)) return [409, { status: "already_registered", error: "already registered" }];
    this.capabilities.push(asked.capabilities);
    const token = `token-of-${asked.hostname}-${this.capabilities.length}`;
    this.nodes.set(asked.hostname, token);
    return [200, { token, status: "pending", nodeId: 1, message: "welcome" }];
  }

  #known(last: "config" | "report", request: IncomingMessage, body: Buffer): [number, unknown] {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    if (token === undefined || ![...this.nodes.values()].includes(token)) return [401, { error: "invalid token" }];
    if (last === "config") {
      this.configs++;
      return [200, this.config];
    }
    const type = request.headers["content-type"] ?? "";
    if (type !== "application/json" && !this.rich) return [415, { detail: "JSON only" }];
    if (this.strict && body.includes("null")) return [422, { detail: [{ msg: "not a number" }] }];
    this.reports.push({ type, body, token });
    return [200, { ok: true, configVersion: this.version }];
  }
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
