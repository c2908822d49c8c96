import { type JSONVisitor, type ParseErrorCode, parse, printParseErrorCode, visit } from "jsonc-parser";
import { readText } from "../program/file.ts";
import {
  address,
  bytes,
  type Doors,
  duration,
  hostNames,
  limit,
  load,
  milliseconds,
  number,
  type Row,
  SettingError,
  type Table,
  text,
  type Values,
  webAddress,
  yes,
} from "../program/setting.ts";
import { Fault } from "./fault.ts";
import { type Servers, servers } from "./servers.ts";

const row = <T>(held: Row<T>): Row<T> => held;

/** The hub's settings. Everything said about them elsewhere (flags, --help, JSON Schema, docs/settings.md) comes from here. */
export const table = {
  servers: row<Servers>({
    name: "servers",
    env: "",
    only: "file",
    default: { local: "127.0.0.1:9203" },
    help: 'The machines to watch, each with the address its hmonitor listens on; "tls://host:port" where that has a certificate. Answers about the whole fleet may go by group.',
    reader: servers,
  }),
  name: row({
    name: "hub.name",
    env: "GOHM_HUB_NAME",
    default: "",
    help: "What this hub calls itself, for people who run several.",
    reader: text("a text of at most 64 characters", (value) => value.length <= 64),
  }),
  url: row({
    name: "hub.url",
    env: "GOHM_HUB_URL",
    default: "",
    help: "Address at which people open the page, where that is another than this machine's: that of a proxy, or a name of its own.",
    reader: webAddress,
  }),
  hosts: row<readonly string[]>({
    name: "hub.hosts",
    env: "GOHM_HUB_HOSTS",
    default: [],
    help: "Further names by which requests may call the hub. Addresses, names without a dot, this machine's own name and the one in hub.url need not be here; any other is refused, so that no other site can pass the hub off as its own.",
    reader: hostNames,
  }),
  interval: row({
    name: "poll.interval",
    env: "GOHM_POLL_INTERVAL",
    default: 10,
    help: "Seconds between two polls of a machine.",
    reader: number("seconds", 1, 3600),
  }),
  deadline: row({
    name: "poll.deadline",
    env: "GOHM_POLL_DEADLINE",
    default: 8,
    help: "Seconds a machine may take to answer; its agent gives up on a hung driver after 5.",
    reader: number("seconds", 0.1, 60),
  }),
  concurrency: row({
    name: "poll.concurrency",
    env: "GOHM_POLL_CONCURRENCY",
    default: 256,
    help: "Polls under way at the same time; machines that do not answer take up half of them at most.",
    reader: number("polls", 2, 10_000),
  }),
  token: row({
    name: "poll.token",
    env: "GOHM_POLL_TOKEN",
    default: "",
    help: "Shared secret shown to every machine (GOHM_TOKEN there); GOHM_POLL_TOKEN_FILE names a file that holds it.",
    reader: text("a text without line breaks", (value) => !/[\r\n]/.test(value)),
    secret: true,
  }),
  ca: row({
    name: "poll.ca",
    env: "GOHM_POLL_CA",
    default: "",
    help: "Authorities (PEM file) that vouch for the certificates of tls:// machines; the system's own when empty.",
    reader: text("a path"),
  }),
  cert: row({
    name: "poll.cert",
    env: "GOHM_POLL_CERT",
    default: "",
    help: "Certificate (PEM file) that this hub shows to tls:// machines that ask for one.",
    reader: text("a path"),
  }),
  key: row({
    name: "poll.key",
    env: "GOHM_POLL_KEY",
    default: "",
    help: "Private key (PEM file) of that certificate.",
    reader: text("a path"),
  }),
  keepSamples: row({
    name: "history.retention.raw",
    env: "GOHM_HISTORY_RETENTION_RAW",
    default: "30d",
    help: "How long every sample is kept as it was measured.",
    reader: duration("1d"),
  }),
  keepFiveMinutes: row({
    name: "history.retention.5m",
    env: "GOHM_HISTORY_RETENTION_5M",
    default: "1y",
    help: "How long the summaries of five minutes are kept: least, greatest, mean and count of each series.",
    reader: duration("1d"),
  }),
  keepHours: row({
    name: "history.retention.1h",
    env: "GOHM_HISTORY_RETENTION_1H",
    default: "forever",
    help: "How long the summaries of an hour are kept.",
    reader: duration("1d"),
  }),
  keepDaily: row({
    name: "history.retention.1d",
    env: "GOHM_HISTORY_RETENTION_1D",
    default: "forever",
    help: "How long the summaries of a day are kept.",
    reader: duration("1d"),
  }),
  maxSize: row({
    name: "history.max_size",
    env: "GOHM_HISTORY_MAX_SIZE",
    default: "",
    help: "Size that the history may have on disk. Where it would become larger, the oldest samples go first, before their time.",
    reader: limit("64MB"),
  }),
  maxDevices: row({
    name: "history.max_devices",
    env: "GOHM_HISTORY_MAX_DEVICES",
    default: 2048,
    help: "Devices (GPUs, filesystems, network interfaces) that history keeps of one machine. Beyond it, those not seen for the longest time are removed, with their samples, and the page says so.",
    reader: number("devices", 1300, 20_000),
  }),
  keepDays: row({
    name: "history.keep_days",
    env: "GOHM_HISTORY_KEEP_DAYS",
    default: 0,
    help: "Days that every sample is kept: the old form of history.retention.raw, which it overrules; 0 when it is not given.",
    reader: number("days", 10, 3650),
  }),
  historyReflection: row({
    name: "history.reflection",
    env: "GOHM_HISTORY_REFLECTION",
    default: false,
    help: "Answers server reflection on the gRPC port, for grpcurl and the like; takes effect at the start of the hub.",
    reader: yes,
  }),
  settings: row({
    name: "settings",
    env: "GOHM_SETTINGS",
    only: "start",
    default: "./settings.json",
    help: "The settings file, JSON with comments; it need not exist.",
    reader: text("a path"),
  }),
  data: row({
    name: "data",
    env: "GOHM_DATA",
    only: "start",
    default: "./data",
    help: "Folder that holds the history.",
    reader: text("a path", (value) => value !== ""),
  }),
  hubAddress: row({
    name: "hub-addr",
    env: "GOHM_HUB_ADDR",
    only: "start",
    default: "0.0.0.0:5000",
    help: "Where the page and the HTTP interfaces listen.",
    reader: address,
  }),
  historyAddress: row({
    name: "history-addr",
    env: "GOHM_HISTORY_ADDR",
    only: "start",
    default: "0.0.0.0:9204",
    help: "Where the gRPC service gpu.History listens.",
    reader: address,
  }),
} satisfies Table;

