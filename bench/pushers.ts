// Simulates machines that push, in a process of its own so that its cost is not counted: whole samples of eight GPUs as
// hmonitor sends them, or JSON as the Lab Exporter does. Each machine has a place of its own within the interval.
import { Agent } from "node:http";
import { create, toBinary } from "@bufbuild/protobuf";
import { HostInfoSchema } from "../proto/gen/host_pb.js";
import { post } from "../test/post.ts";
import { type Quantiles, quantiles } from "./measure.ts";
import { info } from "./reading.ts";

/** What machines send: a gpu.HostInfo, or a report in JSON. */
export type PushKind = "sample" | "report";

/** What to do, received over IPC. */
export interface PushOrder {
  readonly url: string;
  readonly count: number;
  /** Seconds between two reports of a machine. */
  readonly interval: number;
}

/** What was done since the last question, sent over IPC. */
export interface PushCounts {
  readonly answered: number;
  readonly failed: number;
  /** Milliseconds until an answer came. */
  readonly waits: Quantiles;
}

let kind: PushKind = "sample";
let failed = 0;
let waits: number[] = [];

const MB = 1_048_576;
const json = "application/json";

function report(hostname: string): Uint8Array {
  const { gpus, cpu, memory, disks, nics, system } = info();
  const body = {
    hostname,
    ip: "10.0.0.5",
    cpuUsagePct: cpu?.busy,
    cpuCores: cpu?.threads,
    memoryUsedGB: Number(memory?.used) / 1024 ** 3,
    memoryTotalGB: 1000,
    gpus: gpus?.map(({ id, name, utilization, memUsed, memTotal, temp, power }) => ({
      ...{ index: id, name, utilizationPct: utilization, temperatureC: temp, powerLimitW: 700 },
      ...{ memoryUsedMB: Number(memUsed) / MB, memoryTotalMB: Number(memTotal) / MB, powerDrawW: Number(power) / 1000 },
    })),
    disks: disks?.map(({ mount }) => ({ mount, totalGB: 2000, usedGB: 1000 })),
    nics: nics?.map(({ name, rxRate }) => ({ name, ipv4: "10.0.0.5", rxMbps: Number(rxRate) / 125_000, txMbps: 1 })),
    networkRxMbps: 1,
    networkTxMbps: 1,
    uptimeSeconds: 86_400,
    processCount: 500,
    loadAvg: [system?.load1, 1, 1],
  };
  return Buffer.from(JSON.stringify(body));
}

async function start(order: PushOrder, number: number): Promise<void> {
  const { url, interval } = order;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const hostname = `pusher${number}`;
  const path = `${url}/api/monitoring/`;
  const capabilities = { cpuCores: 128, memoryTotalGB: 1000, gpus: [], disks: [], nics: [] };
  const registration = Buffer.from(JSON.stringify({ hostname, capabilities }));
  const { text } = await post(`${path}register`, registration, { "content-type": json }, agent);
  const { token } = JSON.parse(text) as { token: string };
  const send = async (): Promise<void> => {
    const whole = kind === "sample";
    const type = whole ? "application/x-protobuf; messageType=gpu.HostInfo" : json;
    const body = whole ? toBinary(HostInfoSchema, create(HostInfoSchema, { ...info(), hostname })) : report(hostname);
    const begun = performance.now();
    const date = new Date().toUTCString();
    const headers = { "content-type": type, date, authorization: `Bearer ${token}` };
    const { status } = await post(`${path}report`, body, headers, agent);
    if (status === 200) waits.push(performance.now() - begun);
    else failed++;
  };
  const phase = ((number * interval * 1000) / order.count) % (interval * 1000);
  setTimeout(() => {
    void send();
    setInterval(() => void send(), interval * 1000);
  }, phase);
}

async function obey(order: PushOrder | PushKind | "counts"): Promise<unknown> {
  if (typeof order === "object") {
    // A few at a time, as each registration is written to the disk.
    for (let i = 0; i < order.count; i += 20) {
      await Promise.all(Array.from({ length: Math.min(20, order.count - i) }, (_, n) => start(order, i + n)));
    }
  } else if (order === "counts") {
    const counts: PushCounts = { answered: waits.length, failed, waits: quantiles(waits) };
    [failed, waits] = [0, []];
    return counts;
  } else {
    kind = order;
  }
  return "done";
}

process.on("message", async (order: PushOrder | PushKind | "counts") => process.send?.(await obey(order)));
process.on("disconnect", () => process.exit(0));
