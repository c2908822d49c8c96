import {
  closeSync,
  createWriteStream,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import type { IncomingMessage } from "node:http";
import { dirname, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { Clock } from "./clock.ts";
import type { DatabaseKind } from "./database/database.ts";
import { checkRestored, syncFolder } from "./database/folder.ts";
import { databases, histories } from "./databases.ts";
import { Fault } from "./fault.ts";
import { requestOn } from "./http/socket.ts";
import type { Log } from "./log.ts";
import { backupRoutes } from "./route/backup.ts";
import { type Call, call } from "./route/route.ts";

/** A hub that works on a copy gives a sign of life every five seconds. Milliseconds. */
const silenceMs = 60_000;

export interface BackupOptions {
  /** The data folder. */
  readonly data: string;
  /** The file or folder to make. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** A copy of one database. */
export interface CopiedDatabase {
  readonly path: string;
  readonly bytes: number;
}

/** True if a backup into this path is a folder that holds every database, and not a file that holds the history. */
export function isFolderBackup(path: string): boolean {
  if (path.endsWith("/")) return true;
  try {
    return lstatSync(path).isDirectory();
  } catch {
    return false; // creating the file there reports the error
  }
}

/**
 * Writes a copy of the history into a new file, or copies of every database into a new folder, with the rights of the
 * caller. A hub that runs is asked for them; without one, its files are copied here. The file or folder appears when it is
 * complete, or not at all.
 * @throws Fault backup_failed, data_folder_unusable, data_folder_busy, data_newer
 */
export async function backUp(options: BackupOptions): Promise<readonly CopiedDatabase[]> {
  const path = resolve(options.path);
  const part = `${path}.partial-${process.pid}`;
  try {
    checkParent(dirname(path));
    return isFolderBackup(options.path) ? await writeFolder(options, path, part) : await writeFile(options, path, part);
  } catch (error) {
    throw error instanceof Fault ? error : failed(path, error);
  } finally {
    clear(part);
  }
}

async function writeFile(options: BackupOptions, path: string, part: string): Promise<readonly CopiedDatabase[]> {
  if (lstatSync(path, { throwIfNoEntry: false })) throw there(path);
  const copy = await fromHub(options.data, call(backupRoutes.backup, {}), part);
  if (copy !== "copied" && !(await fromFiles(options, histories, part))) throw nothing("history", options.data);
  const bytes = sync(part);
  publish(part, path);
  return [{ path: options.path, bytes }];
}

async function writeFolder(options: BackupOptions, path: string, part: string): Promise<readonly CopiedDatabase[]> {
  checkFree(path);
  mkdirSync(part, { mode: 0o700 });
  const copied: CopiedDatabase[] = [];
  for (const kind of databases) {
    const file = join(part, kind.file);
    const copy = await fromHub(options.data, call(backupRoutes.databaseBackup, { database: kind.name }), file);
    if (copy === "elsewhere") options.log.warn(`the ${kind.name} is kept by another server: make a copy of it there`);
    if (copy === "elsewhere" || (copy === "no hub" && !(await fromFiles(options, [kind], file)))) continue;
    copied.push({ path: join(options.path, kind.file), bytes: sync(file) });
  }
  if (copied.length === 0) throw nothing("database of a hub", options.data);
  syncFolder(part);
  checkFree(path);
  // Takes the place of an empty folder, and of nothing else.
  renameSync(part, path);
  syncFolder(dirname(path));
  return copied;
}

/** Before a hub makes a copy for nothing. @throws Error that names the folder if it is missing or none */
function checkParent(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found === undefined) throw new Error(`the folder ${folder} does not exist`);
  if (!found.isDirectory()) throw new Error(`${folder} is not a folder`);
}

/** @throws Fault backup_failed unless there is nothing at the path, or an empty folder */
function checkFree(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || (found.isDirectory() && readdirSync(path).length === 0)) return;
  const what = found.isDirectory() ? "it is not empty" : "it already exists and is not a directory";
  throw new Fault("backup_failed", `Cannot back up to ${path}: ${what}; name a new folder`);
}

/** Removes a partial copy; there is none at an invalid path. */
function clear(part: string): void {
  try {
    rmSync(part, { force: true, recursive: true });
  } catch {
    // An earlier error explains it.
  }
}

const failed = (path: string, error: unknown): Fault =>
  new Fault("backup_failed", `Cannot back up to ${path}: ${(error as Error).message}`, { cause: error });

const there = (path: string): Fault =>
  new Fault("backup_failed", `Cannot back up to ${path}: it already exists; name a new file`);

const nothing = (what: string, data: string): Fault =>
  new Fault(
    "backup_failed",
    `There is no ${what} in ${resolve(data)}: name the hub's data folder (--data or GOHM_DATA)`,
  );

/** Asks the running hub for a copy, unless another server keeps the database. */
async function fromHub(data: string, request: Call, part: string): Promise<"copied" | "elsewhere" | "no hub"> {
  const answer = await ask(data, request);
  if (answer === undefined) return "no hub";
  if (answer.statusCode === 204) {
    answer.resume();
    return "elsewhere";
  }
  if (answer.statusCode === 404) {
    answer.resume();
    throw new Fault(
      "backup_failed",
      "The hub that runs there is of an older version and does not copy all of its databases; restart it with this version",
    );
  }
  if (answer.statusCode !== 200) {
    const { error } = JSON.parse(await text(answer)) as { error: { message: string } };
    throw new Fault("backup_failed", `The hub could not make a copy: ${error.message}`);
  }
  const length = Number(answer.headers["content-length"]);
  const out = createWriteStream(part, { flags: "wx", mode: 0o600 });
  try {
    await pipeline(answer, out);
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "ECONNRESET" ? cutShort(error) : error;
  }
  if (out.bytesWritten !== length) throw new Error(`${out.bytesWritten} bytes came instead of ${length}`);
  return "copied";
}

const cutShort = (cause: unknown): Fault =>
  new Fault("backup_failed", "The hub ended before the copy was complete; try again.", { cause });

/** The hub's answer, or undefined when none listens. */
function ask(data: string, call: Call): Promise<IncomingMessage | undefined> {
  return new Promise((done, fail) => {
    const refused = (error: NodeJS.ErrnoException): void => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED" || error.code === "ENOTDIR") done(undefined);
      else if (error.code === "EACCES") fail(foreign(data, error));
      else if (error.code === "ECONNRESET") fail(cutShort(error));
      else fail(new Fault("backup_failed", `The hub does not answer: ${error.message}`, { cause: error }));
    };
    try {
      const sent = requestOn(data, call);
      sent.setTimeout(silenceMs, () => sent.destroy(new Error(`no data for ${silenceMs / 1000} s`)));
      sent.once("response", done).once("error", refused).end();
    } catch (error) {
      refused(error as NodeJS.ErrnoException);
    }
  });
}

