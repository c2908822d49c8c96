import { randomBytes } from "node:crypto";
import { lchown, lstat, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import * as v from "valibot";
import { readText } from "../../../program/file.ts";
import type { HeldGpu } from "./answer.ts";

/** Days whose answers are kept. */
const mostDays = 31;
/** Most bytes of a file. */
const limit = 64 * 2 ** 20;
/** A part of a file that is older was left by a crash. Milliseconds. */
const leftMs = 3_600_000;

/** The last good answer of a day. */
export interface Kept {
  /** Unix milliseconds at which it came. */
  readonly at: number;
  readonly gpus: readonly HeldGpu[];
}

/** The first line of a file. */
const headSchema = v.object({ at: v.pipe(v.number(), v.integer()) });
/** Each further line. */
const gpuSchema = v.object({
  host: v.string(),
  user: v.string(),
  uuid: v.string(),
  id: v.union([v.number(), v.string()]),
  model: v.string(),
  memory: v.string(),
  type: v.string(),
  project: v.string(),
  image: v.string(),
  start: v.string(),
  end: v.string(),
  seconds: v.number(),
});

/** Lines that are written or read at a time. */
const atOnce = 200;

/** Files with the last good answer of each day, which name people: only the hub's own user may read them. */
export class KeptAnswers {
  readonly #folder: string;

  /** @param folder is created beside the hub's databases; without a data folder nothing is kept */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @returns undefined without one @throws Error of the file system, or of a file that is damaged */
  async read(date: string): Promise<Kept | undefined> {
    const path = this.#path(date);
    try {
      const [head = "", ...lines] = readText(path, limit).trimEnd().split("\n");
      const { at } = v.parse(headSchema, JSON.parse(head));
      const gpus: HeldGpu[] = [];
      for (let start = 0; start < lines.length; start += atOnce) {
        for (const line of lines.slice(start, start + atOnce)) gpus.push(v.parse(gpuSchema, JSON.parse(line)));
        await turn();
      }
      return { at, gpus };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      if (error instanceof SyntaxError || error instanceof v.ValiError)
        throw new Error(`${path} is damaged`, { cause: error });
      throw error;
    }
  }

  /** Writes the file of a day, whole or not at all, and removes those of days long ago. @throws Error of the file system */
  async write(date: string, kept: Kept, now: number): Promise<void> {
    const owner = await this.#create();
    if (owner === undefined) return;
    const part = join(this.#folder, `.${date}.${randomBytes(6).toString("hex")}.partial`);
    try {
      const file = await open(part, "wx", 0o600);
      try {
        const { gpus, ...head } = kept;
        await file.writeFile(`${JSON.stringify(head)}\n`);
        for (let start = 0; start < gpus.length; start += atOnce) {
          const lines = gpus.slice(start, start + atOnce).map((gpu) => `${JSON.stringify(gpu)}\n`);
          await file.writeFile(lines.join(""));
        }
        // What root writes, as in a cron job, is the hub's.
        if (isRoot()) await file.chown(owner.uid, owner.gid);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(part, this.#path(date));
    } finally {
      await rm(part, { force: true });
    }
    await this.#tidy(now);
  }

  /** @returns the owner of the data folder; undefined if there is none */
  async #create(): Promise<Owner | undefined> {
    const data = await stat(dirname(this.#folder)).catch(() => undefined);
    if (data === undefined) return undefined;
    try {
      await mkdir(this.#folder, { mode: 0o700 });
      // Of the link itself, if somebody put one there meanwhile.
      if (isRoot()) await lchown(this.#folder, data.uid, data.gid);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    if (!(await lstat(this.#folder)).isDirectory()) throw new Error(`${this.#folder} is not a directory`);
    return data;
  }

  async #tidy(now: number): Promise<void> {
    const names = await readdir(this.#folder);
    const days = names.filter((name) => /^\d{4}-\d\d-\d\d\.json$/.test(name)).sort();
    for (const name of days.slice(0, -mostDays)) await rm(join(this.#folder, name), { force: true });
    for (const name of names.filter((one) => one.endsWith(".partial"))) {
      const found = await stat(join(this.#folder, name)).catch(() => undefined);
      if (found !== undefined && now - found.mtimeMs > leftMs) await rm(join(this.#folder, name), { force: true });
    }
  }

  #path(date: string): string {
    return join(this.#folder, `${date}.json`);
  }
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const isRoot = (): boolean => process.getuid?.() === 0;
