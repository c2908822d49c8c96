import { spawn } from "node:child_process";
import { statfs } from "node:fs/promises";
import type { Space } from "../../machine.ts";

type Ask = (path: string, options: { network: boolean; deadline: number }) => Promise<Space>;

/** Statfs of a mount did not come back in time. */
export class SpaceTimeout extends Error {
  override name = "SpaceTimeout";
}

/** A question under way. */
export interface Question {
  readonly answer: Promise<Space>;
  /** Settles when nothing of the question is left behind. */
  readonly ended: Promise<unknown>;
  abandon(): void;
}

/** How a mount is asked; tests give their own. */
export interface Ways {
  local(path: string): Question;
  network(path: string): Question;
}

/** Milliseconds a mount that hung the last time is waited for. */
const patience = 250;

/**
 * Asks for the space of mounts. At most one question per mount is out, and a mount that hung is not waited for at
 * length again until it has answered: a dead file server costs one process and one long wait, not one a poll.
 */
export function spaces(ways: Ways = { local: bySelf, network: byChild }): Ask {
  const outstanding = new Set<string>();
  const hung = new Set<string>();
  return async (path, { network, deadline }) => {
    if (outstanding.has(path)) throw new SpaceTimeout(`${path}: still no answer`);
    const question = network ? ways.network(path) : ways.local(path);
    outstanding.add(path);
    const forget = (): boolean => outstanding.delete(path);
    question.ended.then(forget, forget);
    const answered = (): boolean => hung.delete(path);
    question.answer.then(answered, () => undefined); // what was refused is told to the caller below
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

function bySelf(path: string): Question {
  const answer = statfs(path, { bigint: true }).then(({ bsize, blocks, bfree, bavail }) => ({
    size: Number(bsize * blocks),
    free: Number(bsize * bfree),
    available: Number(bsize * bavail),
  }));
  return { answer, ended: answer, abandon: () => undefined };
}

function byChild(path: string): Question {
  // %S is the unit block counts are given in; on FUSE it is not the optimal transfer size that statfs(2) calls bsize.
  const child = spawn("stat", ["-f", "-c", "%S %b %f %a", "--", path], { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const answer = ended.then((code) => {
    if (code !== 0) throw new Error(err.trim() || `${path}: stat was stopped`);
    return parseSpace(out);
  });
  return {
    answer,
    ended,
    abandon() {
      // A process in uninterruptible sleep ignores even this and ends when the file server comes back.
      child.kill("SIGKILL");
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
    },
  };
}

/** Reads "unit blocks free available" as `stat -f` prints it. @throws Error when it is something else. */
export function parseSpace(text: string): Space {
  const fields = /^(\d+) (\d+) (\d+) (\d+)\n?$/.exec(text);
  if (fields === null) throw new Error(`stat -f answered ${JSON.stringify(text.slice(0, 80))}`);
  const [unit = 0, size = 0, free = 0, available = 0] = fields.slice(1).map(Number);
  return { size: unit * size, free: unit * free, available: unit * available };
}
