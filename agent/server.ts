import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { Certificate, usesTls } from "../program/certificate.ts";
import { keptLogFiles, LogFile } from "../program/log-file.ts";
import { secretWarnings } from "../program/secret.ts";
import { bytes, hostPort, SettingError, type StartSources } from "../program/setting.ts";
import { clean } from "../proto/clean.ts";
import type { HostInfo } from "../proto/gen/host_pb.js";
import { type Allow, parseAllow } from "./allow.ts";
import { type LogSettings, log, rustLevel } from "./log.ts";
import { capturedMachine, isCapture } from "./machine/capture.ts";
import { liveMachine } from "./machine/live.ts";
import type { Machine } from "./machine/machine.ts";
import { requestedPause } from "./pause.ts";
import type { ExporterOptions } from "./serve/exporter.ts";
import { serveGrpc } from "./serve/grpc.ts";
import { type Push, startPush } from "./serve/push.ts";
import { exporterEnabled, isSet, pauseSeconds, type Settings, servesGrpc, table, tlsFiles } from "./settings.ts";
import { Snapshot } from "./snapshot.ts";
import { sources } from "./source/all.ts";
import type { Log } from "./source/source.ts";
import { tokenCheck } from "./token.ts";

export const version = process.env.GOHM_VERSION ?? "dev";

/** Opens the machine below a directory, or the capture in it. @throws SettingError if there is no such directory. */
export function machineAt(root: string): Machine {
  const folder = resolve(root);
  if (!existsSync(folder)) {
    throw new SettingError(`Cannot read setting "root" (GOHM_ROOT): there is no directory ${JSON.stringify(folder)}`);
  }
  if (folder === "/" || !isCapture(folder)) return liveMachine(folder);
  return capturedMachine(folder, { now: () => Date.now(), ticks: () => performance.now() });
}

export function snapshotOf(settings: Settings, machine: Machine, sourceLog: Log): Snapshot {
  const { nvml, network, kubelet, deadline, nogpu } = settings;
  const wanted = sources.filter(({ gpus }) => !(nogpu && gpus));
  const options = { nvml, network, kubelet, deadline: deadline * 1000, log: sourceLog };
  return new Snapshot({ ...options, sources: wanted, machine, version });
}

/**
 * Exit status if the hub rejected this agent: EX_NOPERM of sysexits.h. A service manager should not restart it then:
 * deploy/systemd uses RestartPreventExitStatus=.
 */
const rejectedStatus = 77;

/** Options of every server. */
type Served = Pick<ExporterOptions, "allow" | "collect" | "log" | "ticks">;

interface Closable {
  close(grace: number): Promise<void>;
}

/** Stops one part of the program. */
type Shutdown = () => Promise<void> | undefined;

/**
 * Runs the agent until a signal stops it: serves gRPC and the exporter, and reports to a hub, as the settings say.
 * @throws SettingError if a setting cannot be used.
 * @throws ListenError
 */
export async function serve(settings: Settings, given: StartSources): Promise<undefined> {
  const logger = await prepareLogger(settings);
  openLog(settings, given, logger?.config.logging);
  const allow = parseAllow(settings.allow);
  const exporting = await prepareExporter(settings);
  const machine = machineAt(settings.root);
  const snapshot = snapshotOf(settings, machine, log);
  const served: Served = {
    allow,
    collect: () => snapshot.collect(),
    log: (line) => log.warn(line),
    ticks: () => machine.ticks(),
  };
  pauseOnSignal(snapshot);
  // The agent may be stopped as soon as it listens.
  const ends: Shutdown[] = [() => snapshot.close()];
  const stop = stopOnSignals(ends, logger ? loggerGraceMs + 1000 : 2000);
  for (const warning of secretWarnings(table, given, [settings.tlsKey, logger?.secretFile ?? ""])) log.warn(warning);
  const opened = snapshot.open();
  const grpc = servesGrpc(settings, given) ? await listen(settings, allow, served) : undefined;
  ends.unshift(() => grpc?.close(500));
  const exporter = await exporting?.serve(served);
  ends.unshift(() => exporter?.close(500));
  if (exporting && exporter) {
    log.info(`Metrics: http://${named(exporting.address, exporter.port)}/metrics`);
    // Only this machine's own hub reaches an agent on its loopback address; only it can scrape such an exporter.
    const local = grpc !== undefined && isLoopback(grpc.host);
    if (local || !isLoopback(hostPort(exporting.address).host)) snapshot.exporterPort = exporter.port;
  }
  const push = settings.server === "" ? undefined : report(settings, machine, snapshot);
  ends.unshift(() => push?.close(1000));
  const sending = logger?.start(machine, snapshot);
  ends.unshift(() => sending?.close(loggerGraceMs));
  push?.ended.then(({ message, rejected }) => {
    log.error(message);
    stop(rejected ? rejectedStatus : 1);
  });
  await opened;
  if (!settings.nogpu) log.info(gpuLine(await snapshot.collect()));
  exporter?.ready();
  return undefined;
}

