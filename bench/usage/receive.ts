// Cost of receiving records of the GPU Metrics Logger's clients: one by one, in lists of ten as its client sends them, and in
// lists of a thousand as after an outage.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { hubFolder, startHub } from "../../test/hub.ts";
import { top } from "../../test/program.ts";
import { cpu, lasting, memory, shown } from "../measure.ts";
import type { PlainServer } from "./python.ts";
import type { SendOrder, SentRecords } from "./sender.ts";

/** Records of a request, the most expensive first. */
export const sizes = [1, 10, 1000] as const;
/** Also of a short run: code that has just been loaded is slow. Milliseconds. */
const warmUp = 3000;
const measured = lasting(8000);
const day = 86_400_000;

export interface ReceiveCost extends SentRecords {
  readonly size: (typeof sizes)[number];
  /** CPU seconds of the server. */
  readonly cpu: number;
  /** Bytes. */
  readonly rss: number;
}

/** CPU of a record in microseconds. */
export const cpuEach = ({ cpu, records }: ReceiveCost): number => (cpu / records) * 1e6;
/** Time of a record in microseconds. */
export const timeEach = ({ seconds, records }: ReceiveCost): number => (seconds / records) * 1e6;

async function send(child: ChildProcess, order: SendOrder): Promise<SentRecords> {
  child.send(order);
  const [sent] = (await once(child, "message")) as [SentRecords];
  if (sent.failed > 0) throw new Error(`${sent.failed} requests failed: ${sent.refusal}`);
  return sent;
}

/** Sends records of each size to a server, of the days before now. */
async function costs({ url, pid }: { readonly url: string; readonly pid: number }): Promise<ReceiveCost[]> {
  const sender = fork(join(top, "bench", "usage", "sender.ts"));
  try {
    const all: ReceiveCost[] = [];
    for (const size of sizes) {
      const order = { url, size, name: `gpu-${size}`, from: Date.now() - 20 * day };
      await send(sender, { ...order, ms: warmUp });
      const before = cpu(pid);
      const sent = await send(sender, { ...order, ms: measured });
      all.push({ ...sent, size, cpu: cpu(pid) - before, rss: memory(pid).rss });
    }
    return all;
  } finally {
    sender.disconnect();
  }
}

async function ours(): Promise<ReceiveCost[]> {
  const at = hubFolder();
  at.write({ push: { register: "open" }, hub: { timezone: "UTC" } });
  const hub = await startHub(at);
  try {
    return await costs({ url: hub.url, pid: hub.child.pid ?? 0 });
  } finally {
    await hub.stop();
    at.remove();
  }
}

/** Costs of the hub and of the other server, one after the other, by `sizes`. */
export async function receiveCosts(plain: PlainServer): Promise<(readonly [ReceiveCost, ReceiveCost])[]> {
  const mine = await ours();
  const other = await costs(plain);
  return mine.flatMap((one, i) => {
    const peer = other[i];
    return peer === undefined ? [] : [[one, peer] as const];
  });
}

/** Rows for the results. */
export function* receiveRows(all: readonly (readonly [ReceiveCost, ReceiveCost])[]): Iterable<string> {
  const words = (size: number): string =>
    size === 1 ? "one record a request" : `lists of ${size.toLocaleString("en")}`;
  yield "| received | GOHM hub | FastAPI and CSV |";
  yield "|---|---|---|";
  for (const pair of all) {
    const row = (what: string, show: (cost: ReceiveCost) => string): string =>
      `| ${words(pair[0].size)}: ${what} | ${pair.map(show).join(" | ")} |`;
    yield row("records a second", ({ records, seconds }) => Math.round(records / seconds).toLocaleString("en"));
    yield row("CPU of a record", (cost) => `${cpuEach(cost).toFixed(1)} µs`);
    yield row("a request is answered after, ms", ({ waits }) => shown(waits));
    yield row("RSS at the end", ({ rss }) => `${(rss / 2 ** 20).toFixed(0)} MiB`);
  }
}
