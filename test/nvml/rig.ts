// Test rig of the real NVIDIA source with its reader process and the player, with a control file that switches faults on and
// off.
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import { capturedMachine } from "../../agent/machine/capture.ts";
import type { Machine } from "../../agent/machine/machine.ts";
import { Snapshot } from "../../agent/snapshot.ts";
import { nvidia } from "../../agent/source/nvidia.ts";
import type { SourceReader } from "../../agent/source/source.ts";
import { type GPUInfo, type HostInfo, HostInfoSchema } from "../../proto/gen/host_pb.js";
import { player, type Variant } from "./build.ts";

const captures = fileURLToPath(new URL("../capture", import.meta.url));

export const h100 = join(captures, "ubuntu22.04-x86_64__8x-h100-80gb-hbm3__550.54.15");
export const h200 = join(captures, "ubuntu22.04-x86_64__8x-h200__570.158.01");
export const rtx4090 = join(captures, "ubuntu22.04-x86_64__2x-rtx-4090__550.120");
export const a100 = join(captures, "rocky9-x86_64__4x-a100-80gb-one-lost__535.129.03");

export const mig = join(captures, "ubuntu22.04-x86_64__2x-a100-40gb-one-mig__535.161.08");

export interface Rig {
  /** Reads the source once. @throws the source's error */
  read(): Promise<HostInfo>;
  /** Collects with a snapshot, which has readers of its own. */
  collect(): Promise<HostInfo>;
  /** Reads the source, which must fail, and returns the error. */
  failure(): Promise<Error>;
  /** Replaces the player's control file; player.c defines its lines. */
  control(lines: string): void;
  /** Sets the content of /proc/driver/nvidia/version. */
  driver(version: string): void;
  /** Advances the machine's monotonic clock. */
  skip(ms: number): void;
  /** Returns the pids of running readers that this process started. */
  readers(): number[];
  /** Pauses the source. */
  pause(ms: number): Promise<void>;
  /** A temporary folder, removed by `close`. */
  readonly folder: string;
  close(): Promise<void>;
}

export interface RigOptions {
  readonly variant?: Variant;
  /** Deadline of one read in milliseconds. */
  readonly deadline?: number;
  /** Path of a library to load instead of the player. */
  readonly nvml?: string;
  /** Changes of the machine against the captured one. */
  readonly says?: Partial<Machine>;
}

export async function rig(capture: string, { variant, deadline = 20_000, nvml, says }: RigOptions = {}): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), "gohm-nvml-"));
  const file = join(folder, "control");
  const control = (lines: string): void => {
    // Renamed into place: the player may look at any moment.
    writeFileSync(`${file}.draft`, `${lines}\n`);
    renameSync(`${file}.draft`, file);
  };
  control("");
  process.env.GOHM_PLAYER = capture;
  process.env.GOHM_PLAYER_CONTROL = file;
  let skipped = 0;
  let version: string | undefined;
  const played = capturedMachine(capture, {
    now: () => 1_700_000_000_000,
    ticks: () => performance.now() + skipped,
  });
  const machine: Machine = {
    ...played,
    ...says,
    read: (path) =>
      path === "/proc/driver/nvidia/version" && version !== undefined ? version : (says?.read ?? played.read)(path),
  };
  const library = nvml ?? player(variant);
  const log = { info: () => undefined, warn: () => undefined };
  const options = { nvml: library, network: "10.0.0.0/8", kubelet: "", deadline, log };
  const reader: SourceReader | undefined = await nvidia.open(machine, options);
  if (reader === undefined) throw new Error("the NVIDIA source gave no reader");
  const snapshot = new Snapshot({ ...options, sources: [nvidia], machine, version: "" });
  const read = async (): Promise<HostInfo> => create(HostInfoSchema, await reader.read(new AbortController().signal));
  return {
    folder,
    read,
    collect: () => snapshot.collect(),
    control,
    readers,
    pause: async (ms) => await reader.pause?.(ms),
    driver: (text) => {
      version = text;
    },
    skip: (ms) => {
      skipped += ms;
    },
    failure: () =>
      read().then(
        () => Promise.reject(new Error("the read did not fail")),
        (error: unknown) => error as Error,
      ),
    close: async () => {
      await reader.close();
      await snapshot.close();
      delete process.env.GOHM_PLAYER;
      delete process.env.GOHM_PLAYER_CONTROL;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Returns the pids of a process's children that are NVML readers. */
export function readers(parent: number = process.pid): number[] {
  return readdirSync("/proc").flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const [state, above] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const ours = Number(above) === parent && state !== "Z";
      return ours && readFileSync(`/proc/${name}/cmdline`, "utf8").includes("nvml-reader") ? [Number(name)] : [];
    } catch {
      // Not a process, or it exited meanwhile.
      return [];
    }
  });
}

export function gpu(info: HostInfo, id: number): GPUInfo {
  const found = info.gpus.find((each) => each.id === id);
  if (found === undefined) throw new Error(`GPU ${id} is not listed`);
  return found;
}