/** Puts the port in use into an address, whose own may be 0. */
const named = (addr: string, port: number): string => addr.replace(/\d+$/, String(port));

/** Serves gRPC. @throws ListenError @throws SettingError if the TLS files cannot be used */
async function listen(settings: Settings, allow: Allow, served: Served): Promise<Closable & { readonly host: string }> {
  const files = tlsFiles(settings);
  const { ticks } = served;
  const certificate = usesTls(files) ? new Certificate(files, { log: (line) => log.warn(line), ticks }) : undefined;
  const at = { address: settings.addr, setting: table.addr.env };
  const grpc = await serveGrpc(at, { ...served, log, certificate, admits: tokenCheck(settings.token) });
  log.info(`hmonitor ${version} listens on ${named(settings.addr, grpc.port)}, allows ${allow.text}`);
  // Hubs of the first GOHM speak plaintext: that is the default, and is logged.
  if (certificate === undefined && !isLoopback(grpc.host)) {
    log.info("Connections are not encrypted; GOHM_TLS_CERT and GOHM_TLS_KEY change that");
  }
  return grpc;
}

/** Starts reporting to the hub of the settings. @throws SettingError if its token cannot be used. */
function report(settings: Settings, machine: Machine, snapshot: Snapshot): Push {
  const { server, config, secret, interval, ca } = settings;
  const hostname = clean(settings.hostname || machine.hostname());
  log.info(`hmonitor ${version} reports to ${server} as ${hostname}`);
  const { protocol, hostname: hub } = new URL(server);
  // The lab portal speaks plain HTTP: that is allowed, and is logged.
  if (protocol === "http:" && !isLoopback(hub.replace(/^\[|\]$/g, ""))) {
    log.info("Reports are not encrypted, and neither is the token; an https: address changes that");
  }
  return startPush({
    server,
    path: config,
    interval,
    hostname,
    secret,
    ca,
    env: process.env,
    collect: () => snapshot.collect(),
    log,
    debug: (line) => log.debug(line),
    random: Math.random,
    ticks: () => machine.ticks(),
  });
}

/** Time for the last records when the program is stopped. */
const loggerGraceMs = 3000;

/** Loads the client of the logger if the settings name its file. @throws SettingError if the file cannot be used */
async function prepareLogger({ loggerConfig, loggerToken, ca }: Settings) {
  if (loggerConfig === "") return undefined;
  const { addressOf, loadLoggerConfig, startLogger } = await import("./serve/logger.ts");
  const config = loadLoggerConfig(loggerConfig);
  return {
    config,
    /** The file, if it has a password. */
    secretFile: config.server.includes("@") ? loggerConfig : "",
    start(machine: Machine, snapshot: Snapshot) {
      log.info(`hmonitor ${version} sends records to ${addressOf(config)} as ${clean(config.clientName)}`);
      if (config.unknown.length > 0)
        log.warn(`Nothing reads these keys of ${loggerConfig}: ${config.unknown.join(", ")}`);
      return startLogger({
        config,
        token: loggerToken,
        ca,
        env: process.env,
        collect: () => snapshot.collect(),
        log,
        debug: (line) => log.debug(line),
        ticks: () => machine.ticks(),
        now: () => machine.now(),
      });
    },
  };
}

