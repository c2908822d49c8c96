import { randomBytes } from "node:crypto";
import { hostname, networkInterfaces } from "node:os";
import { isDeepStrictEqual } from "node:util";
import type { Hono } from "hono";
import type { Certificate } from "../program/certificate.ts";
import { ListenError } from "../program/listen.ts";
import { type Part, valuesOf } from "../program/part.ts";
import { SettingError, type Table, type Values } from "../program/setting.ts";
import { Zone } from "../program/zone.ts";
import type { HostInfo } from "../proto/gen/host_pb.js";
import type { BookReader } from "./book/book.ts";
import { openBook } from "./book/sqlite.ts";
import type { Clock } from "./clock.ts";
import { checkRestored, makePrivate } from "./database/folder.ts";
import { type DatabaseSources, databases } from "./databases.ts";
import { Desk, type Forget } from "./desk.ts";
import { basePathOf } from "./door/url.ts";
import { Fault } from "./fault.ts";
import { FirstAdministrator } from "./first.ts";
import { Front } from "./front.ts";
import type { EngineContext, RunningEngine } from "./history/engine.ts";
import { application } from "./http/application.ts";
import { backup } from "./http/backup.ts";
import { AnswerBudget } from "./http/budget.ts";
import { listen, starting, type WebServer } from "./http/server.ts";
import { checkAlone, openSocket } from "./http/socket.ts";
import { Identity } from "./identity.ts";
import { Ingest } from "./ingest.ts";
import type { InputContext, RunningInput } from "./input/input.ts";
import { Instruments } from "./instrument.ts";
import { Live } from "./live.ts";
import type { Log } from "./log.ts";
import { Machines } from "./machines.ts";
import { countReading, metered, requestCounter } from "./metered.ts";
import { parts as installed, type Parts } from "./parts.ts";
import { Privacy } from "./privacy.ts";
import { measureProcess } from "./process.ts";
import { Registrar } from "./push/registrar.ts";
import { Refusals } from "./refusal.ts";
import { ReportRuns } from "./report/runs.ts";
import { planOf, type ReportPlan } from "./report/settings.ts";
import { Roster } from "./roster.ts";
import { ServerList } from "./servers.ts";
import { namesOf, type Settings } from "./settings.ts";
import type { RunningTask, TaskContext } from "./task/task.ts";
import { Troubles } from "./trouble.ts";
import type { HubView, RunningView, ServersFile } from "./view/view.ts";
import { type RequestHead, socket } from "./who.ts";

export interface HubOptions {
  /** The settings file, for administration; without it, servers of the settings cannot be changed. */
  readonly file?: ServersFile & {
    /** Completes or undoes an edit of an administrator that a crash interrupted. */
    recover(book: BookReader, log: Log): void;
  };
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly version: string;
  /** Folder with the built page. */
  readonly web: string;
}

/** A running hub. */
export interface Hub {
  readonly live: Live;
  /** Where its HTTP server listens. */
  readonly host: string;
  readonly port: number;
  /** True if it has a certificate. */
  readonly secure: () => boolean;
  /** Address at which people open the page, without a slash at the end. */
  readonly url: () => string;
  /** Further addresses on which it listens, as text. */
  readonly places: readonly string[];
  readonly first: FirstAdministrator;
  /** Applies new settings; those that are fixed at the start do not change. */
  change(settings: Settings): void;
  /** Stops polling, writes data in memory to the disk, and closes every connection. */
  close(): Promise<void>;
}

/** Seconds between two reports of a host if no input sets the interval. */
const defaultInterval = 10;

interface RunningPart {
  change?(values: Values<Table>): void;
  close(): void | Promise<void>;
}

const reportPlan = ({ reports, data, timezone }: Settings): ReportPlan => planOf(reports, data, timezone);

/** The resources and parts of a running hub, in the order in which they were opened. */
class RunningHub {
  settings: Settings;
  zone: Zone;
  reports: ReportPlan;
  readonly #undo: (() => void | Promise<void>)[] = [];
  readonly #parts: { readonly part: Part; readonly opened: RunningPart }[] = [];

  readonly #log: Log;

  constructor({ settings, log }: Pick<HubOptions, "settings" | "log">) {
    this.settings = settings;
    this.zone = new Zone(settings.timezone);
    this.reports = reportPlan(settings);
    this.#log = log;
  }

  /** The values of a part's table. */
  values({ table }: Part): Values<Table> {
    return valuesOf(table, this.settings.byName);
  }

  /** @param undo is called by `close` */
  add(undo: () => void | Promise<void>): void {
    this.#undo.push(undo);
  }

