import { toJsonString } from "@bufbuild/protobuf";
import { readText } from "../program/file.ts";
import { helpLines, UsageError, verbOf } from "../program/line.ts";
import { ListenError } from "../program/listen.ts";
import { hostPort, load, optionsOf, SettingError } from "../program/setting.ts";
import { type HostInfo, HostInfoSchema, Vendor } from "../proto/gen/host_pb.js";
import { makeEmpty, withoutPeople, writeCapture } from "./capture.ts";
import { HealthError, health, command as healthCommand } from "./health.ts";
import { log } from "./log.ts";
import { recordingMachine } from "./machine/capture.ts";
import { liveMachine } from "./machine/live.ts";
import type { Machine } from "./machine/machine.ts";
import { AgentNotFound, findAgent, findOnlyAgent, command as pauseCommand, readersOf } from "./pause.ts";
import { machineAt, programName, serve, snapshotOf, version } from "./server.ts";
import { isSet, parseCommandLine, pauseSeconds, type Settings, table } from "./settings.ts";
import { command as readerCommand } from "./source/nvml/message.ts";
import { recordNvml } from "./source/nvml/record.ts";
import type { Log } from "./source/source.ts";

/** For commands whose output is something else than a log. */
const errorsOnly: Log = { info: () => undefined, warn: (message) => log.warn(message) };

const help = `hmonitor ${version}: reports this machine's GPUs, CPUs, memory, disks and network to a GOHM hub.

  hmonitor [OPTIONS]               serve until stopped
  hmonitor --server URL [OPTIONS]  report to a hub until stopped
  hmonitor --logger-config FILE [OPTIONS]
                                   send records as the client of NVIDIA GPU Metrics Logger does, with its file, until stopped
  hmonitor info [OPTIONS]          print one reading as JSON
  hmonitor health [--ready] [OPTIONS]
                                   check that the hmonitor started with the same options answers, with --ready also
                                   that its exporter has read the machine: exit status 0 or 1, for probes
  hmonitor capture DIR [--users]   record this machine into a directory that can be played back: GOHM_ROOT=DIR hmonitor
                                   (names of people are left out unless --users is given)
  hmonitor pause-gpu [--for SECONDS]
                                   make the running hmonitor release the NVIDIA driver for 60 or so many seconds, so that
                                   the driver can be reloaded; 0 ends that. SIGUSR2 does the same, a second one ends it.

Options, each also an environment variable:
${helpLines(optionsOf(table)).join("\n")}
  --help
  --version`;

const commands = ["serve", "info", healthCommand, "capture", pauseCommand, "help", "version"].map((name) => ({ name }));

/** Errors whose message is all that a user needs. */
const expected = [SettingError, ListenError, AgentNotFound, HealthError];

/**
 * The program, given its arguments.
 * @returns Exit status, or undefined while it goes on serving.
 */
export async function run(args: readonly string[]): Promise<number | undefined> {
  try {
    const { flags, words } = parseCommandLine(args);
    const asked = verbOf(words, commands);
    const command = asked?.verb.name ?? (flags.help ? "help" : flags.version ? "version" : "serve");
    const rest = [...(asked?.rest ?? [])];
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
      secret: (path) => readText(path).trim(),
    });
    if (command === pauseCommand) {
      const port = isSet("addr", { flags, env: process.env }) ? hostPort(settings.addr).port : undefined;
      return await pauseGpu(pauseSeconds(seconds), port);
    }
    if (command === "info") return await info(settings);
    if (command === healthCommand)
      return print(await health(settings, { flags, env: process.env }, flags.ready === true));
    if (folder !== undefined) return await capture(settings, folder, flags.users === true);
    return await serve(settings, { flags, env: process.env });
  } catch (error) {
    if (error instanceof UsageError) {
      log.error(`${error.message}\nhmonitor --help lists what there is.`);
      return 2;
    }
    if (error instanceof Error && expected.some((kind) => error instanceof kind)) {
      log.error(error.message);
      return 1;
    }
    throw error;
  }
}

function print(text: string): number {
  log.info(text);
  return 0;
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
  if (!users) anonymous(answer);
  writeCapture(folder, users ? recorded : withoutPeople(recorded), json(answer));
  if (answer.gpus.some(({ vendor }) => vendor === Vendor.NVIDIA)) {
    try {
      await recordNvml(folder, { machine, nvml: settings.nvml });
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "Unsupported") throw error;
      log.warn(`The answers of the driver were not captured: ${error.message}`);
    }
  }
  log.info(
    `This machine was captured into ${folder}. Read the files before you publish them: they contain the host name, addresses, ` +
      "mounts and the names of GPU programs.",
  );
  return 0;
}

/** @throws AgentNotFound */
function runningAgent(machine: Machine, port: number | undefined): number {
  if (port !== undefined) return findAgent(machine, port, programName);
  const usual = hostPort(table.addr.default).port;
  try {
    return findAgent(machine, usual, programName);
  } catch (error) {
    // It may listen elsewhere, or nowhere.
    const only =
      error instanceof AgentNotFound ? findOnlyAgent(machine, programName, process.getuid?.() ?? 0) : undefined;
    if (only !== undefined) return only;
    throw error;
  }
}

/** Takes the names of people out of an answer, and of their pods. */
function anonymous(answer: HostInfo): void {
  for (const gpu of answer.gpus) {
    gpu.holders = [];
    for (const proc of gpu.procs) {
      delete proc.username;
      delete proc.podName;
      delete proc.podNamespace;
    }
  }
}

/** Time in which the agent must have released the driver. */
const releaseMs = 2000;

/** The agent reads the duration from the sender's command line: the sender stays for this long, so that it can. */
const senderStaysMs = 300;

/** @param port Port of the agent; undefined if no setting names one. */
async function pauseGpu(seconds: number, port: number | undefined): Promise<number> {
  const machine = liveMachine("/");
  const agent = runningAgent(machine, port);
  const begun = machine.ticks();
  // None where there is no NVIDIA driver, where nvidia-smi reads it, and during another pause.
  const uses = readersOf(machine, agent, readerCommand).length > 0;
  process.kill(agent, "SIGUSR2");
  let readers: number[] = [];
  for (let passed = 0; passed < releaseMs; passed = machine.ticks() - begun) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    readers = seconds === 0 ? [] : readersOf(machine, agent, readerCommand);
    if (readers.length === 0 && machine.ticks() - begun > senderStaysMs) break;
  }
  if (readers.length > 0) throw new AgentNotFound(`Process ${readers.join(", ")} still uses the driver after 2 s`);
  if (seconds === 0) return print(`hmonitor (process ${agent}) opens the NVIDIA driver again`);
  if (!uses) {
    return print(
      `hmonitor (process ${agent}) does not use an NVIDIA driver, and opens none for ${seconds} s or until ` +
        `"${programName} ${pauseCommand} --for 0"`,
    );
  }
  return print(
    `hmonitor (process ${agent}) has released the NVIDIA driver, and opens it again after ${seconds} s or ` +
      `with "${programName} ${pauseCommand} --for 0"`,
  );
}
