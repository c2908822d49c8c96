import * as v from "valibot";
import { card, cardExample, verdictCounts } from "./card.ts";
import { bytes, count, metrics, name, number, page, text, texts, time, yes } from "./field.ts";

export const hostStates = ["up", "stale", "down", "pending", "history"] as const;
const readings = ["ok", "stale", "hung", "lost", "unsupported"] as const;

const reading = v.pipe(
  v.nullable(v.picklist(readings)),
  v.description("`ok` if it was read in the last collection; null if the agent does not say."),
);

const summary = {
  name: name("Name of the host; it never changes."),
  shown_name: name("Name that is shown."),
  group: text("Group."),
  labels: v.pipe(v.record(v.string(), v.string()), v.description("Labels.")),
  address: name("Address at which the hub polls it, or from which it reports."),
  state: v.pipe(
    v.picklist(hostStates),
    v.description(
      "`up`: answers; `stale`: its last report is older than three intervals; `down`: the last attempt failed; `pending`: it was not heard from yet; `history`: it never reports live, and its rows (of the Netdata of a node of daily reports) enter history only: it is neither up nor down.",
    ),
  ),
  since: time("When that began."),
  reason: text("Why it is down, or has history only."),
  seen: time("When its last report came. What follows is of that report."),
  interval_seconds: number("Seconds between two reports."),
  agent_version: text("Version of its agent."),
  hostname: text("Host name, as the machine has it."),
  ip: text("IPv4 address, as the machine has it."),
  os: text("Operating system."),
  os_version: text("Its version."),
  kernel: text("Version of the kernel."),
  driver_version: text("Version of NVIDIA's driver."),
  cuda_version: text("CUDA version that it supports."),
  uptime_seconds: number("Seconds since the machine was started."),
  cpu_percent: number("Share of the time of all hardware threads that was used."),
  cpu_threads: number("Hardware threads."),
  load1: number("Processes that run or wait, averaged over a minute."),
  memory_total_bytes: bytes("Memory."),
  memory_used_bytes: bytes("Memory in use."),
  disk_fullest: text(
    "Mount point of the filesystem of which the greatest share is in use, of those that can be written.",
  ),
  disk_fullest_percent: number("Share of it that is in use."),
  disk_total_bytes: bytes("Size of all filesystems that can be written, network filesystems too."),
  disk_used_bytes: bytes("Space in use on them."),
  gpu_count: verdictCounts,
};

const disk = v.object({
  mount: text("Mount point."),
  device: text("Device."),
  fstype: text("Type of the filesystem."),
  total_bytes: bytes("Size."),
  used_bytes: bytes("Space in use."),
  available_bytes: bytes("Space that users may still write."),
  read_only: yes("True if it cannot be written."),
  state: reading,
  metrics,
});

const nic = v.object({
  name: text("Name of the interface."),
  addresses: texts("Its addresses."),
  up: v.pipe(v.nullable(v.boolean()), v.description("True if it is up.")),
  speed_bytes_per_second: number("Speed of the link."),
  receive_bytes_per_second: number("Traffic that it receives."),
  transmit_bytes_per_second: number("Traffic that it sends."),
  metrics,
});

const source = v.object({
  name: text("What the agent reads: `nvidia`, `disk`, …"),
  state: reading,
  sampled: time("When it was last read, by the clock of the machine."),
  error: text("Why it could not be read."),
});

const hostExample = {
  name: "gpu1",
  shown_name: "gpu1",
  group: "lab-a",
  labels: { rack: "7" },
  address: "10.0.0.11:9203",
  state: "up",
  since: "2027-01-10T17:20:00.000Z",
  reason: null,
  seen: "2027-01-15T08:00:00.000Z",
  interval_seconds: 10,
  agent_version: "0.2.0",
  hostname: "gpu1",
  ip: "10.0.0.11",
  os: "Ubuntu",
  os_version: "22.04",
  kernel: "5.15.0-105-generic",
  driver_version: "550.54.15",
  cuda_version: "12.4",
  uptime_seconds: 1_036_800,
  cpu_percent: 12.5,
  cpu_threads: 224,
  load1: 21.5,
  memory_total_bytes: 2_164_000_000_000,
  memory_used_bytes: 310_000_000_000,
  disk_fullest: "/raid",
  disk_fullest_percent: 81.5,
  disk_total_bytes: 30_000_000_000_000,
  disk_used_bytes: 24_000_000_000_000,
  gpu_count: { free: 3, held: 1, busy: 4, broken: 0, unknown: 0 },
} as const;

export const hosts = v.pipe(
  v.object({
    hosts: v.array(v.pipe(v.object(summary), v.title("Host"))),
    count: v.pipe(
      v.object({
        up: count("Hosts that are up."),
        stale: count("…stale."),
        down: count("…down."),
        pending: count("…pending."),
        history: count("…of which only history knows."),
      }),
      v.description("All hosts that match, by state."),
    ),
    ...page,
  }),
  v.title("HostList"),
  v.examples([
    { hosts: [hostExample], count: { up: 1, stale: 0, down: 0, pending: 0, history: 0 }, total: 1, next: null },
  ]),
);

export const host = v.pipe(
  v.object({
    ...summary,
    cpu_model: text("Model of the processor."),
    clock_skew_ms: number("Milliseconds by which the clock of the machine is ahead of the hub's."),
    metrics,
    gpus: v.array(v.pipe(v.object({ ...card.entries, metrics }), v.title("GpuWithMetrics"))),
    disks: v.array(disk),
    nics: v.array(nic),
    sources: v.array(source),
  }),
  v.title("HostDetails"),
  v.examples([
    {
      ...hostExample,
      cpu_model: "Intel(R) Xeon(R) Platinum 8480C",
      clock_skew_ms: 3,
      metrics: { cpu_utilization: 12.5, load1: 21.5 },
      gpus: [{ ...cardExample, metrics: { gpu_utilization: 91.25, gpu_power: 412_500 } }],
      disks: [
        {
          mount: "/raid",
          device: "/dev/md0",
          fstype: "ext4",
          total_bytes: 30_000_000_000_000,
          used_bytes: 24_000_000_000_000,
          available_bytes: 4_500_000_000_000,
          read_only: false,
          state: "ok",
          metrics: { disk_used: 24_000_000_000_000 },
        },
      ],
      nics: [
        {
          name: "ens3",
          addresses: ["10.0.0.11"],
          up: true,
          speed_bytes_per_second: 12_500_000_000,
          receive_bytes_per_second: 120_000,
          transmit_bytes_per_second: 90_000,
          metrics: { network_receive: 120_000 },
        },
      ],
      sources: [{ name: "nvidia", state: "ok", sampled: "2027-01-15T08:00:00.000Z", error: null }],
    },
  ]),
);
