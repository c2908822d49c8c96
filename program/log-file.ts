import { closeSync, constants, mkdirSync, openSync, type Stats, statSync, writeSync } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { performance } from "node:perf_hooks";
import { checkKind } from "./file.ts";
import { SettingError } from "./setting.ts";

export interface LogFileOptions {
  readonly path: string;
  /** Size in bytes beyond which the file is renamed and a new one begun; Infinity for never. */
  readonly size: number;
  /** Number of earlier files that are kept, `path.1` the newest of them; with 0 the file is never renamed. */
  readonly keep: number;
  /** Setting with the path, for errors: 'setting "log.file" (X_LOG_FILE)'. */
  readonly setting: string;
  /** Warns that the file cannot be written, and that it can again. The line may come back through `write`. */
  readonly warn: (line: string) => void;
}

/** Number of earlier files unless a setting says otherwise. */
export const keptLogFiles = 3;

/** Lines that wait may have so many bytes in all: memory must not fill while a disk is full or hangs. */
const mostWaiting = 256 * 1024;
/** Milliseconds for which lines are gathered, to be written together. */
const gatherMs = 50;
/** Milliseconds until the next attempt after a failed one. */
const retryMs = 1000;
/** Milliseconds after which a guard of a rotation was left behind by a program that is gone. */
const guardMs = 10_000;
/** Milliseconds after which a write in progress hangs. */
const hungMs = 1000;

// Opening must not block, even if a FIFO took the place of the file.
const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY;
/** The service's group may read the log; it may have names of people. */
const mode = 0o640;
const folderMode = 0o750;

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** Ignores that a folder exists. */
const unlessThere = (error: unknown): undefined => {
  if (codeOf(error) !== "EEXIST") throw error;
};

/** Ignores that a file does not exist. */
const unlessMissing = (error: unknown): undefined => {
  if (codeOf(error) !== "ENOENT") throw error;
};

/**
 * A log file, written in the background. It is rotated by size, and opened again after another program (logrotate) has moved or
 * deleted it. While it cannot be written, lines wait; the oldest are dropped beyond a limit, and the log says how many. Several
 * programs may write to one file: each appends whole lines, and one rotates at a time.
 */
export class LogFile {
  readonly #options: LogFileOptions;
  #file: FileHandle | undefined;
  #identity = "";
  /** Lines that wait, each with its line break. */
  #lines: Buffer[] = [];
  #bytes = 0;
  #lost = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #writingSince = 0;
  /** Reason why the file cannot be written; "" if it can. */
  #trouble = "";
  #rotationTrouble = "";
  /** True if the file ends with a part of a line. */
  #cut = false;

