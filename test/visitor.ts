// A hub with an OpenID Connect provider, and browsers of people who sign in there.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, vi } from "vitest";
import type { Book } from "../hub/book/book.ts";
import type { DoorSettings } from "../hub/door/settings.ts";
import { application } from "../hub/http/application.ts";
import { views } from "../hub/view/all.ts";
import { BookFixture } from "./book.ts";
import { defaultDoor } from "./door.ts";
import { client, Issuer } from "./issuer.ts";
import { viewOf } from "./view.ts";

export const start = 1_800_000_000_000;
/** The hub as its clients call it. */
export const hub = "http://hub:5000";
export const path = "/api/v1/session/oidc";

interface Asked {
  readonly method?: string;
  readonly body?: object;
}

/** Anew for each test of the file in which it is made. */
export class SignInScene {
  /** The hub's clock. */
  now = start;
  /** Milliseconds of the monotonic clock. */
  ticks = 0;
  /** hub.url */
  place = "";
  settings: DoorSettings = defaultDoor;
  /** The hub's log. */
  lines: string[] = [];
  #held: { readonly book: Book; readonly issuer: Issuer } | undefined;
  #app: ReturnType<typeof application> | undefined;

  constructor() {
    let folder = "";
    let fixture: BookFixture;
    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), "gohm-elsewhere-"));
      fixture = new BookFixture();
      this.#held = { book: fixture.open(folder), issuer: await Issuer.start() };
      [this.now, this.ticks, this.place, this.lines] = [start, 0, "", []];
      vi.spyOn(performance, "now").mockImplementation(() => this.ticks);
      this.settings = {
        ...defaultDoor,
        oidcIssuer: this.issuer.url,
        oidcClientId: client.id,
        oidcSecret: client.secret,
        oidcInsecure: true,
        oidcAdminGroups: ["admins"],
      };
      await this.restart();
    });
    afterEach(async () => {
      vi.restoreAllMocks();
      await this.issuer.close();
      fixture.close();
      rmSync(folder, { recursive: true });
    });
  }

  get book(): Book {
    return existing(this.#held).book;
  }

  get issuer(): Issuer {
    return existing(this.#held).issuer;
  }

  get app(): ReturnType<typeof application> {
    return existing(this.#app);
  }

  /** Starts the hub, as after a restart. */
  async restart(): Promise<void> {
    const say = (line: string): void => void this.lines.push(line);
    const view = viewOf({
      book: this.book,
      clock: { now: () => this.now, after: () => () => {} },
      log: { info: say, warn: say, error: say },
      door: () => this.settings,
      place: () => this.place,
    });
    const used = views.filter(({ name }) => name === "session" || name === "admin");
    const opened = await Promise.all(used.map((one) => one.open(view, {})));
    this.#app = application(opened, { log: view.log, entry: view.identity });
  }

  set(more: Partial<DoorSettings>): void {
    this.settings = { ...this.settings, ...more };
  }

  /** Goes to another provider. */
  async move(): Promise<void> {
    const { book, issuer } = existing(this.#held);
    this.#held = { book, issuer: await Issuer.start() };
    await issuer.close();
    this.set({ oidcIssuer: this.issuer.url });
  }

  /** Entries of the audit log, oldest first. */
  entries(): string[] {
    return this.book
      .audit({ limit: 100 })
      .map(({ actor, action, target, details, result }) =>
        [`${actor}:`, action, target, JSON.stringify(details), result].join(" "),
      )
      .reverse();
  }
}

function existing<T>(part: T | undefined): T {
  if (part === undefined) throw new Error("the scene of the test was not opened");
  return part;
}

/** What the page says of a sign-in that failed. */
export interface Failed {
  readonly code: string;
  readonly text: string;
  readonly to: string;
}

/** A browser with its cookies. */
export class Visitor {
  readonly cookies = new Map<string, string>();
  readonly #scene: SignInScene;
  readonly #origin: string;
  readonly #address: string;

  /** @param origin how it calls the hub */
  constructor(scene: SignInScene, { origin = hub, address = "10.0.0.7" } = {}) {
    this.#scene = scene;
    this.#origin = origin;
    this.#address = address;
  }

  /** Asks the hub; a proxy at hub.url cuts off the path of that. */
  async ask(where: string, { method = "GET", body }: Asked = {}): Promise<Response> {
    const { pathname, search } = new URL(where, hub);
    const cut = pathname.slice(pathname.indexOf("/api/"));
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = {
      host: new URL(this.#origin).host,
      cookie,
      ...(method !== "GET" && { origin: this.#origin }),
      ...(body && { "content-type": "application/json" }),
    };
    const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
    const answer = await this.#scene.app.request(`${cut}${search}`, init, {
      incoming: { socket: { remoteAddress: this.#address } },
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*);/.exec(line) ?? [];
      if (value === "") this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }

  // biome-ignore lint/suspicious/noExplicitAny: bodies of several routes
  async json(where: string, more: Asked = {}): Promise<any> {
    return await (await this.ask(where, more)).json();
  }

  /** Where an address of the hub leads; "" if it does not. */
  async led(where: string): Promise<string> {
    return (await this.ask(where)).headers.get("location") ?? "";
  }

  /** Goes to the provider. @returns the address of the callback to which it leads back */
  async leave(to?: string): Promise<URL> {
    const location = await this.led(to === undefined ? path : `${path}?to=${encodeURIComponent(to)}`);
    expect(location).toContain(`${this.#scene.issuer.url}/authorize`);
    return await this.#scene.issuer.visit(location);
  }

  /** Goes to the provider and back. @returns where the hub leads then */
  async signIn(to?: string): Promise<string> {
    return await this.led((await this.leave(to)).href);
  }

  /** Why a sign-in failed that led to an address. */
  async failure(location: string): Promise<Failed> {
    const [, id] = /^(?:\.\.\/)+#\/sign-in\/([\w-]{22})$/.exec(location) ?? [];
    expect(id, location).toBeDefined();
    return await this.json(`/api/v1/session/failure/${id}`);
  }

  /** Signs in, and fails. */
  async fails(to?: string): Promise<Failed> {
    return await this.failure(await this.signIn(to));
  }

  /** Who the hub takes it for. */
  async me(): Promise<{ readonly kind: string; readonly name: string | null }> {
    return await this.json("/api/v1/me");
  }
}
