// Starts the real programs for tests that span them, and stops each by its own pid.
import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

export const top = fileURLToPath(new URL("..", import.meta.url));

/** A program of ours that runs, with all it has printed so far. */
export interface Program {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Resolves with the match once the output has it; rejects when the program ends first. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** Sends a signal and resolves with the exit status (null when a signal ended it). */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts a file of dist/ under this Node. Environment variables of GOHM from outside do not get in. */
export function start(file: string, args: readonly string[], env: Readonly<Record<string, string>>): Program {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GOHM_")));
  const child = spawn(process.execPath, [join(top, "dist", file), ...args], {
    env: { ...clean, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return programOf(child, file);
}

/** A program that was started in another way, with its output in pipes. */
export function programOf(child: ChildProcessByStdio<null, Readable, Readable>, name: string): Program {
  let text = "";
  const heard = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
      for (const hear of heard) hear();
    });
  }
  const line = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const hear = (): void => {
        const match = pattern.exec(text);
        if (match === null) return;
        heard.delete(hear);
        resolve(match);
      };
      heard.add(hear);
      child.once("close", (code) => reject(new Error(`${name} ended with ${code} before ${pattern}:\n${text}`)));
      hear();
    });
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) {
      const closed = once(child, "close");
      child.kill(signal);
      await closed;
    }
    return child.exitCode;
  };
  return { child, output: () => text, line, stop };
}
