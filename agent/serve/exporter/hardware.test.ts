import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ComputeMode, HostInfoSchema, State, Throttle, XidAction } from "../../../proto/gen/host_pb.js";
import { hardware } from "../../../proto/hardware.ts";
import { exporterInput } from "../../../proto/reading.ts";
import { exposition } from "../../../proto/text.ts";
import { card, gib, gpu, machine, node, now, scraped } from "../../../test/scrape.ts";
import { nodeObject } from "./node.ts";

test("every metric of the earlier exporter has its name and exactly its labels", () => {
  const proc = { pid: 1, compute: true, username: "ada" };
  const of = scraped(machine({ gpus: [card(0, { procs: [proc] }), card(1)] }));
  const info = { ...node, os: "Debian", os_version: "12", kernel: "6.1", cpu_model: 'A "B" \\ C' };
  expect(of("hw_node_info")).toEqual([[info, 1]]);
  for (const [name, value] of [
    ["hw_node_uptime_seconds", 77],
    ["hw_cpu_cores", 4],
    ["hw_cpu_threads", 8],
    ["hw_cpu_usage_percent", 12.5],
    ["hw_cpu_used_cores", 1],
    ["hw_memory_total_bytes", 200],
    ["hw_memory_used_bytes", 50],
    ["hw_memory_available_bytes", 150],
    ["hw_memory_usage_percent", 25],
    ["hw_gpu_count", 2],
    ["hw_gpu_used_count", 1],
  ] as const) {
    expect(of(name), name).toEqual([[node, value]]);
  }
  expect(of("hw_gpu_type_count")).toEqual([[{ ...node, gpu_type: "NVIDIA H100" }, 2]]);
  for (const [name, value] of [
    ["hw_gpu_memory_total_bytes", 80 * 2 ** 30],
    ["hw_gpu_memory_used_bytes", 19 * 2 ** 30],
    ["hw_gpu_memory_free_bytes", 60 * 2 ** 30],
    ["hw_gpu_utilization_percent", 0],
    ["hw_gpu_temperature_celsius", 41],
    ["hw_gpu_power_draw_watts", 71.25],
    ["hw_gpu_power_limit_watts", 700],
  ] as const) {
    expect(of(name), name).toEqual([
      [gpu(0), value],
      [gpu(1), value],
    ]);
  }
});

test("a machine without GPUs tells no GPU metric, not even 0", () => {
  const text = exposition(hardware(exporterInput(machine(), ""), new Set()), { format: "text" });
  expect(text).not.toContain("hw_gpu");
  expect(text).toContain("hw_cpu_cores");
});

test("a card that can be divided says how it is, and no other does", () => {
  const divided = card(0, { computePartition: "CPX", memoryPartition: "NPS4" });
  const of = scraped(machine({ gpus: [divided, card(1)] }));
  expect(of("hw_gpu_partition")).toEqual([[{ ...gpu(0), compute: "CPX", memory: "NPS4" }, 1]]);
});

test("a reading that is absent is no line, one that is 0 is", () => {
  const of = scraped(machine({ gpus: [card(0, { power: undefined })] }));
  expect(of("hw_gpu_power_draw_watts")).toEqual([]);
  expect(of("hw_gpu_fan_percent")).toEqual([]);
  expect(of("hw_gpu_utilization_percent")).toEqual([[gpu(0), 0]]);
});

test("a card that is lost is told as lost, has no values and is not counted", () => {
  const of = scraped(machine({ gpus: [card(0), { id: 1, state: State.LOST, err: "GPU is lost" }] }));
  expect(of("hw_gpu_count")).toEqual([[node, 1]]);
  expect(of("hw_gpu_temperature_celsius")).toEqual([[gpu(0), 41]]);
  expect(of("hw_gpu_state")).toEqual([
    [{ ...gpu(0), state: "ok" }, 1],
    [{ ...node, gpu_index: "1", gpu_name: "", gpu_uuid: "", state: "lost" }, 1],
  ]);
});

test("old values are told as stale with their age for five minutes, then only the state is", () => {
  const old = (seconds: number) => ({ state: State.STALE, sampled: BigInt(now - seconds * 1000) });
  const of = scraped(machine({ gpus: [card(0, old(299)), card(1, old(300))] }));
  expect(of("hw_gpu_temperature_celsius")).toEqual([[gpu(0), 41]]);
  expect(of("hw_gpu_sample_age_seconds")).toEqual([
    [gpu(0), 299],
    [gpu(1), 300],
  ]);
  expect(of("hw_gpu_state").map(([{ state }]) => state)).toEqual(["stale", "stale"]);
});

test("a clock that was set back makes no reading older than it is, or younger than 0 s", () => {
  const of = scraped(machine({ gpus: [card(0, { sampled: BigInt(now + 3_600_000) })] }));
  expect(of("hw_gpu_sample_age_seconds")).toEqual([[gpu(0), 0]]);
});

