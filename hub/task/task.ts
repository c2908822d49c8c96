import type { Part } from "../../program/part.ts";
import type { Table, Values } from "../../program/setting.ts";
import type { Desk } from "../desk.ts";
import type { Ingest } from "../ingest.ts";
import type { ReportRuns } from "../report/runs.ts";
import type { Served } from "../route/handler.ts";
import type { Sentence } from "../sentence.ts";
import type { HubView } from "../view/view.ts";

/** Everything that a task may use. */
export interface TaskContext {
  readonly view: HubView;
  /** Subscribes to stored reports: see `Ingest`. */
  readonly onReading: Ingest["onReading"];
  /** Changes administration. */
  readonly desk: Pick<Desk, "do">;
  /** Shows a notice on a topic to administrators; undefined takes it back. */
  readonly notice: (topic: string, sentence: Sentence | undefined) => void;
  /** What became of daily reports, for views. */
  readonly reportRuns: ReportRuns;
  /** Milliseconds for which history keeps every sample; absent if forever. */
  readonly retentionMs?: (() => number) | undefined;
}

/** Work that the hub does by itself, without a request: it reads what the hub knows and writes files or messages. */
export interface Task<T extends Table = Table> extends Part<T> {
  /** @param values those of its own table. @throws Fault if it cannot start */
  open(context: TaskContext, values: Values<T>): Promise<RunningTask<T>>;
}

export interface RunningTask<T extends Table = Table> {
  readonly routes?: Served;
  /** Called when values of its own table have changed. */
  change(values: Values<T>): void;
  close(): void | Promise<void>;
}
