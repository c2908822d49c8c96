import type { Part } from "../../program/part.ts";
import type { Table, Values } from "../../program/setting.ts";
import type { Zone } from "../../program/zone.ts";
import type { Book } from "../book/book.ts";
import type { Clock } from "../clock.ts";
import type { Desk } from "../desk.ts";
import type { Store } from "../history/store.ts";
import type { Ingest } from "../ingest.ts";
import type { Instruments } from "../instrument.ts";
import type { Log } from "../log.ts";
import type { Registrar } from "../push/registrar.ts";
import type { PushSettings } from "../push/settings.ts";
import type { Refusals } from "../refusal.ts";
import type { ReportPlan } from "../report/settings.ts";
import type { Roster } from "../roster.ts";
import type { Served } from "../route/handler.ts";
import type { Sentence } from "../sentence.ts";
import type { Troubles } from "../trouble.ts";

/** Everything that an input may use. */
export interface InputContext {
  /** Accepts reports of hosts. */
  readonly ingest: Ingest;
  /** The hosts to poll, and what names mean. */
  readonly roster: Pick<Roster, "polled" | "keyOf" | "names" | "onChange">;
  /** Administration, to read. */
  readonly book: Pick<Book, "nodes" | "hosts" | "token" | "onChange">;
  /** Changes administration. */
  readonly desk: Pick<Desk, "do" | "draft" | "complete" | "refused" | "note">;
  /** Which devices history has, and when it can take more. */
  readonly history: Pick<Store, "known" | "ready">;
  /** Registers machines that report by themselves. */
  readonly registrar: Pick<Registrar, "roll" | "admit" | "register" | "enter">;
  /** Settings of all inputs that take reports. */
  readonly push: () => PushSettings;
  /** What is wrong with hosts, for administrators. */
  readonly troubles: Pick<Troubles, "set">;
  /** Counts what is refused to senders that are no hosts, for administrators. */
  readonly refusals: Pick<Refusals, "count">;
  /** Shows a notice on a topic to administrators; undefined takes it back. */
  readonly notice: (topic: string, sentence: Sentence | undefined) => void;
  /** Measures the hub itself, for /metrics. */
  readonly instruments: Pick<Instruments, "count" | "observe" | "read">;
  readonly clock: Clock;
  /** Time zone of dates and times without one (`hub.timezone`). */
  readonly zone: () => Zone;
  /** Nodes of daily reports, whose rows are history, too. */
  readonly reports: () => ReportPlan;
  /** From 0 up to 1, as Math.random. */
  readonly random: () => number;
  readonly log: Log;
}

/** Receives reports of hosts, decodes them, and passes them to `ingest` with the names of their hosts. */
export interface Input<T extends Table = Table> extends Part<T> {
  /** @param values those of its own table */
  open(context: InputContext, values: Values<T>): RunningInput<T>;
}

export interface RunningInput<T extends Table = Table> {
  readonly routes?: Served;
  /** Seconds between two reports of a host; absent if hosts decide. */
  interval?(): number;
  /** Called when values of its own table have changed. */
  change(values: Values<T>): void;
  close(): void | Promise<void>;
}
