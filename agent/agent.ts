import { existsSync, readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { toJsonString } from "@bufbuild/protobuf";
import { type HostInfo, HostInfoSchema, Vendor } from "../proto/gen/host_pb.js";
import { helpLines, hostPort, load, nearest, SettingError } from "../proto/setting.ts";
import { type Allow, parseAllow } from "./allow.ts";
import { makeEmpty, withoutPeople, writeCapture } from "./capture.ts";
import { clean } from "./clean.ts";
import { capturedMachine, isCapture, recordingMachine } from "./machine/capture.ts";
import { liveMachine } from "./machine/live.ts";
import type { Machine } from "./machine.ts";
import { findAgent, NoAgent, command as pauseCommand, readersOf, requested } from "./pause.ts";
import { type GrpcServer, serveGrpc } from "./serve/grpc.ts";
import { type Push, startPush } from "./serve/push.ts";
import { listens, parseLine, pauseSeconds, type Settings, table, UsageError } from "./settings.ts";
import { Snapshot } from "./snapshot.ts";
import { sources } from "./source/all.ts";
import { command as readerCommand } from "./source/nvml/message.ts";
import { recordNvml } from "./source/nvml/record.ts";
import type { Log } from "./source/source.ts";
import { encrypted } from "./tls.ts";
import { tokenCheck } from "./token.ts";

const version = process.env.GOHM_VERSION ?? "dev";

const log: Log = {
  info: (message) => process.stdout.write(`${message}\n`),
  warn: (message) => process.stderr.write(`${message}\n`),
};
/** For commands whose output is something else than a log. */
const errorsOnly: Log = { info: () => undefined, warn: log.warn };

const help = `hmonitor ${version}: tells a GOHM hub what this machine's GPUs, CPUs, memory, disks and network are doing.

  hmonitor [OPTIONS]               serve until stopped
  hmonitor --server URL [OPTIONS]  report to a hub until stopped
  hmonitor info [OPTIONS]          print one reading as JSON
  hmonitor capture DIR [--users]   write this machine into a folder that can be played back: GOHM_ROOT=DIR hmonitor
                                   (names of people are left out unless --users is given)
  hmonitor pause-gpu [--for SECONDS]
                                   let the running hmonitor go of the NVIDIA driver for 60 or so many seconds, so that
                                   the driver can be reloaded; 0 ends that. SIGUSR2 does the same, a second one ends it.

Options, each also an environment variable:
${helpLines(table).join("\n")}
  --help
  --version`;

const commands = ["serve", "info", "capture", pauseCommand, "help", "version"];

/**
 * The program, given its arguments.
 * @returns Exit status, or undefined while it goes on serving.
 */
export async function run(args: readonly string[]): Promise<number | undefined> {
  try {
    const { flags, words } = parseLine(args);
    const [command = flags.help ? "help" : flags.version ? "version" : "serve", ...rest] = words;
    if (!commands.includes(command)) {
      const near = nearest(command, commands);
      throw new UsageError(`There is no command "${command}"${near ? `: did you mean "${near}"?` : ""}`);
    }
    if (command === "help" || flags.help) return print(help);
    if (command === "version" || flags.version) return print(`hmonitor ${version}`);
    const folder = command === "capture" ? rest.shift() : undefined;
    if (command === "capture" && folder === undefined) throw new UsageError("capture needs the folder to write");
    if (rest[0] !== undefined) throw new UsageError(`"${rest[0]}" is one word too many`);
    const { for: seconds, ...settled } = flags;
    if (seconds !== undefined && command !== pauseCommand) throw new UsageError(`--for belongs to ${pauseCommand}`);
    const settings = load(table, {
      flags: settled,
      env: process.env,
      file: {},
      secret: (path) => readFileSync(path, "utf8").trim(),
    });
    if (command === pauseCommand) return await pauseGpu(settings, pauseSeconds(seconds));
    if (command === "info") return await info(settings);
    if (folder !== undefined) return await capture(settings, folder, flags.users === true);
    return await serve(settings, listens(settings, { flags, env: process.env }));
  } catch (error) {
    if (error instanceof UsageError) {
      log.warn(`${error.message}\nhmonitor --help lists what there is.`);
      return 2;
    }
    if (error instanceof SettingError || error instanceof NoAgent) {
      log.warn(error.message);
      return 1;
    }
    throw error;
  }
}

function print(text: string): number {
  log.info(text);
  return 0;
}

/** @throws SettingError when there is no such folder. */
function machineAt(root: string): Machine {
  const folder = resolve(root);
  if (!existsSync(folder)) {
    throw new SettingError(`Cannot read setting "root" (GOHM_ROOT): there is no folder ${JSON.stringify(folder)}`);
  }
  if (folder === "/" || !isCapture(folder)) return liveMachine(folder);
  return capturedMachine(folder, { now: () => Date.now(), ticks: () => performance.now() });
}

function snapshotOf(settings: Settings, machine: Machine, told: Log): Snapshot {
  const { nvml, network, deadline, nogpu } = settings;
  const wanted = sources.filter(({ gpus }) => !(nogpu && gpus));
  return new Snapshot({ sources: wanted, machine, version, nvml, network, deadline: deadline * 1000, log: told });
}

const json = (info: HostInfo): string =>
  `${toJsonString(HostInfoSchema, info, { prettySpaces: 2, useProtoFieldName: true })}\n`;

async function info(settings: Settings): Promise<number> {
  const snapshot = snapshotOf(settings, machineAt(settings.root), errorsOnly);
  process.stdout.write(json(await snapshot.collect()));
  await snapshot.close();
  return 0;
}

async function capture(settings: Settings, folder: string, users: boolean): Promise<number> {
  makeEmpty(folder);
  const machine = recordingMachine(machineAt(settings.root));
  const snapshot = snapshotOf(settings, machine, errorsOnly);
  const answer = await snapshot.collect();
  await snapshot.close();
  const recorded = machine.recorded();
  if (!users) for (const gpu of answer.gpus) for (const proc of gpu.procs) delete proc.username;
  writeCapture(folder, users ? recorded : withoutPeople(recorded), json(answer));
  if (answer.gpus.some(({ vendor }) => vendor === Vendor.NVIDIA)) {
    try {
      await recordNvml(folder, { machine, nvml: settings.nvml });
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "Unsupported") throw error;
      log.warn(`What the driver answers is not written down: ${error.message}`);
    }
  }
  log.info(
    `This machine is written down in ${folder}. Look through it before you give it away: host name, addresses, ` +
      "mounts and the names of GPU programs are in it.",
  );
  return 0;
}

