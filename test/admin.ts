// A hub with a real book for tests of administration: asked by an actor that a test names, without a network.

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { AuditEntry, Book, Capabilities, NodeRecord } from "../hub/book/book.ts";
import { openBook } from "../hub/book/sqlite.ts";
import { application } from "../hub/http/application.ts";
import { Live } from "../hub/live.ts";
import { silent } from "../hub/log.ts";
import { adminRoutes } from "../hub/route/admin.ts";
import { type Arguments, call, type Route } from "../hub/route/route.ts";
import { hashOf } from "../hub/secret.ts";
import { ServerList, type Servers } from "../hub/servers.ts";
import type { Settings } from "../hub/settings.ts";
import { Troubles } from "../hub/trouble.ts";
import { views } from "../hub/view/all.ts";
import { loadSettings, SettingsFile } from "../hub/watch.ts";
import { type Actor, offered } from "../hub/who.ts";
import { type HostInfo, HostInfoSchema } from "../proto/gen/host_pb.js";
import { Model } from "./model.ts";
import { viewOf } from "./view.ts";

export const alice: Extract<Actor, { readonly kind: "administrator" }> = {
  kind: "administrator",
  name: "alice",
  origin: "10.0.0.7",
  credential: "session",
};

export const capable: Capabilities = {
  cpuCores: 32,
  memoryTotalGB: 251.5,
  gpus: [{ index: 0, name: "H100", memoryTotalMB: 81559 }],
  disks: [{ mount: "/", totalGB: 900 }],
  nics: [{ name: "eth0", ipv4: "10.0.0.21" }],
};

const devicesOf = (info: HostInfo | undefined) => info && { gpus: info.gpus, disks: info.disks, nics: info.nics };

/** An answer of the hub. */
export interface AdminAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: each route has its own, and a test looks at parts of it
  readonly value: any;
}

export class AdminScene {
  now = 1_800_000_000_000;
  who: Actor = alice;
  readonly history = new Model();
  readonly live: Live;
  readonly book: Book;
  readonly servers: ServerList;
  readonly troubles = new Troubles(() => this.now);
  /** Joins machines that are one host, as hub/machines.ts does. */
  join = (): void => {};
  readonly #folder = mkdtempSync(join(tmpdir(), "gohm-admin-"));
  /** Timers of the clock but those of the book, by which a test lets time pass. */
  timers: (() => void)[] = [];
  readonly #offered = new Map<string, HostInfo>();
  #app: ReturnType<typeof application> | undefined;
  /** The settings file, if the scene has one. */
  file: SettingsFile | undefined;
  #close: (() => Promise<void>)[] = [];

  constructor(servers: Servers = {}) {
    this.live = new Live(() => this.now);
    this.servers = new ServerList(servers);
    const clock = { now: () => this.now, after: () => () => {} };
    this.book = openBook({ folder: this.#folder, clock, log: silent, notice: () => {} });
  }

  /** A hub with a settings file, which it may change, and reads only when it is asked to. */
  static of(path: string): AdminScene {
    const given = { flags: {}, env: { GOHM_SETTINGS: path } };
    const loaded = loadSettings(given);
    const scene = new AdminScene(loaded.settings.servers);
    scene.file = new SettingsFile(given, loaded);
    const clock = { now: () => scene.now, after: () => () => {} };
    const good = ({ servers }: Pick<Settings, "servers">): void => scene.servers.change(servers);
    scene.file.watch({ clock, log: silent, good, bad: () => {} });
    return scene;
  }

  readonly clock = {
    now: (): number => this.now,
    after: (_ms: number, run: () => void): (() => void) => {
      this.timers.push(run);
      return () => {
        this.timers = this.timers.filter((other) => other !== run);
      };
    },
  };

  async open(): Promise<void> {
    const { live, history, book, clock, servers, file, troubles } = this;
    const view = views.find(({ name }) => name === "admin");
    if (view === undefined) throw new Error("the hub has no administration");
    const opened = await view.open(
      viewOf({
        ...{ live, history, book, clock, servers, file, troubles },
        offered: (name) => devicesOf(this.#offered.get(name)),
        joinMachines: () => this.join(),
      }),
      {},
    );
    this.#close.push(() => opened.close());
    const entry = { offers: offered, open: () => true, identify: () => this.who };
    this.#app = application([opened], { log: silent, entry });
  }

  async close(): Promise<void> {
    for (const close of this.#close) await close();
    this.book.close();
    rmSync(this.#folder, { recursive: true });
  }

  /** Sends the request of a client for a route. */
  async ask<R extends Route>(route: R, args: Arguments<R>, body?: unknown): Promise<AdminAnswer> {
    const { path, method, headers, body: text } = call(route, args, body);
    const answer = await this.#app?.request(path, { method, headers, ...(text === undefined ? {} : { body: text }) });
    return { status: answer?.status ?? 0, value: await answer?.json() };
  }

  /** All hosts as administrators see them. */
  async nodes(): Promise<AdminAnswer["value"][]> {
    return (await this.ask(adminRoutes.nodes, {})).value.nodes;
  }

  /** One of them, by its own name; undefined if it is not there. */
  async node(name: string): Promise<AdminAnswer["value"]> {
    return (await this.nodes()).find((one) => one.name === name);
  }

  /** Has a machine register by itself. @returns the secret of its token */
  register(
    hostname: string,
    more: Partial<Pick<NodeRecord, "host" | "state" | "capabilities" | "history" | "way">> = {},
  ): string {
    const secret = randomBytes(16).toString("hex");
    const node = { hostname, host: hostname, state: "waiting" as const, capabilities: capable, ...more };
    this.book.write((book) => book.addNode({ ...node, registered: this.now, origin: "10.0.0.21" }, hashOf(secret)));
    return secret;
  }

  /** Has a host answer with a report. */
  report(name: string, info: MessageInitShape<typeof HostInfoSchema> = {}, skewMs?: number): void {
    this.live.expect(name, this.servers.addresses().get(name) ?? "pushed");
    this.live.received(name, create(HostInfoSchema, info), skewMs);
  }

  /** Has the last report of a host have these devices, of which only some are kept. */
  offer(name: string, lists: MessageInitShape<typeof HostInfoSchema>): void {
    this.#offered.set(name, create(HostInfoSchema, lists));
  }

  /** Entries of the audit log, newest first. */
  audit(): readonly AuditEntry[] {
    return this.book.audit({ limit: 1000 });
  }
}

/** What a refusal begins with or is, for a field of a body that is wrong or missing. */
export const refusalOf = (body: object, field: string): string =>
  field in body ? `The body's "${field}" must be` : `The body must have the key "${field}".`;
