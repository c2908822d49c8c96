import { setFlagsFromString } from "node:v8";
import { command as nvmlReader } from "./source/nvml/message.ts";

/**
 * Polled every few seconds, V8 would let garbage pile up and hold code that was compiled for nothing. Measured on Node 24
 * over 8,000 polls: anonymous memory 94 MB without these, 21 with them, for 0.3 ms more CPU time per poll.
 * Called once everything is loaded: V8 takes what Node has compiled of its own modules only under the flags it was compiled
 * with, and compiling http2 and crypto anew costs a start 20 ms of CPU time.
 */
function thrift(): void {
  setFlagsFromString("--optimize-for-size");
  setFlagsFromString("--no-opt");
  // New objects get the space they had at the start and no more, and the heap may grow by a tenth before it is cleaned rather
  // than to twice its size: measured with 8 GPUs over 16,000 polls, 24 to 29 MB without the reader, at no more CPU time;
  // without these 27 to 31.
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--heap-growing-percent=10");
  if (Number.parseInt(process.versions.v8, 10) >= 12) setFlagsFromString("--no-maglev");
}

const args = process.argv.slice(2);

/** What holds the driver's library is this program once more; it stays for good, so it loads nothing of the server. */
async function main(): Promise<number | undefined> {
  if (args[0] === nvmlReader) {
    const { runNvmlReader } = await import("./source/nvml/child.ts");
    thrift();
    runNvmlReader();
    return undefined;
  }
  const { run } = await import("./agent.ts");
  thrift();
  return await run(args);
}

main().then(
  (status) => {
    if (status !== undefined) process.exit(status);
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
