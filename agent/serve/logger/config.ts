import { nearest } from "../../../program/hint.ts";
import { quoted, SettingError } from "../../../program/setting.ts";
import type { LogLevel, LogSettings } from "../../log.ts";
import { type Ini, IniError, parseIni } from "./ini.ts";

/** Groups of readings that a record may lack. */
export type Readings = Readonly<Record<"utilization" | "memory" | "temperature" | "power" | "fanSpeed", boolean>>;

/** The client's settings, as its client_config.ini has them. */
export interface LoggerConfig {
  readonly clientName: string;
  /** Seconds between two readings. */
  readonly interval: number;
  /** Address of the server with its port, perhaps with a user and a password, without a slash at its end. */
  readonly server: string;
  /** Path to which records are sent. */
  readonly endpoint: string;
  /** Seconds for making a connection, and for the answer after that. */
  readonly connectionTimeout: number;
  readonly readTimeout: number;
  readonly network: {
    readonly maxRetries: number;
    /** Seconds before the first retry, and the factor from each to the next. */
    readonly retryDelay: number;
    readonly retryBackoff: number;
    /** Number of records, and seconds since the last ones were sent, after which records are sent. */
    readonly batchSize: number;
    readonly batchInterval: number;
  };
  readonly readings: Readings;
  readonly logging: LogSettings;
  /** Sections and keys that nothing reads, each with what may have been meant. */
  readonly unknown: readonly string[];
}

/** How a value is read; undefined if it is not what is wanted. */
interface Reader<T> {
  readonly wanted: string;
  parse(text: string): T | undefined;
}

