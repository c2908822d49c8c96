import { readFileSync } from "node:fs";
import { parse, TomlError } from "smol-toml";
import {
  hostPort,
  load,
  number,
  type Row,
  SettingError,
  type Table,
  text,
  type Values,
  yes,
} from "../proto/setting.ts";
import { listed } from "./serve/exporter.ts";

/** Keys of [metrics.enabled], each with the metrics it switches. */
const keys = new Map<string, string[]>();
for (const { key, name } of listed) keys.set(key, [...(keys.get(key) ?? []), name]);

/** Environment variable of a row: APP__SERVER__PORT for server.port. */
const env = (name: string): string => `APP__${name.replaceAll(".", "__").toUpperCase()}`;

const switches: Readonly<Record<string, Row<boolean>>> = Object.fromEntries(
  [...keys].map(([key, names]): [string, Row<boolean>] => {
    const name = `metrics.enabled.${key}`;
    return [key, { name, env: env(name), default: true, help: `Shows ${names.join(", ")}.`, reader: yes }];
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
    help: "Taken, for the files that have it, and not used: a reading is made whenever somebody asks.",
    reader: number("seconds", 1, 86_400),
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

/**
 * Reads the exporter's settings; the environment wins over the file.
 * @param file Path and content, or undefined when none is named.
 * @throws SettingError that names the file, and the nearest key where one is unknown.
 */
export function loadExporter(
  variables: Readonly<Record<string, string | undefined>>,
  file?: { readonly path: string; readonly text: string },
): ExporterFile {
  try {
    const doors = { flags: {}, env: variables, file: file === undefined ? {} : parsed(file.text) };
    const values = load(exporterTable, doors) as Values<typeof fixed> & Readonly<Record<string, unknown>>;
    const off = new Set(Object.keys(switches).filter((key) => values[key] === false));
    return { host: values.host.replace(/^\[|\]$/g, ""), port: values.port, off };
  } catch (error) {
    if (!(error instanceof SettingError) || file === undefined) throw error;
    throw new SettingError(`${file.path}: ${error.message}`);
  }
}

/** Where the exporter listens and what it leaves out, and which settings say so. */
export interface Exporting extends ExporterFile {
  /** Host and port as one text. */
  readonly addr: string;
  readonly from: string;
}

/** @throws SettingError as loadExporter, and when the file cannot be read. */
export function exporterAt(
  { metricsAddr, exporterConfig: path }: { readonly metricsAddr: string; readonly exporterConfig: string },
  variables: Readonly<Record<string, string | undefined>>,
): Exporting {
  const file = loadExporter(variables, path ? { path, text: readConfig(path) } : undefined);
  if (metricsAddr) return { ...file, ...hostPort(metricsAddr), addr: metricsAddr, from: "GOHM_METRICS_ADDR" };
  const host = file.host.includes(":") ? `[${file.host}]` : file.host;
  return { ...file, addr: `${host}:${file.port}`, from: "APP__SERVER__HOST, APP__SERVER__PORT" };
}

function readConfig(path: string): string {
  try {
    return readFileSync(path, "utf8");
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
