// Fixture of signing in: a hub with a book, asked as its own page asks it.
import { scryptSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import type { Book, Role } from "../hub/book/book.ts";
import type { DoorSettings } from "../hub/door/settings.ts";
import { application } from "../hub/http/application.ts";
import { newLink } from "../hub/secret.ts";
import { views } from "../hub/view/all.ts";
import { BookFixture } from "./book.ts";
import { defaultDoor, start } from "./door.ts";
import { viewOf } from "./view.ts";

export const right = "correct horse battery";
export const better = "staple staple staple!";

const plain = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");
/** The hash of `right`, at a lower cost than the hub's own, which takes 90 ms. */
const salt = Buffer.alloc(16, 1);
const hash = scryptSync(right, salt, 32, { N: 1024, r: 1, p: 1 });
const phc = `$scrypt$ln=10,r=1,p=1$${plain(salt)}$${plain(hash)}`;

export interface Sent {
  readonly method?: string;
  readonly body?: unknown;
  readonly cookie?: string;
  readonly address?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answered {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of many routes
  readonly body: any;
  /** The session of the header Set-Cookie; "" if it removes it. */
  readonly cookie: string | undefined;
  readonly headers: Headers;
}

export class SignInScene {
  now = start;
  /** Milliseconds of the monotonic clock. */
  ticks = 0;
  read: "open" | "login" = "open";
  door: DoorSettings = defaultDoor;
  readonly lines: string[] = [];
  readonly book: Book;
  readonly #folder = mkdtempSync(join(tmpdir(), "gohm-session-"));
  readonly #fixture = new BookFixture();
  #app: ReturnType<typeof application> | undefined;

  constructor() {
    this.book = this.#fixture.open(this.#folder);
    vi.spyOn(performance, "now").mockImplementation(() => this.ticks);
  }

  /** Starts the hub, also again. */
  async open(): Promise<void> {
    const say = (line: string): void => void this.lines.push(line);
    const hub = viewOf({
      book: this.book,
      read: () => this.read,
      door: () => this.door,
      clock: { now: () => this.now, after: () => () => {} },
      log: { info: say, warn: say, error: say },
    });
    const names = ["session", "rest", "admin"];
    const parts = views.filter(({ name }) => names.includes(name));
    const opened = await Promise.all(parts.map((part) => part.open(hub, {})));
    this.#app = application(opened, { log: hub.log, entry: hub.identity });
  }

  close(): void {
    vi.restoreAllMocks();
    this.#fixture.close();
    rmSync(this.#folder, { recursive: true });
  }

  account(name: string, role: Role = "administrator"): void {
    this.book.write((writer) => writer.addAccount({ name, role, created: this.now }, phc));
  }

  /** Sends a request as the hub's own page makes it. */
  async ask(
    path: string,
    { method = "GET", body, cookie, address = "10.0.0.7", headers }: Sent = {},
  ): Promise<Answered> {
    const init = {
      method,
      headers: {
        host: "hub:5000",
        ...(method === "GET" ? {} : { origin: "http://hub:5000" }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(cookie === undefined ? {} : { cookie: `gohm_session_http=${cookie}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    if (this.#app === undefined) throw new Error("open() was not called");
    const answer = await this.#app.request(path, init, { incoming: { socket: { remoteAddress: address } } });
    const set = answer.headers.getSetCookie()[0];
    const text = await answer.text();
    return {
      status: answer.status,
      body: JSON.parse(text),
      cookie: set === undefined ? undefined : /^gohm_session_http=([^;]*);/.exec(set)?.[1],
      headers: answer.headers,
    };
  }

  post(path: string, body: unknown, more: Sent = {}): Promise<Answered> {
    return this.ask(path, { method: "POST", body, ...more });
  }

  signIn(name: string, password = right, more: Sent = {}): Promise<Answered> {
    return this.post("/api/v1/session", { name, password }, more);
  }

  /** Signs in with the right password. @returns the secret of the session */
  async signedIn(name: string, more: Sent = {}): Promise<string> {
    return (await this.signIn(name, right, more)).cookie ?? "";
  }

  async me(cookie?: string): Promise<Answered["body"]> {
    return (await this.ask("/api/v1/me", cookie === undefined ? {} : { cookie })).body;
  }

  /** Adds a one-time link. @returns its secret */
  link(name: string, role: Role = "administrator"): string {
    const made = newLink({ name, role }, this.now);
    this.book.write((writer) => writer.addLink(made.hash, made.link));
    return made.path.replace("#/link/", "");
  }

  follow(token: string, password = better, more: Sent = {}): Promise<Answered> {
    return this.post("/api/v1/session/link", { token, password }, more);
  }

  /** The audit log, newest first: "administrator alice: session.create alice done". */
  entries(): string[] {
    const page = this.book.audit({ limit: 1000 });
    return page.map(({ actor, action, target, result }) => `${actor}: ${action} ${target} ${result}`);
  }
}
