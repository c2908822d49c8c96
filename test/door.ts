// Fixture of the hub's door: a book with accounts, sessions and tokens, and requests with them.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { Book, Role, Scope } from "../hub/book/book.ts";
import { openBook } from "../hub/book/sqlite.ts";
import { systemClock } from "../hub/clock.ts";
import { Desk } from "../hub/desk.ts";
import { Proxies } from "../hub/door/proxies.ts";
import { type DoorSettings, table } from "../hub/door/settings.ts";
import type { FrontView } from "../hub/front.ts";
import { Identity, type IdentitySettings } from "../hub/identity.ts";
import { silent } from "../hub/log.ts";
import { hashPassword } from "../hub/password.ts";
import { hashOf, newSecret } from "../hub/secret.ts";
import type { RequestHead } from "../hub/who.ts";
import { load } from "../program/setting.ts";
import { BookFixture } from "./book.ts";
import type { HubFolder } from "./hub.ts";

export const start = 1_800_000_000_000;
export const day = 86_400_000;

/** The settings of the hub's door, as they are without any. */
export const defaultDoor: DoorSettings = load(table, { flags: {}, env: {}, file: {} });

/** Ports to which everyone may connect, without encryption. */
export const openFront: FrontView = {
  certificate: () => undefined,
  allows: () => true,
  strictTransport: () => undefined,
  onChange: () => {},
};

/** The hub as its clients call it. */
export const host = "hub.lab:5000";

export interface HeadOptions extends Partial<Pick<RequestHead, "method" | "times">> {
  /** The other end of the connection. */
  readonly address?: string;
  /** True if the connection is encrypted. */
  readonly secure?: boolean;
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

const proxies = new Proxies(() => defaultDoor.proxies);

/** A request of a client at 10.0.0.7, without credentials. */
export function head({
  headers = {},
  address = "10.0.0.7",
  secure = false,
  method = "GET",
  ...more
}: HeadOptions = {}): RequestHead {
  const all: Readonly<Record<string, string | undefined>> = { host, ...headers };
  const header = (name: string): string | undefined => all[name];
  return { ...more, method, header, peer: address, ...proxies.clientOf({ peer: address, encrypted: secure, header }) };
}

export const withCookie = (secret: string, more: HeadOptions = {}): RequestHead =>
  head({ ...more, headers: { cookie: `gohm_session_http=${secret}`, ...more.headers } });

export const withToken = (secret: string): RequestHead => head({ headers: { authorization: `Bearer ${secret}` } });

/** Hostile texts of headers. */
export const bytes = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.string({ unit: "grapheme-ascii", maxLength: 100 }),
  fc.string({
    unit: fc.constantFrom("\0", "\n", ";", "=", ",", " ", '"', "%", "\u2028", "é", "\ud800"),
    maxLength: 40,
  }),
);
/** A text that looks like a header's, with the secret of nobody. */
export const shaped = fc.oneof(
  bytes,
  bytes.map((text) => `Bearer ${text}`),
  bytes.map((text) => `gohm_session_http=${text}`),
  bytes.map((text) => `__Host-gohm=${text}; gohm_session_http=${text}; ${text}`),
  fc.constant(0).map(() => `gohm_session_http=${newSecret()}`),
  fc.constant(0).map(() => `Bearer ${newSecret()}`),
  bytes.map((text) => `http://${text}`),
);

export class Door {
  /** The hub's clock. */
  now = start;
  settings: IdentitySettings = { read: "open", url: "", hosts: [], door: defaultDoor };
  timers: (() => void)[] = [];
  readonly book: Book;
  readonly desk: Desk;
  readonly identity: Identity;
  readonly #folder = mkdtempSync(join(tmpdir(), "gohm-door-"));
  readonly #fixture = new BookFixture();

  constructor() {
    const clock = {
      now: () => this.now,
      after: (_ms: number, run: () => void) => {
        this.timers.push(run);
        return () => {
          this.timers = this.timers.filter((other) => other !== run);
        };
      },
    };
    const book = this.#fixture.open(this.#folder);
    this.book = book;
    this.desk = new Desk({ book, clock, log: silent });
    this.identity = new Identity({ book, desk: this.desk, clock, settings: () => this.settings });
  }

  /** Runs what is due: uses of credentials are written. */
  flush(): void {
    for (const run of this.timers.splice(0)) run();
  }

  /** Begins a session of an account, which is created if there is none. @returns its secret */
  signIn(name: string, role: Role = "viewer"): string {
    const secret = newSecret();
    this.book.write((writer) => {
      const { id } = writer.account(name) ?? writer.addAccount({ name, role, created: this.now }, undefined);
      writer.addSession(hashOf(secret), { ...this.identity.lifetime(this.now), origin: "10.0.0.7" }, id);
    });
    return secret;
  }

  /** Adds an API token. @returns its secret */
  token(scope: Scope, { name = `token-${scope}`, expires }: { name?: string; expires?: number } = {}): string {
    const secret = newSecret();
    const token = { name, scope, created: this.now, creator: "administrator alice", expires };
    this.book.write((writer) => writer.addToken(hashOf(secret), token));
    return secret;
  }

  /** Registers a machine. @returns its token */
  node(hostname: string): string {
    const secret = newSecret();
    const node = { hostname, host: hostname, state: "waiting", registered: this.now, origin: "10.0.0.9" } as const;
    const capabilities = { gpus: [], disks: [], nics: [] };
    this.book.write((writer) => writer.addNode({ ...node, capabilities }, hashOf(secret)));
    return secret;
  }

  close(): void {
    this.#fixture.close();
    rmSync(this.#folder, { recursive: true });
  }
}

/** Adds an administrator to the data of a hub that is not running. */
export async function addAdministrator({ data }: HubFolder, name: string, password: string): Promise<void> {
  mkdirSync(data, { mode: 0o700, recursive: true });
  const phc = await hashPassword(password);
  const book = openBook({ folder: data, clock: systemClock, log: silent, notice: () => {} });
  book.write((writer) => writer.addAccount({ name, role: "administrator", created: Date.now() }, phc));
  book.close();
}

/** Adds an API token to the data of a hub that is not running. @returns its secret */
export function addToken({ data }: HubFolder, name: string, scope: Scope): string {
  mkdirSync(data, { mode: 0o700, recursive: true });
  const secret = newSecret();
  const book = openBook({ folder: data, clock: systemClock, log: silent, notice: () => {} });
  const token = { name, scope, created: Date.now(), creator: "administrator alice", expires: undefined };
  book.write((writer) => writer.addToken(hashOf(secret), token));
  book.close();
  return secret;
}
