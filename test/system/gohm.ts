// Runs the built gohm as somebody in a shell does.
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { join } from "node:path";
import { top } from "../program.ts";

export const program = join(top, "dist", "gohm.mjs");

/** This process' environment, without GOHM's own variables. */
export const bare = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GOHM_")));

/** @param env GOHM's own variables, which say which hub is asked */
export function runGohm(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  stdin = "",
): SpawnSyncReturns<string> {
  const options = {
    env: { ...bare, TZ: "UTC", ...env },
    input: stdin,
    encoding: "utf8",
    timeout: 60_000,
    // One that does not end may not hear of others.
    killSignal: "SIGKILL",
  } as const;
  return spawnSync(process.execPath, [program, ...args], options);
}
