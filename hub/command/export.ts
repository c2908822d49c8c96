import { closeSync, createWriteStream, fchmodSync, fsyncSync, lstatSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { UsageError } from "../../program/line.ts";
import { clean } from "../../proto/clean.ts";
import { levels } from "../../proto/device.ts";
import { syncFolder } from "../database/folder.ts";
import { exportForms, transferRoutes } from "../route/transfer.ts";
import { type Command, type Context, checkChoice, Failure } from "./command.ts";

const when = "a local date or time of the hub, or Unix milliseconds";

export const exportFile: Command = {
  name: "export",
  summary: "write history as CSV, in the form of the NVIDIA GPU Metrics Logger or with any metrics",
  details:
    "Writes to standard output, or to the file of --output, which appears when it is complete or not at all. The form logger is that of gpu_metrics_YYYYMMDD.csv, which gohm import reads; long has a row for each value, wide a row for each time and device. Without --from and --to it writes the present day.",
  positionals: [],
  needs: "hub",
  options: [
    { name: "form", value: "FORM", help: `${exportForms.join(", ")}; logger by default.`, completion: exportForms },
    {
      name: "host",
      value: "NAME",
      help: "A host, by either of its names; may be repeated. All by default.",
      many: true,
    },
    { name: "gpu", value: "INDEX,...", help: "GPUs by their indices. All by default." },
    { name: "from", value: "TIME", help: `Start: ${when}. The start of the day of the end by default.` },
    { name: "to", value: "TIME", help: `End: ${when}; a date is included. Now by default.` },
    {
      name: "metric",
      value: "NAME,...",
      help: "Metrics of the forms long and wide (docs/metrics.md). All by default.",
    },
    { name: "level", value: "LEVEL", help: `Only devices of one kind: ${levels.join(", ")}.`, completion: levels },
    {
      name: "step",
      value: "DURATION",
      help: "Width of a bucket, as 5m or 1h, for the forms long and wide; buckets are counted from the epoch, in UTC. Every sample by default.",
    },
    { name: "of", value: "WHAT", help: "What of a bucket is written: avg, min, max, last, p95 or count." },
    {
      name: "time",
      value: "FORM",
      help: "Times of the forms long and wide: local or unix.",
      completion: ["local", "unix"],
    },
    {
      name: "output",
      short: "o",
      value: "FILE",
      help: "File to write. One that is there is replaced and keeps its rights; a new one may be read by its owner only.",
      completion: "file",
    },
  ],
  exits: {
    0: "the file is complete",
    1: "the hub could not be asked, or refused, or the file could not be written",
    2: "the command line cannot be understood",
  },
  async run(context) {
    const { flags } = context.given;
    const answer = await context.hub().receive(transferRoutes.export, argumentsOf(context));
    const { output } = flags;
    if (typeof output === "string") await write(answer, output);
    else await print(answer, context);
    return 0;
  },
};

const passed = ["form", "gpu", "from", "to", "metric", "level", "of", "time"] as const;

/** @throws UsageError */
function argumentsOf({ given: { flags }, all }: Context) {
  if (flags.form !== undefined) checkChoice("--form", flags.form, exportForms);
  if (flags.level !== undefined) checkChoice("--level", flags.level, levels);
  const named = passed.flatMap((name) => (typeof flags[name] === "string" ? [[name, flags[name]] as const] : []));
  const { step } = flags;
  return {
    ...Object.fromEntries(named),
    host: all("host"),
    ...(typeof step === "string" ? { step: stepOf(step) } : {}),
  };
}

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** @returns milliseconds @throws UsageError */
function stepOf(text: string): number {
  const [, count, unit = ""] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  const step = Number(count) * (units[unit] ?? Number.NaN);
  if (!Number.isNaN(step)) return step;
  throw new UsageError(`--step wants a time like 30s, 5m, 1h or 1d: it was given "${text}"`);
}

async function print(answer: Readable, { output }: Context): Promise<void> {
  try {
    await pipeline(answer, output(), { end: false });
  } catch (error) {
    // An error of standard output is reported where it is opened; the reader of a pipe may be gone, as with "| head".
    if ((error as NodeJS.ErrnoException).syscall !== "write") throw cut(error);
  }
}

/** Writes a file beside its place, and renames it when it is complete. @throws Failure */
async function write(answer: Readable, path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  // A device or a FIFO cannot be replaced.
  const isPlain = found === undefined || found.isFile();
  const part = isPlain ? `${resolve(path)}.partial-${process.pid}` : path;
  try {
    const out = createWriteStream(part, isPlain ? { flags: "wx" } : {});
    const failed = new Promise<never>((_, fail) => out.once("error", (error) => fail(unwritable(path, error))));
    await Promise.race([pipeline(answer, out), failed]);
    if (!isPlain) return;
    const file = openSync(part, "r+");
    // Those who could read the file before can read the new one.
    if (found !== undefined) fchmodSync(file, found.mode & 0o777);
    fsyncSync(file);
    closeSync(file);
    renameSync(part, path);
    syncFolder(dirname(resolve(path)));
  } catch (error) {
    throw error instanceof Failure ? error : cut(error);
  } finally {
    if (isPlain) rmSync(part, { force: true });
  }
}

const unwritable = (path: string, error: Error): Failure =>
  new Failure(`Cannot write ${clean(path, 1024)}: ${clean(error.message, 1024)}`, { cause: error });

const cut = (error: unknown): Failure =>
  new Failure(`The hub's answer was cut short: ${clean((error as Error).message, 1024)}`, { cause: error });