async function serve(settings: Settings, listening: boolean): Promise<undefined> {
  const machine = machineAt(settings.root);
  const snapshot = snapshotOf(settings, machine, log);
  const allow = parseAllow(settings.allow);
  pauseOnSignal(snapshot);
  const opened = snapshot.open();
  const server = listening ? await listen(settings, { machine, snapshot, allow }) : undefined;
  const push = settings.server === "" ? undefined : report(settings, machine, snapshot);
  const stop = stopOnSignals([() => server?.close(500), () => push?.close(1000), () => snapshot.close()]);
  push?.ended.then((message) => {
    log.warn(message);
    stop(1);
  });
  await opened;
  if (!settings.nogpu) log.info(gpuLine(await snapshot.collect()));
  return undefined;
}

interface Parts {
  readonly machine: Machine;
  readonly snapshot: Snapshot;
  readonly allow: Allow;
}

/** Answers those who ask. @throws SettingError when it cannot listen there. */
async function listen(settings: Settings, { machine, snapshot, allow }: Parts): Promise<GrpcServer> {
  const tls = { cert: settings.tlsCert, key: settings.tlsKey, clientCa: settings.tlsClientCa };
  const { host, port } = hostPort(settings.addr);
  let server: GrpcServer;
  try {
    server = await serveGrpc({
      host,
      port,
      allow,
      tls,
      admits: tokenCheck(settings.token),
      collect: () => snapshot.collect(),
      log: (line) => log.warn(line),
      ticks: () => machine.ticks(),
    });
  } catch (error) {
    if (error instanceof SettingError) throw error;
    throw new SettingError(unlistenable(settings.addr, error));
  }
  log.info(
    `hmonitor ${version} listens on ${settings.addr.replace(/\d+$/, String(server.port))}, allows ${allow.text}`,
  );
  // The first GOHM spoke plaintext, and its hubs still do: that stays the default, and is said.
  if (!encrypted(tls) && !isLoopback(host)) {
    log.info("Connections are not encrypted; GOHM_TLS_CERT and GOHM_TLS_KEY change that");
  }
  return server;
}

