import {
  closeSync,
  createWriteStream,
  fchmodSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { dirname, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { Clock } from "./clock.ts";
import { addressOf, backupPath } from "./control.ts";
import { Fault } from "./fault.ts";
import { engines } from "./history/all.ts";
import type { Log } from "./log.ts";

/** A hub that works on a copy gives a sign of life every five seconds. Milliseconds. */
const silence = 60_000;

export interface BackupOptions {
  /** The data folder. */
  readonly data: string;
  /** The file to make. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Writes a copy of the history into a new file, with the rights of whoever calls, and gives its size in bytes. The hub
 * that runs is asked for it; where none runs, its files are copied here. The file is there whole or not at all.
 * @throws Fault backup_failed, data_folder_unusable, data_folder_busy, data_newer
 */
export async function backUp(options: BackupOptions): Promise<number> {
  const path = resolve(options.path);
  const part = `${path}.partial-${process.pid}`;
  try {
    if (lstatSync(path, { throwIfNoEntry: false })) throw there(path);
    if (!(await fromHub(options.data, part))) await fromFile(options, part);
    sync(part);
    publish(part, path);
    return statSync(path).size;
  } catch (error) {
    throw error instanceof Fault ? error : failed(path, error);
  } finally {
    clear(part);
  }
}

/** Removes what is there; nothing can be at a path that the system does not take. */
function clear(part: string): void {
  try {
    rmSync(part, { force: true });
  } catch {
    // What went wrong before says why.
  }
}

const failed = (path: string, error: unknown): Fault =>
  new Fault("backup_failed", `Cannot back up to ${path}: ${(error as Error).message}`, { cause: error });

const there = (path: string): Fault =>
  new Fault("backup_failed", `Cannot back up to ${path}: it is there already; name a new file`);

/** False when no hub runs there. */
async function fromHub(data: string, part: string): Promise<boolean> {
  const answer = await ask(data);
  if (answer === undefined) return false;
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
  return true;
}

const cutShort = (cause: unknown): Fault =>
  new Fault("backup_failed", "The hub ended before the copy was complete; try again.", { cause });

/** The hub's answer, or undefined when none listens. */
function ask(data: string): Promise<IncomingMessage | undefined> {
  return new Promise((done, fail) => {
    const refused = (error: NodeJS.ErrnoException): void => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED" || error.code === "ENOTDIR") done(undefined);
      else if (error.code === "EACCES") fail(foreign(data, error));
      else if (error.code === "ECONNRESET") fail(cutShort(error));
      else fail(new Fault("backup_failed", `The hub does not answer: ${error.message}`, { cause: error }));
    };
    try {
      const address = addressOf(data);
      const asked = request({ socketPath: address.path, path: backupPath, agent: false }, (answer) => done(answer));
      asked.setTimeout(silence, () => asked.destroy(new Error(`nothing came for ${silence / 1000} s`)));
      asked.once("error", refused).once("close", () => address.release());
      asked.end();
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

/** Copies the history of a hub that does not run. */
async function fromFile({ data, clock, log }: BackupOptions, part: string): Promise<void> {
  for (const engine of engines) if (await engine.copy({ folder: data, path: part, clock, log })) return;
  throw new Fault(
    "backup_failed",
    `There is no history in ${resolve(data)}: name the hub's data folder (--data or GOHM_DATA)`,
  );
}

/** What the system was told is on the disk after this, for nobody else to read. */
function sync(part: string): void {
  const file = openSync(part, "r+");
  fchmodSync(file, 0o600);
  fsyncSync(file);
  closeSync(file);
}

/** Gives the finished file its name, unless something else has it by now. */
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
  const folder = openSync(dirname(path), "r");
  fsyncSync(folder);
  closeSync(folder);
}
