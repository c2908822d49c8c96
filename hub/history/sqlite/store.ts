import type { Level } from "../../../proto/catalog.ts";
import type { Clock } from "../../clock.ts";
import { Fault } from "../../fault.ts";
import type { Log } from "../../log.ts";
import type { Aggregate, Columns, GroupColumns, GroupQuestion, Known, Poll, Question, Store } from "../store.ts";
import { backUp } from "./backup.ts";
import { type File, fileBytes, openFile } from "./file.ts";
import { Journal } from "./journal.ts";
import { Keeper } from "./keeper.ts";
import { Names } from "./names.ts";
import { Query } from "./query.ts";
import { Recent, startOf } from "./recent.ts";
import { type Limits, Retention } from "./retention.ts";
import { Rows } from "./rows.ts";
import type { Run } from "./run.ts";
import { latest, windowOf } from "./span.ts";

export interface Options {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds that samples and each kind of summary are kept; Infinity for ever. */
  readonly retention: () => {
    readonly raw: number;
    readonly fiveMinutes: number;
    readonly hour: number;
    readonly day: number;
  };
  /** Bytes that the file may have; Infinity for no limit. */
  readonly maxSize: () => number;
  /** Told in words when nothing can be written, and with undefined when it can again. */
  readonly trouble: (text: string | undefined) => void;
}

/** Samples gather for this long before they are written together. The contract allows a second. Milliseconds. */
const gather = 800;
/** Between two attempts while nothing can be written. Milliseconds. */
const again = 2000;
/**
 * Between two times that the system is told to bring the journal to the disk, which is what a loss of power costs at
 * most, and two looks at what is to be sealed. Milliseconds.
 */
const care = 30_000;
/** Between two looks at what is to be let go, unless there is more of it than was let go at once. Milliseconds. */
const spring = 600_000;
/** Samples in memory while nothing can be written, at most. Bytes. */
const room = 256 * 2 ** 20;

/**
 * Opens the history in a folder.
 * @throws Fault data_folder_unusable, data_folder_busy, data_newer
 */
export function openStore(options: Options): Store {
  let names: Names | undefined;
  const file = openFile(options.folder, options, (opened) => {
    names = new Names(opened);
  });
  return new SqliteStore(file, names ?? new Names(file), options);
}

class SqliteStore implements Store {
  readonly #file: File;
  readonly #names: Names;
  readonly #options: Options;
  readonly #recent: Recent;
  readonly #journal: Journal;
  readonly #keeper: Keeper;
  readonly #retention: Retention;
  readonly #query: Query;
  readonly #troubles = new Map<"journal" | "rows", string>();
  #writing: (() => void) | undefined;
  #caring: (() => void) | undefined;
  #lost = 0;
  #cleaned = 0;
  #closed = false;