  /** Opens the file, and creates it and its folder if they are missing. @throws SettingError if it cannot be written */
  constructor(options: LogFileOptions) {
    const { path, setting } = options;
    this.#options = options;
    try {
      makeFolder(dirname(path));
      const there = statSync(path, { throwIfNoEntry: false });
      if (there !== undefined) checkKind(path, there);
      closeSync(openSync(path, flags, mode));
    } catch (error) {
      throw new SettingError(
        `Cannot read ${setting}: must be a file that can be written, in a folder that can be written: ${(error as Error).message}`,
      );
    }
    process.on("exit", this.#writeRest);
  }

  /** Appends a line, which ends with a line break. */
  write(line: string): void {
    const bytes = Buffer.from(line, "utf8");
    this.#lines.push(bytes);
    this.#bytes += bytes.length;
    this.#limit();
    this.#schedule(this.#trouble === "" ? gatherMs : retryMs);
  }

  /** Writes the lines that wait, or attempts it. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing === undefined) {
      this.#writingSince = performance.now();
      this.#writing = this.#attempt().finally(() => {
        this.#writing = undefined;
        if (this.#lines.length > 0) this.#schedule(this.#trouble === "" ? gatherMs : retryMs);
      });
    }
    await this.#writing;
  }

  async close(): Promise<void> {
    do await this.flush();
    while (this.#lines.length > 0 && this.#trouble === "");
    clearTimeout(this.#timer);
    process.off("exit", this.#writeRest);
    // What an error of closing would say, writing has said.
    await this.#file?.close().catch(() => undefined);
    this.#file = undefined;
  }

  #schedule(ms: number): void {
    // A program may end before: the lines are written at its exit.
    this.#timer ??= setTimeout(() => void this.flush(), ms).unref();
  }

  #limit(): void {
    while (this.#bytes > mostWaiting) {
      this.#bytes -= this.#lines.shift()?.length ?? 0;
      this.#lost++;
    }
  }

  /** Never rejects. */
  async #attempt(): Promise<void> {
    const { path, warn } = this.#options;
    try {
      const file = await this.#current();
      await this.#append(file);
    } catch (error) {
      const { message } = error as Error;
      if (message === this.#trouble) return;
      this.#trouble = message;
      warn(
        `Cannot write the log file ${path}: ${message}; lines wait until it can be written, as far as there is room`,
      );
      return;
    }
    if (this.#trouble === "") return;
    this.#trouble = "";
    const lost = this.#lost;
    this.#lost = 0;
    warn(`The log file ${path} can be written again; ${lost} lines are missing in it`);
  }

  /** Writes all that waits. What was not written waits again. */
  async #append(file: FileHandle): Promise<void> {
    const lines = this.#lines;
    if (lines.length === 0) return;
    const begin = Buffer.from(this.#cut ? "\n" : "");
    const bytes = Buffer.concat([begin, ...lines]);
    this.#lines = [];
    this.#bytes = 0;
    let written = 0;
    try {
      while (written < bytes.length) written += (await file.write(bytes, written)).bytesWritten;
      this.#cut = false;
    } catch (error) {
      let whole = 0;
      let end = begin.length;
      for (const { length } of lines) {
        if (end + length > written) break;
        end += length;
        whole++;
      }
      this.#cut = written > 0 ? written > end : this.#cut;
      this.#lines = [...lines.slice(whole), ...this.#lines];
      this.#bytes = this.#lines.reduce((sum, { length }) => sum + length, 0);
      this.#limit();
      throw error;
    }
  }

  /** The file at the path: opened if that is another one than before, and rotated if it is full. */
  async #current(): Promise<FileHandle> {
    const { path, size, keep, warn } = this.#options;
    let file = await this.#opened();
    const { size: now } = await file.stat();
    if (keep === 0 || now === 0 || now + this.#bytes <= size) return file;
    try {
      await this.#rotate();
      this.#rotationTrouble = "";
      file = await this.#opened();
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#rotationTrouble) warn(`Cannot rotate the log file ${path}, which grows: ${message}`);
      this.#rotationTrouble = message;
    }
    return file;
  }

  async #opened(): Promise<FileHandle> {
    const { path } = this.#options;
    const there = await stat(path).catch(unlessMissing);
    if (this.#file !== undefined && there !== undefined && identityOf(there) === this.#identity) return this.#file;
    const before = this.#file;
    this.#file = undefined;
    this.#cut = false;
    await before?.close();
    await mkdir(dirname(path), { mode: folderMode }).catch(unlessThere);
    const file = await open(path, flags, mode);
    const stats = await file.stat();
    try {
      checkKind(path, stats);
    } catch (error) {
      await file.close();
      throw error;
    }
    this.#identity = identityOf(stats);
    this.#file = file;
    return file;
  }

  /** Renames the file, and the earlier ones before it. Does nothing if another program does or did it at the moment. */
  async #rotate(): Promise<void> {
    const { path, keep } = this.#options;
    const guard = `${path}.rotating`;
    if (!(await guarded(guard))) return;
    try {
      if (identityOf(await stat(path)) !== this.#identity) return;
      for (let i = keep - 1; i > 0; i--) await rename(`${path}.${i}`, `${path}.${i + 1}`).catch(unlessMissing);
      await rename(path, `${path}.1`);
    } finally {
      await rm(guard, { force: true });
    }
  }

  /** Writes what waits at the exit of the program, if the disk does not hang. */
  readonly #writeRest = (): void => {
    const hangs = this.#writing !== undefined && performance.now() - this.#writingSince > hungMs;
    if (hangs || this.#lines.length === 0) return;
    try {
      const file = openSync(this.#options.path, flags, mode);
      writeSync(file, Buffer.concat([Buffer.from(this.#cut ? "\n" : ""), ...this.#lines]));
      closeSync(file);
    } catch {
      // The program ends: there is nobody to tell, and standard error has the lines.
    }
  };
}

const identityOf = ({ dev, ino }: Stats): string => `${dev} ${ino}`;

/** Creates a folder and those above it, one by one: Node never returns from creating them all at once below /proc. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: folderMode });
  } catch (error) {
    if (codeOf(error) === "EEXIST") return;
    if (codeOf(error) !== "ENOENT" || dirname(path) === path) throw error;
    makeFolder(dirname(path));
    mkdirSync(path, { mode: folderMode });
  }
}

/** Creates the guard of a rotation. @returns false if another program has it */
async function guarded(guard: string): Promise<boolean> {
  for (;;) {
    try {
      await (await open(guard, "wx", mode)).close();
      return true;
    } catch (error) {
      // A rotation frees space: a full disk must not prevent it.
      if (codeOf(error) === "ENOSPC" || codeOf(error) === "EDQUOT") return true;
      if (codeOf(error) !== "EEXIST") throw error;
    }
    const left = await stat(guard).catch(unlessMissing);
    if (left !== undefined && Date.now() - left.mtimeMs < guardMs) return false;
    await rm(guard, { force: true });
  }
}
