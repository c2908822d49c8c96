import { basename } from "node:path";
import type { Machine } from "./machine/machine.ts";
import { parseOwner } from "./process.ts";
import { parseCommandLine, pauseSeconds } from "./settings.ts";

/** Name of the command that makes a running agent release the NVIDIA driver. */
export const command = "pause-gpu";

/** Linux's number of SIGUSR2, whose default would end the process. */
const sigusr2 = 12;

/** No agent was found that can be paused; the message says why. */
export class AgentNotFound extends Error {
  override name = "AgentNotFound";
}

interface Listener {
  readonly inode: string;
  readonly uid: number;
}

/** Lists sockets listening on a TCP port, from /proc/net/tcp or tcp6. */
export function parseListeners(text: string, port: number): Listener[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return text.split("\n").flatMap((line) => {
    const [, local = "", , state, , , , uid = "", , inode = ""] = line.trim().split(/\s+/);
    // 0A is TCP_LISTEN.
    return state === "0A" && local.endsWith(wanted) ? [{ inode, uid: Number(uid) }] : [];
  });
}

/** True if a process handles a signal, from /proc/PID/status. */
export function catchesSignal(status: string, signal: number): boolean {
  const mask = /^SigCgt:\s+([0-9a-f]+)$/m.exec(status)?.[1];
  return mask !== undefined && ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

const pids = (machine: Machine): string[] => machine.list("/proc").filter((name) => /^\d+$/.test(name));

const wordsOf = (machine: Machine, pid: string): string[] =>
  (machine.read(`/proc/${pid}/cmdline`) ?? "").split("\0").filter((word) => word !== "");

/** Returns the arguments after the program's name on a command line; undefined for another program. */
function argumentsOf(words: readonly string[], program: string): readonly string[] | undefined {
  const at = words.findIndex((word) => basename(word) === program);
  return at < 0 ? undefined : words.slice(at + 1);
}

/**
 * Finds the agent that listens on a port of this machine, whichever user it runs as. A process that does not handle the signal
 * is never signalled, because the signal would end it.
 * @param program File name of the agent's executable.
 * @throws AgentNotFound
 */
export function findAgent(machine: Machine, port: number, program: string): number {
  const sockets = ["tcp", "tcp6"].flatMap((name) => parseListeners(machine.read(`/proc/net/${name}`) ?? "", port));
  if (sockets.length === 0) {
    throw new AgentNotFound(`Nothing listens on port ${port}: no hmonitor runs here, or on another port (--addr)`);
  }
  const targets = new Set(sockets.map(({ inode }) => `socket:[${inode}]`));
  const pid = pids(machine).find((each) =>
    machine.list(`/proc/${each}/fd`).some((fd) => targets.has(machine.link(`/proc/${each}/fd/${fd}`) ?? "")),
  );
  if (pid === undefined) {
    const uids = [...new Set(sockets.map(({ uid }) => uid))].join(", ");
    throw new AgentNotFound(`What listens on port ${port} belongs to user ${uids}: run this as that user, or as root`);
  }
  const known = argumentsOf(wordsOf(machine, pid), program) !== undefined;
  if (!known || !catchesSignal(machine.read(`/proc/${pid}/status`) ?? "", sigusr2)) {
    throw new AgentNotFound(`Process ${pid} listens on port ${port}, but is no ${program} that can be paused`);
  }
  return Number(pid);
}

/** Returns the arguments of a process that runs a program, directly or by Node; undefined for others, such as an editor of its file. */
function runs(words: readonly string[], program: string): readonly string[] | undefined {
  const [first = "", ...rest] = words;
  if (basename(first) === program) return rest;
  if (!/^node(js)?$/.test(basename(first))) return undefined;
  const script = rest.findIndex((word) => !word.startsWith("-"));
  return basename(rest[script] ?? "") === program ? rest.slice(script + 1) : undefined;
}

/** True if these arguments start an agent that serves until it is stopped. */
function serves(words: readonly string[] | undefined): boolean {
  if (words === undefined) return false;
  try {
    const { words: commands, flags } = parseCommandLine(words);
    return (commands[0] ?? "serve") === "serve" && flags.help === undefined && flags.version === undefined;
  } catch {
    // The hidden options of the NVML reader, or arguments that an agent rejects.
    return false;
  }
}

/**
 * Finds the only agent that runs on this machine, whether it listens or not: one that reports to a hub has no port.
 * @param uid Caller's user; only root may signal processes of others.
 * @returns Undefined if no agent runs.
 * @throws AgentNotFound if there are several, or if it is another user's.
 */
export function findOnlyAgent(machine: Machine, program: string, uid: number): number | undefined {
  const found = pids(machine).filter(
    (pid) =>
      serves(runs(wordsOf(machine, pid), program)) && catchesSignal(machine.read(`/proc/${pid}/status`) ?? "", sigusr2),
  );
  const [pid, ...more] = found;
  if (pid === undefined) return undefined;
  if (more.length > 0) {
    throw new AgentNotFound(
      `Several ${program} run here: name the port of one with --addr, or send SIGUSR2 to one of ${found.join(", ")}`,
    );
  }
  const owner = parseOwner(machine.read(`/proc/${pid}/status`) ?? "");
  if (uid !== 0 && owner !== uid) {
    throw new AgentNotFound(`${program} (process ${pid}) belongs to user ${owner}: run this as that user, or as root`);
  }
  return Number(pid);
}

/** Lists the processes of an agent that use the driver. @param reader Their command. */
export function readersOf(machine: Machine, agent: number, reader: string): number[] {
  return pids(machine).flatMap((pid) => {
    const stat = machine.read(`/proc/${pid}/stat`) ?? "";
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const holds = Number(parent) === agent && state !== "Z" && wordsOf(machine, pid).includes(reader);
    return holds ? [Number(pid)] : [];
  });
}

/**
 * Reads the requested seconds of a pause from the command line of the signal's sender: a signal carries no number, and a file
 * or socket would need a path that both sides find and no other user can write to.
 * @param uid The agent's user; root may ask as well.
 * @returns Undefined if the signal came from elsewhere, such as kill(1).
 */
export function requestedPause(machine: Machine, program: string, uid: number): number | undefined {
  for (const pid of pids(machine).reverse()) {
    const rest = argumentsOf(wordsOf(machine, pid), program);
    if (!rest?.includes(command)) continue;
    const owner = parseOwner(machine.read(`/proc/${pid}/status`) ?? "");
    if (owner !== 0 && owner !== uid) continue;
    const seconds = parsed(rest);
    if (seconds !== undefined) return seconds;
  }
  return undefined;
}

function parsed(words: readonly string[]): number | undefined {
  try {
    const line = parseCommandLine(words);
    return line.words[0] === command ? pauseSeconds(line.flags.for) : undefined;
  } catch {
    // A command line that cannot be understood did not send the signal: its program refused it.
    return undefined;
  }
}
