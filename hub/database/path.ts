import { type BigIntStats, closeSync, fsyncSync, openSync, renameSync, rmSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { makeFoldersSync } from "../../program/folder.ts";
import { fileSize } from "../../proto/quantity.ts";
import { type Database, quarantine } from "./database.ts";

const stateOf = (path: string): BigIntStats | undefined => statSync(path, { bigint: true, throwIfNoEntry: false });

const same = (one: BigIntStats | undefined, other: BigIntStats | undefined): boolean =>
  one !== undefined && one.dev === other?.dev && one.ino === other.ino;

/** What happened to the file at the path of an open database. */
export type PathLoss = "deleted" | "replaced" | "emptied";

/** Watches the path of an open database, whose file may be deleted, emptied or replaced there while it stays open. */
export class DatabasePath {
  readonly path: string;
  readonly #opened: BigIntStats | undefined;
  readonly #log: BigIntStats | undefined;
  /** True once the file has had content. */
  #filled: boolean;

  /** @param path of a file that was just opened */
  constructor(path: string) {
    this.path = path;
    this.#opened = stateOf(path);
    this.#log = stateOf(`${path}-wal`);
    this.#filled = this.#opened !== undefined && this.#opened.size > 0n;
  }

  /** What happened to the file at the path; undefined while it is the open one, with content. */
  get lost(): PathLoss | undefined {
    const now = stateOf(this.path);
    if (now === undefined) return "deleted";
    if (!same(now, this.#opened)) return "replaced";
    // A new file may be all in its log at first. Not opened to look: closing it would release SQLite's locks.
    this.#filled ||= now.size > 0n;
    return this.#filled && now.size === 0n ? "emptied" : undefined;
  }

  /** Copies the open file beside the path, in steps. @throws Error; before anything is written if space is missing */
  async copy(file: Database): Promise<void> {
    this.#prepare(file);
    await file.backup(this.#beside);
  }

  /** Copies without yielding. @throws Error */
  copyNow(file: Database): void {
    this.#prepare(file);
    file.prepare("VACUUM INTO ?").run(this.#beside);
  }

  /**
   * Moves the copy to the path, once the open file is closed; quarantines a file that is there.
   * @returns where that file is now; undefined if there was none
   */
  install(): string | undefined {
    const copy = openSync(this.#beside, "r+");
    fsyncSync(copy);
    closeSync(copy);
    // SQLite keeps the log of a database that is not at its path any more. It does not belong to the new file.
    const log = `${this.path}-wal`;
    if (same(stateOf(log), this.#log)) rmSync(log, { force: true });
    const aside = stateOf(this.path) && quarantine(this.path, "replaced");
    renameSync(this.#beside, this.path);
    return aside;
  }

  get #beside(): string {
    return `${this.path}.new`;
  }

  #prepare(file: Database): void {
    const folder = dirname(this.path);
    makeFoldersSync(folder, 0o700);
    for (const tail of ["", "-wal", "-shm", "-journal"]) rmSync(this.#beside + tail, { force: true });
    const size = (pragma: string): number => Number(file.pragma(pragma, { simple: true }));
    const wanted = size("page_count") * size("page_size");
    const { bavail, bsize } = statfsSync(folder);
    if (bavail * bsize < wanted) {
      throw new Error(`it was deleted or replaced, and writing it anew needs ${fileSize(wanted)} in ${folder}`);
    }
    closeSync(openSync(this.#beside, "wx", 0o600));
  }
}
