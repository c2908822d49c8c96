import { isIP } from "node:net";
import type { TlsFiles } from "../program/certificate.ts";
import { type Line, type Option, readLine, UsageError } from "../program/line.ts";
import {
  address,
  flagOf,
  limit,
  number,
  oneOf,
  optionsOf,
  type SettingReader,
  type StartSources,
  type Table,
  text,
  type Values,
  yes,
} from "../program/setting.ts";
import { type LogLevel, levels } from "./log.ts";

/** Which of dcgm-exporter's names, if any. */
type DcgmNames = "old" | "new" | "both";

/** Address of a hub, without the slash at its end. */
const hubUrl: SettingReader<string> = {
  wanted: 'an address like "https://hub.lab:5000"',
  schema: { type: "string" },
  parse(value) {
    if (value === "") return value;
    if (typeof value !== "string" || !/^https?:\/\/[^/?#@\s]+(\/[^?#\s]*)?$/i.test(value)) return undefined;
    try {
      const { origin, pathname } = new URL(value);
      return `${origin}${pathname.replace(/\/+$/, "")}`;
    } catch {
      return undefined; // a port or a host that none can be
    }
  },
};

/** Which of dcgm-exporter's names; they were one set once, which a bare flag still means. */
const dcgmNames: SettingReader<DcgmNames | ""> = {
  wanted: "old, new, both, true (which is old) or false",
  schema: { enum: ["old", "new", "both", true, false] },
  bare: true,
  parse(value) {
    const on = yes.parse(value);
    if (on !== undefined) return on ? "old" : "";
    return oneOf<DcgmNames>("old", "new", "both").parse(value);
  },
};

/** Every setting of the agent. */
export const table = {
  addr: {
    name: "addr",
    env: "GOHM_ADDR",
    default: "0.0.0.0:9203",
    help: "Address and port on which the agent listens.",
    reader: address,
    only: "start",
  },
  allow: {
    name: "allow",
    env: "GOHM_ALLOW",
    default: "127.0.0.1/32",
    help: "Who may connect: networks and addresses, separated by commas. Other connections are reset before a byte is read.",
    reader: text("networks or addresses separated by commas"),
    only: "start",
  },
  tlsCert: {
    name: "tls.cert",
    env: "GOHM_TLS_CERT",
    default: "",
    help: "Certificate (PEM) for encrypted gRPC connections; a renewed one is used without a restart.",
    reader: text("a path"),
    only: "start",
  },
  tlsKey: {
    name: "tls.key",
    env: "GOHM_TLS_KEY",
    default: "",
    help: "Private key (PEM) of that certificate.",
    reader: text("a path"),
    only: "start",
  },
  tlsClientCa: {
    name: "tls.client-ca",
    env: "GOHM_TLS_CLIENT_CA",
    default: "",
    help: "Certificate authorities (PEM): only clients with a certificate from one of them are answered.",
    reader: text("a path"),
    only: "start",
  },
  token: {
    name: "token",
    env: "GOHM_TOKEN",
    default: "",
    help: "Shared secret that callers must send; GOHM_TOKEN_FILE names a file that contains it. Empty: no token is needed.",
    reader: text("a text without line breaks", (value) => !/[\r\n]/.test(value)),
    only: "start",
    secret: true,
  },
  root: {
    name: "root",
    env: "GOHM_ROOT",
    default: "/",
    help: "Directory with the machine's /proc, /sys and /etc: /host in a container, or one that `hmonitor capture` wrote.",
    reader: text("a folder"),
    only: "start",
  },
  nvml: {
    name: "nvml",
    env: "GOHM_NVML",
    default: "",
    help: "Path or name of the NVIDIA driver library; if empty, the system searches for it.",
    reader: text("a path or a library's name"),
    only: "start",
  },
  kubelet: {
    name: "kubelet",
    env: "GOHM_KUBELET",
    default: "/var/lib/kubelet/pod-resources/kubelet.sock",
    help: "Socket of a Kubernetes node's kubelet, which knows which container has which GPU; tried below the root first.",
    reader: text("an absolute path", (value) => value.startsWith("/")),
    only: "start",
  },
  network: {
    name: "network",
    env: "GOHM_NETWORK",
    default: "10.0.0.0/8",
    help: "Network in which the host's reported address is; if it has none there, the address of the default route.",
    reader: text('an IPv4 network like "10.0.0.0/8"', (value) => {
      const [base = "", bits = ""] = value.split("/");
      return isIP(base) === 4 && /^\d{1,2}$/.test(bits) && Number(bits) <= 32;
    }),
    only: "start",
  },
  deadline: {
    name: "read.deadline",
    env: "GOHM_READ_DEADLINE",
    default: 5,
    help: "Seconds one reading of the machine may take before the last good values are shown instead.",
    reader: number("seconds", 0.1, 60),
    only: "start",
  },
  exporter: {
    name: "exporter",
    env: "GOHM_EXPORTER",
    default: false,
    help: "Serves /metrics for Prometheus too, on 0.0.0.0:8080 unless another address is set.",
    reader: yes,
    only: "start",
  },
  metricsAddr: {
    name: "metrics.addr",
    env: "GOHM_METRICS_ADDR",
    default: "",
    help: "Address and port of the exporter; setting it enables the exporter, and so do APP__SERVER__HOST and APP__SERVER__PORT.",
    reader: address,
    only: "start",
  },
  exporterConfig: {
    name: "exporter.config",
    env: "GOHM_EXPORTER_CONFIG",
    default: "",
    help: "Settings file of the exporter (TOML); setting it enables the exporter.",
    reader: text("a path"),
    only: "start",
  },
  nodeName: {
    name: "node.name",
    env: "NODE_NAME",
    default: "",
    help: "Name of this node in the exporter's metrics; if not set, the host's name.",
    reader: text("a name"),
    only: "start",
  },
  dcgmNames: {
    name: "dcgm.names",
    env: "GOHM_DCGM_NAMES",
    default: "" as DcgmNames | "",
    help: "Also shows the GPUs under dcgm-exporter's names, for existing dashboards: the old names (old, or no value), those since version 4.9 (new), or both (both).",
    reader: dcgmNames,
    only: "start",
  },
  server: {
    name: "server",
    env: "GOHM_SERVER",
    default: "",
    help: "Hub or portal to report to over HTTP; the agent then listens only if GOHM_ADDR or --addr is set.",
    reader: hubUrl,
    only: "start",
  },
  config: {
    name: "config",
    env: "GOHM_CONFIG",
    default: "",
    help: "File for the token that the server gives this machine; if empty, push.json in $STATE_DIRECTORY, else in hmonitor/ below $XDG_CONFIG_HOME or ~/.config.",
    reader: text("a path"),
    only: "start",
  },
  secret: {
    name: "secret",
    env: "GOHM_SECRET",
    default: "",
    help: "Secret that the server requires for registration, and sent only then; GOHM_SECRET_FILE names a file that contains it.",
    reader: text("a text without line breaks", (value) => !/[\r\n]/.test(value)),
    only: "start",
    secret: true,
  },
  interval: {
    name: "interval",
    env: "GOHM_INTERVAL",
    default: 0,
    help: "Seconds between reports to the server; 0: as the server configures it, or 5.",
    reader: number("seconds", 0, 3600),
    only: "start",
  },
  hostname: {
    name: "hostname",
    env: "GOHM_HOSTNAME",
    default: "",
    help: "Name of this machine at the server; if empty, its own name.",
    reader: text("a name of at most 253 characters without blanks", (value) => /^\S{0,253}$/.test(value)),
    only: "start",
  },
  ca: {
    name: "server.ca",
    env: "GOHM_SERVER_CA",
    default: "",
    help: "Certificate authorities (PEM file) for an https: server, in addition to those of the system.",
    reader: text("a path"),
    only: "start",
  },
  loggerConfig: {
    name: "logger.config",
    env: "GOHM_LOGGER_CONFIG",
    default: "",
    help: "client_config.ini of NVIDIA GPU Metrics Logger: records are sent to its server or to a hub, as its client does (docs/logger.md); the agent then listens only if GOHM_ADDR or --addr is set.",
    reader: text("a path"),
    only: "start",
  },
  loggerToken: {
    name: "logger.token",
    env: "GOHM_LOGGER_TOKEN",
    default: "",
    help: 'API token of the scope "push", sent with these records to a hub whose push.logger is "token"; GOHM_LOGGER_TOKEN_FILE names a file that contains it.',
    reader: text("a text without blanks and line breaks", (value) => /^[\x21-\x7e]*$/.test(value)),
    only: "start",
    secret: true,
  },
  nogpu: {
    name: "nogpu",
    env: "GOHM_NOGPU",
    default: false,
    help: "Does not read GPUs and does not use their drivers.",
    reader: yes,
    only: "start",
  },
  logLevel: {
    name: "log.level",
    env: "GOHM_LOG_LEVEL",
    default: "" as LogLevel | "",
    help: "What is logged: only errors (error), also warnings (warn), also events (info), or also each exchange (debug). If empty, the level of RUST_LOG, else info.",
    reader: oneOf<LogLevel | "">("", ...levels),
    only: "start",
  },
  logFile: {
    name: "log.file",
    env: "GOHM_LOG_FILE",
    default: "",
    help: "File to which the log is appended as well, with times; for machines without a journal.",
    reader: text("a path"),
    only: "start",
  },
  logSize: {
    name: "log.size",
    env: "GOHM_LOG_SIZE",
    default: "10MB",
    help: "Size at which the log file is renamed to its name with .1, and a new one begun; three earlier files are kept. Empty: it grows.",
    reader: limit("1MB"),
    only: "start",
  },
  debug: {
    name: "debug",
    env: "GOHM_DEBUG",
    default: false,
    help: "Logs each exchange with the server: the same as --log-level debug.",
    reader: yes,
    only: "start",
  },
} satisfies Table;

export type Settings = Values<typeof table>;

/** True if any setting enables the exporter. */
export function exporterEnabled(
  { exporter, metricsAddr, exporterConfig }: Settings,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return exporter || [metricsAddr, exporterConfig, env.APP__SERVER__HOST, env.APP__SERVER__PORT].some(Boolean);
}

/** PEM files of the gRPC server. */
export const tlsFiles = ({ tlsCert, tlsKey, tlsClientCa }: Settings): TlsFiles => ({
  cert: { path: tlsCert, setting: table.tlsCert.env },
  key: { path: tlsKey, setting: table.tlsKey.env },
  clientCa: { path: tlsClientCa, setting: table.tlsClientCa.env },
});

/** True if the command line or the environment sets this, even to its default. */
export const isSet = (setting: keyof typeof table, { flags, env }: StartSources): boolean =>
  flags[flagOf(table[setting])] !== undefined || Boolean(env[table[setting].env]);

/** True if the agent serves gRPC: one that reports to a server does so only if an address is set. */
export const servesGrpc = ({ server, loggerConfig }: Settings, given: StartSources): boolean =>
  (server === "" && loggerConfig === "") || isSet("addr", given);

/** Options that are no settings. */
const switches: readonly Option[] = [
  { name: "help", short: "h", help: "Prints this help." },
  { name: "version", help: "Prints the version." },
  { name: "users", help: "Keeps the names of people in a capture." },
  { name: "ready", help: "Also checks that the exporter has read the machine." },
  { name: "for", value: "SECONDS", help: "Seconds for which the driver is released." },
];

const options: readonly Option[] = [...optionsOf(table), ...switches];

/** Seconds of `hmonitor pause-gpu --for`. @throws UsageError */
export function pauseSeconds(given: string | boolean | undefined): number {
  if (given === undefined) return 60;
  const seconds = typeof given === "string" && /^\d+$/.test(given) ? Number(given) : Number.NaN;
  if (seconds <= 3600) return seconds;
  throw new UsageError(`--for wants seconds from 0 to 3600, not "${given}"`);
}

/** @throws UsageError that names the argument, and the nearest known one. */
export const parseCommandLine = (args: readonly string[]): Line => readLine(args, options);
