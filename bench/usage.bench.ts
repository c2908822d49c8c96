// Benchmark of what the clients of the GPU Metrics Logger need: receiving records, and statistics over a month, compared with a
// plain server of that kind in Python (FastAPI, CSV files, pandas) in the same run.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Claim } from "./measure.ts";
import { days, monthCost, monthRows, seconds, write } from "./usage/month.ts";
import { startPlainServer } from "./usage/python.ts";
import { cpuEach, receiveCosts, receiveRows, timeEach } from "./usage/receive.ts";

export const name = "usage";

const peerName = "FastAPI-and-CSV";
const pandas = "pandas";

export async function run(print: (line: string) => void): Promise<Claim[]> {
  const folder = mkdtempSync(join(tmpdir(), "gohm-usage-"));
  const [received, records] = [join(folder, "received"), join(folder, "records")];
  mkdirSync(received);
  mkdirSync(records);
  try {
    const plain = await startPlainServer(received);
    print(
      `peer: ${plain.versions}; four connections send records of 32 clients with eight GPUs, without their own cost`,
    );
    let costs: Awaited<ReturnType<typeof receiveCosts>>;
    try {
      costs = await receiveCosts(plain);
    } finally {
      await plain.stop();
    }
    for (const row of receiveRows(costs)) print(row);
    print("");
    const month = write(records);
    const reader = await startPlainServer(records);
    try {
      print(`${days} days of six clients with eight GPUs, a record every ${seconds} s: ${month.rows} rows`);
      const cost = await monthCost(records, month, reader);
      for (const row of monthRows(cost)) print(row);
      return [
        ...costs.flatMap(([ours, peer]): Claim[] => [
          { name: `receive-cpu-${ours.size}`, ours: cpuEach(ours), peer: cpuEach(peer), unit: "µs-a-record", peerName },
          {
            name: `receive-time-${ours.size}`,
            ours: timeEach(ours),
            peer: timeEach(peer),
            unit: "µs-a-record",
            peerName,
          },
        ]),
        ...cost.questions.flatMap(({ claim, cold, coldCpu, peer, peerCpu }): Claim[] => [
          { name: claim, ours: cold, peer, unit: "ms", peerName: pandas },
          { name: `${claim}-cpu`, ours: coldCpu, peer: peerCpu, unit: "ms", peerName: pandas },
        ]),
        {
          name: "month-bytes",
          ours: cost.imported.stored / month.rows,
          peer: cost.imported.files / month.rows,
          unit: "bytes-a-row",
          peerName: "CSV",
        },
      ];
    } finally {
      await reader.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
