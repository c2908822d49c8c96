import { randomUUID } from "node:crypto";
import { createReadStream, readdirSync, type Stats, statSync } from "node:fs";
import { basename, join } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { Zone } from "../../program/zone.ts";
import { clean } from "../../proto/clean.ts";
import type { JsonAnswer } from "../route/route.ts";
import { transferRoutes } from "../route/transfer.ts";
import { type Command, type Context, Failure, isForPrograms, type ListingColumn, Refusal } from "./command.ts";
import { Progress } from "./import/progress.ts";

type Imported = JsonAnswer<typeof transferRoutes.import>;

/** A file to import. */
interface Source {
  readonly path: string;
  readonly bytes: number;
}

interface ImportedFile extends Imported {
  readonly file: string;
}

/** Exit status where some rows are not in the history. */
const partly = 3;
/** Exit status of a program that Ctrl-C ended. */
const interrupted = 130;

export const importFiles: Command = {
  name: "import",
  summary: "take CSV files of the NVIDIA GPU Metrics Logger into the history of a running hub",
  details:
    'Of a folder, takes all files called gpu_metrics_*.csv, also compressed by gzip (.csv.gz); "-" is standard input. Files may be imported again: rows that the history has are not counted twice. Requires an administrator: the control socket, or a token of scope "admin". Ctrl-C ends it; what was sent until then is in the history.',
  positionals: [{ name: "FILE", noun: "file or folder", many: true, completion: "file" }],
  needs: "hub",
  lists: true,
  options: [
    { name: "client", value: "NAME", help: "The host of rows that have no client_name, by either of its names." },
  ],
  exits: {
    0: "all rows are in the history",
    1: "the hub could not be asked, or a file could not be read or is not one of the logger",
    2: "the command line cannot be understood",
    [partly]: "some rows could not be stored, and all others are in the history",
    [interrupted]: "interrupted by Ctrl-C",
  },
  async run(context) {
    const sources = context.words.flatMap(sourcesOf);
    const run = new Run(context, sources);
    const status = await run.all();
    // A heading alone would say nothing to people.
    if (run.done.length > 0 || isForPrograms(context.given.flags)) {
      context.show({ columns, rows: run.done, json: { files: run.done } });
    }
    return status;
  },
};

/** The files that a word names. @throws Failure */
function sourcesOf(word: string): Source[] {
  if (word === "-") return [{ path: "-", bytes: 0 }];
  const found = statOf(word);
  if (!found.isDirectory()) return [{ path: word, bytes: found.size }];
  const names = readdirSync(word).filter((name) => /^gpu_metrics_.*\.csv(\.gz)?$/.test(name));
  if (names.length === 0) throw new Failure(`There are no files gpu_metrics_*.csv in ${clean(word, 1024)}`);
  return names.sort().map((name) => ({ path: join(word, name), bytes: statOf(join(word, name)).size }));
}

/** @throws Failure */
function statOf(path: string): Stats {
  try {
    const found = statSync(path);
    if (found.isFile() || found.isDirectory() || found.isFIFO()) return found;
    throw new Error(`${path} is not a regular file`);
  } catch (error) {
    throw unreadable(path, error);
  }
}

const unreadable = (path: string, error: unknown): Failure =>
  new Failure(`Cannot read ${clean(path, 1024)}: ${clean((error as Error).message, 1024)}`, { cause: error });

/** One call of the command. */
class Run {
  readonly #context: Context;
  readonly #sources: readonly Source[];
  readonly #progress: Progress;
  readonly #key = randomUUID();
  readonly done: ImportedFile[] = [];
  #stopped = false;
  #current: Readable | undefined;

  constructor(context: Context, sources: readonly Source[]) {
    this.#context = context;
    this.#sources = sources;
    const bytes = sources.reduce((sum, one) => sum + one.bytes, 0);
    this.#progress = new Progress(context.terminal.prompts, { bytes, files: sources.length });
  }

