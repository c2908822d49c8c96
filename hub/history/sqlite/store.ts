import { makeFoldersSync } from "../../../program/folder.ts";
import { levels } from "../../../proto/device.ts";
import { earliest } from "../../clock.ts";
import { databaseBytes } from "../../database/open.ts";
import type { PathLoss } from "../../database/path.ts";
import { Fault } from "../../fault.ts";
import { notice } from "../../notice.ts";
import type { Sentence } from "../../sentence.ts";
import type {
  Aggregate,
  Columns,
  DeviceFilter,
  DeviceId,
  DeviceSample,
  GroupColumns,
  GroupQuery,
  HostSample,
  KnownDevice,
  Local,
  SeriesQuery,
  Store,
} from "../store.ts";
import { backUp } from "./backup.ts";
import { damaged } from "./file.ts";
import { assemble, renewed, restored, type SqliteInstance, type SqliteOptions } from "./instance.ts";
import { blockOf, latest } from "./key.ts";
import type { HostRecord } from "./names.ts";
import { turn, Yielder } from "./turns.ts";

/** Interval at which samples are written to the journal; docs/history.md promises a second. */
const writeMs = 800;
/** Interval of attempts while nothing can be written. */
const retryMs = 2000;
/** Interval of compaction and of `Journal.sync`. */
const tendMs = 30_000;
/** Interval of deletion by retention, once nothing more is due. */
const expireMs = 600_000;
/** Maximum size of samples in memory while nothing can be written. */
const maxWaitingBytes = 256 * 2 ** 20;

/** A notice is removed this long after its last cause. */
const noticeMs = 3_600_000;

export type { SqliteOptions };

/**
 * Opens the history in a folder.
 * @throws Fault data_folder_unusable, data_folder_busy, data_newer
 */
export function openStore(options: SqliteOptions): Store & Local & Pick<SqliteStore, "unwritten"> {
  return new SqliteStore(assemble(options), options);
}

class SqliteStore implements Store, Local {
  readonly #options: SqliteOptions;
  #instance: SqliteInstance;
  readonly #troubles = new Map<"journal" | "rows", Sentence>();
  #cancelWrite: (() => void) | undefined;
  #cancelTending: (() => void) | undefined;
  #lost = 0;
  #expiredAt = 0;
  /** When the file was restored at its path. Unix ms. */
  #restoredAt: number | undefined;
  /** When hosts last lost devices to the limit, by name. */
  readonly #crowded = new Map<string, number>();
  #closed = false;
  /** Fulfilled when what was appended before is written; undefined if nobody has asked in this turn. */
  #ready: Promise<void> | undefined;

  constructor(instance: SqliteInstance, options: SqliteOptions) {
    this.#instance = instance;
    this.#options = options;
    this.#cancelTending = options.clock.after(tendMs, () => this.#startTending());
  }

  append(poll: HostSample): void {
    checkTime(poll.at);
    const { clock } = this.#options;
    const open = this.#instance.head.add(poll, blockOf(poll.at), clock.now());
    if (open) this.#instance.journal.rows(open, open.rowStart);
    else {
      // Names are checked only where they are new: an open chunk knows its own.
      checkNames(poll);
      if (!poll.devices.some(({ values }) => anyOf(values))) return;
      this.#instance.journal.begin(this.#instance.head.begin(poll, blockOf(poll.at), clock.now()));
      this.#noteCrowded();
    }
    this.#cancelWrite ??= clock.after(writeMs, () => this.#write());
  }

  read<A extends Aggregate>(query: SeriesQuery<A>, signal?: AbortSignal): Promise<readonly Columns<A>[]> {
    return this.#with((instance) => instance.query.read(query, signal));
  }

  fold(query: GroupQuery, signal?: AbortSignal): Promise<readonly GroupColumns[]> {
    return this.#with((instance) => instance.query.fold(query, signal));
  }

