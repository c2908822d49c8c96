// The part of a hub that takes reports of machines, over a real book, in simulated time and without a network.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Hono } from "hono";
import { type Book, everything, type HostConfig, type NodeRecord, type Scope } from "../hub/book/book.ts";
import { openBook } from "../hub/book/sqlite.ts";
import type { Clock } from "../hub/clock.ts";
import { Desk, type Forget } from "../hub/desk.ts";
import type { DeviceFilter, HostSample, KnownDevice } from "../hub/history/store.ts";
import { application } from "../hub/http/application.ts";
import { Identity } from "../hub/identity.ts";
import { Ingest } from "../hub/ingest.ts";
import { inputs } from "../hub/input/all.ts";
import type { InputContext, RunningInput } from "../hub/input/input.ts";
import { Instruments } from "../hub/instrument.ts";
import { type HostLink, Live } from "../hub/live.ts";
import { Registrar } from "../hub/push/registrar.ts";
import { type PushSettings, table as pushTable } from "../hub/push/settings.ts";
import { Refusals } from "../hub/refusal.ts";
import type { ReportPlan } from "../hub/report/settings.ts";
import { Roster } from "../hub/roster.ts";
import { hashOf, newSecret } from "../hub/secret.ts";
import type { Sentence } from "../hub/sentence.ts";
import { ServerList, type Servers } from "../hub/servers.ts";
import { Troubles } from "../hub/trouble.ts";
import type { Actor } from "../hub/who.ts";
import type { Table } from "../program/setting.ts";
import { Zone } from "../program/zone.ts";
import { type HostInfo, HostInfoSchema } from "../proto/gen/host_pb.js";
import { defaultDoor } from "./door.ts";
import { sampleType } from "./hostile.ts";
import { namesOf } from "./model.ts";
import { listening } from "./store.ts";
import { noReports } from "./view.ts";

const administrator: Actor = { kind: "administrator", name: "alice", origin: "10.0.0.9" };
const path = (last: string): string => (last.startsWith("/") ? last : `/api/monitoring/${last}`);

type Init = Exclude<MessageInitShape<typeof HostInfoSchema>, { $typeName: string }>;

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Headers;
}

export interface Sending {
  readonly token?: string | undefined;
  /** Network address of the sender. */
  readonly from?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Settings of the logger's input by the keys of its table, and servers of the settings file. */
export interface ReceiverOptions extends Readonly<Record<string, unknown>> {
  readonly servers?: Servers;
}

const defaultsOf = (table: Table): Record<string, unknown> =>
  Object.fromEntries(Object.entries(table).map(([key, row]) => [key, row.default]));

export class Receiver {
  now = 1_800_000_000_000;
  readonly log = listening();
  readonly notices = new Map<string, string>();
  readonly troubles = new Troubles(() => this.now);
  readonly refusals = new Refusals(() => this.now);
  readonly samples: HostSample[] = [];
  live = new Live(() => this.now);
  readonly roster: Roster;
  ingest: Ingest;
  readonly book: Book;
  readonly desk: Desk;
  readonly #begin: () => Ingest;
  readonly #enlist: () => Registrar;
  readonly #open: () => readonly RunningInput[];
  readonly #serve: () => Hono;
  #inputs: readonly RunningInput[];
  registrar: Registrar;
  zone = new Zone("UTC");
  plan: ReportPlan = noReports();
  random = (): number => 0;
  /** Waits until history can take more. */
  ready = async (): Promise<void> => {};
  /** For how long history keeps every sample. */
  retentionMs = Number.POSITIVE_INFINITY;
  #app: Hono;
  readonly #folder = mkdtempSync(join(tmpdir(), "gohm-receiver-"));
  #timers: { readonly at: number; readonly run: () => void }[] = [];
  readonly clock: Clock = {
    now: () => this.now,
    after: (ms, run) => {
      const timer = { at: this.now + ms, run };
      this.#timers.push(timer);
      return () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      };
    },
  };