  constructor(file: File, names: Names, options: Options) {
    const { folder, clock, log, retention, maxSize } = options;
    this.#file = file;
    this.#names = names;
    this.#options = options;
    const rows = new Rows(file, log);
    this.#recent = new Recent(names);
    this.#journal = new Journal(folder, clock.now);
    const limits = (): Limits => {
      const { raw, fiveMinutes: five, hour, day } = retention();
      return { raw, five, hour, day, bytes: maxSize() };
    };
    this.#retention = new Retention({ file, names, limits, now: clock.now });
    this.#keeper = new Keeper({
      file,
      names,
      rows,
      recent: this.#recent,
      now: clock.now,
      gone: (window) => this.#retention.gone(window),
    });
    this.#query = new Query(names, rows, this.#recent);
    this.#keeper.replay(this.#journal, log);
    this.#caring = clock.after(care, () => this.#care());
  }

  append(poll: Poll): void {
    checkTime(poll.at);
    const { clock } = this.#options;
    const open = this.#recent.add(poll, windowOf(poll.at), clock.now());
    if (open) this.#journal.row(open, open.from(open.rowStart));
    else {
      // Names are looked at where they are new: an open run has seen those it takes.
      checkNames(poll);
      if (!poll.devices.some(({ values }) => some(values))) return;
      this.#begin(this.#recent.begin(poll, windowOf(poll.at), clock.now()));
    }
    this.#writing ??= clock.after(gather, () => this.#write());
  }

  read<A extends Aggregate>(question: Question<A>): Promise<readonly Columns<A>[]> {
    return this.#query.read(question);
  }

  fold(question: GroupQuestion): Promise<readonly GroupColumns[]> {
    return this.#query.fold(question);
  }

  known(host?: string): readonly Known[] {
    return this.#names.known(host);
  }

  flush(): void {
    this.#write();
    const [trouble] = this.#troubles.values();
    if (this.#troubles.has("journal")) {
      throw new Fault("history_unwritable", `${trouble} What it was given last is in memory only.`);
    }
  }

  async backup(path: string): Promise<void> {
    await backUp(this.#file, path, async () => {
      this.#write();
      await this.#keeper.sealAll();
    });
  }

  bytes(): number {
    return fileBytes(this.#options.folder) + this.#journal.bytes();
  }

  close(): void {
    this.#closed = true;
    this.#writing?.();
    this.#caring?.();
    this.#try("journal", () => this.#journal.write());
    const sealed = this.#try("rows", () => this.#keeper.sealNow());
    if (!sealed && this.#journal.waiting) {
      this.#options.log.error("what was measured last could not be written and is lost");
    }
    this.#file.close();
    this.#journal.close(sealed);
  }

  #begin(run: Run): void {
    this.#journal.start(startOf(run));
    this.#journal.row(run, run.from(0));
  }

  #write(): void {
    this.#writing?.();
    this.#writing = undefined;
    if (this.#try("journal", () => this.#journal.write())) return;
    if (this.#journal.overflow()) for (const { runs } of this.#recent.all()) for (const run of runs) run.frozen = true;
    this.#shed();
    this.#writing = this.#options.clock.after(again, () => this.#write());
  }

  /** Seals, lets old samples go and has the system write, a little at a time. */
  #care(): void {
    this.#caring = undefined;
    if (this.#closed) return;
    this.#journal.sync();
    void this.#keeper.tend().then(
      () => this.#tended(undefined),
      (error: unknown) => this.#tended(error),
    );
  }

  #tended(error: unknown): void {
    if (this.#closed) return;
    const { clock } = this.#options;
    let more = false;
    this.#try("rows", () => {
      if (error !== undefined) throw error;
      this.#keeper.release(this.#journal);
      if (Math.abs(clock.now() - this.#cleaned) < spring) return;
      more = this.#retention.step();
      if (!more) this.#cleaned = clock.now();
    });
    const wait = more || this.#troubles.has("rows") ? again : care;
    this.#caring ??= clock.after(wait, () => this.#care());
  }

  /** Lets the oldest samples go where memory holds too many because nothing can be written. */
  #shed(): void {
    this.#lost += this.#keeper.shed(room);
  }

  /** Does what may fail for want of space or rights, and tells when that begins and ends. */
  #try(what: "journal" | "rows", action: () => void): boolean {
    const { log, trouble, folder } = this.#options;
    try {
      action();
    } catch (error) {
      if (!this.#troubles.has(what)) {
        const text = `History cannot be written to ${folder}: ${(error as Error).message}. Live values go on; writing is tried again every ${again / 1000} s.`;
        if (this.#troubles.size === 0) {
          log.error(text);
          trouble(text);
        }
        this.#troubles.set(what, text);
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

function some(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? Number.NaN;
    if (Number.isFinite(value)) return true;
  }
  return false;
}

const levels: readonly Level[] = ["host", "gpu", "disk", "nic"];

function checkTime(at: number): void {
  if (!Number.isInteger(at) || at < 0 || at >= latest) {
    throw new Fault(
      "sample_bad",
      `The time of a measurement must be Unix milliseconds before the year 2900: it is ${at}`,
    );
  }
}

function checkNames({ host, devices }: Poll): void {
  for (const { level, key } of devices) {
    if (host === "" || /\n/.test(host + key) || !levels.includes(level)) {
      throw new Fault("sample_bad", `A measurement must name its host and device: they are "${host}" and "${key}"`);
    }
  }
}
