// The state of a hub for tests of views and their applications: no hosts, no accounts, and nothing happens by itself.
import type { Book } from "../hub/book/book.ts";
import { Desk } from "../hub/desk.ts";
import type { HistoryReader, Store } from "../hub/history/store.ts";
import { Identity } from "../hub/identity.ts";
import type { InputContext } from "../hub/input/input.ts";
import { Instruments } from "../hub/instrument.ts";
import { Live } from "../hub/live.ts";
import { silent } from "../hub/log.ts";
import { Privacy } from "../hub/privacy.ts";
import { Roll } from "../hub/push/roll.ts";
import { Refusals } from "../hub/refusal.ts";
import { ReportRuns } from "../hub/report/runs.ts";
import type { ReportPlan } from "../hub/report/settings.ts";
import { Roster } from "../hub/roster.ts";
import { ServerList } from "../hub/servers.ts";
import { Troubles } from "../hub/trouble.ts";
import type { HubView } from "../hub/view/view.ts";
import { Zone } from "../program/zone.ts";
import { defaultDoor, openFront } from "./door.ts";
import { Model } from "./model.ts";

/** A book without entries, which cannot be written. */
export const emptyBook: Book = {
  audit: () => [],
  accounts: () => [],
  account: () => undefined,
  externalAccount: () => undefined,
  sessions: () => 0,
  sessionList: () => [],
  tokens: () => [],
  hosts: () => [],
  host: () => undefined,
  nodes: () => [],
  node: () => undefined,
  passwordOf: () => undefined,
  session: () => undefined,
  token: () => undefined,
  nodeOf: () => undefined,
  link: () => undefined,
  write: () => {
    throw new Error("the empty book cannot be written");
  },
  onChange: () => () => {},
  backup: async () => {},
  bytes: () => 0,
  close: () => {},
};

const refuseMachine = async (): Promise<never> => {
  throw new Error("no machine can register here");
};

/** Without nodes of daily reports. */
export const noReports = (): ReportPlan => ({
  nodes: [],
  folder: "",
  zone: new Zone("UTC"),
  time: "23:45",
  tasks: undefined,
});

/** What inputs are given, for tests of inputs that use none of it. */
export const inputContext: Omit<InputContext, "ingest" | "clock" | "random" | "log"> = {
  roster: new Roster({ servers: new ServerList({}) }),
  book: emptyBook,
  desk: new Desk({ book: emptyBook, clock: { now: Date.now, after: () => () => {} }, log: silent }),
  history: new Model(),
  registrar: {
    roll: new Roll(emptyBook),
    admit: async () => {},
    register: refuseMachine,
    enter: refuseMachine,
  },
  push: () => ({ register: "approval", secret: "", devices: 256 }),
  troubles: new Troubles(Date.now),
  refusals: new Refusals(Date.now),
  notice: () => {},
  instruments: new Instruments(),
  zone: () => new Zone("UTC"),
  reports: noReports,
};

export interface ViewOptions
  extends Partial<Omit<HubView, "book" | "desk" | "forget" | "history" | "identity" | "roster" | "servers">> {
  readonly book?: Book;
  /** Hosts are deleted of it if it can. */
  readonly history?: HistoryReader & Partial<Pick<Store, "forget">>;
  /** Servers of the settings; none by default. */
  readonly servers?: ServerList;
  /** `auth.read`; "open" by default. */
  readonly read?: () => "open" | "login";
  /** `hub.url`; "" by default. */
  readonly place?: () => string;
}

/** A hub as views see it, with a desk and an identity over its book. */
export function viewOf({
  book = emptyBook,
  read = () => "open",
  place = () => "",
  servers = new ServerList({}),
  ...more
}: ViewOptions = {}): HubView {
  const clock = more.clock ?? { now: Date.now, after: () => () => {} };
  const log = more.log ?? silent;
  const history = more.history ?? new Model();
  const desk = new Desk({ book, clock, log });
  return {
    live: new Live(clock.now),
    history,
    clock,
    log,
    version: "1.2.3",
    instance: "h",
    zone: () => new Zone("UTC"),
    reports: noReports,
    reportRuns: new ReportRuns(),
    name: () => "",
    interval: () => 10,
    troubles: new Troubles(clock.now),
    refusals: new Refusals(clock.now),
    offered: () => undefined,
    joinMachines: () => {},
    instruments: new Instruments(),
    url: () => "http://hub.lab:5000",
    door: () => defaultDoor,
    front: openFront,
    web: "",
    file: undefined,
    privacy: new Privacy({ now: clock.now, users: "shown" }),
    ...more,
    roster: new Roster({ servers, book }),
    servers,
    book,
    desk,
    async forget(who, action, host) {
      desk.do(who, action);
      await history.forget?.(host);
    },
    identity: new Identity({
      book,
      desk,
      clock,
      settings: () => ({ read: read(), url: place(), hosts: [], door: (more.door ?? (() => defaultDoor))() }),
    }),
  };
}
