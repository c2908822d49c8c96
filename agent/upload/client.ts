import * as http from "node:http";
import * as https from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import { createSecureContext } from "node:tls";

export interface UploadRequest {
  readonly method: "GET" | "POST";
  /** Path below the server's address: "/api/monitoring/report". */
  readonly path: string;
  readonly token?: string | undefined;
  readonly body?: Uint8Array;
  /** Content type of the body; JSON if left out. */
  readonly type?: string;
}

export interface UploadAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

export interface UploadClientOptions {
  /** http: or https:, perhaps with a path, without a slash at its end. */
  readonly server: string;
  /** Trusted authorities for an https: server, PEM. */
  readonly authorities: readonly string[];
  /** Milliseconds for one exchange, from the first byte out to the last byte in. */
  readonly deadline: number;
  /** Milliseconds within that for making a connection; as many as for all if left out. */
  readonly connecting?: number;
  /** Size limit of an answer's body, in bytes. An error's body is cut there, as its status says what counts. */
  readonly limit: number;
}

/** Connection to a server, and time; tests replace both. */
export interface UploadEnvironment {
  ask(request: UploadRequest, signal: AbortSignal): Promise<UploadAnswer>;
  /** Resolves after so many milliseconds, or when the signal aborts. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
  close(): void;
}

export const environmentOf = (client: UploadClient): UploadEnvironment => ({
  ask: (request, signal) => client.ask(request, signal),
  // Rejects only when aborted, which the caller checks next.
  pause: (ms, signal) => pause(ms, undefined, { signal }).catch(() => undefined),
  close: () => client.close(),
});

/** HTTP client of one server, over one connection. Ignores proxies of the environment and follows no redirects. */
export class UploadClient {
  readonly #options: UploadClientOptions;
  readonly #agent: http.Agent;
  readonly #begin: typeof http.request;

  constructor(options: UploadClientOptions) {
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
  async ask(request: UploadRequest, signal: AbortSignal): Promise<UploadAnswer> {
    try {
      return await this.#once(request, signal);
    } catch (error) {
      // The server may close an idle connection at the very moment it is used again: that is no failure.
      if ((error as { reused?: boolean }).reused && !signal.aborted) return await this.#once(request, signal);
      throw error;
    }
  }

  #once(request: UploadRequest, signal: AbortSignal): Promise<UploadAnswer> {
    const { server, deadline, connecting = deadline } = this.#options;
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
      const late = (what: string, ms: number): NodeJS.Timeout =>
        setTimeout(() => {
          fail(new Error(`no ${what} in ${ms / 1000} s`));
          sent.destroy();
        }, ms);
      const timer = late("answer", deadline);
      const connection = connecting < deadline ? late("connection", connecting) : undefined;
      const fail = (error: NodeJS.ErrnoException): void => {
        clearTimeout(timer);
        clearTimeout(connection);
        const reused = sent.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
        reject(Object.assign(error, { reused }));
      };
      const connected = (): void => clearTimeout(connection);
      sent.on("socket", (socket) => {
        if (!socket.connecting) connected();
        else socket.once(this.#begin === https.request ? "secureConnect" : "connect", connected);
      });
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
        pieces.push(piece);
        if (size <= limit) return;
        const failed = (response.statusCode ?? 0) >= 400;
        if (failed) resolve(Buffer.concat(pieces).toString("utf8", 0, limit));
        // An error would reach the request as well, perhaps before the text is read.
        response.destroy(failed ? undefined : new Error(`its answer is over ${limit} bytes`));
      });
      response.on("end", () => resolve(Buffer.concat(pieces).toString("utf8")));
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