  /** @param settings values of `push.…` for all inputs, by the keys of their table */
  constructor(settings: Partial<PushSettings> = {}, { servers = {}, ...logger }: ReceiverOptions = {}) {
    const { clock, log, troubles } = this;
    const notice = (topic: string, words: Sentence | undefined) =>
      void (words === undefined ? this.notices.delete(topic) : this.notices.set(topic, words.text));
    this.book = openBook({ folder: this.#folder, clock, log, notice });
    const history = {
      append: (sample: HostSample) =>
        void this.samples.push({
          ...sample,
          devices: sample.devices.map((one) => ({ ...one, values: Float64Array.from(one.values) })),
        }),
      rename: () => false,
      ready: () => this.ready(),
      known: async ({ host, level: wanted }: DeviceFilter = {}) => {
        const known = new Map<string, KnownDevice>();
        for (const { host: of, at, devices } of this.samples) {
          for (const { level, key, index } of devices) {
            if (of !== host || (wanted ?? level) !== level) continue;
            const last = Math.max(at, known.get(`${level} ${key}`)?.last ?? at);
            const device = { host: of, level, key, metrics: [], last, ...(index === undefined ? {} : { index }) };
            known.set(`${level} ${key}`, device);
          }
        }
        return [...known.values()];
      },
    };
    const forget: Forget = async (who, action, host) => {
      this.desk.do(who, action);
      for (const one of this.samples.filter((sample) => sample.host === host)) {
        this.samples.splice(this.samples.indexOf(one), 1);
      }
    };
    this.desk = new Desk({ book: this.book, clock, log });
    this.roster = new Roster({ servers: new ServerList(servers), book: this.book });
    const retentionMs = (): number => this.retentionMs;
    const common = { book: this.book, desk: this.desk, history, roster: this.roster, troubles, notice, clock, log };
    this.#begin = () => new Ingest({ ...common, live: this.live, now: clock.now, directory: this.roster, retentionMs });
    this.ingest = this.#begin();
    const push = { ...defaultsOf(pushTable), ...settings } as PushSettings;
    this.#enlist = () => new Registrar({ ...common, forget }, () => push);
    this.registrar = this.#enlist();
    const context = (): InputContext => ({
      ...common,
      ...{ ingest: this.ingest, registrar: this.registrar, refusals: this.refusals, push: () => push },
      zone: () => this.zone,
      reports: () => this.plan,
      random: () => this.random(),
      instruments: new Instruments(),
    });
    this.#open = () =>
      inputs
        .filter(({ name }) => name !== "poll")
        .map(({ name, table, open }) =>
          open(context(), { ...defaultsOf(table), ...(name === "logger" ? logger : {}) }),
        );
    const identity = new Identity({
      book: this.book,
      desk: this.desk,
      clock,
      settings: () => ({ read: "open", url: "", hosts: [], door: defaultDoor }),
    });
    this.#serve = () => application(this.#inputs, { log, entry: identity, refusals: this.refusals });
    this.#inputs = this.#open();
    this.#app = this.#serve();
  }

  /** Opens the inputs anew, as a hub that is started again. */
  async restart(): Promise<void> {
    for (const input of this.#inputs) await input.close();
    this.registrar.close();
    this.live = new Live(() => this.now);
    this.ingest = this.#begin();
    this.registrar = this.#enlist();
    this.#inputs = this.#open();
    this.#app = this.#serve();
  }

  async close(): Promise<void> {
    for (const input of this.#inputs) await input.close();
    this.registrar.close();
    this.desk.close();
    this.book.close();
    rmSync(this.#folder, { recursive: true });
  }

  /** Sends a request. Its body may be a stream. */
  async ask(
    method: string,
    last: string,
    { token, from = "10.0.0.5", headers = {} }: Sending,
    body?: BodyInit,
  ): Promise<Answer> {
    const init = {
      method,
      headers: { ...headers, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
      ...(body === undefined ? {} : { body, duplex: "half" }),
    };
    const answer = await this.#app.request(path(last), init, { incoming: { socket: { remoteAddress: from } } });
    return { status: answer.status, body: (await answer.json()) as Answer["body"], headers: answer.headers };
  }

  post(last: string, body: unknown, sending: Sending = {}): Promise<Answer> {
    const headers = { "Content-Type": "application/json", ...sending.headers };
    return this.ask("POST", last, { ...sending, headers }, typeof body === "string" ? body : JSON.stringify(body));
  }

  /** Sends records as a client of the logger does. */
  records(body: unknown, sending: Sending = {}, path = "/api/receive-data"): Promise<Answer> {
    return this.post(path, body, sending);
  }

  /** Records of the first cards of a client. @param agoMs age by the clock of the hub, in its time zone */
  tick(agoMs: number, cards = 1, more: object = {}): object[] {
    return Array.from({ length: cards }, (_, gpu_id) => ({
      ...{
        timestamp: this.zone.format(this.now - agoMs),
        gpu_id,
        gpu_name: "NVIDIA A100",
        utilization_gpu: 50 + gpu_id,
      },
      ...{ client_name: "lab1", ...more },
    }));
  }

  register(hostname: unknown, more: object = {}, sending: Sending = {}): Promise<Answer> {
    return this.post("register", { hostname, capabilities: {}, ...more }, sending);
  }

  /** Registers a machine. @returns its token @throws Error if the hub refuses it */
  async enrolled(hostname: string, more: object = {}, sending: Sending = {}): Promise<string> {
    const { status, body } = await this.register(hostname, more, sending);
    if (status !== 200) throw new Error(`${hostname} is not registered: ${JSON.stringify(body)}`);
    return String(body.token);
  }

  config(token: string | undefined, sending: Sending = {}): Promise<Answer> {
    return this.ask("GET", "config", { ...sending, token });
  }

  report(token: string | undefined, more: object = {}, sending: Sending = {}): Promise<Answer> {
    return this.post("report", { hostname: "h", ...more }, { ...sending, token });
  }

  /** Sends a whole sample, as hmonitor does. */
  sample(token: string, info: HostInfo, { headers, ...sending }: Sending = {}): Promise<Answer> {
    const all = { "Content-Type": sampleType, Date: new Date(this.now).toUTCString(), ...headers };
    const body = Buffer.from(toBinary(HostInfoSchema, info));
    return this.ask("POST", "report", { ...sending, token, headers: all }, body);
  }

  node(hostname: string): NodeRecord {
    const node = this.book.node(hostname);
    if (node === undefined) throw new Error(`${hostname} is not registered`);
    return node;
  }

  /** A sample of some time ago. */
  sampled(agoMs: number, more: Init = {}): HostInfo {
    return create(HostInfoSchema, {
      ...{ hostname: "gpu7", agentVersion: "1", sampled: BigInt(this.now - agoMs), cpu: { busy: 50 } },
      ...more,
    });
  }

  linkOf(host: string): HostLink | undefined {
    return this.live.host(host)?.link;
  }

  /** What history was given of a host: milliseconds from now, and values of each device. */
  kept(host: string): [number, [string, Record<string, number>][]][] {
    return this.samples
      .filter((one) => one.host === host)
      .map(({ at, devices }) => [at - this.now, devices.map((one) => [`${one.level} ${one.key}`, namesOf(one)])]);
  }

  /** As `kept`, of the utilization of each GPU. */
  utilization(host: string): [number, Readonly<Record<string, number | undefined>>][] {
    return this.kept(host).map(([at, devices]) => [
      at,
      Object.fromEntries(devices.map(([key, values]) => [key, values.gpu_utilization])),
    ]);
  }

  /** What an administrator does with a machine. */
  approve = (hostname: string): void => this.#change(hostname, { state: "approved" });
  reset = (hostname: string): void => this.#change(hostname, { token: undefined, reset: true });

  #change(hostname: string, change: Parameters<Parameters<Parameters<Book["write"]>[0]>[0]["changeNode"]>[1]): void {
    const { id } = this.node(hostname);
    this.#do(hostname, (book) => book.changeNode(id, change));
  }

  remove(hostname: string): void {
    const { id } = this.node(hostname);
    this.#do(hostname, (book) => book.removeNode(id));
  }

  configure(host: string, config: Partial<HostConfig>): void {
    this.#do(host, (book) => book.changeHost(host, { config: { ...everything, ...config } }));
  }

  /** Makes an enrolment token. @returns its secret */
  enrolment = (name: string, expires?: number): string => this.token(name, "enroll", expires);

  /** Makes an API token. @returns its secret */
  token(name: string, scope: Scope, expires?: number): string {
    const secret = newSecret();
    const { now: created } = this;
    const creator = "administrator alice";
    this.#do(name, (book) => book.addToken(hashOf(secret), { name, scope, created, creator, expires }));
    return secret;
  }

  #do(target: string, write: (book: Parameters<Parameters<Book["write"]>[0]>[0]) => unknown): void {
    this.desk.do(administrator, { name: "node.change", needs: "admin", target, write });
  }

  /** Runs what waits, without advancing time. */
  async settle(): Promise<void> {
    for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    await this.settle();
    for (;;) {
      const [next] = this.#timers.toSorted((a, b) => a.at - b.at);
      if (next === undefined || next.at > end) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.now = Math.max(this.now, next.at);
      next.run();
      await this.settle();
    }
    this.now = end;
  }
}