const foreign = (data: string, cause: unknown): Fault =>
  new Fault(
    "backup_failed",
    `The data folder ${resolve(data)} belongs to another user: run this as the user that the hub runs as, or as root`,
    { cause },
  );

/** Copies the first database that exists, without a running hub. @returns false if there is none */
async function fromFiles(
  { data, clock, log }: BackupOptions,
  kinds: readonly DatabaseKind[],
  part: string,
): Promise<boolean> {
  checkRestored(data);
  try {
    for (const kind of kinds) if (await kind.copy({ folder: data, path: part, clock, log })) return true;
    return false;
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "database_damaged") throw error;
    const way =
      "so that no whole copy can be made of it; start the hub, which keeps what is intact, or copy the folder as it is";
    throw new Fault("backup_failed", `${error.message}, ${way}`, { cause: error });
  }
}

/** Syncs the file to the disk, with permissions for its owner only. @returns its size in bytes */
function sync(part: string): number {
  const file = openSync(part, "r+");
  fchmodSync(file, 0o600);
  fsyncSync(file);
  const { size } = fstatSync(file);
  closeSync(file);
  return size;
}

/** Renames the finished file, unless that name is taken by now. @throws Fault backup_failed */
function publish(part: string, path: string): void {
  try {
    linkSync(part, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw there(path);
    // A file system without links: the moment between looking and renaming is all that is left open.
    if (lstatSync(path, { throwIfNoEntry: false })) throw there(path);
    renameSync(part, path);
  }
  syncFolder(dirname(path));
}