test("how each reader fared is told, but not of what the machine does not have", () => {
  const sources = [
    { name: "nvidia", state: State.UNSUPPORTED, duration: 5 },
    { name: "cpu", state: State.OK, duration: 1500, sampled: BigInt(now - 2000) },
    { name: "disk", state: State.HUNG },
  ];
  const of = scraped(machine({ sources }));
  expect(of("hw_source_success")).toEqual([
    [{ ...node, source: "cpu" }, 1],
    [{ ...node, source: "disk" }, 0],
  ]);
  expect(of("hw_source_duration_seconds")).toEqual([[{ ...node, source: "cpu" }, 0.0015]]);
  expect(of("hw_source_age_seconds")).toEqual([[{ ...node, source: "cpu" }, 2]]);
});

test("filesystems and interfaces have labels of their own", () => {
  const disk = { device: "/dev/sda1", mount: "/", fstype: "ext4" };
  const nic = { name: "eth0", rxBytes: 9n, up: false };
  const of = scraped(
    machine({ disks: [{ ...disk, used: 1n, total: 2n, readOnly: true, state: State.OK }], nics: [nic] }),
  );
  expect(of("hw_disk_used_bytes")).toEqual([[{ ...node, ...disk }, 1]]);
  expect(of("hw_disk_state")).toEqual([[{ ...node, ...disk, state: "ok" }, 1]]);
  expect(of("hw_disk_read_only")).toEqual([[{ ...node, ...disk }, 1]]);
  expect(of("hw_network_up")).toEqual([[{ ...node, nic: "eth0" }, 0]]);
  expect(of("hw_network_receive_bytes_total")).toEqual([[{ ...node, nic: "eth0" }, 9]]);
});

test("an interface tells those through which its bytes pass, for sums to leave it out", () => {
  const nics = [
    { name: "eth0", rxBytes: 9n },
    { name: "bond0", rxBytes: 9n, lower: ["eth0"] },
  ];
  expect(scraped(machine({ nics }))("hw_network_lower")).toEqual([[{ ...node, nic: "bond0", lower: "eth0" }, 1]]);
});

test("why a card is slow, and what it last broke on, is told where there is something to tell", () => {
  const slow = { throttle: [Throttle.SW_THERMAL, Throttle.HW_POWER_BRAKE], xidLast: 45, xidTime: BigInt(now - 500) };
  const xid = { xidWorst: 48, xidWorstTime: BigInt(now - 900), xidAction: XidAction.RESET_GPU };
  const of = scraped(machine({ gpus: [card(0, { ...slow, ...xid }), card(1)] }));
  expect(of("hw_gpu_throttle")).toEqual([
    [{ ...gpu(0), reason: "sw_thermal" }, 1],
    [{ ...gpu(0), reason: "hw_power_brake" }, 1],
  ]);
  expect(of("hw_gpu_xid_last_code")).toEqual([[gpu(0), 45]]);
  expect(of("hw_gpu_xid_worst")).toEqual([[{ ...gpu(0), code: "48", action: "reset_gpu" }, 1]]);
  expect(of("hw_gpu_xid_last_timestamp_seconds")).toEqual([[gpu(0), (now - 500) / 1000]]);
});

test("processes that compute are counted without those that only draw, and where they are not known there is no count", () => {
  const some = [{ pid: 1, compute: true, graphics: true }, { pid: 2, compute: false, graphics: true }, { pid: 3 }];
  const cards = [
    card(0, { procs: some }),
    card(1, { procs: [] }),
    card(2, { procs: [], procsUnknown: true }),
    card(3, { procs: [], state: State.LOST }),
    card(4, { procs: [], asleep: true }),
  ];
  const of = scraped(machine({ gpus: cards }));
  expect(of("hw_gpu_compute_processes")).toEqual([
    [gpu(0), 2],
    [gpu(1), 0],
  ]);
});

test("instances of a divided card have names of their own, so that sums over cards stay right", () => {
  const part = {
    ...card(1003, { memUsed: 2n * gib, memReserved: 0n, memTotal: 10n * gib }),
    name: "NVIDIA H100 MIG 1g.10gb",
    parent: "GPU-0",
    instance: { gpuInstance: 3, computeInstance: 0 },
    procs: [{ pid: 1, compute: true, username: "ada", mem: gib }],
  };
  const info = machine({ gpus: [card(0, { divided: true }), part, card(1)] });
  const of = scraped(info);
  expect(of("hw_gpu_count")).toEqual([[node, 2]]);
  expect(of("hw_gpu_used_count")).toEqual([[node, 1]]);
  expect(of("hw_gpu_type_count")).toEqual([[{ ...node, gpu_type: "NVIDIA H100" }, 2]]);
  expect(of("hw_gpu_memory_used_bytes").map(([{ gpu_uuid }]) => gpu_uuid)).toEqual(["GPU-0", "GPU-1"]);
  const place = { gpu_index: "0", gpu_instance: "3", compute_instance: "0" };
  const own = { ...node, gpu_name: part.name, gpu_uuid: "GPU-1003", ...place };
  expect(of("hw_gpu_instance_memory_used_bytes")).toEqual([[own, 2 * 2 ** 30]]);
  expect(of("hw_gpu_instance_memory_total_bytes")).toEqual([[own, 10 * 2 ** 30]]);
  expect(of("hw_gpu_instance_process_memory_bytes")).toEqual([[{ ...own, user: "ada" }, 2 ** 30]]);
  expect(nodeObject(exporterInput(info, "")).gpu_devices.map(({ uuid }) => uuid)).toEqual(["GPU-0", "GPU-1"]);
});

