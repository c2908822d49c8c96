import { nearest } from "./hint.ts";
import type { Completion, Option } from "./line.ts";

/** How a setting's value is read and described, whatever source it came from. */
export interface SettingReader<T> {
  /** What is wanted, after "must be": "seconds from 1 to 3600". */
  readonly wanted: string;
  /** What the writer of a refused value may have meant. */
  hint?(value: unknown): string | undefined;
  /** JSON Schema of the value in the settings file. */
  readonly schema: object;
  /** The flag may stand without a value, which then is true; one comes after "=" only. */
  readonly bare?: true;
  /** What help calls the value; VALUE if it is not given: "URL". */
  readonly placeholder?: string;
  /** What a shell completes the flag's value with. */
  readonly completion?: Completion;
  /** Undefined when the value is not what is wanted. Flags and environment give strings. */
  parse(value: unknown): T | undefined;
}

/** One setting. Flag, environment variable, file key, --help, JSON Schema and docs/settings.md come from this row. */
export interface Row<T> {
  /** Dotted key in the settings file; also the flag: "listen.address" is --listen-address unless `flag` says otherwise. */
  readonly name: string;
  readonly env: string;
  readonly flag?: string;
  readonly default: T;
  readonly help: string;
  readonly reader: SettingReader<T>;
  /** Never printed; may be given as <env>_FILE, a file that holds it. */
  readonly secret?: boolean;
  /** Path of a file with a private key: the program warns if other users can read it. */
  readonly keyFile?: boolean;
  /**
   * Where it may stand: "file" only makes sense for a settings file, "start" is fixed when the program starts, "env" has no
   * flag either, which the list of processes would show.
   */
  readonly only?: "file" | "start" | "env";
}

/** Gives a row the type of its value. */
export const row = <T>(declared: Row<T>): Row<T> => declared;

// biome-ignore lint/suspicious/noExplicitAny: a table holds rows of every type; Values<> gives each its own back
export type Table = Readonly<Record<string, Row<any>>>;
export type Values<T extends Table> = { readonly [K in keyof T]: T[K]["default"] };

