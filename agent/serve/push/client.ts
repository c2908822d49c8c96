import * as http from "node:http";
import * as https from "node:https";
import { createSecureContext } from "node:tls";

export interface HubRequest {
  readonly method: "GET" | "POST";
  /** Path below the hub's address: "/api/monitoring/report". */
  readonly path: string;
  readonly token?: string | undefined;
  readonly body?: Uint8Array;
  /** Content type of the body; JSON if left out. */
  readonly type?: string;
}

export interface HubAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

export interface PushClientOptions {
  /** http: or https:, perhaps with a path, without a slash at its end. */
  readonly server: string;
  /** Trusted authorities for an https: hub, PEM. */
  readonly authorities: readonly string[];
  /** Milliseconds for one exchange, from the first byte out to the last byte in. */
  readonly deadline: number;
  /** Size limit of an answer's body, in bytes. */
  readonly limit: number;
}

/** HTTP client of one hub, over one connection. Ignores proxies of the environment and follows no redirects. */
export class PushClient {
  readonly #options: PushClientOptions;
  readonly #agent: http.Agent;
  readonly #begin: typeof http.request;

  constructor(options: PushClientOptions) {
    this.#options = options;
    const pool = { keepAlive: true, maxSockets: 1 };
    if (options.server.startsWith("https:")) {
      const secureContext = createSecureContext({ ca: [...options.authorities] });
      this.#agent = new https.Agent({ ...pool, secureContext });
      this.#begin = https.request;
    } else {
      this.#agent = new http.Agent(pool);
      this.#begin = http.request;
    }
  }

  /** @throws Error saying why there was no answer, or none that could be read. */
  async ask(request: HubRequest, signal: AbortSignal): Promise<HubAnswer> {
    try {
      return await this.#once(request, signal);
    } catch (error) {
      // The hub may close an idle connection at the very moment it is used again: that is no failure.
      if ((error as { reused?: boolean }).reused && !signal.aborted) return await this.#once(request, signal);
      throw error;
    }
  }

  #once(request: HubRequest, signal: AbortSignal): Promise<HubAnswer> {
    const { server, deadline } = this.#options;
    const { method, path, token, body, type } = request;
    const headers = {
      accept: "application/json",
      // Tells a hub how old a stored sample is, whatever this machine's clock says (docs/decisions/0053-machines-that-push.md).
      date: new Date().toUTCString(),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body && { "content-type": type ?? "application/json", "content-length": body.length }),
    };
    return new Promise((resolve, reject) => {
      const sent = this.#begin(`${server}${path}`, { agent: this.#agent, method, headers, signal });
      const timer = setTimeout(() => {
        fail(new Error(`no answer in ${deadline / 1000} s`));
        sent.destroy();
      }, deadline);
      const fail = (error: NodeJS.ErrnoException): void => {
        clearTimeout(timer);
        const reused = sent.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
        reject(Object.assign(error, { reused }));
      };
      let answered = false;
      sent.on("error", fail);
      // An unexpected upgrade ends without an error.
      sent.on("close", () => answered || fail(new Error("the connection was closed without an answer")));
      sent.on("response", (response) => {
        answered = true;
        this.#read(response).then((text) => {
          clearTimeout(timer);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        }, fail);
      });
      sent.end(body);
    });
  }

  #read(response: http.IncomingMessage): Promise<string> {
    const { limit } = this.#options;
    const pieces: Buffer[] = [];
    let size = 0;
    return new Promise((resolve, reject) => {
      response.on("error", reject);
      response.on("close", () => reject(new Error("its answer is cut short")));
      response.on("data", (piece: Buffer) => {
        size += piece.length;
        if (size > limit) response.destroy(new Error(`its answer is over ${limit} bytes`));
        else pieces.push(piece);
      });
      response.on("end", () => resolve(Buffer.concat(pieces).toString("utf8")));
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