/** A number as Python's int() and float() read it, within bounds. */
function numeric(what: string, form: RegExp, min: number, max: number): Reader<number> {
  return {
    wanted: `${what} from ${min} to ${max}`,
    parse(text) {
      const value = form.test(text) ? Number(text.replaceAll("_", "")) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

const digits = "\\d+(?:_\\d+)*";
const whole = (what: string, min: number, max: number): Reader<number> =>
  numeric(what, new RegExp(`^[+-]?${digits}$`), min, max);
const decimal = (what: string, min: number, max: number): Reader<number> =>
  numeric(what, new RegExp(`^[+-]?(?:${digits}\\.?(?:${digits})?|\\.${digits})(?:[eE][+-]?${digits})?$`), min, max);

const truths: ReadonlyMap<string, boolean> = new Map([
  ...["1", "yes", "true", "on"].map((word) => [word, true] as const),
  ...["0", "no", "false", "off"].map((word) => [word, false] as const),
]);
const yesOrNo: Reader<boolean> = {
  wanted: "yes, no, true, false, on, off, 1 or 0",
  parse: (text) => truths.get(text.toLowerCase()),
};

/** Python's levels. Errors are always logged: they say why the program ended. */
const pythonLevels: ReadonlyMap<string, LogLevel> = new Map([
  ["NOTSET", "debug"],
  ["DEBUG", "debug"],
  ["INFO", "info"],
  ["WARN", "warn"],
  ["WARNING", "warn"],
  ["ERROR", "error"],
  ["FATAL", "error"],
  ["CRITICAL", "error"],
]);
const level: Reader<LogLevel> = {
  wanted: "DEBUG, INFO, WARNING, ERROR or CRITICAL",
  parse: (text) => pythonLevels.get(text.toUpperCase()),
};

const nameLimit = 253;
const name: Reader<string> = {
  wanted: `a name of 1 to ${nameLimit} characters`,
  // A value that goes on in a second line is a mistake of indentation.
  parse: (text) => (/^[^\n]+$/.test(text) && text.length <= nameLimit ? text : undefined),
};

const origin: Reader<string> = {
  wanted: 'an address with its scheme and without its port, like "http://10.0.0.5"',
  parse(text) {
    if (!/^https?:\/\/[^/?#\s]+\/*$/i.test(text) || !URL.canParse(text)) return undefined;
    // A port of its own would make two.
    const { port } = new URL(text);
    const twice = port !== "" || /:\d+\/*$/.test(text.replace(/\[[^\]]*\]/, ""));
    return twice ? undefined : text.replace(/\/+$/, "");
  },
};

const path: Reader<string> = {
  wanted: 'a path like "/api/receive-data"',
  parse: (text) => (/^\/[^\s#]*$/.test(text) ? text : undefined),
};

const anyPath: Reader<string> = { wanted: "a path", parse: (text) => (text.includes("\n") ? undefined : text) };

/** Sections and keys that are read, each with its reader and the value that it has if the file does not name it. */
const keys = {
  AUTHENTICATION: { client_name: [name] },
  MONITORING: { interval_seconds: [decimal("seconds", 0.1, 3600), 5] },
  SERVER: {
    server_host: [origin],
    server_port: [whole("a port", 1, 65_535)],
    api_endpoint: [path],
    connection_timeout: [decimal("seconds", 0.1, 3600), 30],
    read_timeout: [decimal("seconds", 0.1, 3600), 60],
  },
  NETWORK: {
    max_retries: [whole("a number", 0, 1000), 3],
    retry_delay: [decimal("seconds", 0, 3600), 5],
    retry_backoff: [decimal("a factor", 0, 100), 2],
    batch_size: [whole("a number of records", 0, 10_000), 10],
    batch_interval: [decimal("seconds", 0, 86_400), 30],
  },
  GPU_METRICS: {
    include_utilization: [yesOrNo, true],
    include_memory: [yesOrNo, true],
    include_temperature: [yesOrNo, true],
    include_power: [yesOrNo, true],
    include_fan_speed: [yesOrNo, true],
  },
  LOGGING: {
    log_level: [level, "info"],
    // The client itself has ./logs/client.log then; a service often has no folder to write into.
    log_file: [anyPath, ""],
    console_output: [yesOrNo, true],
    log_max_size: [decimal("MB", 0, 1_000_000), 50],
    log_backup_count: [whole("a number of files", 0, 1000), 10],
  },
} as const satisfies Record<string, Record<string, readonly [Reader<unknown>, unknown?]>>;

type Keys = typeof keys;
type Value<T> = T extends readonly [Reader<infer V>, unknown?] ? V : never;

const MiB = 1024 ** 2;

/**
 * Reads a client_config.ini of NVIDIA GPU Metrics Logger.
 * @param file Its path, for errors.
 * @throws SettingError that names section, key, value, and what is wanted
 */
export function parseLoggerConfig(text: string, file: string): LoggerConfig {
  const wrong = (message: string): never => {
    throw new SettingError(`Cannot read ${file}: ${message}`);
  };
  const attempt = <T>(read: () => T): T => {
    try {
      return read();
    } catch (error) {
      if (error instanceof IniError) wrong(error.message);
      throw error;
    }
  };
  const ini = attempt(() => parseIni(text));
  const get = <S extends keyof Keys, K extends keyof Keys[S] & string>(section: S, key: K): Value<Keys[S][K]> => {
    const [reader, usual] = keys[section][key] as unknown as readonly [Reader<unknown>, unknown?];
    const given = attempt(() => ini.value(section, key));
    if (given === undefined && usual === undefined) wrong(`[${section}] ${key} is missing: must be ${reader.wanted}`);
    const value = given === undefined ? usual : reader.parse(given);
    if (value !== undefined) return value as Value<Keys[S][K]>;
    return wrong(`[${section}] ${key}: must be ${reader.wanted}: current value is ${quoted(masked(given ?? ""))}`);
  };
  const include = (reading: keyof Keys["GPU_METRICS"]): boolean => get("GPU_METRICS", reading);
  const server = `${get("SERVER", "server_host")}:${get("SERVER", "server_port")}`;
  if (!URL.canParse(server)) wrong(`[SERVER] server_host: ${quoted(masked(server))} is no address`);
  const size = get("LOGGING", "log_max_size") * MiB;
  return {
    clientName: get("AUTHENTICATION", "client_name"),
    interval: get("MONITORING", "interval_seconds"),
    server,
    endpoint: get("SERVER", "api_endpoint"),
    connectionTimeout: get("SERVER", "connection_timeout"),
    readTimeout: get("SERVER", "read_timeout"),
    network: {
      maxRetries: get("NETWORK", "max_retries"),
      retryDelay: get("NETWORK", "retry_delay"),
      retryBackoff: get("NETWORK", "retry_backoff"),
      batchSize: get("NETWORK", "batch_size"),
      batchInterval: get("NETWORK", "batch_interval"),
    },
    readings: {
      utilization: include("include_utilization"),
      memory: include("include_memory"),
      temperature: include("include_temperature"),
      power: include("include_power"),
      fanSpeed: include("include_fan_speed"),
    },
    logging: {
      level: get("LOGGING", "log_level"),
      file: get("LOGGING", "log_file"),
      console: get("LOGGING", "console_output"),
      // 0 is "never", as in Python's RotatingFileHandler.
      size: size === 0 ? Number.POSITIVE_INFINITY : size,
      keep: get("LOGGING", "log_backup_count"),
    },
    unknown: unknownKeys(ini),
  };
}

/** Replaces user and password in an address. */
export const masked = (address: string): string => address.replace(/^([a-z]+:\/\/)?.*@/is, "$1***@");

function unknownKeys(ini: Ini): string[] {
  const known = Object.entries(keys).map(([section, own]) => ({ section, own: Object.keys(own) }));
  const every = known.flatMap(({ own }) => own);
  const hint = (near: string | undefined): string => (near === undefined ? "" : ` (did you mean ${near}?)`);
  return [...ini.keys].flatMap(([section, own]) => {
    const there = section === "DEFAULT" ? every : known.find((one) => one.section === section)?.own;
    if (there === undefined) {
      return [
        `[${section}]${hint(
          nearest(
            section,
            known.map((one) => one.section),
          ),
        )}`,
      ];
    }
    return own.filter((key) => !there.includes(key)).map((key) => `[${section}] ${key}${hint(nearest(key, there))}`);
  });
}
