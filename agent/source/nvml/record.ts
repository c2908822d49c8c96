import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "../../machine/machine.ts";
import { exchange } from "./parent.ts";
import { findLibraries } from "./search.ts";
import { startReader } from "./start.ts";

/** Deadline of a recording: opening a driver that sleeps takes long. */
const deadline = 120_000;

/**
 * Writes what the driver's library answers into `nvml.txt` of a folder, in the language that test/nvml/player.c plays.
 * @throws Unsupported when this machine has no driver, Hung when it does not answer, Error for the rest.
 */
export async function recordNvml(folder: string, { machine, nvml }: { machine: Machine; nvml: string }): Promise<void> {
  const libraries = findLibraries(machine, nvml);
  const child = startReader();
  try {
    const answer = await exchange(child, { kind: "record", libraries }, { deadline });
    if (answer.kind !== "recording") throw new Error(`NVML's reader answered "${answer.kind}" to a recording`);
    writeFileSync(join(folder, "nvml.txt"), answer.text);
  } finally {
    child.kill("SIGKILL");
  }
}
