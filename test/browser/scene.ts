// A test fleet: real agents that play captured machines, and a simulated file server without GPUs.
import { cpSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { type HostInfo, HostInfoSchema } from "../../proto/gen/host_pb.js";
import { type Info, playHost } from "../host.ts";
import { player } from "../nvml/build.ts";
import { type Program, start, top } from "../program.ts";

const captures = join(top, "test", "capture");
export const h100 = "ubuntu22.04-x86_64__8x-h100-80gb-hbm3__550.54.15";
export const a100 = "rocky9-x86_64__4x-a100-80gb-one-lost__535.129.03";
export const desk = "ubuntu22.04-x86_64__2x-rtx-4090__550.120";

/** Changes of a played machine against its capture. */
export interface Change {
  readonly capture: string;
  /** Indices of cards without processes and load. */
  readonly free?: readonly number[];
  /** New names of the capture's users. */
  readonly users?: Readonly<Record<string, string>>;
  /** Index of a lost card that is to work. */
  readonly mend?: number;
  /** Replacements in nvml.txt. */
  readonly nvml?: readonly (readonly [RegExp, string])[];
  readonly hostname?: string;
  readonly address?: string;
}

/** Returns lines of nvml.txt that make card `to` a copy of card `from`, with another uuid and PCI bus. */
function twin(text: string, from: number, to: number): string {
  const lines = text.split("\n").filter((line) => new RegExp(`^nvml\\w+ ${from}( |$)`).test(line));
  return lines
    .map((line) => line.replace(new RegExp(`^(nvml\\w+) ${from}\\b`), `$1 ${to}`))
    .join("\n")
    .replace(/GPU-(.)/, (_, first: string) => `GPU-${first === "a" ? "b" : "a"}`)
    .replace(/(PciInfo \d : 0 0) \d+/, `$1 ${20 + to}`);
}

export interface PlayedMachine {
  /** "127.0.0.1:…" */
  readonly address: string;
  readonly program: Program;
}

/** Copies a capture into `folder`, applies changes, and starts a real agent on it. */
export async function playMachine(folder: string, change: Change): Promise<PlayedMachine> {
  cpSync(join(captures, change.capture), folder, { recursive: true });
  rewrite(join(folder, "nvml.txt"), (text) => nvmlOf(text, change));
  rewrite(join(folder, "capture.json"), (text) => {
    const machine = JSON.parse(text) as { hostname: string; users: Record<string, string> };
    if (change.hostname !== undefined) machine.hostname = change.hostname;
    for (const [uid, name] of Object.entries(machine.users)) machine.users[uid] = change.users?.[name] ?? name;
    const written = JSON.stringify(machine);
    return change.address === undefined ? written : written.replace(/10\.\d+\.\d+\.\d+/, change.address);
  });
  // Ages of processes are as long as at the time of the capture.
  const uptime = Number(readFileSync(join(folder, "proc/uptime"), "utf8").split(" ")[0]);
  rewrite(join(folder, "proc/stat"), (text) =>
    text.replace(/^btime \d+$/m, `btime ${Math.round(Date.now() / 1000 - uptime)}`),
  );
  const program = start("hmonitor", [], {
    GOHM_ADDR: "127.0.0.1:0",
    GOHM_ALLOW: "127.0.0.0/8",
    GOHM_ROOT: folder,
    GOHM_NVML: player(),
    GOHM_PLAYER: folder,
    GOHM_PLAYER_MOVE: "1",
  });
  const [, address = ""] = await program.line(/listens on (127\.0\.0\.1:\d+)/);
  return { address, program };
}

/** Advances the CPU and network counters of a played machine, which are constant in a capture. */
export function work(folder: string, busy: number, bytes: number): void {
  rewrite(join(folder, "proc/stat"), (text) =>
    text.replace(/^cpu +(\d+) (\d+) (\d+) (\d+)/, (_, user: string, nice: string, kernel: string, idle: string) =>
      ["cpu ", Number(user) + Math.round(busy) * 100, nice, kernel, Number(idle) + (100 - Math.round(busy)) * 100].join(
        " ",
      ),
    ),
  );
  rewrite(join(folder, "proc/net/dev"), (text) =>
    text.replace(
      /^(\s*(?!lo:)\S+:\s*)(\d+)((?:\s+\d+){7}\s+)(\d+)/gm,
      (_, name: string, rx: string, between: string, tx: string) =>
        `${name}${Number(rx) + bytes}${between}${Number(tx) + Math.floor(bytes * 0.9)}`,
    ),
  );
}

/** Rewrites a file atomically: an agent that reads it meanwhile must not see half of it. */
function rewrite(path: string, change: (text: string) => string): void {
  const beside = `${path}.new`;
  writeFileSync(beside, change(readFileSync(path, "utf8")));
  renameSync(beside, path);
}

function nvmlOf(text: string, { free = [], nvml = [], mend }: Change): string {
  let made = mend === undefined ? text : text.replace(`* ${mend} : 15`, twin(text, 0, mend));
  for (const card of free) {
    const line = (call: string, words: string): void => {
      made = made.replace(
        new RegExp(`^${call} ${card}( 0)? :.*$`, "m"),
        (_, sensor = "") => `${call} ${card}${sensor} : ${words}`,
      );
    };
    made = made.replace(
      new RegExp(`^nvmlDeviceGetMemoryInfo ${card} : 0 (\\d+) (\\d+) .*$`, "m"),
      (_, total: string, kept: string) =>
        `nvmlDeviceGetMemoryInfo ${card} : 0 ${total} ${kept} ${Number(total) - Number(kept) - 1_048_576} 1048576`,
    );
    line("nvmlDeviceGetUtilizationRates", "0 0 0");
    line("nvmlDeviceGetTemperature", `0 ${31 + ((card * 3) % 7)}`);
    line("nvmlDeviceGetPowerUsage", `0 ${68_000 + card * 900}`);
    line("nvmlDeviceGetCurrentClocksEventReasons", "0 1");
    line("nvmlDeviceGetComputeRunningProcesses", "0");
    line("nvmlDeviceGetProcessUtilization", "6");
  }
  for (const [what, words] of nvml) made = made.replace(what, words);
  return made;
}

const GiB = 1024 ** 3;

/** A file server without GPUs, with a disk that is nearly full. */
const storage: Info = {
  hostname: "storage-1",
  ip: "10.30.1.9",
  cpu: { model: "AMD EPYC 7313P 16-Core Processor", threads: 32, busy: 7.4, iowait: 2.1 },
  memory: { total: BigInt(125 * GiB), used: BigInt(31 * GiB), swapTotal: BigInt(8 * GiB), swapUsed: 0n },
  disks: [
    {
      device: "/dev/md0",
      mount: "/",
      fstype: "ext4",
      used: BigInt(88 * GiB),
      total: BigInt(439 * GiB),
      available: BigInt(329 * GiB),
    },
    {
      device: "tank/home",
      mount: "/tank/home",
      fstype: "zfs",
      used: BigInt(171_500 * GiB),
      total: BigInt(176_000 * GiB),
      available: BigInt(4500 * GiB),
    },
  ],
  nics: [
    {
      name: "bond0",
      addresses: ["10.30.1.9"],
      rxRate: 318_000_000n,
      txRate: 702_000_000n,
      speed: 3_125_000_000n,
      up: true,
    },
  ],
  system: {
    os: "Debian GNU/Linux",
    osVersion: "12",
    kernel: "6.1.0-27-amd64",
    uptime: 7_344_000n,
    load1: 4.2,
    load5: 3.9,
    load15: 3.7,
    processes: 611,
  },
  agentVersion: "0.2.0",
};

export async function playStorage(): Promise<{ address: string; close(): void }> {
  return playHost(() => ({ ...storage, sampled: BigInt(Date.now()) }));
}

/** Makes the report of one of many machines with eight cards; all numbers vary with `load`. */
export function crowd(host: number, load: number): HostInfo {
  const gpus = Array.from({ length: 8 }, (_, id): NonNullable<Info["gpus"]>[number] => {
    const idle = (host + id) % 5 === 0;
    const used = idle ? 600_000_000n : BigInt(Math.floor((40 + ((host * 7 + id * 13 + load) % 39)) * 1e9));
    return {
      id,
      uuid: `GPU-${host}-${id}`,
      name: "NVIDIA H100 80GB HBM3",
      memUsed: used,
      memTotal: 85_520_809_984n,
      utilization: idle ? 0 : (host * 11 + id * 17 + load * 3) % 101,
      temp: idle ? 34 : 50 + ((host + id + load) % 30),
      power: idle ? 70_000 : 300_000 + ((host + id * 31 + load) % 350) * 1000,
      powerLimit: 700_000,
      state: 1,
      procs: idle
        ? []
        : [{ pid: 1000 + id, username: `user${(host + id) % 12}`, basename: "python", mem: used, utilization: 90 }],
    };
  });
  return create(HostInfoSchema, {
    hostname: `node${host}`,
    gpus,
    cpu: { busy: (host + load) % 100, threads: 128 },
    memory: { total: 1_000_000_000_000n, used: BigInt(200_000_000_000 + ((load * 1_000_000_007) % 500_000_000_000)) },
    system: { load1: (load % 60) / 2, os: "Ubuntu", osVersion: "22.04", uptime: 99_999n, driverVersion: "550.54.15" },
    nics: [{ name: "eth0", rxRate: BigInt(load * 1_000_003), txRate: BigInt(load * 700_001) }],
    disks: [{ mount: "/", used: 50n * 10n ** 9n, total: 100n * 10n ** 9n }],
  });
}
