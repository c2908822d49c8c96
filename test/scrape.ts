// Reports of a machine with NVIDIA cards, and the samples that a scraper reads from the exporter's output of them.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { dcgm } from "../agent/serve/exporter/dcgm.ts";
import { type HostInfo, HostInfoSchema, State, Vendor } from "../proto/gen/host_pb.js";
import { hardware } from "../proto/hardware.ts";
import { exporterInput } from "../proto/reading.ts";
import { exposition } from "../proto/text.ts";
import { readExposition } from "./exposition.ts";

export const now = 1_700_000_000_000;
export const gib = 1024n ** 3n;

export const card = (id: number, more: object = {}) => ({
  id,
  uuid: `GPU-${id}`,
  name: "NVIDIA H100",
  vendor: Vendor.NVIDIA,
  pciBusId: "0000:1b:00.0",
  memUsed: 20n * gib,
  memReserved: gib,
  memTotal: 80n * gib,
  utilization: 0,
  temp: 41,
  power: 71_250,
  powerLimit: 700_000,
  state: State.OK,
  sampled: BigInt(now),
  ...more,
});

export const machine = (more: Exclude<MessageInitShape<typeof HostInfoSchema>, HostInfo> = {}): HostInfo =>
  create(HostInfoSchema, {
    hostname: "box",
    sampled: BigInt(now),
    agentVersion: "1",
    cpu: { model: 'A "B" \\ C', cores: 4, threads: 8, busy: 12.5 },
    memory: { total: 200n, used: 50n, available: 150n },
    system: { os: "Debian", osVersion: "12", kernel: "6.1", uptime: 77n },
    ...more,
  });

/** Returns the exporter's families of a report: its own, and both sets of dcgm-exporter's. */
export function familiesOf(info: HostInfo, off: readonly string[] = []) {
  const input = exporterInput(info, undefined);
  return { own: hardware(input, new Set(off)), dcgm: dcgm(input, "both") };
}

/** Writes and parses the exporter's output, and returns a function that gives the samples of a name. */
export function scraped(info: HostInfo, off: readonly string[] = []) {
  const families = readExposition(exposition(familiesOf(info, off).own, { format: "text" }), "text");
  const samples = new Map(families.map((family) => [family.name, family.samples]));
  return (name: string) => (samples.get(name) ?? []).map(({ labels, value }) => [labels, value] as const);
}

export const node = { node: "box" };
export const gpu = (id: number) => ({ ...node, gpu_index: String(id), gpu_name: "NVIDIA H100", gpu_uuid: `GPU-${id}` });
