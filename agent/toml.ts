import { existsSync } from "node:fs";
import { join } from "node:path";
import { parse, TomlError } from "smol-toml";
import { readText } from "../program/file.ts";
import type { ListenAddress } from "../program/listen.ts";
import {
  load,
  number,
  type Row,
  SettingError,
  type SettingReader,
  type Table,
  text,
  type Values,
  yes,
} from "../program/setting.ts";
import { listedMetrics } from "./serve/exporter.ts";

/** Keys of [metrics.enabled], each with the metrics it switches. */
const keys = new Map<string, string[]>();
for (const { key, name } of listedMetrics) keys.set(key, [...(keys.get(key) ?? []), name]);

/** Environment variable of a row: APP__SERVER__PORT for server.port. */
const env = (name: string): string => `APP__${name.replaceAll(".", "__").toUpperCase()}`;

const words = new Map([
  ...["true", "on", "yes", "1"].map((word) => [word, true] as const),
  ...["false", "off", "no", "0"].map((word) => [word, false] as const),
]);

/** A boolean as the earlier exporter read it from a variable. */
const either: SettingReader<boolean> = {
  ...yes,
  parse: (value) => (typeof value === "string" ? words.get(value.trim().toLowerCase()) : yes.parse(value)),
};

const switches: Readonly<Record<string, Row<boolean>>> = Object.fromEntries(
  [...keys].map(([key, names]): [string, Row<boolean>] => {
    const name = `metrics.enabled.${key}`;
    return [key, { name, env: env(name), default: true, help: `Shows ${names.join(", ")}.`, reader: either }];
  }),
);

const fixed = {
  host: {
    name: "server.host",
    env: "APP__SERVER__HOST",
    default: "0.0.0.0",
    help: "Address the exporter listens on.",
    reader: text("an address or a host's name", (host) => host !== "" && !/[\s/]/.test(host)),
  },
  port: {
    name: "server.port",
    env: "APP__SERVER__PORT",
    default: 8080,
    help: "Port the exporter listens on.",
    reader: { ...number("a port", 0, 65_535), parse: (value: unknown) => whole(value) },
  },
  interval: {
    name: "metrics.collect_interval_secs",
    env: "APP__METRICS__COLLECT_INTERVAL_SECS",
    default: 15,
    help: "Accepted for compatibility and not used: each scrape reads the machine.",
    reader: number("seconds", 0, 2 ** 32),
  },
} satisfies Table;

function whole(value: unknown): number | undefined {
  const port = number("a port", 0, 65_535).parse(value);
  return Number.isInteger(port) ? port : undefined;
}

/** Every setting of the exporter's own file and of the environment variables that go with it. */
export const exporterTable: Table = { ...fixed, ...switches };

export interface ExporterFile {
  readonly host: string;
  readonly port: number;
  /** Keys of [metrics.enabled] that are switched off. */
  readonly off: ReadonlySet<string>;
}

/** A settings file that was read. */
interface File {
  readonly path: string;
  readonly text: string;
}

/**
 * Reads the exporter's settings; the environment wins over the files, a later file over an earlier one.
 * @throws SettingError that names the file, and the nearest key where one is unknown.
 */
export function loadExporter(
  variables: Readonly<Record<string, string | undefined>>,
  files: readonly File[] = [],
): ExporterFile {
  let file: object = {};
  for (const { path, text: content } of files) {
    try {
      const table = parsed(content);
      // One at a time, so that an error names its file.
      load(exporterTable, { flags: {}, env: {}, file: table });
      file = joined(file, table as object);
    } catch (error) {
      if (error instanceof SettingError) throw new SettingError(`${path}: ${error.message}`);
      throw error;
    }
  }
  const values = load(exporterTable, { flags: {}, env: variables, file }) as Values<typeof fixed> &
    Readonly<Record<string, unknown>>;
  const off = new Set(Object.keys(switches).filter((key) => values[key] === false));
  return { host: values.host.replace(/^\[|\]$/g, ""), port: values.port, off };
}

const isTable = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Merges tables; the later value of a key wins. */
function joined(first: object, later: object): object {
  const both: Record<string, unknown> = { ...first };
  for (const [key, value] of Object.entries(later)) {
    const earlier = both[key];
    both[key] = isTable(earlier) && isTable(value) ? joined(earlier, value) : value;
  }
  return both;
}

/** Endings that the earlier exporter read too. */
const foreign = ["json", "json5", "yaml", "yml", "ini", "ron"];

/**
 * The files that the earlier exporter read by default: config/default.toml and config/local.toml in the working directory.
 * @throws SettingError where one has another form.
 */
function usualFiles(folder: string): string[] {
  return ["default", "local"].flatMap((name) => {
    const path = join(folder, "config", `${name}.toml`);
    if (existsSync(path)) return [path];
    const other = foreign.map((ending) => join(folder, "config", `${name}.${ending}`)).find((each) => existsSync(each));
    if (other === undefined) return [];
    throw new SettingError(
      `Cannot read ${other}: the exporter's settings must be TOML; write them as ${path}, or name a file with GOHM_EXPORTER_CONFIG`,
    );
  });
}

/** The exporter's address, the setting that holds it, and the metrics that are switched off. */
export interface ExporterSettings extends ListenAddress {
  readonly off: ExporterFile["off"];
}

/**
 * @param folder Where config/ is looked for when no file is named.
 * @throws SettingError as loadExporter, and when a file cannot be read.
 */
export function exporterAt(
  { metricsAddr, exporterConfig: path }: { readonly metricsAddr: string; readonly exporterConfig: string },
  variables: Readonly<Record<string, string | undefined>>,
  folder = ".",
): ExporterSettings {
  const files = (path ? [path] : usualFiles(folder)).map((each) => ({ path: each, text: readConfig(each) }));
  const { host, port, off } = loadExporter(variables, files);
  if (metricsAddr) return { off, address: metricsAddr, setting: "GOHM_METRICS_ADDR" };
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return { off, address, setting: "APP__SERVER__HOST and APP__SERVER__PORT" };
}

function readConfig(path: string): string {
  try {
    return readText(path);
  } catch (error) {
    throw new SettingError(`Cannot read setting "exporter.config" (GOHM_EXPORTER_CONFIG): ${(error as Error).message}`);
  }
}

function parsed(content: string): unknown {
  try {
    return parse(content);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [what = ""] = error.message.split("\n");
    throw new SettingError(`line ${error.line}, column ${error.column}: ${what}`);
  }
}