/** Command line and environment, which do not change while a program runs. */
export interface StartSources {
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Where values come from; the first that has one wins: flags, environment, file, default. */
export interface SettingSources extends StartSources {
  /** Content of the settings file, or {}. */
  readonly file: unknown;
  /** Reads a secret's file. */
  readonly secret?: (path: string) => string;
}

/** A setting that cannot be used. The message names the setting, its source, the value and what was wanted. */
export class SettingError extends Error {
  override name = "SettingError";
}

/** True if the settings file may hold it. */
export const inFile = ({ only }: Row<unknown>): boolean => only === undefined || only === "file";

/** True if it may be a flag. */
export const onLine = ({ only }: Row<unknown>): boolean => only !== "file" && only !== "env";

export const flagOf = (row: Row<unknown>): string => row.flag ?? row.name.replaceAll(/[._]/g, "-");

/** @throws SettingError on the first value that is not what its row wants, or a file key no row has. */
export function load<T extends Table>(table: T, sources: SettingSources): Values<T> {
  checkKeys(table, sources.file);
  const values: Record<string, unknown> = {};
  for (const [key, row] of Object.entries(table)) values[key] = pick(row, sources);
  return values as Values<T>;
}

function pick(row: Row<unknown>, sources: SettingSources): unknown {
  const flag = sources.flags[flagOf(row)];
  if (flag !== undefined) return read(row, flag, `--${flagOf(row)}`);
  const path = row.secret ? sources.env[`${row.env}_FILE`] : undefined;
  if (path && sources.secret) return read(row, secretIn(path, row, sources.secret), `${row.env}_FILE`);
  const env = sources.env[row.env];
  // An empty variable means "not set": compose files and systemd units pass them on that way.
  if (row.only !== "file" && env !== undefined && env !== "") return read(row, env, row.env);
  const held = inFile(row) ? lookUp(sources.file, row.name) : undefined;
  return held === undefined ? row.default : read(row, held, "settings file");
}

function secretIn(path: string, row: Row<unknown>, open: (path: string) => string): string {
  try {
    return open(path);
  } catch (error) {
    throw new SettingError(`Cannot read setting "${row.name}" (${row.env}_FILE): ${(error as Error).message}`);
  }
}

function read(row: Row<unknown>, value: unknown, source: string): unknown {
  const got = row.reader.parse(value);
  if (got !== undefined) return got;
  const shown = row.secret ? "(secret)" : quoted(value);
  const hint = row.secret ? undefined : row.reader.hint?.(value);
  throw new SettingError(
    `Cannot read setting "${row.name}" (${source}): must be ${row.reader.wanted}: current value is ${shown}${hint === undefined ? "" : `: write ${hint}`}`,
  );
}

/** Characters of a value that a message quotes. */
const longestQuote = 200;

/** A value as JSON for a message: cut where it is long, and never an error of its own, however deep it is nested. */
export function quoted(value: unknown): string {
  try {
    const text =
      JSON.stringify(value, (_key, one) => (typeof one === "string" ? withoutPassword(one) : one)) ?? "missing";
    return text.length > longestQuote ? `${text.slice(0, longestQuote)}…` : text;
  } catch {
    return "too deeply nested to show"; // JSON.stringify recurses once for each level
  }
}

/** An address without the user and password that may be in it, also where it is none because of them. */
function withoutPassword(text: string): string {
  const end = text.lastIndexOf("@");
  const [scheme = ""] = /^[a-z][a-z0-9+.-]*:\/{1,2}/i.exec(text) ?? [];
  const hasUser = end >= scheme.length && (scheme !== "" || text.slice(0, end).includes(":"));
  return hasUser ? `${scheme}***${text.slice(end)}` : text;
}

function lookUp(file: unknown, name: string): unknown {
  let at: unknown = file;
  for (const part of name.split(".")) {
    if (typeof at !== "object" || at === null) return undefined;
    at = (at as Record<string, unknown>)[part];
  }
  return at;
}

function checkKeys(table: Table, file: unknown): void {
  if (typeof file !== "object" || file === null || Array.isArray(file)) {
    throw new SettingError("The settings file must hold one JSON object");
  }
  const names = Object.values(table)
    .filter(inFile)
    .map((row) => row.name);
  const groups = new Set(names.flatMap((name) => [...name.matchAll(/\./g)].map(({ index }) => name.slice(0, index))));
  const visit = (held: object, prefix: string): void => {
    for (const [key, inner] of Object.entries(held)) {
      const name = prefix + key;
      if (name === "$schema" || names.includes(name)) continue;
      const group = names.some((n) => n.startsWith(`${name}.`));
      if (group && typeof inner === "object" && inner !== null && !Array.isArray(inner)) visit(inner, `${name}.`);
      else if (group) throw new SettingError(`Cannot read setting "${name}" (settings file): must be an object`);
      else {
        // As "token" instead of "token_file".
        const hint = names.find((one) => one.startsWith(`${name}_`)) ?? nearest(name, [...names, ...groups]);
        throw new SettingError(
          `Unknown setting "${name}" in the settings file${hint ? `: did you mean "${hint}"?` : ""}`,
        );
      }
    }
  };
  visit(file, "");
}

/** JSON Schema (draft 2020-12) of the settings file. */
export function jsonSchema(table: Table, title: string): object {
  const root: Branch = { type: "object", additionalProperties: false, properties: { $schema: { type: "string" } } };
  for (const row of Object.values(table)) {
    if (!inFile(row)) continue;
    const parts = row.name.split(".");
    const leaf = parts.pop() ?? row.name;
    let at = root;
    for (const part of parts) {
      at = at.properties[part] ??= { type: "object", additionalProperties: false, properties: {} };
    }
    at.properties[leaf] = { description: row.help, default: plain(row.default), ...row.reader.schema };
  }
  return { $schema: "https://json-schema.org/draft/2020-12/schema", title, ...root };
}

interface Branch {
  type: string;
  additionalProperties: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: JSON Schema nests without bound
  properties: Record<string, any>;
}

/** Rows as options of a command line. */
export function optionsOf(table: Table): Option[] {
  return Object.values(table)
    .filter(onLine)
    .map((row): Option => {
      const { bare, completion, parse, placeholder = "VALUE" } = row.reader;
      return {
        name: flagOf(row),
        ...(row.reader === yes ? {} : { value: placeholder }),
        ...(bare ? { bare: (word) => parse(word) !== undefined } : {}),
        ...(completion ? { completion } : {}),
        help: `${row.help} (${row.env}; default ${defaultOf(row)})`,
      };
    });
}

/** The default in words, for help and documents. */
export function defaultOf(row: Row<unknown>): string {
  return typeof row.default === "string" ? row.default || "(none)" : JSON.stringify(plain(row.default));
}

/** A default as the settings file would hold it. */
function plain(value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries(value) : value;
}

const numeric = (value: unknown): number =>
  typeof value === "string" && value.trim() !== "" ? Number(value) : Number.NaN;

/** A number within bounds; `what` names it with its unit: "seconds". */
export function number(what: string, min: number, max: number): SettingReader<number> {
  return {
    wanted: `${what} from ${min} to ${max}`,
    schema: { type: "number", minimum: min, maximum: max },
    parse(value) {
      const n = typeof value === "number" ? value : numeric(value);
      return n >= min && n <= max ? n : undefined;
    },
  };
}

export function text(wanted: string, fits: (value: string) => boolean = () => true): SettingReader<string> {
  return {
    wanted,
    schema: { type: "string" },
    parse: (value) => (typeof value === "string" && fits(value) ? value : undefined),
  };
}

/** One of some words. */
export function oneOf<T extends string>(...words: readonly T[]): SettingReader<T> {
  const named = words.filter((word) => word !== "");
  return {
    wanted: `${named.slice(0, -1).join(", ")} or ${named.at(-1)}`,
    schema: { enum: words },
    parse: (value) => words.find((word) => word === value),
  };
}

/** A path that shells complete. */
export const path = (
  completion: "file" | "folder",
  fits: (value: string) => boolean = () => true,
): SettingReader<string> => ({
  ...text("a path", fits),
  placeholder: completion.toUpperCase(),
  completion,
});

export const yes: SettingReader<boolean> = {
  wanted: "true or false",
  schema: { type: "boolean" },
  bare: true,
  completion: ["true", "false"],
  parse(value) {
    if (typeof value === "boolean") return value;
    if (value === "true" || value === "1") return true;
    return value === "false" || value === "0" ? false : undefined;
  },
};

const hour = 3_600_000;
const spans: Readonly<Record<string, number>> = { h: hour, d: 24 * hour, w: 7 * 24 * hour, y: 365 * 24 * hour };
const span = /^([1-9][0-9]{0,4})([hdwy])$|^forever$/;

/** Milliseconds of "36h", "30d", "2w", "1y" (365 days); "forever" is Infinity. NaN for anything else. */
export function milliseconds(value: string): number {
  const [whole, count, unit = ""] = span.exec(value) ?? [];
  if (whole === "forever") return Number.POSITIVE_INFINITY;
  return Number(count) * (spans[unit] ?? Number.NaN);
}

/** How long something is kept, no less than `least`. */
export function duration(least: string): SettingReader<string> {
  return {
    wanted: `a time like "36h", "30d", "2w", "1y" or "forever", no shorter than "${least}"`,
    schema: { type: "string", pattern: span.source },
    parse: (value) => (typeof value === "string" && milliseconds(value) >= milliseconds(least) ? value : undefined),
  };
}

const powers: Readonly<Record<string, number>> = {
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};
const size = /^([0-9]{1,6}(?:\.[0-9]{1,3})?) ?([MGT]i?B)$/;

/** Bytes of "20GB" or "1.5 TiB". NaN for anything else. */
export function bytes(value: string): number {
  const [, count, unit = ""] = size.exec(value) ?? [];
  return Number(count) * (powers[unit] ?? Number.NaN);
}

/** How large something may become, no less than `least`; empty for no limit. */
export function limit(least: string): SettingReader<string> {
  return {
    wanted: `a size like "20GB" or "1.5TiB", no less than "${least}", or nothing`,
    schema: { type: "string", pattern: `^$|${size.source}` },
    parse: (value) => (typeof value === "string" && (value === "" || bytes(value) >= bytes(least)) ? value : undefined),
  };
}

const hostName = /^[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63}){0,9}\.?$/;