test("GPU processes are told per user", () => {
  const procs = [
    { pid: 1, username: "ada", mem: 3n, utilization: 10 },
    { pid: 2, username: "ada", mem: 4n },
  ];
  const of = scraped(machine({ gpus: [card(0, { procs })] }));
  const ada = { ...gpu(0), user: "ada" };
  expect(of("hw_gpu_process_running")).toEqual([[ada, 2]]);
  expect(of("hw_gpu_process_memory_bytes")).toEqual([[ada, 7]]);
  expect(of("hw_gpu_process_utilization_percent")).toEqual([[ada, 10]]);
});

test("what is switched off is not there, the rest is", () => {
  const of = scraped(machine({ gpus: [card(0)] }), ["gpu_temperature", "node_uptime", "gpu_memory_used"]);
  expect(of("hw_gpu_temperature_celsius")).toEqual([]);
  expect(of("hw_node_uptime_seconds")).toEqual([]);
  expect(of("hw_gpu_memory_used_bytes")).toEqual([]);
  expect(of("hw_gpu_memory_free_bytes").length).toBe(1);
});

test("how a card is set up, what its memory lacks and what its links do is told, and nothing of it where it is not known", () => {
  const remapped = { correctable: 1, uncorrectable: 0, pending: true, failed: false };
  const nvlink = { rxRate: 5n, txRate: 0n, rxTotal: 2n, txTotal: 3n, linksUp: 17, linksExpected: 18 };
  const told = { persistence: false, computeMode: ComputeMode.EXCLUSIVE_PROCESS, remapped, nvlink, pcieRxRate: 7n };
  const of = scraped(machine({ gpus: [card(0, told), card(1)] }));
  for (const [name, value] of [
    ["hw_gpu_persistence_mode", 0],
    ["hw_gpu_row_remap_pending", 1],
    ["hw_gpu_row_remap_failure", 0],
    ["hw_gpu_remapped_rows_correctable_total", 1],
    ["hw_gpu_pcie_receive_bytes_per_second", 7],
    ["hw_gpu_nvlink_receive_bytes_per_second", 5],
    ["hw_gpu_nvlink_transmit_bytes_per_second", 0],
    ["hw_gpu_nvlink_receive_bytes_total", 2048],
    ["hw_gpu_nvlink_transmit_bytes_total", 3072],
    ["hw_gpu_nvlink_links_up", 17],
    ["hw_gpu_nvlink_links_expected", 18],
  ] as const)
    expect(of(name), name).toEqual([[gpu(0), value]]);
  expect(of("hw_gpu_compute_mode")).toEqual([[{ ...gpu(0), mode: "exclusive_process" }, 1]]);
});

test("the JSON form has every field of the earlier exporter", () => {
  const object = nodeObject(
    exporterInput(machine({ gpus: [card(0, { procs: [{ pid: 1 }] }), { id: 1, state: State.LOST }] }), "n1"),
  );
  expect(object).toEqual({
    hostname: "box",
    node: "n1",
    os_name: "Debian",
    os_version: "12",
    kernel_version: "6.1",
    uptime_secs: 77,
    cpu_cores: 4,
    cpu_threads: 8,
    cpu_model: 'A "B" \\ C',
    cpu_usage_percent: 12.5,
    cpu_used_cores: 1,
    memory_total_bytes: 200,
    memory_used_bytes: 50,
    memory_available_bytes: 150,
    memory_usage_percent: 25,
    gpu_count: 1,
    gpu_used_count: 1,
    gpu_devices: [
      {
        index: 0,
        name: "NVIDIA H100",
        uuid: "GPU-0",
        memory_total_mb: 81_920,
        memory_used_mb: 19_456,
        memory_free_mb: 61_440,
        utilization_percent: 0,
        temperature_celsius: 41,
        power_draw_watts: 71,
        power_limit_watts: 700,
        state: "ok",
        age_secs: 0,
      },
    ],
    gpu_type_counts: { "NVIDIA H100": 1 },
    gpu_lost: [1],
  });
});

test("in JSON, what is not known is null and what there is none of is 0", () => {
  const object = nodeObject(exporterInput(create(HostInfoSchema, {}), ""));
  expect(object).toMatchObject({
    hostname: null,
    cpu_cores: null,
    memory_usage_percent: null,
    gpu_count: 0,
    gpu_devices: [],
  });
});
