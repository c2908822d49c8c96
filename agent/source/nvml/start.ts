import { type ChildProcess, spawn } from "node:child_process";
import { Socket } from "node:net";
import { join } from "node:path";
import { command } from "./message.ts";
import { tree } from "./native.ts";

/** New objects of a read get no more space than this (MiB); they are garbage before the next one. */
const flags = ["--max-semi-space-size=1"];

/**
 * Threads of V8 are for what the reader does not do; each has memory of its own. Only for the bundle: Node reads the source
 * tree's TypeScript with WebAssembly, which is compiled in such threads.
 */
const bundleFlags = [...flags, "--v8-pool-size=0"];

/**
 * What is parsed at the start is freed at once, and glibc would keep it for more of the kind: measured with 8 GPUs after
 * 5,000 reads, 15 MB of its own against 17, at no more CPU time. Other C libraries do not know the word.
 */
const thrift = { MALLOC_TRIM_THRESHOLD_: "65536" };

/** A single executable made by `npm run build:standalone`. Node before 20 knows no such thing. */
const isSingle = (): boolean => process.getBuiltinModule?.("node:sea")?.isSea() === true;

/** How the agent's own program is started again with a hidden command. The only place that knows in which form it runs. */
function invocation(): string[] {
  // In the source tree the program is a file that Node reads as it is; else it is the one file that runs now.
  if (tree !== undefined) return [...flags, join(tree, "agent", "main.ts"), command];
  // A single executable takes what stands on its command line for its own; Node's flags need this one option around them.
  if (isSingle()) return [`--node-options=${bundleFlags.join(" ")}`, command];
  return [...bundleFlags, process.argv[1] ?? "", command];
}

/** Starts the NVML reader. It does not keep the agent running, and ends with it. */
export function startReader(): ChildProcess {
  const child = spawn(process.execPath, invocation(), {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    serialization: "advanced",
    env: { ...thrift, ...process.env },
  });
  // Told to whoever waits for an answer; between two reads nobody does, and the next one finds the process ended.
  child.on("error", () => undefined);
  child.unref();
  child.channel?.unref();
  if (child.stderr instanceof Socket) child.stderr.unref();
  return child;
}
