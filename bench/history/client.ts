// A minimal HTTP/1.1 client over one keep-alive connection, used for all programs: the cost of node:http would be a large
// part of answers that take half a millisecond.
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface HttpResponse {
  readonly status: number;
  readonly body: Buffer;
}

const blank = Buffer.from("\r\n\r\n");
const line = Buffer.from("\r\n");

export class Client {
  readonly #port: number;
  #socket: Socket | undefined;
  #held = Buffer.alloc(0);
  #pieces: Buffer[] = [];
  #wake: () => void = () => {};
  #ended = false;

  constructor(port: number) {
    this.#port = port;
  }

  get(path: string, accept = "*/*"): Promise<HttpResponse> {
    return this.#ask(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${this.#port}\r\nAccept: ${accept}\r\n\r\n`);
  }

  /** @param headers header lines, each with its CRLF */
  post(path: string, body: Buffer, headers = ""): Promise<HttpResponse> {
    const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${this.#port}\r\nContent-Length: ${body.length}\r\n${headers}\r\n`;
    return this.#ask(head, body);
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  async #ask(head: string, body?: Buffer): Promise<HttpResponse> {
    const socket = this.#socket ?? (await this.#open());
    socket.cork();
    socket.write(head);
    if (body) socket.write(body);
    socket.uncork();
    return this.#answer();
  }

  async #open(): Promise<Socket> {
    const socket = connect({ port: this.#port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    this.#ended = false;
    this.#held = Buffer.alloc(0);
    this.#pieces = [];
    socket.on("data", (piece: Buffer) => {
      this.#pieces.push(piece);
      this.#wake();
    });
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => {
      if (this.#socket !== socket) return;
      this.#ended = true;
      this.#socket = undefined;
      this.#wake();
    });
    this.#socket = socket;
    return socket;
  }

  async #answer(): Promise<HttpResponse> {
    const head = (await this.#until(blank)).toString("latin1");
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
    if (!(status > 0)) throw new Error(`Not an HTTP/1.1 response: ${head.slice(0, 100)}`);
    const body = status === 204 ? Buffer.alloc(0) : await this.#body(head);
    // VictoriaMetrics closes every connection after two minutes (-http.connTimeout).
    if (/\r\nconnection: *close/i.test(head)) this.close();
    return { status, body };
  }

  async #body(head: string): Promise<Buffer> {
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length !== undefined) return this.#take(Number(length));
    if (!/\r\ntransfer-encoding: *chunked/i.test(head)) throw new Error(`Response without a length: ${head}`);
    const chunks: Buffer[] = [];
    for (;;) {
      const size = Number.parseInt((await this.#until(line)).toString("latin1"), 16);
      const chunk = await this.#take(size + 2);
      if (size === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, size));
    }
  }

  /** Reads bytes up to a mark and skips the mark. */
  async #until(mark: Buffer): Promise<Buffer> {
    for (;;) {
      const at = this.#held.indexOf(mark);
      if (at >= 0) {
        const found = this.#held.subarray(0, at);
        this.#held = this.#held.subarray(at + mark.length);
        return found;
      }
      await this.#more();
    }
  }

  async #take(size: number): Promise<Buffer> {
    while (this.#held.length + this.#pieces.reduce((sum, { length }) => sum + length, 0) < size) await this.#wait();
    this.#gather();
    const taken = this.#held.subarray(0, size);
    this.#held = this.#held.subarray(size);
    return taken;
  }

  async #more(): Promise<void> {
    if (this.#pieces.length === 0) await this.#wait();
    this.#gather();
  }

  #gather(): void {
    if (this.#pieces.length === 0) return;
    this.#held = Buffer.concat([this.#held, ...this.#pieces]);
    this.#pieces = [];
  }

  #wait(): Promise<void> {
    if (this.#ended) return Promise.reject(new Error(`The program at port ${this.#port} closed the connection`));
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
