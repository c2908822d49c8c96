import { randomUUID } from "node:crypto";
import { actorName } from "../../desk.ts";
import { asFault } from "../../fault.ts";
import type { Actor } from "../../who.ts";
import type { InputContext } from "../input.ts";

/** Milliseconds without a file after which a run has ended: its client was killed. */
const idleMs = 60_000;
/** Shortest time between two records of a file that is being read. Milliseconds. */
const noteMs = 5000;
/** Runs at the same time. */
const mostRuns = 100;

/** What was imported of one file until now. */
interface FileCount {
  readonly name: string;
  readonly rows: number;
  readonly failed: number;
}

/** One file of a run, while it is read. */
export interface FileEntry {
  /** Records how far it is, now and then. @throws Fault book_unusable, and access_denied to one whose right has ended */
  note(): void;
  /** Counts the whole file. @throws Fault as `note` */
  end(how: EndedFile): void;
}

/** How a file ended. */
interface EndedFile {
  /** True if no other file of the run follows. */
  readonly isLast: boolean;
  /** True if its client went away while it sent the file: a command that was killed sends no other one. */
  readonly isCut: boolean;
}

interface Run {
  /** False for a file that is sent alone. */
  readonly hasMany: boolean;
  /** Files that are being read. */
  reading: number;
  files: number;
  rows: number;
  failed: number;
  /** Name of the first file of which rows were stored. */
  first: string | undefined;
  noted: number;
  cancel: () => void;
}

/**
 * Entries of imports in the audit log. Files of one command have one: how many files and rows there are, and how many rows
 * failed. If the hub is killed, the log has what was imported before, once it is started again.
 */
export class Runs {
  readonly #context: Pick<InputContext, "desk" | "clock" | "log">;
  readonly #runs = new Map<string, Run>();
  /** Records files that are being read, as far as they are. */
  readonly #files = new Set<() => void>();
  #closed = false;

  constructor(context: Pick<InputContext, "desk" | "clock" | "log">) {
    this.#context = context;
    // Of a hub that was killed.
    this.#complete(undefined);
  }

  /**
   * Begins a file.
   * @param id of its run, as the client gave it; undefined for a file alone
   * @param now says how far it is
   */
  begin(by: Actor, id: string | undefined, now: () => FileCount): FileEntry {
    const key = `${actorName(by)} ${id ?? randomUUID()}`;
    const run = this.#runs.get(key) ?? this.#open(key, id !== undefined);
    run.cancel();
    run.reading++;
    const record = (): void => {
      if (run.files > 0 || now().rows > 0) this.#draft({ key, run, by }, now());
    };
    this.#files.add(record);
    return {
      note: () => this.#note(run, now(), record),
      end: (how) => {
        this.#files.delete(record);
        this.#end({ key, run, record }, now(), how);
      },
    };
  }

  /** Ends all runs, with what was imported until now. */
  close(): void {
    for (const record of this.#files) this.#attempt(record);
    this.#closed = true;
    for (const key of [...this.#runs.keys()]) this.#finish(key);
  }

  #open(key: string, hasMany: boolean): Run {
    const [oldest] = this.#runs.keys();
    if (oldest !== undefined && this.#runs.size >= mostRuns) this.#finish(oldest);
    const counts = { reading: 0, files: 0, rows: 0, failed: 0 };
    const noted = Number.NEGATIVE_INFINITY;
    const run: Run = { hasMany, ...counts, first: undefined, noted, cancel: () => {} };
    this.#runs.set(key, run);
    return run;
  }

  #note(run: Run, { rows }: FileCount, record: () => void): void {
    const now = this.#context.clock.now();
    if (this.#closed || rows === 0 || Math.abs(now - run.noted) < noteMs) return;
    run.noted = now;
    record();
  }

  #end({ key, run, record }: EndOfFile, { name, rows, failed }: FileCount, { isLast, isCut }: EndedFile): void {
    run.reading--;
    // Its run has its entry.
    if (this.#closed) return;
    try {
      record();
    } finally {
      run.files += rows > 0 ? 1 : 0;
      run.rows += rows;
      run.failed += failed;
      if (rows > 0) run.first ??= name;
      if (isLast || (isCut && run.reading === 0)) this.#finish(key);
      else if (run.reading === 0) run.cancel = this.#context.clock.after(idleMs, () => this.#finish(key));
    }
  }

  /** Records the run with one file more. */
  #draft({ key, run, by }: RunFile, { name, rows, failed }: FileCount): void {
    const sums = { rows: run.rows + rows, failed: run.failed + failed };
    const details = run.hasMany ? { files: run.files + (rows > 0 ? 1 : 0), ...sums } : sums;
    const target = run.first === undefined ? name : `${run.first} … ${name}`;
    this.#context.desk.draft(key, by, { name: "history.import", target, details, needs: "admin" });
  }

  #finish(key: string): void {
    this.#runs.get(key)?.cancel();
    this.#runs.delete(key);
    this.#complete(key);
  }

  #complete(key: string | undefined): void {
    this.#attempt(() => this.#context.desk.complete(key));
  }

  /** What cannot be written now is, when the hub starts again. */
  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      const { code } = asFault(error);
      if (code !== "book_unusable" && code !== "access_denied")
        this.#context.log.error(`an import is not in the audit log: ${String(error)}`);
    }
  }
}

interface RunFile {
  readonly key: string;
  readonly run: Run;
  readonly by: Actor;
}

interface EndOfFile extends Omit<RunFile, "by"> {
  readonly record: () => void;
}
