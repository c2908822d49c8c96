// Programs that write files and are killed while they do.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { build } from "esbuild";
import { top } from "../program.ts";

/** Bundles a program of this folder. @returns its path beside the sources, since it looks for better-sqlite3 from there */
export async function bundled(name: string): Promise<string> {
  // One file starts faster than fifty.
  const outfile = join(top, "dist", `${name}-${process.pid}.mjs`);
  await build({
    entryPoints: [join(top, "test", "fault", `${name}.ts`)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "error",
  });
  return outfile;
}

export interface Life {
  /** Milliseconds from its first line on after which it is killed. */
  readonly ms: number;
  /** Milliseconds from its start on, for one that is killed before it says anything. */
  readonly early?: number | undefined;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program until it is killed or ends. @returns the lines that it printed, errors as "error …" */
export async function live(writer: string, args: readonly string[], { ms, early, env }: Life): Promise<string[]> {
  const child = spawn(process.execPath, [writer, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let text = "";
  const kill = (after: number): NodeJS.Timeout => setTimeout(() => child.kill("SIGKILL"), after);
  let killed = early === undefined ? undefined : kill(early);
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
    killed ??= kill(ms);
  });
  child.stderr.setEncoding("utf8").on("data", (piece: string) => {
    text += `error ${piece}`;
  });
  await once(child, "close");
  clearTimeout(killed);
  // A line that was cut short says nothing.
  return text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
}

/** Random whole numbers from 0 to below a limit, the same ones for the same seed. */
export function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}
