// Starts the built agent with shim.c preloaded, which changes its clock and makes processes vanish while they are read.
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Agent, startAgent } from "../agent.ts";
import { top } from "../program.ts";

export interface Shimmed {
  readonly agent: Agent;
  /** Offsets the wall clock of the agent from the real one by some seconds, also negative. */
  ahead(seconds: number): void;
  /** Lets reads of open files fail if their path ends with `path`; "" ends that. */
  gone(path: string): void;
  close(): Promise<void>;
}

export async function shimmed(folder: string, env: Readonly<Record<string, string>>): Promise<Shimmed> {
  mkdirSync(folder, { recursive: true });
  const library = join(folder, "shim.so");
  const source = join(top, "test", "fault", "shim.c");
  execFileSync("cc", ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o", library, source]);
  const order = join(folder, "order");
  const file = openSync(order, "w");
  const put = (bytes: Buffer, at: number): void => void writeSync(file, bytes, 0, bytes.length, at);
  put(Buffer.alloc(264), 0);
  const agent = await startAgent({ ...env, LD_PRELOAD: library, SHIM: order });
  return {
    agent,
    ahead(seconds) {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(seconds));
      put(bytes, 0);
    },
    gone(path) {
      const bytes = Buffer.alloc(256);
      bytes.write(path);
      put(bytes, 8);
    },
    async close() {
      await agent.stop();
      closeSync(file);
    },
  };
}
