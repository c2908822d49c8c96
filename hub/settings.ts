import { type JSONVisitor, type ParseErrorCode, parse, printParseErrorCode, visit } from "jsonc-parser";
import { readText } from "../program/file.ts";
import { joinTables, type Part, type ValuesByName, valuesOf } from "../program/part.ts";
import {
  address,
  hostNames,
  limit,
  load,
  oneOf,
  path,
  row,
  SettingError,
  type StartSources,
  type Table,
  text,
  type Values,
} from "../program/setting.ts";
import { timeZone } from "../program/zone.ts";
import { check as checkDoor, type DoorSettings, table as doorTable } from "./door/settings.ts";
import { publicAddress } from "./door/url.ts";
import { Fault } from "./fault.ts";
import { parts as installed, listed } from "./parts.ts";
import { type UserPrivacy, userPrivacies } from "./privacy.ts";
import { type PushSettings, table as pushTable } from "./push/settings.ts";
import { type ReportSettings, table as reportTable } from "./report/settings.ts";
import { type Servers, servers } from "./servers.ts";

/** Settings of the hub itself; inputs, engines, views and tasks bring their own. */
const own = {
  servers: row<Servers>({
    name: "servers",
    env: "",
    only: "file",
    default: { local: "127.0.0.1:9203" },
    help: 'Machines to watch, each with the address of its hmonitor: "tls://host:port" if it has a certificate. History of the whole fleet can be divided by group; labels are shown. Administrators can add further machines in the page, and edit those of the file if the hub may write it.',
    reader: servers,
  }),
  name: row({
    name: "hub.name",
    env: "GOHM_HUB_NAME",
    default: "",
    help: "Name of this hub, for people who run several. gohm status and GET /api/health show it, and GET / as JSON; the page does not.",
    reader: text("a text of at most 64 characters", (value) => value.length <= 64),
  }),
  url: row({
    name: "hub.url",
    env: "GOHM_HUB_URL",
    default: "",
    help: "Address at which people open the page, if the hub is behind a proxy or has a domain name. Below its path, the hub also answers where the proxy leaves the path in requests.",
    reader: publicAddress,
  }),
  hosts: row<readonly string[]>({
    name: "hub.hosts",
    env: "GOHM_HUB_HOSTS",
    default: [],
    help: "Further host names under which the hub answers. IP addresses, names without a dot, this machine's own names and the host of hub.url always work. Requests with other names are refused, because another web site could use them to read the hub.",
    reader: hostNames,
  }),
  timezone: row({
    name: "hub.timezone",
    env: "GOHM_HUB_TIMEZONE",
    default: "",
    help: "Time zone of dates and times without one, in CSV files and in the interfaces of the NVIDIA GPU Metrics Logger; empty for that of the system.",
    reader: timeZone,
  }),
  read: row<"open" | "login">({
    name: "auth.read",
    env: "GOHM_AUTH_READ",
    default: "open",
    help: 'Who may see hosts, history and the live page: "open" is everyone who can connect to the hub, "login" those with an account or a token (docs/accounts.md). Administration always needs one.',
    reader: oneOf("open", "login"),
  }),
  users: row<UserPrivacy>({
    name: "privacy.users",
    env: "GOHM_PRIVACY_USERS",
    default: "shown",
    help: 'What those who are not signed in see of the people who use the machines: "shown" is everything, "initials" the first character of a name, "hidden" numbers instead of names; with both, no commands, containers, jobs and home folders (docs/accounts.md). What each person uses is still added up.',
    reader: oneOf(...userPrivacies),
  }),
  logFile: row({
    name: "log.file",
    env: "GOHM_LOG_FILE",
    default: "",
    help: "File to which the log is appended as well; for machines without a journal.",
    reader: path("file"),
  }),
  logSize: row({
    name: "log.size",
    env: "GOHM_LOG_SIZE",
    default: "10MB",
    help: "Size at which the log file is renamed to its name with .1, and a new one begun; three earlier files are kept. Empty: it grows.",
    reader: limit("1MB"),
  }),
  settings: row({
    name: "settings",
    env: "GOHM_SETTINGS",
    only: "start",
    default: "./settings.json",
    help: "Settings file, JSON with comments; it may be missing.",
    reader: path("file"),
  }),
  data: row({
    name: "data",
    env: "GOHM_DATA",
    only: "start",
    default: "./data",
    help: "Folder with the hub's databases: history and administration data.",
    reader: path("folder", (value) => value !== ""),
  }),
  hubAddress: row({
    name: "hub-addr",
    env: "GOHM_HUB_ADDR",
    only: "start",
    default: "0.0.0.0:5000",
    help: "Address and port of the page and the HTTP interface.",
    reader: address,
  }),
} satisfies Table;

/** Servers that apply if no settings file has any. */
export const defaultServers: Servers = own.servers.default;

/** Every setting, by its name: those of the hub and of all its parts. */
export const table = tableOf(listed(installed));

