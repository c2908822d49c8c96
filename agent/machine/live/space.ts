import { statfs } from "node:fs/promises";
import type { Space } from "../machine.ts";
import { Shell } from "./shell.ts";

type Ask = (path: string, options: { network: boolean; deadline: number }) => Promise<Space>;

/** Statfs of a mount did not come back in time. */
export class SpaceTimeout extends Error {
  override name = "SpaceTimeout";
}

/** A request under way. */
export interface SpaceRequest {
  readonly answer: Promise<Space>;
  /** Settles when all resources of the request are released. */
  readonly ended: Promise<unknown>;
  abandon(): void;
}

/** Readers of mounts; tests replace them. */
export interface SpaceReaders {
  local(path: string): SpaceRequest;
  network(path: string): SpaceRequest;
}

/** Milliseconds to wait for a mount that hung the last time. */
const patience = 250;

/**
 * Reads the space of mounts. Each mount has one request under way at most, and the wait for a mount that hung is short until
 * it has answered: a dead file server costs one process and one long wait, not one in each poll.
 */
export function spaces(ways: SpaceReaders = { local: bySelf, network: byShell() }): Ask {
  const outstanding = new Set<string>();
  const hung = new Set<string>();
  return async (path, { network, deadline }) => {
    if (outstanding.has(path)) throw new SpaceTimeout(`${path}: still no answer`);
    const question = network ? ways.network(path) : ways.local(path);
    outstanding.add(path);
    const forget = (): boolean => outstanding.delete(path);
    question.ended.then(forget, forget);
    const answered = (): boolean => hung.delete(path);
    question.answer.then(answered, () => undefined); // the caller below receives the error
    const wait = hung.has(path) ? Math.min(patience, deadline) : deadline;
    // Before the limit below: what is given up ends with an error of its own, which must not hide that it was late.
    const result = within(question.answer, wait, () => {
      hung.add(path);
      return new SpaceTimeout(`${path}: no answer in ${wait} ms`);
    });
    const limit = setTimeout(() => question.abandon(), deadline);
    question.ended.then(
      () => clearTimeout(limit),
      () => clearTimeout(limit),
    );
    limit.unref();
    return await result;
  };
}

async function within<T>(answer: Promise<T>, milliseconds: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), milliseconds);
  });
  try {
    return await Promise.race([answer, limit]);
  } finally {
    clearTimeout(timer);
  }
}

function bySelf(path: string): SpaceRequest {
  const answer = statfs(path, { bigint: true }).then(({ bsize, blocks, bfree, bavail }) => ({
    size: Number(bsize * blocks),
    free: Number(bsize * bfree),
    available: Number(bsize * bavail),
  }));
  return { answer, ended: answer, abandon: () => undefined };
}

/** %S is the unit block counts are given in; on FUSE it is not the optimal transfer size that statfs(2) calls bsize. */
const format = "%S %b %f %a";
const script = `while IFS= read -r path; do stat -f -c "${format}" -- "$path" 2>&1; echo "=$?"; done`;

/** Shells that stay for the next poll. A machine with more mounts of that kind starts the others anew each time. */
const mostIdle = 16;

/**
 * Asks mounts through shells that stay: to start a program from here costs 4 ms of CPU at each poll, and many machines
 * have their users' homes on a file server. A mount that hangs keeps its shell; the next one is asked through another.
 */
function byShell(): (path: string) => SpaceRequest {
  const idle: Shell[] = [];
  const busy = new Set<Shell>();
  // Those that sleep would end with their input, those that are kept waiting would not.
  process.once("exit", () => {
    for (const shell of busy) shell.kill();
  });
  return (path) => {
    // A shell reads its question by lines.
    if (path.includes("\n")) return refused(`${JSON.stringify(path)}: a name with a line break cannot be asked for`);
    const shell = idle.pop() ?? new Shell({ command: "/bin/sh", script, group: true });
    busy.add(shell);
    const asked = shell.ask(path);
    const answered = asked.then((text) => {
      // Killed: what it started may be there still.
      if (text === undefined) return shell.gone;
      if (shell.ended || idle.length >= mostIdle) shell.end();
      else idle.push(shell);
    });
    const ended = answered.finally(() => busy.delete(shell));
    return { answer: asked.then((text) => spaceOf(text, path)), ended, abandon: () => shell.kill() };
  };
}

function refused(message: string): SpaceRequest {
  return { answer: Promise.reject(new Error(message)), ended: Promise.resolve(), abandon: () => undefined };
}

/** @param text What stat printed, and its status behind "=". @throws Error in stat's words. */
function spaceOf(text: string | undefined, path: string): Space {
  if (text === undefined) throw new Error(`${path}: stat was stopped`);
  const last = text.lastIndexOf("\n") + 1;
  const said = text.slice(0, last).trim();
  if (text.slice(last) !== "=0") throw new Error(said || `${path}: stat failed`);
  return parseSpace(said);
}

/** Reads "unit blocks free available" as `stat -f` prints it. @throws Error when it is something else. */
export function parseSpace(text: string): Space {
  const fields = /^(\d+) (\d+) (\d+) (\d+)\n?$/.exec(text);
  if (fields === null) throw new Error(`stat -f answered ${JSON.stringify(text.slice(0, 80))}`);
  const [unit = 0, size = 0, free = 0, available = 0] = fields.slice(1).map(Number);
  return { size: unit * size, free: unit * free, available: unit * available };
}
