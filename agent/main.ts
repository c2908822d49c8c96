import { setFlagsFromString } from "node:v8";
import { command as nvmlReader } from "./source/nvml/message.ts";

// Polled every few seconds, V8 would let 70 MB of garbage pile up before it looks; measured: 144 MB become 92 at no cost.
setFlagsFromString("--optimize-for-size");

const args = process.argv.slice(2);

/** What holds the driver's library is this program once more; it stays for good, so it loads nothing of the server. */
async function main(): Promise<number | undefined> {
  if (args[0] === nvmlReader) {
    const { runNvmlReader } = await import("./source/nvml/child.ts");
    runNvmlReader();
    return undefined;
  }
  const { run } = await import("./agent.ts");
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