/** Reports to the hub that the settings name. @throws SettingError when its token cannot be used. */
function report(settings: Settings, machine: Machine, snapshot: Snapshot): Push {
  const { server, config, interval, ca, debug } = settings;
  const hostname = clean(settings.hostname || machine.hostname());
  log.info(`hmonitor ${version} reports to ${server} as ${hostname}`);
  const { protocol, hostname: hub } = new URL(server);
  // The lab portal speaks plain HTTP: that is allowed, and said.
  if (protocol === "http:" && !isLoopback(hub.replace(/^\[|\]$/g, ""))) {
    log.info("Reports are not encrypted, and neither is the token; an https: address changes that");
  }
  return startPush({
    server,
    path: config,
    interval,
    hostname,
    ca,
    env: process.env,
    collect: () => snapshot.collect(),
    log,
    debug: debug ? log.info : () => undefined,
    random: Math.random,
    ticks: () => machine.ticks(),
  });
}

const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || host.startsWith("127.");

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program uses that port; stop it or give another port",
  EADDRNOTAVAIL: "this machine does not have that address",
  EACCES: "ports below 1024 need administrator rights; give a higher one",
  ENOTFOUND: "no such host name is known",
};

function unlistenable(addr: string, error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return `Cannot listen on ${addr} (GOHM_ADDR): ${reasons[code] ?? (error instanceof Error ? error.message : String(error))}`;
}

/** "GPUs: 8 × NVIDIA H200", or why there are none. */
function gpuLine({ gpus, err }: HostInfo): string {
  if (gpus.length === 0) return `GPUs: none${err ? ` (${err})` : ""}`;
  const counts = new Map<string, number>();
  for (const { name = "unnamed" } of gpus) counts.set(name, (counts.get(name) ?? 0) + 1);
  return `GPUs: ${[...counts].map(([name, count]) => `${count} × ${name}`).join(", ")}`;
}

/** File name of this program, by which one process of it knows another. */
const program = basename(process.argv[1] ?? process.execPath);

/** Lets go of the driver on SIGUSR2, and takes it up again on the second one or in time. */
function pauseOnSignal(snapshot: Snapshot): void {
  const machine = liveMachine("/");
  let until = Number.NEGATIVE_INFINITY;
  process.on("SIGUSR2", () => {
    const now = machine.ticks();
    const seconds = requested(machine, program, process.getuid?.() ?? 0) ?? (now < until ? 0 : pauseSeconds(undefined));
    until = now + seconds * 1000;
    const done = seconds === 0 ? "GPUs are read again" : `GPUs are let go for ${seconds} s`;
    snapshot.pause(seconds * 1000).then(
      () => log.info(done),
      (error: Error) => log.warn(error.message),
    );
  });
}

/** A driver is let go within this long (ms). */
const letGoWithin = 2000;

/** The sender's command line is what tells the agent for how long: it must be there when the agent looks. */
const lookedAtWithin = 300;

async function pauseGpu(settings: Settings, seconds: number): Promise<number> {
  const machine = liveMachine("/");
  const agent = findAgent(machine, hostPort(settings.addr).port, program);
  const begun = machine.ticks();
  process.kill(agent, "SIGUSR2");
  let readers: number[] = [];
  for (let passed = 0; passed < letGoWithin; passed = machine.ticks() - begun) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    readers = seconds === 0 ? [] : readersOf(machine, agent, readerCommand);
    if (readers.length === 0 && machine.ticks() - begun > lookedAtWithin) break;
  }
  if (readers.length > 0) throw new NoAgent(`Process ${readers.join(", ")} still holds the driver after 2 s`);
  if (seconds === 0) return print(`hmonitor (process ${agent}) takes up the NVIDIA driver again`);
  return print(
    `hmonitor (process ${agent}) has let go of the NVIDIA driver, and takes it up again after ${seconds} s or ` +
      `with "${program} ${pauseCommand} --for 0"`,
  );
}

/**
 * Ends on SIGTERM, SIGINT, or when the parent that forked us is gone, with status 0.
 * @returns What ends it with another status.
 */
function stopOnSignals(ends: readonly (() => Promise<void> | undefined)[]): (status: number) => void {
  let stopping = false;
  const stop = (status: number): void => {
    // Whoever asks twice does not want to wait.
    if (stopping) process.exit(status);
    stopping = true;
    setTimeout(() => process.exit(status), 2000).unref();
    Promise.allSettled(ends.map((end) => end())).then(() => process.exit(status));
  };
  process.on("SIGTERM", () => stop(0));
  process.on("SIGINT", () => stop(0));
  if (process.connected) process.on("disconnect", () => stop(0));
  // A log that nobody reads any more must not end the agent.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  return stop;
}
