// What one run of a program costs, from its start to its end.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { top } from "../../test/program.ts";
import { bare } from "../../test/system/gohm.ts";

export const python = "/usr/bin/python3";

/** Time and CPU in seconds, greatest resident memory in bytes. */
export interface RunCost {
  readonly seconds: number;
  readonly cpu: number;
  readonly rss: number;
}

/** @param file where it is written @throws Error if the program fails */
export async function costOf(
  [command, ...args]: readonly [string, ...string[]],
  { file, env }: { readonly file: string; readonly env: Readonly<Record<string, string>> },
): Promise<RunCost> {
  const words = [join(top, "bench", "report", "cost.py"), file, command, ...args];
  const child = spawn(python, words, { env: { ...bare, ...env }, stdio: ["ignore", "ignore", "pipe"] });
  const said = child.stderr.setEncoding("utf8").toArray();
  await once(child, "close");
  const { status, ...cost } = JSON.parse(readFileSync(file, "utf8")) as RunCost & { status: number };
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}: ${(await said).join("")}`);
  return cost;
}