export type Settings = Values<typeof table>;

/** How long history keeps what, in milliseconds; Infinity for ever. */
export interface Retention {
  readonly raw: number;
  readonly fiveMinutes: number;
  readonly hour: number;
  readonly day: number;
}

export function retention(settings: Settings): Retention {
  return {
    raw: settings.keepDays > 0 ? settings.keepDays * 86_400_000 : milliseconds(settings.keepSamples),
    fiveMinutes: milliseconds(settings.keepFiveMinutes),
    hour: milliseconds(settings.keepHours),
    day: milliseconds(settings.keepDaily),
  };
}

/** Bytes that history may have on disk; Infinity where nothing is said. */
export const maxSize = (settings: Settings): number =>
  settings.maxSize === "" ? Number.POSITIVE_INFINITY : bytes(settings.maxSize);

/** Names by which requests may call the hub beside this machine's own. */
export const namesOf = ({ hosts, url }: Settings): readonly string[] =>
  url === "" ? hosts : [...hosts, new URL(url).hostname];

/** What to tell whoever wrote settings that work, but not for ever. */
export function notes(settings: Settings): string[] {
  if (settings.keepDays === 0) return [];
  return [
    `"history.keep_days" is the old form of "history.retention.raw": write {"history": {"retention": {"raw": "${settings.keepDays}d"}}} instead`,
  ];
}

/** A summary that goes before what it summarizes would leave a hole between the two. @throws SettingError */
function checkRetention(settings: Settings): void {
  const { raw, fiveMinutes, hour, day } = retention(settings);
  const tiers = [
    [settings.keepDays > 0 ? "history.keep_days" : "history.retention.raw", raw, settings.keepSamples],
    [table.keepFiveMinutes.name, fiveMinutes, settings.keepFiveMinutes],
    [table.keepHours.name, hour, settings.keepHours],
    [table.keepDaily.name, day, settings.keepDaily],
  ] as const;
  tiers.forEach(([name, kept, shown], i) => {
    const finer = tiers[i - 1];
    if (finer === undefined || kept >= finer[1]) return;
    throw new SettingError(
      `Cannot read setting "${name}": must be no shorter than "${finer[0]}": current value is "${shown}"`,
    );
  });
}

/** Levels that settings may be nested: what the table wants, several times over. The parser recurses once for each. */
const deepest = 32;

/**
 * Text of a settings file (JSON, comments and trailing commas allowed) as a value.
 * @throws SettingError with line and column.
 */
export function parseFile(content: string, path: string): unknown {
  const body = content.replace(/^\uFEFF/, "");
  // A save that truncates first, or a full disk, leaves this: it must not look like "no servers, no token".
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

/** "CommaExpected" as "comma expected". */
function words(code: ParseErrorCode): string {
  return printParseErrorCode(code)
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ")
    .toLowerCase();
}

/** Flags and environment the hub was started with; the file is read again and again. */
export interface Given {
  readonly flags: Doors["flags"];
  readonly env: Doors["env"];
}

/** Reads a file; undefined when there is none. @throws Error when it is there and cannot be read */
export type ReadFile = (path: string) => string | undefined;

/**
 * Settings from flags, environment and the settings file; without that file, defaults for the rest.
 * @throws Fault setting_bad
 */
export function settle(given: Given, read: ReadFile): Settings {
  return checked(() => {
    const path = load(table, { ...given, file: {} }).settings;
    const content = read(path);
    const secret = (name: string): string => {
      const text = read(name);
      if (text === undefined) throw new Error(`there is no file ${name}`);
      return text.trim();
    };
    const settings = load(table, {
      ...given,
      secret,
      file: content === undefined ? {} : parseFile(content, path),
    });
    checkRetention(settings);
    return settings;
  });
}

/** Settings from flags and environment alone, secrets left out. @throws Fault setting_bad */
export const started = (given: Given): Settings => checked(() => load(table, { ...given, file: {} }));

function checked(read: () => Settings): Settings {
  try {
    return read();
  } catch (error) {
    if (error instanceof SettingError) throw new Fault("setting_bad", error.message, { cause: error });
    throw error;
  }
}

/** A `ReadFile` for regular files of sane size. @throws Fault setting_bad */
export function readSettings(path: string): string | undefined {
  try {
    return readText(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Fault("setting_bad", `Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}
