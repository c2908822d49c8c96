import { spawn } from "node:child_process";
import { statfs } from "node:fs/promises";
import type { Space } from "../../machine.ts";

type Ask = (path: string, options: { network: boolean; deadline: number }) => Promise<Space>;

/** Statfs of a mount did not come back in time. */
export class SpaceTimeout extends Error {
  override name = "SpaceTimeout";
}

/**
 * Asks for the space of mounts. A mount that hangs is asked once: until that question returns, every further one
 * fails at once, so that a dead file server costs one process and one wait, not one a poll.
 */
export function spaces(): Ask {
  const outstanding = new Set<string>();
  return async (path, { network, deadline }) => {
    if (outstanding.has(path)) throw new SpaceTimeout(`${path}: still no answer`);
    const question = network ? byChild(path, deadline) : bySelf(path);
    outstanding.add(path);
    const forget = (): boolean => outstanding.delete(path);
    question.ended.then(forget, forget);
    return await within(question, deadline, path);
  };
}

interface Question {
  readonly answer: Promise<Space>;
  /** Settles when nothing of the question is left behind. */
  readonly ended: Promise<unknown>;
  abandon(): void;
}

async function within({ answer, abandon }: Question, deadline: number, path: string): Promise<Space> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      abandon();
      reject(new SpaceTimeout(`${path}: no answer in ${deadline} ms`));
    }, deadline);
  });
  try {
    return await Promise.race([answer, late]);
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

function byChild(path: string, deadline: number): Question {
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
    if (code !== 0) throw new Error(err.trim() || `${path}: stat was stopped after ${deadline} ms`);
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
