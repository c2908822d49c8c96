import type { Part } from "../../program/part.ts";
import type { Table, Values } from "../../program/setting.ts";
import type { Clock } from "../clock.ts";
import type { CopyOptions } from "../database/database.ts";
import type { Instruments } from "../instrument.ts";
import type { Log } from "../log.ts";
import type { Sentence } from "../sentence.ts";
import type { Local, Store } from "./store.ts";

/** Everything that an engine may use. */
export interface EngineContext {
  /** The data folder. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Measures the hub itself, for /metrics. */
  readonly instruments?: Pick<Instruments, "observe" | "read">;
  /** Shows an administrator a message on a topic, or with undefined removes it. */
  readonly notice: (topic: string, sentence: Sentence | undefined) => void;
}

/** Stores the history. */
export interface Engine<T extends Table = Table> extends Part<T> {
  /** Its database in a data folder, and in a backup; undefined if it keeps the history elsewhere. */
  readonly file?: string;
  /**
   * Opens the history, or begins a new one.
   * @param values those of its own table
   * @throws Fault data_folder_unusable, data_folder_busy, data_newer
   */
  open(context: EngineContext, values: Values<T>): Promise<RunningEngine<T>>;
  /**
   * Copies the history of a data folder that no hub uses into one new file.
   * @returns false if the folder holds no history of this engine
   * @throws Fault backup_failed, data_folder_busy, data_folder_unusable, data_newer
   */
  copy(options: CopyOptions): Promise<boolean>;
}

export interface RunningEngine<T extends Table = Table> {
  readonly store: Store;
  /** The same history, if it is in files of this machine; undefined if another server keeps it. */
  readonly local?: Local;
  /** Milliseconds for which samples are kept as they were measured; Infinity for ever. */
  retentionMs(): number;
  /** Called when values of its own table have changed. */
  change(values: Values<T>): void;
}
