import { UsageError } from "../program/line.ts";
import { SettingError } from "../program/setting.ts";
import { systemClock } from "./clock.ts";
import { commands } from "./command/all.ts";
import { openHub } from "./command/client.ts";
import { checkWords, Failure, invocationOf, Misuse } from "./command/command.ts";
import { helpOf, overview } from "./command/help.ts";
import { show, sinkOf } from "./command/output.ts";
import { Fault } from "./fault.ts";
import { lineLog } from "./log.ts";

// Names are looked up in libuv's thread pool, in half of its threads at a time: with the usual four, two names whose server does
// not answer keep all other machines from being reached. Read when the pool is first used.
process.env.UV_THREADPOOL_SIZE ??= "128";

const version = process.env.GOHM_VERSION ?? "0";

/** Runs the command that the arguments name. @returns Exit status; undefined if it runs until it is stopped. */
async function main(args: readonly string[]): Promise<number | undefined> {
  // Files are private to this user: history, backups, and those that SQLite creates beside them.
  process.umask(0o077);
  const print = (line: string): void => void output().write(`${line}\n`);
  const { command, named, line } = invocationOf(args, commands);
  const { flags, words, lists = {} } = line;
  if (flags.help) print(named ? helpOf(command) : overview(commands, version));
  else if (flags.version) print(version);
  if (flags.help || flags.version) return 0;
  checkWords(command, words);
  const given = { flags, env: process.env };
  try {
    return await command.run({
      words,
      given,
      all: (option) => lists[option] ?? [],
      version,
      commands,
      log: lineLog((text) => process.stderr.write(text), systemClock.now),
      hub: () => openHub(given),
      print,
      output,
      note: (text) => void process.stderr.write(`${text}\n`),
      terminal: { input: process.stdin, prompts: process.stderr },
      show: (listing) => show(listing, flags, sinkOf(output(), given)),
    });
  } catch (error) {
    throw error instanceof UsageError && !(error instanceof Misuse) ? new Misuse(command, error.message) : error;
  }
}

/** Standard output for a command that prints and ends. A hub that runs must not end because of its output. */
function output(): typeof process.stdout {
  if (process.stdout.listenerCount("error") === 0) {
    process.stdout.on("error", (error: NodeJS.ErrnoException) => {
      // The reader is gone, as with "| head": not an error.
      if (error.code === "EPIPE") return;
      process.stderr.write(`gohm: Cannot write the output: ${error.message}\n`);
      process.exitCode = 1;
    });
  }
  return process.stdout;
}

/** The message of an expected error, the stack of any other. */
function wordsOf(error: unknown): string {
  const expected = [Failure, Fault, SettingError, UsageError].some((kind) => error instanceof kind);
  return expected ? (error as Error).message : ((error as Error).stack ?? String(error));
}

try {
  const status = await main(process.argv.slice(2));
  // Not process.exit(): it would cut off what a pipe has not taken yet.
  if (status !== undefined) process.exitCode ||= status;
} catch (error) {
  process.stderr.write(`gohm: ${wordsOf(error)}\n`);
  process.exit(error instanceof Misuse ? error.status : 1);
}