/** Names of hosts: a list, or a text with commas between. */
export const hostNames: SettingReader<readonly string[]> = {
  wanted: 'names of hosts without port, like "gpus.lab.example", as a list or separated by commas',
  schema: {
    anyOf: [
      { type: "array", items: { type: "string", pattern: hostName.source } },
      { type: "string", pattern: `^$|${hostName.source}|,` },
    ],
  },
  parse(value) {
    const names = typeof value === "string" ? value.split(",").map((name) => name.trim()) : value;
    if (!Array.isArray(names)) return undefined;
    const given: unknown[] = names.filter((name) => name !== "");
    return given.every((name) => typeof name === "string" && hostName.test(name)) ? (given as string[]) : undefined;
  },
};

/** "https://gpus.lab.example/base"; nothing for none. */
export const webAddress: SettingReader<string> = {
  ...text('an address like "https://gpus.lab.example", without user, query and fragment, or nothing', (value) => {
    if (value === "") return true;
    if (!URL.canParse(value)) return false;
    const url = new URL(value);
    return /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" && !/[?#\s]/.test(value);
  }),
  placeholder: "URL",
};

/** "host:port"; IPv6 addresses in brackets: "[::1]:9203". */
export const address: SettingReader<string> = text(
  'an address with its port, like "0.0.0.0:9203" or "[::]:9203"',
  (value) => {
    const port = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5})$/.exec(value)?.[1];
    return port !== undefined && Number(port) <= 65_535;
  },
);

/** Splits what `address` accepted. */
export function hostPort(value: string): { host: string; port: number } {
  const colon = value.lastIndexOf(":");
  return { host: value.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(value.slice(colon + 1)) };
}
