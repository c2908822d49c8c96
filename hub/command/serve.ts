import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { keptLogFiles, LogFile } from "../../program/log-file.ts";
import { secretWarnings } from "../../program/secret.ts";
import { bytes, type StartSources } from "../../program/setting.ts";
import { systemClock } from "../clock.ts";
import { type Hub, start } from "../hub.ts";
import { type Log, lineLog } from "../log.ts";
import { notice } from "../notice.ts";
import { keyFiles, notes, type Settings, table } from "../settings.ts";
import { serviceManager } from "../systemd.ts";
import { loadSettings, SettingsFile } from "../watch.ts";
import type { Command } from "./command.ts";

export const serve: Command = {
  name: "serve",
  summary: "run the hub until it is stopped; what gohm does without a command",
  details:
    "Use npm start or the service to run it unattended: npx does not pass SIGTERM on, so a hub started by npx gohm keeps running when the npx process is ended by it.",
  positionals: [],
  needs: "nothing",
  settings: "shown",
  options: [],
  exits: {
    0: "the hub was stopped by SIGINT or SIGTERM",
    1: "the hub could not start or could not stop cleanly, or the command line cannot be understood",
  },
  async run({ given, version }) {
    await runHub(given, version);
    return undefined;
  },
};

/** Runs the hub until it is stopped. @throws Fault if it cannot start */
async function runHub(from: StartSources, version: string): Promise<void> {
  // At once: what reads the variables of systemd must be the first, and a start may take its time.
  const manager = serviceManager({ env: process.env, pid: process.pid, log: { warn: (line) => log.warn(line) } });
  const loaded = loadSettings(from);
  const { settings } = loaded;
  let file = logFileOf(settings, (line) => log.warn(line));
  const log = lineLog((line) => {
    process.stdout.write(line);
    file?.write(line);
  }, systemClock.now);
  let logged = settings;
  const reopen = (next: Settings): void => {
    if (next.logFile === logged.logFile && next.logSize === logged.logSize) return;
    const before = file;
    try {
      file = logFileOf(next, (line) => log.warn(line));
      logged = next;
      void before?.close();
    } catch (error) {
      log.error(`${(error as Error).message}; the log goes where it went before`);
    }
  };
  if (!loaded.found) {
    log.info(`there is no settings file ${settings.settings} (GOHM_SETTINGS): the defaults apply until it exists`);
  }
  for (const note of notes(settings)) log.warn(note);
  for (const warning of secretWarnings(table, from, keyFiles(settings))) log.warn(warning);
  const settingsFile = new SettingsFile(from, loaded);
  const hub = await start({
    file: settingsFile,
    settings,
    clock: systemClock,
    random: Math.random,
    log,
    version,
    // Beside the program, which is one file.
    web: join(dirname(fileURLToPath(import.meta.url)), "web"),
  });
  const unwatch = settingsFile.watch({
    clock: systemClock,
    log,
    good: (next) => {
      reopen(next);
      hub.change(next);
      hub.live.notice("settings", undefined);
      log.info(`settings read again: ${Object.keys(next.servers).length} servers`);
      for (const note of notes(next)) log.warn(note);
    },
    bad: (fault) => {
      hub.live.notice("settings", notice("settings_bad", { message: fault.message }));
      log.error(`${fault.message}; the previous settings remain in effect`);
    },
  });
  // An edit of an administrator that a crash interrupted has been undone since the file was read.
  settingsFile.refresh();
  stopOnSignal(log, async () => {
    manager.stopping();
    unwatch();
    await hub.close();
  });
  // The wildcard address cannot be opened in a browser.
  const scheme = hub.secure() ? "https" : "http";
  const url = `${scheme}://${bracket(hub.host === "0.0.0.0" || hub.host === "::" ? "127.0.0.1" : hub.host)}:${hub.port}`;
  log.info([`GOHM hub ready: ${url} (listening on ${bracket(hub.host)}:${hub.port})`, ...hub.places].join(", "));
  manager.ready(`serving ${url}`);
  offerAdministration(hub, log);
  if (process.send) process.send({ url });
}

/** The log file of the settings, if they name one. @throws SettingError if it cannot be written */
function logFileOf({ logFile: path, logSize }: Settings, warn: (line: string) => void): LogFile | undefined {
  if (path === "") return undefined;
  const size = logSize === "" ? Number.POSITIVE_INFINITY : bytes(logSize);
  return new LogFile({ path, size, keep: keptLogFiles, setting: 'setting "log.file" (GOHM_LOG_FILE)', warn });
}

/** Says how the first administrator gets an account: by a link, which only a terminal shows, as logs are kept and copied. */
function offerAdministration({ first, url }: Hub, log: Log): void {
  if (!first.isMissing()) return;
  const path = process.stdout.isTTY ? first.link() : undefined;
  if (path === undefined) {
    log.info("there is no administrator yet: run gohm account link to become it");
    return;
  }
  const link = `${url()}/${path}`;
  process.stdout.write(
    `There is no administrator yet. To become the administrator, open this link: it works once, within 24 hours:\n\n  ${link}\n\n`,
  );
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
  // A log without a reader must not end the hub.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  process.on("SIGINT", () => end("interrupted"));
  process.on("SIGTERM", () => end("terminated"));
  // The parent process has ended and cannot stop this one.
  process.on("disconnect", () => end("its parent process has ended"));
}