  /** Imports all files. @returns exit status @throws Failure if the hub cannot be asked */
  async all(): Promise<number> {
    const { note } = this.#context;
    let status = 0;
    const stop = (): void => {
      this.#stopped = true;
      this.#current?.destroy(new Error("interrupted"));
    };
    process.once("SIGINT", stop);
    try {
      for (const source of this.#sources) {
        const result = await this.#one(source);
        status = status === 1 ? 1 : Math.max(status, result);
        if (result === 1) status = 1;
        if (this.#stopped) break;
      }
    } finally {
      process.off("SIGINT", stop);
      this.#progress.clear();
    }
    if (!this.#stopped) return status;
    const left = this.#sources.length - this.done.length;
    note(
      `Interrupted: ${left} of ${this.#sources.length} files are not complete in the history. What was sent until now is: run this again for the rest.`,
    );
    return interrupted;
  }

  /** What makes several files one entry of the audit log. */
  #place(source: Source): { readonly run?: string; readonly last?: "true" } {
    if (this.#sources.length === 1) return {};
    return { run: this.#key, ...(source === this.#sources.at(-1) ? { last: "true" } : {}) };
  }

  /** @returns 0, 1 for a file that is not taken, or `partly` */
  async #one(source: Source): Promise<number> {
    const { path } = source;
    const { hub, given, note } = this.#context;
    const file = path === "-" ? "standard input" : path;
    const client = given.flags.client;
    try {
      const args = { name: basename(file), ...(typeof client === "string" ? { client } : {}), ...this.#place(source) };
      const pieces = this.#pieces(path);
      const answer = await hub().send(transferRoutes.import, args, { type: "text/csv", pieces });
      this.done.push({ file, ...answer });
      this.#progress.clear();
      for (const { line, message } of answer.errors) note(`${clean(file, 1024)}:${line}: ${clean(message, 1024)}`);
      for (const message of answer.notes ?? []) note(`${clean(file, 1024)}: ${clean(message, 1024)}`);
      const more = answer.failed - answer.errors.length;
      if (more > 0) note(`${clean(file, 1024)}: ${more} more rows could not be stored`);
      return answer.failed > 0 ? partly : 0;
    } catch (error) {
      if (this.#stopped) return 0;
      this.#progress.clear();
      if (error instanceof Failure && !(error instanceof Refusal)) throw error;
      note(error instanceof Refusal ? `${clean(file, 1024)}: ${error.message}` : unreadable(file, error).message);
      return 1;
    }
  }

  /** The content of a file, decompressed. @throws Error of the file system or of the compression */
  async *#pieces(path: string): AsyncGenerator<Uint8Array> {
    const raw: NodeJS.ReadableStream =
      path === "-" ? this.#context.terminal.input : createReadStream(path, { highWaterMark: 262_144 });
    const out = path.endsWith(".gz") ? createGunzip() : new PassThrough();
    this.#current = out;
    this.#progress.begin(basename(path));
    raw.on("data", (piece: Uint8Array) => this.#progress.add(piece.length));
    const piped = pipeline(raw, out);
    // Its error is that of the loop.
    piped.catch(() => {});
    yield* out;
    await piped;
  }
}

/** Times in the hub's zone, as the file has them: that of the shell may be another one. */
function times({ from, to, timezone }: Imported): string | undefined {
  if (from === null || to === null) return undefined;
  const zone = new Zone(timezone);
  return `${zone.format(from)} to ${zone.format(to)} ${zone.name}`;
}

const columns: readonly ListingColumn<ImportedFile>[] = [
  { name: "file", value: ({ file }) => file },
  { name: "rows", value: ({ rows }) => rows },
  { name: "stored", value: ({ stored }) => stored },
  { name: "failed", value: ({ failed }) => failed, tone: ({ failed }) => (failed > 0 ? "bad" : undefined) },
  { name: "unreadable", title: "unreadable cells", value: ({ unreadable }) => unreadable },
  { name: "hosts", value: ({ hosts }) => hosts, text: ({ hosts }) => hosts.length },
  { name: "from", value: ({ from }) => from ?? undefined, title: "times", text: times },
  { name: "to", value: ({ to }) => to ?? undefined, hidden: true },
  { name: "encoding", value: ({ encoding }) => encoding, hidden: true },
];