  /** Registers an opened part for `change` and `close`. */
  keep<O extends RunningPart>(part: Part, opened: O): O {
    this.#parts.push({ part, opened });
    this.add(() => opened.close());
    return opened;
  }

  /** Calls `change` of each part whose values differ. */
  change(settings: Settings): void {
    const before = this.#parts.map(({ part }) => this.values(part));
    this.settings = settings;
    this.zone = new Zone(settings.timezone);
    this.reports = reportPlan(settings);
    for (const [i, { part, opened }] of this.#parts.entries()) {
      const values = this.values(part);
      if (isDeepStrictEqual(values, before[i])) continue;
      this.attempt(part, "its new settings", () => opened.change?.(values));
    }
  }

  /** Applies a change to a part. A part that fails is logged: no edit of a file may end the hub. */
  attempt({ name }: Part, what: string, change: () => void): void {
    try {
      change();
    } catch (error) {
      this.#log.error(`${name} cannot take ${what}: ${(error as Error).stack ?? String(error)}`);
    }
  }

  /** Closes everything in reverse order, whatever fails meanwhile. @throws the first error */
  async close(): Promise<void> {
    const errors: unknown[] = [];
    for (const undo of this.#undo.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

/**
 * Starts a hub: history and book, then views and tasks, then inputs, so that every received report can be stored and shown.
 * @throws Fault if it cannot start; all resources are released
 */
export async function start(options: HubOptions, parts: Parts = installed): Promise<Hub> {
  const running = new RunningHub(options);
  try {
    return await open(options, parts, running);
  } catch (error) {
    await running.close().catch((other: unknown) => options.log.error(`could not stop cleanly: ${String(other)}`));
    if (error instanceof SettingError) throw new Fault("setting_bad", error.message, { cause: error });
    throw error instanceof ListenError ? new Fault(error.code, error.message, { cause: error }) : error;
  }
}

async function open(options: HubOptions, parts: Parts, running: RunningHub): Promise<Hub> {
  const { clock, random, log } = options;
  const { data: folder, hubAddress } = running.settings;
  await checkAlone(folder);
  checkRestored(folder);
  makePrivate(
    folder,
    databases.map(({ file }) => file),
  );
  const instruments = new Instruments();
  running.add(measureProcess(instruments));
  const live = new Live(clock.now);
  const notice = live.notice.bind(live);
  const front = new Front({ settings: running.settings, notice, clock, log });
  running.add(() => front.close());
  const context = { folder, clock, log, notice, instruments };
  const { store, local, retentionMs } = await openHistory(parts.engines, context, running);
  const history = metered(store, instruments);
  const book = openBook(context);
  running.add(() => book.close());
  options.file?.recover(book, log);
  const sources: DatabaseSources = { history: local, book };
  const desk = new Desk({ book, clock, log });
  running.add(() => desk.close());
  const identity = new Identity({ book, desk, clock, settings: () => running.settings });
  const reports = (): HostInfo[] => live.hosts().flatMap(({ info, profile }) => (profile?.waiting ? [] : (info ?? [])));
  const privacy = new Privacy({ now: clock.now, users: running.settings.users, reports });
  const servers = new ServerList(running.settings.servers);
  const roster = new Roster({ servers, book });
  const troubles = new Troubles(clock.now);
  const refusals = new Refusals(clock.now);
  const reportRuns = new ReportRuns();
  const known = await history.known();
  const ingest = new Ingest({
    ...{ live, history, now: clock.now, known, retentionMs },
    ...{ directory: roster, troubles, log },
  });
  ingest.onReading((reading) => countReading(reading, instruments));
  const machines = new Machines({ roster, ingest, desk, clock, log });
  running.add(() => machines.close());
  const inputs: RunningInput[] = [];
  const forget: Forget = async (who, action, host) => {
    desk.do(who, action);
    await history.forget(host);
  };
  const registrar = new Registrar(
    { book, desk, history, forget, roster, troubles, notice, clock, log },
    () => running.settings.push,
  );
  running.add(() => registrar.close());
  const url = (): string => (running.settings.url || placeOf(web, front.certificate())).replace(/\/$/, "");
  const view: HubView = {
    live,
    history,
    clock,
    log,
    version: options.version,
    instance: randomBytes(8).toString("hex"),
    zone: () => running.zone,
    reports: () => running.reports,
    reportRuns,
    name: () => running.settings.name,
    interval: () => Math.max(0, ...inputs.map((input) => input.interval?.() ?? 0)) || defaultInterval,
    roster,
    servers,
    file: options.file,
    troubles,
    refusals,
    offered: (host) => ingest.offered(host),
    joinMachines: () => machines.joinNow(),
    instruments,
    url,
    door: () => running.settings.door,
    front,
    web: options.web,
    book,
    desk,
    forget,
    privacy,
    identity,
  };
  const views: RunningView[] = [];
  for (const part of parts.views) views.push(running.keep(part, await part.open(view, running.values(part))));
  const tasks: RunningTask[] = [];
  const onReading: Ingest["onReading"] = (listener) => ingest.onReading(listener);
  const task: TaskContext = { view, onReading, desk, notice, reportRuns, retentionMs };
  for (const part of parts.tasks) tasks.push(running.keep(part, await part.open(task, running.values(part))));
  let app: Hono | undefined;
  const fetch: Hono["fetch"] = (...request) => app?.fetch(...request) ?? starting(request[0]);
  const web = await listen(
    { fetch },
    {
      ...{ address: hubAddress, front, log, refusals },
      names: () => namesOf(running.settings),
      proxies: identity.proxies,
      base: () => basePathOf(running.settings.url),
    },
  );
  running.add(() => web.close());
  for (const part of parts.inputs) {
    const onChange: Roster["onChange"] = (listener) =>
      roster.onChange(() => running.attempt(part, "the new list of machines", listener));
    const list = {
      polled: () => roster.polled(),
      keyOf: (name: string) => roster.keyOf(name),
      names: () => roster.names(),
      onChange,
    };
    const input: InputContext = {
      ...{ ingest, roster: list, book, desk, history, registrar, troubles, refusals, notice },
      ...{ clock, random, log, instruments },
      push: () => running.settings.push,
      zone: () => running.zone,
      reports: () => running.reports,
    };
    inputs.push(running.keep(part, part.open(input, running.values(part))));
  }
  const served = [...views, ...tasks, ...inputs, { routes: backup({ data: folder, sources, log }) }];
  const common = { log, version: options.version, budget: new AnswerBudget() };
  const control = await openSocket(application(served, { ...common, entry: socket }), { data: folder, clock, log });
  running.add(() => control.close());
  app = application(served, {
    ...common,
    ...{ entry: identity, identified: web.identified, refusals },
    answered: requestCounter(instruments),
    secureAddress(head) {
      if (front.certificate() === undefined) return undefined;
      // Of the others, a connection without encryption is one to this port.
      const isSecure = head.secure === true || (identity.proxies.has(head.peer) && identity.isSecure(head));
      return isSecure ? undefined : secureAddress(head, running.settings.url, url());
    },
  });
  return {
    live,
    host: web.host,
    port: web.port,
    secure: () => front.certificate() !== undefined,
    url,
    places: views.flatMap(({ place }) => place ?? []),
    first: new FirstAdministrator({ book, desk, clock }),
    change(settings) {
      front.change(settings);
      servers.change(settings.servers);
      running.change(settings);
      privacy.change(settings.users);
    },
    close: () => running.close(),
  };
}

/** The https address for a client that sent a request without encryption: that of the settings, or the one that it used. */
function secureAddress({ host }: RequestHead, set: string, own: string): string {
  if (/^https:/i.test(set)) return set.replace(/\/$/, "");
  return host === undefined ? own : `https://${host}`;
}

/** Address of the page in a browser of another machine, if the hub listens for those; by a name of the certificate if it has one. */
function placeOf({ host, port }: WebServer, certificate: Certificate | undefined): string {
  const own = host === "0.0.0.0" || host === "::" ? ownAddress() : host;
  const [named = own] = certificate?.names ?? [];
  const name = certificate === undefined || certificate.covers(own) ? own : named;
  return `${certificate === undefined ? "http" : "https"}://${name.includes(":") ? `[${name}]` : name}:${port}`;
}

/** Interfaces of this machine to its own containers and virtual machines. */
const inner = /^(docker|br-|virbr|veth|lxc|cni|cali|flannel)/;

/** The first address of this machine that others can reach, of IPv4 if it has one; else its name, which they may not know. */
function ownAddress(): string {
  const all = Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    inner.test(name) ? [] : addresses,
  );
  const outer = all.filter(({ internal, address }) => !internal && !/^(169\.254\.|fe[89ab])/i.test(address));
  return (outer.find(({ family }) => family === "IPv4") ?? outer[0])?.address ?? hostname();
}

async function openHistory(
  engines: Parts["engines"],
  context: EngineContext,
  running: RunningHub,
): Promise<RunningEngine> {
  const [engine] = engines;
  if (engine === undefined) throw new Error("A hub needs an engine that keeps its history");
  const opened = await engine.open(context, running.values(engine));
  running.keep(engine, { change: (values) => opened.change(values), close: () => opened.store.close() });
  return opened;
}
