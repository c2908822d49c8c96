import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { readText } from "../../program/file.ts";
import { syncFolder } from "../database/folder.ts";

/** Somebody else changed the file at the same time; what they wrote is there. */
export class Changed extends Error {
  override name = "Changed";
}

/** The new file, until it is complete. */
const draftOf = (path: string): string => join(dirname(path), `.${basename(path)}.gohm-new`);

/** Recognizes a content. */
const printOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16);

/** Name of the link that can undo a replacement: file, number of the commit, the new content, and "none" for a file that is new. */
const undoName = /^\.(.+)\.gohm-(\d{1,15})-([0-9a-f]{16})(-none)?$/;

interface Undo {
  readonly path: string;
  readonly commit: number;
  readonly print: string;
  readonly isNew: boolean;
}

/** Undo links of a file, which are there while it is replaced, and after a crash meanwhile. */
export function undosOf(path: string): Undo[] {
  const folder = dirname(path);
  return readdirSync(folder).flatMap((name) => {
    const [, of, commit, print = "", none] = undoName.exec(name) ?? [];
    const undo = { path: join(folder, name), commit: Number(commit), print, isNew: none !== undefined };
    return of === basename(path) ? [undo] : [];
  });
}

/**
 * Replaces a text file, or creates it. Readers see the old file or the new one, also after a crash. The new one has owner and
 * mode of the old one, and is never more readable. Until `keep`, a hard link to the old one can undo it, also after a crash:
 * `recover` asks whether the commit whose number is in its name was made.
 */
export class Replacement {
  readonly #path: string;
  readonly #before: string | undefined;
  readonly #after: string;
  #undo: Undo | undefined;

  /** @param path not a symbolic link @param before its content; undefined if there is no file */
  constructor(path: string, before: string | undefined, after: string) {
    this.#path = path;
    this.#before = before;
    this.#after = after;
  }

  /** @throws Changed, or Error of the file system; the file is as it was then */
  make(commit: number): void {
    const path = this.#path;
    const draft = draftOf(path);
    const print = printOf(this.#after);
    const isNew = this.#before === undefined;
    const name = `.${basename(path)}.gohm-${commit}-${print}${isNew ? "-none" : ""}`;
    const undo: Undo = { path: join(dirname(path), name), commit, print, isNew };
    try {
      this.#draft(draft);
      if (read(path) !== this.#before) throw new Changed("its content is another one than a moment ago");
      this.#undo = undo;
      if (isNew) create(draft, path, undo.path);
      else {
        linkAs(path, undo.path, "ENOENT");
        renameSync(draft, path);
        // What an editor wrote between these lines is in the old file: it is not lost.
        if (read(undo.path) !== this.#before) throw new Changed("somebody wrote to it at the same moment");
      }
      syncFolder(dirname(path));
    } catch (error) {
      rmSync(draft, { force: true });
      this.undo();
      throw error;
    }
  }

  /** Brings the old file back, unless somebody changed the new one. @throws Error of the file system */
  undo(): void {
    const undo = this.#undo;
    this.#undo = undefined;
    if (undo !== undefined) rollBack(this.#path, undo);
  }

  /** @throws Error of the file system; the replacement stays then, too */
  keep(): void {
    const undo = this.#undo;
    this.#undo = undefined;
    if (undo !== undefined) rmSync(undo.path, { force: true });
  }

  /** Writes the new content beside the file. */
  #draft(draft: string): void {
    // A crash may have left one.
    rmSync(draft, { force: true });
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const file = openSync(draft, flags, 0o600);
    try {
      writeFileSync(file, this.#after);
      const like = statSync(this.#path, { throwIfNoEntry: false });
      if (like !== undefined) makeLike(file, like);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
}

/** Gives an open file the owner and mode of another one. */
function makeLike(file: number, { uid, gid, mode }: Stats): void {
  const made = fstatSync(file);
  if (made.uid !== uid || made.gid !== gid) fchownSync(file, uid, gid);
  fchmodSync(file, mode & 0o7777);
}

/** Moves a draft to a path where nothing is. @throws Changed if something is */
function create(draft: string, path: string, undo: string): void {
  closeSync(openSync(undo, "wx", 0o600));
  linkAs(draft, path, "EEXIST");
  rmSync(draft);
}

/** @param changed code of the error if somebody else created the file, or replaced it (link(2): its old inode is gone) @throws Changed */
function linkAs(from: string, to: string, changed: "EEXIST" | "ENOENT"): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== changed) throw error;
    throw new Changed("somebody replaced it at the same moment");
  }
}

function read(path: string): string | undefined {
  try {
    return readText(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Undoes a replacement if the file has its content; what somebody wrote since stays. */
function rollBack(path: string, { path: undo, print, isNew }: Undo): void {
  const now = read(path);
  const isOurs = now !== undefined && printOf(now) === print;
  if (isOurs && !isNew) renameSync(undo, path);
  else {
    if (isOurs) rmSync(path);
    rmSync(undo, { force: true });
  }
  syncFolder(dirname(path));
}

/**
 * Completes or undoes a replacement that a crash interrupted.
 * @param isMade true if the commit of this number was made
 * @throws Error of the file system
 */
export function recover(path: string, isMade: (commit: number) => boolean): void {
  for (const undo of undosOf(path)) {
    if (isMade(undo.commit)) rmSync(undo.path, { force: true });
    else rollBack(path, undo);
  }
  rmSync(draftOf(path), { force: true });
}
