import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { helpLines, type Option, readLine, UsageError } from "../program/line.ts";
import { secretWarnings } from "../program/secret.ts";
import { jsonSchema, optionsOf } from "../program/setting.ts";
import { fileSize } from "../proto/quantity.ts";
import { backUp, isFolderBackup } from "./backup.ts";
import { systemClock } from "./clock.ts";
import { Fault } from "./fault.ts";
import { start } from "./hub.ts";
import { type Log, lineLog } from "./log.ts";
import { restore } from "./restore.ts";
import { type Given, keyFiles, notes, started, table } from "./settings.ts";
import { loadSettings, watch } from "./watch.ts";

// Names are looked up in libuv's thread pool, in half of its threads at a time: with the usual four, two names whose server does
// not answer keep all other machines from being reached. Read when the pool is first used.
process.env.UV_THREADPOOL_SIZE ??= "128";

const version = process.env.GOHM_VERSION ?? "0";
const here = dirname(fileURLToPath(import.meta.url));

/** A setting that is true or false takes the next word as its value, as it always did. */
const settings: readonly Option[] = optionsOf(table).map((option) =>
  option.bare ? { ...option, takesNext: true } : option,
);

const help = `gohm ${version}: watches GPU machines

Usage: gohm [OPTIONS]          run the hub
       gohm backup FILE        copy the history alone into a new file, whether the hub runs or not (needs --data or GOHM_DATA)
       gohm backup FOLDER/     copy every database into a new folder: the history and administration data
       gohm restore FILE|FOLDER/
                               put such a copy into an empty data folder, while no hub runs there
       gohm schema             print the JSON Schema of the settings file
       gohm --help | --version

Options, each with its environment variable; a flag comes before the environment, that before the settings file:
${helpLines(settings).join("\n")}`;

/** @throws Fault setting_bad for a flag that does not exist. */
function given(): { given: Given; words: readonly string[]; wants: { help: boolean; version: boolean } } {
  try {
    const { flags, words } = readLine(process.argv.slice(2), [
      ...settings,
      { name: "help", short: "h", help: "Prints what there is." },
      { name: "version", short: "v", help: "Prints the version." },
    ]);
    const { help: wantsHelp, version: wantsVersion, ...given } = flags;
    return {
      given: { flags: given, env: process.env },
      words,
      wants: { help: wantsHelp === true, version: wantsVersion === true },
    };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new Fault("setting_bad", `${error.message}${error.message.endsWith("?") ? "" : "."} See gohm --help.`);
  }
}

async function main(): Promise<void> {
  // Whatever this program makes, it is for its own user: history, backups, and what SQLite puts beside them.
  process.umask(0o077);
  const log = lineLog((line) => process.stdout.write(line), systemClock.now);
  const { given: from, words, wants } = given();
  if (wants.help) return void console.log(help);
  if (wants.version) return void console.log(version);
  if (words[0] === "schema" && words.length === 1) {
    return void console.log(JSON.stringify(jsonSchema(table, "Settings of the GOHM hub"), null, 2));
  }
  if (words[0] === "backup") return await back(from, words.slice(1));
  if (words[0] === "restore") return await bringBack(from, words.slice(1));
  if (words.length > 0) throw new Fault("setting_bad", `Unknown command "${words.join(" ")}". See gohm --help.`);
  await run(from, log);
}

/** Only where the history is matters here: a settings file that cannot be read is no reason to have no copy. */
async function back(from: Given, words: readonly string[]): Promise<void> {
  const path = onePath("backup", words);
  const { data } = started(from);
  const whole = isFolderBackup(path);
  const copied = await backUp({ data, path, clock: systemClock, log: toErrors() });
  if (!whole) console.log("This is the history alone; gohm backup FOLDER/ copies every database.");
  for (const copy of copied) console.log(`${copy.path}: ${fileSize(copy.bytes)}`);
}

async function bringBack(from: Given, words: readonly string[]): Promise<void> {
  const path = onePath("restore", words);
  const { data } = started(from);
  const restored = await restore({ data, path, clock: systemClock, log: toErrors() });
  for (const database of restored) console.log(`${database.path}: ${fileSize(database.bytes)}`);
}

/** The log of commands whose output is for programs. */
const toErrors = (): Log => lineLog((line) => process.stderr.write(line), systemClock.now);

function onePath(verb: string, words: readonly string[]): string {
  const [path, ...more] = words;
  if (path !== undefined && path !== "" && more.length === 0) return path;
  throw new Fault(
    "setting_bad",
    `gohm ${verb} wants one file or one folder: it was given "${words.join(" ")}". See gohm --help.`,
  );
}

async function run(from: Given, log: Log): Promise<void> {
  const loaded = loadSettings(from);
  const { settings } = loaded;
  if (!loaded.found) {
    log.info(`there is no settings file ${settings.settings} (GOHM_SETTINGS): the defaults hold until there is one`);
  }
  for (const note of notes(settings)) log.warn(note);
  for (const warning of secretWarnings(table, from, keyFiles(settings))) log.warn(warning);
  const hub = await start({
    settings,
    clock: systemClock,
    random: Math.random,
    log,
    version,
    web: join(here, "web"),
  });
  const unwatch = watch(
    from,
    {
      clock: systemClock,
      good: (next) => {
        hub.change(next);
        hub.live.notice("settings", undefined);
        log.info(`settings read again: ${Object.keys(next.servers).length} servers`);
        for (const note of notes(next)) log.warn(note);
      },
      bad: (fault) => {
        hub.live.notice("settings", `${fault.message}. The previous settings remain in effect.`);
        log.error(`${fault.message}; the previous settings remain in effect`);
      },
    },
    loaded,
  );
  stopOnSignal(log, async () => {
    unwatch();
    await hub.close();
  });
  // An address that stands for all of a machine's is none to open.
  const url = `http://${bracket(hub.host === "0.0.0.0" || hub.host === "::" ? "127.0.0.1" : hub.host)}:${hub.port}`;
  log.info([`GOHM hub ready: ${url} (listening on ${bracket(hub.host)}:${hub.port})`, ...hub.places].join(", "));
  if (process.send) process.send({ url });
}

const bracket = (host: string): string => (host.includes(":") ? `[${host}]` : host);

function stopOnSignal(log: Log, stop: () => Promise<void>): void {
  let stopping = false;
  const end = (why: string): void => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info(`stopping: ${why}`);
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error(`could not stop cleanly: ${String(error)}`);
        process.exit(1);
      },
    );
  };
  // A log that nobody reads any more must not end the hub.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  process.on("SIGINT", () => end("interrupted"));
  process.on("SIGTERM", () => end("told to end"));
  // Started by a program that is gone: nobody is left to stop this one.
  process.on("disconnect", () => end("the program that started it is gone"));
}

try {
  await main();
} catch (error) {
  const known = error instanceof Fault;
  process.stderr.write(`gohm: ${known ? error.message : ((error as Error).stack ?? String(error))}\n`);
  process.exit(1);
}
