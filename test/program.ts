// Starts and stops the built programs, each by its own pid.
import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

export const top = fileURLToPath(new URL("..", import.meta.url));

/** A running program with its output. */
export interface Program {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Waits until the output matches. @throws Error if the program exits before */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** Sends a signal and returns the exit status; null if a signal ended the program. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts a program of dist/ with this Node. GOHM_* variables of the environment are removed. */
export function start(file: string, args: readonly string[], env: Readonly<Record<string, string>>): Program {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GOHM_")));
  const child = spawn(process.execPath, [join(top, "dist", file), ...args], {
    env: { ...clean, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return programOf(child, file);
}

/** Wraps a child process whose output is piped. */
export function programOf(child: ChildProcessByStdio<Writable | null, Readable, Readable>, name: string): Program {
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