  known(filter?: DeviceFilter, signal?: AbortSignal): Promise<readonly KnownDevice[]> {
    return this.#with(async ({ names }) => {
      const yielder = new Yielder(signal);
      const found: (readonly [HostRecord, readonly KnownDevice[]])[] = [];
      for (const one of names.known(filter)) {
        found.push(one);
        if (yielder.due) await yielder.yield();
      }
      // Some may have been forgotten while others were listed.
      return found.flatMap(([host, devices]) => (host.forgotten ? [] : devices));
    });
  }

  async forget(name: string): Promise<void> {
    this.flush();
    const { names, keeper } = this.#instance;
    const host = names.find(name);
    if (host === undefined) return;
    try {
      keeper.forget(host);
    } catch (error) {
      throw unwritable(`The history of "${name}" cannot be deleted, and is as it was`, error);
    }
    try {
      await this.#with((instance) => instance.keeper.erase());
    } catch (error) {
      throw unwritable(`The history of "${name}" cannot be read any more, but its space cannot be freed yet`, error);
    }
  }

  rename(device: DeviceId, key: string): boolean {
    checkName(device.host, { level: device.level, key });
    const renaming = this.#instance.keeper.rename(device, key);
    if (renaming === undefined) return false;
    this.#instance.journal.rename(renaming);
    this.#cancelWrite ??= this.#options.clock.after(writeMs, () => this.#write());
    return true;
  }

  ready(): Promise<void> {
    this.#ready ??= this.#makeReady();
    return this.#ready;
  }

  /** Writes the journal once for all who ask in one turn. */
  async #makeReady(): Promise<void> {
    await turn();
    this.#ready = undefined;
    this.flush();
    try {
      await this.#with(({ keeper, journal }) => keeper.relieve(journal));
    } catch (error) {
      throw unwritable("The history takes no more samples, as those before cannot be written", error);
    }
  }

  flush(): void {
    this.#write();
    const [trouble] = this.#troubles.values();
    if (trouble !== undefined && this.#troubles.has("journal")) {
      throw new Fault("history_unwritable", `${trouble.text} The latest samples are only in memory.`);
    }
  }

  async backup(path: string): Promise<void> {
    await backUp(this.#instance.file, path, async () => {
      this.#write();
      await this.#instance.keeper.compactAll();
    });
  }

  /** Bytes of samples that are only in memory. */
  unwritten(): number {
    return this.#instance.journal.pending;
  }

  bytes(): number {
    return databaseBytes(this.#instance.databasePath.path) + this.#instance.journal.bytes();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelWrite?.();
    this.#cancelTending?.();
    this.#try("journal", () => this.#instance.journal.write());
    let sealed = false;
    this.#try("rows", () => {
      sealed = this.#instance.keeper.compactNow();
    });
    if (!sealed && this.#instance.journal.waiting) {
      this.#options.log.error("what was measured last could not be written and is lost");
    }
    this.#instance.journal.close(this.#closeFile() && sealed);
  }

  /** Closes the file, restored at its path if it was lost. @returns true if the journal may be deleted */
  #closeFile(): boolean {
    const { file, databasePath } = this.#instance;
    const { lost } = databasePath;
    try {
      if (lost !== undefined) databasePath.copyNow(file);
      file.close();
      if (lost !== undefined) this.#restored(lost, databasePath.install());
      return true;
    } catch (error) {
      this.#options.log.error(
        `the history ${databasePath.path} was ${lost} and cannot be written anew: ${(error as Error).message}; what the journal holds, the last hours, is kept`,
      );
      file.close();
      return false;
    }
  }

  /** Shows and logs hosts with more devices than history keeps. */
  #noteCrowded(): void {
    const { clock, log, maxDevices } = this.#options;
    const now = clock.now();
    const before = this.#crowded.size;
    for (const name of this.#instance.names.crowded()) this.#crowded.set(name, now);
    for (const [name, at] of this.#crowded) if (Math.abs(now - at) > noticeMs) this.#crowded.delete(name);
    if (this.#crowded.size === before) return;
    const [host = "", ...others] = this.#crowded.keys();
    const crowded = notice("history_crowded", { most: maxDevices?.() ?? 0, host, others: others.length });
    if (this.#crowded.size > before) log.warn(crowded.text);
    this.#options.notice?.("devices", this.#crowded.size > 0 ? crowded : undefined);
  }

  #write(): void {
    this.#cancelWrite?.();
    this.#cancelWrite = undefined;
    const { journal } = this.#instance;
    const begun = journal.waiting ? performance.now() : undefined;
    const isWritten = this.#try("journal", () => journal.write());
    if (begun !== undefined && isWritten) this.#options.wrote?.(performance.now() - begun);
    if (isWritten) return;
    if (this.#instance.journal.overflow())
      for (const { chunks } of this.#instance.head.all()) for (const chunk of chunks) chunk.frozen = true;
    this.#shed();
    this.#cancelWrite = this.#options.clock.after(retryMs, () => this.#write());
  }

  /** Syncs the journal, compacts, and deletes what has expired. */
  #startTending(): void {
    this.#cancelTending = undefined;
    if (this.#closed) return;
    this.#instance.journal.sync();
    void this.#tend().then(
      () => this.#tended(undefined),
      (error: unknown) => this.#tended(error),
    );
  }

  async #tend(): Promise<void> {
    const { journal, keeper, head, databasePath } = this.#instance;
    const { folder, log } = this.#options;
    if (journal.lost) {
      log.error(`a journal file in ${folder} was deleted while the hub ran; what was in it is brought into rows now`);
      makeFoldersSync(folder, 0o700);
      for (const { chunks } of head.all()) for (const chunk of chunks) chunk.frozen = true;
      journal.renew();
      await keeper.compactAll();
    }
    const { lost } = databasePath;
    if (lost !== undefined) {
      const { made, aside } = await restored(this.#instance, this.#options);
      this.#instance = made;
      this.#restored(lost, aside);
    }
    await this.#instance.keeper.tend();
  }

  #restored(lost: PathLoss, aside: string | undefined): void {
    const { clock, log } = this.#options;
    const { path } = this.#instance.databasePath;
    const words = notice("history_restored", { path, lost, aside: aside ?? "" });
    log.error(words.text);
    this.#options.notice?.("file", words);
    this.#restoredAt = clock.now();
  }

  #tended(error: unknown): void {
    if (this.#closed) return;
    const { clock } = this.#options;
    let more = false;
    this.#try("rows", () => {
      try {
        if (error !== undefined) throw error;
        more = this.#tidied();
      } catch (reason) {
        if (!damaged(reason) && this.#instance.file.open) throw reason;
        this.#instance = renewed(this.#instance, this.#options, reason);
      }
    });
    if (this.#troubles.has("rows")) this.#shed();
    const wait = more || this.#troubles.has("rows") ? retryMs : tendMs;
    this.#cancelTending ??= clock.after(wait, () => this.#startTending());
  }

  /** Releases the journal and deletes expired rows. @returns true if there is more to do */
  #tidied(): boolean {
    const { keeper, journal } = this.#instance;
    const now = this.#options.clock.now();
    // The file may have been lost since `#tend` looked: the journal is needed then.
    if (this.#instance.databasePath.lost === undefined) keeper.release(journal);
    if (this.#restoredAt !== undefined && Math.abs(now - this.#restoredAt) > noticeMs) {
      this.#restoredAt = undefined;
      this.#options.notice?.("file", undefined);
    }
    if (Math.abs(now - this.#expiredAt) < expireMs) return false;
    const more = keeper.expire();
    this.#noteCrowded();
    if (!more) this.#expiredAt = now;
    return more;
  }

  /** Works on the open file; if that was replaced meanwhile, again on the new one. */
  async #with<T>(work: (instance: SqliteInstance) => Promise<T>): Promise<T> {
    const instance = this.#instance;
    try {
      return await work(instance);
    } catch (error) {
      if (instance === this.#instance) throw error;
      return this.#with(work);
    }
  }

  /** Drops the oldest samples if too many wait in memory. */
  #shed(): void {
    this.#lost += this.#instance.keeper.shed(maxWaitingBytes);
  }

  /** Runs what may fail for lack of space or permissions; logs and shows when that begins and ends. */
  #try(what: "journal" | "rows", action: () => void): boolean {
    const { log, trouble, folder } = this.#options;
    try {
      action();
    } catch (error) {
      if (!this.#troubles.has(what)) {
        const words = notice("history_unwritable", { folder, error: (error as Error).message, retryMs });
        if (this.#troubles.size === 0) {
          log.error(words.text);
          trouble(words);
        }
        this.#troubles.set(what, words);
      }
      return false;
    }
    if (!this.#troubles.delete(what) || this.#troubles.size > 0) return true;
    log.info(
      `history is written again${this.#lost > 0 ? `; ${this.#lost} polls did not fit into memory and are lost` : ""}`,
    );
    this.#lost = 0;
    trouble(undefined);
    return true;
  }
}

const unwritable = (what: string, cause: unknown): Fault =>
  new Fault("history_unwritable", `${what}: ${(cause as Error).message}`, { cause });

function anyOf(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? Number.NaN;
    if (Number.isFinite(value)) return true;
  }
  return false;
}

function checkTime(at: number): void {
  if (!Number.isInteger(at) || at < earliest || at >= latest) {
    throw new Fault(
      "sample_bad",
      `The time of a measurement must be Unix milliseconds from ${earliest} up to the year 2900: it is ${at}`,
    );
  }
}

function checkNames({ host, devices }: HostSample): void {
  for (const device of devices) checkName(host, device);
}

function checkName(host: string, { level, key, name = "" }: Pick<DeviceSample, "level" | "key" | "name">): void {
  if (host === "" || !isName(host) || !isName(key) || !levels.includes(level)) {
    throw new Fault("sample_bad", `A measurement must name its host and device: they are "${host}" and "${key}"`);
  }
  if (!isName(name)) throw new Fault("sample_bad", `The model of a card must be one line of text: it is "${name}"`);
}

const isName = (text: string): boolean => !text.includes("\n") && text.isWellFormed();
