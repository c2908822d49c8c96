import type { Context } from "hono";
import type { Part } from "../../program/part.ts";
import type { Table, Values } from "../../program/setting.ts";
import type { Zone } from "../../program/zone.ts";
import type { BookReader } from "../book/book.ts";
import type { Clock } from "../clock.ts";
import type { Desk, Effect, Forget } from "../desk.ts";
import type { DoorSettings } from "../door/settings.ts";
import type { FrontView } from "../front.ts";
import type { HistoryReader } from "../history/store.ts";
import type { Identity } from "../identity.ts";
import type { Ingest } from "../ingest.ts";
import type { Instruments } from "../instrument.ts";
import type { LiveView } from "../live.ts";
import type { Log } from "../log.ts";
import type { PrivacyView } from "../privacy.ts";
import type { RefusalsView } from "../refusal.ts";
import type { ReportRunsView } from "../report/runs.ts";
import type { ReportPlan } from "../report/settings.ts";
import type { RosterView } from "../roster.ts";
import type { Served } from "../route/handler.ts";
import type { Obstacle, ServerChange, ServerList } from "../servers.ts";
import type { TroublesView } from "../trouble.ts";

/** The settings file, in which administration changes the servers. */
export interface ServersFile {
  readonly path: string;
  /** Why the hub cannot change it; undefined if it can. */
  obstacle(): Obstacle | undefined;
  /** Brings into effect what was edited since it was last read. */
  refresh(): void;
  /**
   * Prepares a change of a server that the settings have, or its removal (undefined), for the desk. What is in effect must be
   * what was last read. Once it is made, it is in effect.
   * @throws Fault host_in_settings, as `make` does; bad_request if the settings would not be valid
   */
  edit(name: string, change: ServerChange | undefined): Effect;
}

/** State of the hub as views see it: read-only, but for administration, which the desk changes. */
export interface HubView {
  readonly live: LiveView;
  readonly history: HistoryReader;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Random; changes at each start of the hub. */
  readonly instance: string;
  /** Time zone of dates and times without one (`hub.timezone`). */
  readonly zone: () => Zone;
  /** What daily reports are made by (`reports.…`). */
  readonly reports: () => ReportPlan;
  /** Daily reports that were made since the start. */
  readonly reportRuns: ReportRunsView;
  /** Name of the hub (`hub.name`), or "". */
  readonly name: () => string;
  /** Seconds between two reports of a host at the moment; the longest where inputs differ. */
  readonly interval: () => number;
  /** Names, groups, labels and configuration of hosts. */
  readonly roster: RosterView;
  /** What the settings file says of hosts; the roster has it with what administrators have set. */
  readonly servers: Pick<ServerList, "addresses" | "group" | "labels">;
  /** The settings file; undefined if there can be none. */
  readonly file: ServersFile | undefined;
  /** What is wrong with hosts, for administrators. */
  readonly troubles: TroublesView;
  /** Machines that were refused, for administrators. */
  readonly refusals: RefusalsView;
  /** Devices of the last report of a host, also those that are not kept; undefined if all are. */
  readonly offered: Ingest["offered"];
  /** Joins approved machines with the polled hosts that they are, as far as they were heard from (hub/machines.ts). */
  readonly joinMachines: () => void;
  /** Address at which people open the page, without a slash at the end: `hub.url`, else where the hub listens. */
  readonly url: () => string;
  /** By which ways people come in, anew each time. */
  readonly door: () => DoorSettings;
  /** Who may connect to a port of the hub, and with which certificate; for a view that opens one. */
  readonly front: FrontView;
  /** Folder with the built page. */
  readonly web: string;
  /** Administration, read-only. */
  readonly book: BookReader;
  /** Changes administration, if the actor has the right. */
  readonly desk: Pick<Desk, "do" | "refused">;
  readonly forget: Forget;
  /** What of the people who use the machines a client sees. */
  readonly privacy: PrivacyView;
  /** Measures the hub itself, for /metrics. */
  readonly instruments: Pick<Instruments, "read" | "families">;
  /** Who may ask on the TCP port. A view with a port of its own admits its clients by it. */
  readonly identity: Identity;
}

/** Shows the state of the hub to its clients. */
export interface View<T extends Table = Table> extends Part<T> {
  /**
   * @param values those of its own table
   * @throws Fault if it cannot be offered, ListenError for a port in use
   */
  open(view: HubView, values: Values<T>): Promise<RunningView<T>>;
}

export interface RunningView<T extends Table = Table> {
  /** Its routes on the hub's HTTP server. */
  readonly routes?: Served;
  /** Further address on which it listens, as text for the log: "history gRPC on 0.0.0.0:9204". */
  readonly place?: string;
  /** Called when values of its own table have changed; without it they take effect at the next start. */
  change?(values: Values<T>): void;
  /** Releases its resources, and closes the connections of its viewers. */
  close(): Promise<void>;
}

/** True if a host is in counts, lists and summaries: not while it waits for approval. */
export function counts({ live, roster }: Pick<HubView, "live" | "roster">, name: string): boolean {
  const host = live.host(name);
  return host === undefined ? !roster.waits(name) : host.profile?.waiting !== true;
}

/**
 * True if the history of a host is in counts, lists and summaries: also while another machine waits under its name, as a
 * stranger must not make the history of a host that is gone disappear.
 */
export const countsInHistory = (view: Pick<HubView, "live" | "roster">, name: string): boolean =>
  counts(view, name) || view.roster.inherits(name);

/** Seconds between two reports of a host. */
export const intervalOf = (
  { live, roster, interval }: Pick<HubView, "live" | "roster" | "interval">,
  host: string,
): number => (live.host(host)?.profile ?? roster.profile(host))?.intervalSec ?? interval();

/**
 * True if the client has this representation already: If-None-Match holds its entity tag, or is "*" (RFC 9110 §13.1.2: tags
 * are compared weakly).
 */
export function matchesEtag(c: Context, etag: string): boolean {
  const asked = c.req.header("if-none-match")?.trim();
  if (asked === undefined || asked === "*") return asked === "*";
  return [...asked.matchAll(/(?:W\/)?("[^"]*")/g)].some(([, tag]) => tag === etag.replace(/^W\//, ""));
}
