// The built agent on a copy of a captured machine with eight played GPUs, whose driver and files a test can break.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Agent, startAgent } from "../agent.ts";
import { player } from "../nvml/build.ts";
import { h100 } from "../nvml/rig.ts";

export interface EightGpuAgent {
  readonly folder: string;
  /** Root of the captured machine. */
  readonly machine: string;
  readonly agent: Agent;
  /** Replaces the player's control file; player.c defines its lines. */
  control(lines: string): void;
  /** Removes the folder. Must be called after the agent has stopped. */
  remove(): void;
}

export async function startEight(env: Readonly<Record<string, string>> = {}): Promise<EightGpuAgent> {
  const folder = mkdtempSync(join(tmpdir(), "agent-eight-"));
  const machine = join(folder, "machine");
  const file = join(folder, "control");
  const control = (lines: string): void => writeFileSync(file, lines);
  cpSync(h100, machine, { recursive: true });
  control("\n");
  const agent = await startAgent({
    GOHM_ROOT: machine,
    GOHM_NVML: player(),
    GOHM_PLAYER: machine,
    GOHM_PLAYER_CONTROL: file,
    ...env,
  });
  return { folder, machine, agent, control, remove: () => rmSync(folder, { recursive: true }) };
}
