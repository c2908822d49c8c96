// A simulated fleet of busy hosts, in memory: every host is a captured machine with eight H200, and its readings change as
// those of such machines do.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { clone, fromJsonString } from "@bufbuild/protobuf";
import { type GPUInfo, type HostInfo, HostInfoSchema } from "../proto/gen/host_pb.js";
import { top } from "./program.ts";

const capture = join(top, "test/capture/ubuntu22.04-x86_64__8x-h200__570.158.01");
const GiB = 2 ** 30;

/** Reads the captured machine. Its cards and its other readings are in separate files. */
function captured(): HostInfo {
  const read = (name: string): HostInfo => fromJsonString(HostInfoSchema, readFileSync(join(capture, name), "utf8"));
  return { ...read("host.json"), gpus: read("expected.json").gpus };
}

export interface BusyFleet {
  /** Advances time by some seconds and returns the answer of each host. */
  pass(seconds: number): HostInfo[];
}

/** Makes a fleet of busy hosts. The same number of hosts gives the same fleet. */
export function busyFleet(hosts: number): BusyFleet {
  let seed = 7;
  /** Returns a pseudo-random number from 0 to 1. */
  const random = (): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed / 2_147_483_648;
  };
  const around = (mid: number, by: number): number => Math.round(mid + (random() - 0.5) * 2 * by);
  const big = (mid: number, by: number): bigint => BigInt(around(mid, by));
  const plus = (held: bigint | undefined, more: number): bigint => (held ?? 0n) + BigInt(Math.round(more));
  const first = captured();
  const all = Array.from({ length: hosts }, (_, i) => rename(clone(HostInfoSchema, first), i));
  let now = 1_800_000_000_000;

  /** Gives a host its own names, addresses, uuids and pids. */
  function rename(info: HostInfo, host: number): HostInfo {
    info.hostname = `gpu-${host}`;
    info.ip = `10.20.${host >> 8}.${host & 255}`;
    for (const gpu of info.gpus) {
      gpu.uuid = `GPU-${Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join("")}`;
      for (const proc of gpu.procs) {
        proc.pid = around(500_000, 400_000);
        proc.username = `user${around(30, 30)}`;
      }
    }
    return info;
  }

  function compute(gpu: GPUInfo, seconds: number): void {
    gpu.sampled = BigInt(now);
    gpu.utilization = around(96, 4);
    gpu.memUtilization = around(70, 5);
    if (random() < 0.3) gpu.memUsed = big(140_000, 200) * 1_048_576n;
    gpu.temp = around(64, 2);
    gpu.memTemp = around(73, 1);
    gpu.power = around(670_000, 30_000);
    gpu.energy = plus(gpu.energy, gpu.power * seconds);
    gpu.clockSm = 1700 + 15 * around(9, 9);
    gpu.pcieRxRate = big(1_600_000, 1_600_000) * 1000n;
    gpu.pcieTxRate = big(225_000, 225_000) * 1000n;
    for (const proc of gpu.procs) proc.utilization = gpu.utilization - 1;
    if (gpu.nvlink === undefined) return;
    gpu.nvlink.rxRate = big(220e9, 20e9);
    gpu.nvlink.txRate = big(220e9, 20e9);
    gpu.nvlink.rxTotal = plus(gpu.nvlink.rxTotal, (Number(gpu.nvlink.rxRate) * seconds) / 1024);
    gpu.nvlink.txTotal = plus(gpu.nvlink.txTotal, (Number(gpu.nvlink.txRate) * seconds) / 1024);
  }

  function goOn(info: HostInfo, seconds: number): void {
    const { cpu, memory, system } = info;
    info.sampled = BigInt(now);
    for (const gpu of info.gpus) compute(gpu, seconds);
    for (const disk of info.disks) {
      disk.sampled = BigInt(now);
      if (random() < 0.5) disk.used = plus(disk.used, around(2e6, 2e6));
    }
    for (const nic of info.nics) {
      nic.rxRate = big(1.1e9, 1e8);
      nic.txRate = big(1.1e9, 1e8);
      nic.rxBytes = plus(nic.rxBytes, Number(nic.rxRate) * seconds);
      nic.txBytes = plus(nic.txBytes, Number(nic.txRate) * seconds);
    }
    if (cpu !== undefined) Object.assign(cpu, { busy: 35 + 5 * random(), iowait: random() });
    if (memory !== undefined) Object.assign(memory, { used: big(600 * GiB, GiB), available: big(900 * GiB, GiB) });
    if (system !== undefined) {
      system.uptime = plus(system.uptime, seconds);
      Object.assign(system, {
        load1: around(3050, 50) / 100,
        load5: around(3020, 20) / 100,
        processes: around(1600, 4),
      });
    }
  }

  return {
    pass(seconds) {
      now += seconds * 1000;
      for (const info of all) goOn(info, seconds);
      return all.map((info) => clone(HostInfoSchema, info));
    },
  };
}