/** Values of the hub's own settings, and of all by their names, from which `valuesOf` gives a part its own. */
export interface Settings extends Values<typeof own> {
  /** Those of who may come in, and by which way. */
  readonly door: DoorSettings;
  /** Those of machines that report by themselves. */
  readonly push: PushSettings;
  /** Those of daily reports. */
  readonly reports: ReportSettings;
  readonly byName: ValuesByName;
}

/** Names by which requests may call the hub beside this machine's own. */
export const namesOf = ({ hosts, url }: Settings): readonly string[] =>
  url === "" ? hosts : [...hosts, new URL(url).hostname];

function tableOf(parts: readonly Part[]): Table {
  return joinTables([
    { name: "hub", table: own },
    { name: "door", table: doorTable },
    { name: "push", table: pushTable },
    ...parts,
    { name: "reports", table: reportTable },
  ]);
}

const settingsOf = (byName: ValuesByName): Settings => ({
  ...valuesOf(own, byName),
  door: valuesOf(doorTable, byName),
  push: valuesOf(pushTable, byName),
  reports: valuesOf(reportTable, byName),
  byName,
});

/** Advice on settings that work but should be written otherwise. */
export const notes = (settings: Settings, parts: readonly Part[] = listed(installed)): string[] =>
  parts.flatMap((part) => part.notes?.(valuesOf(part.table, settings.byName)) ?? []);

/** Files of private keys that the settings name; "" for none. */
export const keyFiles = ({ byName }: Settings): string[] =>
  Object.values(table).flatMap(({ name, keyFile }) => (keyFile ? [byName[name] as string] : []));

/** Levels of nesting that a settings file may have; tables need three or four. The parser recurses once per level. */
const deepest = 32;

/**
 * Parses a settings file: JSON with comments and trailing commas.
 * @throws SettingError with line and column
 */
export function parseFile(content: string, path: string): unknown {
  const body = content.replace(/^\uFEFF/, "");
  // An editor that truncates first, or a full disk, leaves an empty file: it must not mean "no servers, no token".
  if (body.trim() === "") throw new SettingError(`Cannot read ${path}: the file is empty; write {} for the defaults`);
  const names: Set<string>[] = [];
  let depth = 0;
  const refuse = (what: string, line: number, column: number): never => {
    throw new SettingError(`Cannot read ${path}: line ${line + 1}, column ${column + 1}: ${what}`);
  };
  const deeper = (_offset: number, _length: number, line: number, column: number): void => {
    if (++depth > deepest) refuse(`nested deeper than ${deepest} levels`, line, column);
  };
  const visitor: JSONVisitor = {
    onError: (code, _offset, _length, line, column) => refuse(words(code), line, column),
    onObjectBegin: (...at) => {
      deeper(at[0], at[1], at[2], at[3]);
      names.push(new Set());
    },
    onObjectEnd: () => {
      depth--;
      names.pop();
    },
    onArrayBegin: (...at) => deeper(at[0], at[1], at[2], at[3]),
    onArrayEnd: () => {
      depth--;
    },
    onObjectProperty: (key, _offset, _length, line, column) => {
      const seen = names.at(-1);
      if (seen?.has(key)) refuse(`the key "${key}" is there twice`, line, column);
      if (key === "__proto__") refuse(`the key "${key}" cannot be used`, line, column);
      seen?.add(key);
    },
  };
  visit(body, visitor, { allowTrailingComma: true });
  return parse(body, [], { allowTrailingComma: true });
}

/** Formats a parser's error: "CommaExpected" as "comma expected". */
function words(code: ParseErrorCode): string {
  return printParseErrorCode(code)
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ")
    .toLowerCase();
}

/** Reads a file. @returns undefined if there is none @throws Error if it cannot be read */
export type ReadFile = (path: string) => string | undefined;

/**
 * Reads all settings from flags, environment and the settings file, which need not exist.
 * @throws Fault setting_bad
 */
export function settle(given: StartSources, read: ReadFile, parts: readonly Part[] = listed(installed)): Settings {
  return checked(() => {
    const all = tableOf(parts);
    const path = settingsOf(load(all, { ...given, file: {} })).settings;
    const content = read(path);
    const secret = (name: string): string => {
      const text = read(name);
      if (text === undefined) throw new Error(`there is no file ${name}`);
      return text.trim();
    };
    const byName = load(all, {
      ...given,
      secret,
      file: content === undefined ? {} : parseFile(content, path),
    });
    checkDoor(valuesOf(doorTable, byName));
    for (const part of parts) part.check?.(valuesOf(part.table, byName));
    return settingsOf(byName);
  });
}

/** Reads settings from flags and environment alone, without files of secrets. @throws Fault setting_bad */
export const started = (given: StartSources): Settings =>
  checked(() => settingsOf(load(table, { ...given, file: {} })));

function checked(read: () => Settings): Settings {
  try {
    return read();
  } catch (error) {
    if (error instanceof SettingError) throw new Fault("setting_bad", error.message, { cause: error });
    throw error;
  }
}

/** Reads a regular file as UTF-8. @returns undefined if there is none @throws Fault setting_bad */
export function readSettings(path: string): string | undefined {
  try {
    return readText(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Fault("setting_bad", `Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}
