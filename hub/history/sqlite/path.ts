import {
  type BigIntStats,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { fileSize } from "../../../proto/quantity.ts";
import type { File } from "./database.ts";
import { quarantine } from "./quarantine.ts";

const stateOf = (path: string): BigIntStats | undefined => statSync(path, { bigint: true, throwIfNoEntry: false });

const same = (one: BigIntStats | undefined, other: BigIntStats | undefined): boolean =>
  one !== undefined && one.dev === other?.dev && one.ino === other.ino;

/** What became of the file at the path of an open database. */
export type Lost = "deleted" | "replaced" | "emptied";

/** The path of an open database: the file there may be deleted or emptied, or another one renamed over it, while ours stays open. */
export class DatabasePath {
  readonly path: string;
  readonly #opened: BigIntStats | undefined;
  readonly #log: BigIntStats | undefined;
  /** True once the file had content. */
  #filled: boolean;

  /** @param path of a file that was just opened */
  constructor(path: string) {
    this.path = path;
    this.#opened = stateOf(path);
    this.#log = stateOf(`${path}-wal`);
    this.#filled = this.#opened !== undefined && this.#opened.size > 0n;
  }

  /** What became of the file at the path; undefined while it is the one that is open, with content. */
  get lost(): Lost | undefined {
    const now = stateOf(this.path);
    if (now === undefined) return "deleted";
    if (!same(now, this.#opened)) return "replaced";
    // All of a new file may be in its log at first. Not opened to look: closing it would give up SQLite's locks.
    this.#filled ||= now.size > 0n;
    return this.#filled && now.size === 0n ? "emptied" : undefined;
  }

  /** Copies the open file beside the path, in steps. @throws Error, for want of room before anything is written */
  async copy(file: File): Promise<void> {
    this.#prepare(file);
    await file.backup(this.#beside);
  }

  /** As `copy`, at once. */
  copyNow(file: File): void {
    this.#prepare(file);
    file.prepare("VACUUM INTO ?").run(this.#beside);
  }

  /**
   * Puts the copy in its place, once the open file is closed; what stands there meanwhile is moved aside.
   * @returns where that is now; undefined where nothing stood there
   */
  settle(): string | undefined {
    const copy = openSync(this.#beside, "r+");
    fsyncSync(copy);
    closeSync(copy);
    // SQLite leaves its log where the database is not at its path any more. It is no log of the file that comes there.
    const log = `${this.path}-wal`;
    if (same(stateOf(log), this.#log)) rmSync(log, { force: true });
    const aside = stateOf(this.path) && quarantine(this.path, "replaced");
    renameSync(this.#beside, this.path);
    return aside;
  }

  get #beside(): string {
    return `${this.path}.new`;
  }

  #prepare(file: File): void {
    const folder = dirname(this.path);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
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