/**
 * Sets level and file of the log; settings of the agent count before those of the logger's client.
 * @throws SettingError if the file cannot be written
 */
function openLog(settings: Settings, given: StartSources, client: LogSettings | undefined): void {
  const { debug, logLevel, logFile, logSize } = settings;
  log.level = debug ? "debug" : logLevel || client?.level || (rustLevel(given.env.RUST_LOG ?? "") ?? "info");
  const own = client === undefined || isSet("logFile", given);
  const path = own ? logFile : client.file;
  if (path === "") return;
  const file = new LogFile({
    path,
    size: own || isSet("logSize", given) ? (logSize === "" ? Number.POSITIVE_INFINITY : bytes(logSize)) : client.size,
    keep: own ? keptLogFiles : client.keep,
    setting: own ? 'setting "log.file" (GOHM_LOG_FILE)' : `[LOGGING] log_file in ${settings.loggerConfig}`,
    warn: (line) => log.warn(line),
  });
  log.file = (line) => file.write(line);
  log.console = own || client.console;
}

const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || host.startsWith("127.");

/** Loads the exporter's modules if it is enabled; agents without it save their memory. */
async function prepareExporter(settings: Settings) {
  if (!exporterEnabled(settings, process.env)) return undefined;
  const [{ exporterAt }, { serveExporter }] = await Promise.all([import("./toml.ts"), import("./serve/exporter.ts")]);
  const { address, setting, off } = exporterAt(settings, process.env);
  // An empty NODE_NAME counts as set, as in the earlier exporter.
  const node = settings.nodeName || (process.env.NODE_NAME === undefined ? undefined : "");
  const showing = { off, version, node: node && clean(node), dcgm: settings.dcgmNames };
  return { address, serve: (served: Served) => serveExporter({ address, setting }, { ...served, ...showing }) };
}

/** Formats the GPUs for the log: "GPUs: 8 × NVIDIA H200", or the reason why there are none. */
function gpuLine({ gpus, err }: HostInfo): string {
  if (gpus.length === 0) return `GPUs: none${err ? ` (${err})` : ""}`;
  const counts = new Map<string, number>();
  for (const { name = "unnamed" } of gpus) counts.set(name, (counts.get(name) ?? 0) + 1);
  return `GPUs: ${[...counts].map(([name, count]) => `${count} × ${name}`).join(", ")}`;
}

/** File name of this program, by which its processes find each other. */
export const programName = basename(process.argv[1] ?? process.execPath);

/** Releases the driver on SIGUSR2, and opens it again on the second one or after the pause. */
function pauseOnSignal(snapshot: Snapshot): void {
  const machine = liveMachine("/");
  let until = Number.NEGATIVE_INFINITY;
  process.on("SIGUSR2", () => {
    const now = machine.ticks();
    const seconds =
      requestedPause(machine, programName, process.getuid?.() ?? 0) ?? (now < until ? 0 : pauseSeconds(undefined));
    until = now + seconds * 1000;
    const done = seconds === 0 ? "GPUs are read again" : `The NVIDIA driver is released for ${seconds} s`;
    snapshot.pause(seconds * 1000).then(
      () => log.info(done),
      (error: Error) => log.warn(error.message),
    );
  });
}

/**
 * Stops the program on SIGTERM, SIGINT or the exit of the parent that forked it, with status 0.
 * @param ends Parts to stop; more are added while the program starts.
 * @param graceMs Time in which they must have stopped.
 * @returns Function that stops the program with another status.
 */
function stopOnSignals(ends: readonly Shutdown[], graceMs: number): (status: number) => void {
  let stopping = false;
  const stop = (status: number): void => {
    // A second signal does not wait.
    if (stopping) process.exit(status);
    stopping = true;
    setTimeout(() => process.exit(status), graceMs).unref();
    Promise.allSettled(ends.map((end) => end())).then(() => process.exit(status));
  };
  process.on("SIGTERM", () => stop(0));
  process.on("SIGINT", () => stop(0));
  if (process.connected) process.on("disconnect", () => stop(0));
  // A closed log must not end the agent.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  return stop;
}
