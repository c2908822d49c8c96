import { gpuKey } from "../../../proto/catalog.ts";
import type { GPUInfo, HostInfo } from "../../../proto/gen/host_pb.js";
import { cardName } from "../../card.ts";
import { size } from "../../part/part.tsx";
import type { Text } from "../../text/text.ts";

/** One line of a chart: whose series it is, and how it is named. */
interface Track {
  readonly level: "gpu" | "host" | "nic";
  readonly key: string;
  readonly metric: string;
  readonly name: string;
  readonly colour: number;
  readonly dashed?: boolean;
  /** Card whose legend button shows and hides it. */
  readonly card?: number;
}

/** One chart. */
export interface Panel {
  readonly id: string;
  readonly title: string;
  readonly tracks: readonly Track[];
  /** From the wire's unit to the one written. */
  readonly factor: number;
  readonly top?: number;
  /** Counts bytes. */
  readonly binary?: boolean;
  readonly write: (value: number) => string;
}

const gpuMetrics = ["gpu_utilization", "gpu_memory_used", "gpu_temperature", "gpu_power"] as const;
const pcieMetrics = ["gpu_pcie_receive", "gpu_pcie_transmit"] as const;
const nvlinkMetrics = ["gpu_nvlink_receive", "gpu_nvlink_transmit"] as const;
const hostMetrics = ["cpu_utilization", "cpu_iowait", "memory_used", "swap_used", "load1"] as const;
const nicMetrics = ["network_receive", "network_transmit"] as const;
/** A host with dozens of virtual interfaces would drown the chart. */
const nicsShown = 4;

const nicsOf = (info: HostInfo): readonly string[] =>
  info.nics
    .filter((nic) => nic.up !== false)
    .slice(0, nicsShown)
    .map((nic) => nic.name ?? "");

/** Traffic is charted of cards that tell of it. */
const talks = {
  pcie: (gpu: GPUInfo): boolean => gpu.pcieRxRate !== undefined,
  nvlink: (gpu: GPUInfo): boolean => gpu.nvlink !== undefined,
};

const metricsOf = (gpus: readonly GPUInfo[]): readonly string[] => [
  ...(gpus.length === 0 ? [] : gpuMetrics),
  ...(gpus.some(talks.pcie) ? pcieMetrics : []),
  ...(gpus.some(talks.nvlink) ? nvlinkMetrics : []),
];

/** What to ask history for. */
export function askedOf(info: HostInfo): { readonly metrics: readonly string[]; readonly keys: readonly string[] } {
  const nics = nicsOf(info);
  return {
    metrics: [...metricsOf(info.gpus), ...hostMetrics, ...(nics.length === 0 ? [] : nicMetrics)],
    keys: [...info.gpus.map(gpuKey), ...nics],
  };
}

const percent = (value: number): string => `${Math.round(value)}%`;
const one = (value: number): string => String(Number(value.toFixed(1)));

/** The charts of a host, in the order in which they are looked at. */
export function panelsOf(info: HostInfo, t: Text): Panel[] {
  const cards = (metric: string): Track[] =>
    info.gpus.map((gpu, card) => ({
      level: "gpu",
      key: gpuKey(gpu),
      metric,
      name: t.card(cardName(gpu.id ?? card)),
      colour: card,
      card,
    }));
  const host = (...named: readonly (readonly [string, string])[]): Track[] =>
    named.map(([metric, name], colour) => ({ level: "host", key: "", metric, name, colour }));
  const gpus: Panel[] = [
    { id: "utilization", title: t.utilization, tracks: cards("gpu_utilization"), factor: 1, top: 100, write: percent },
    {
      id: "memory",
      title: t.memory,
      tracks: cards("gpu_memory_used"),
      factor: 1,
      ...topOf(info),
      binary: true,
      write: size,
    },
    {
      id: "temperature",
      title: t.temperature,
      tracks: cards("gpu_temperature"),
      factor: 1,
      write: (v) => `${Math.round(v)} °C`,
    },
    { id: "power", title: t.power, tracks: cards("gpu_power"), factor: 0.001, write: (v) => `${Math.round(v)} W` },
  ];
  const memory = info.memory?.total === undefined ? {} : { top: Number(info.memory.total) };
  return [
    ...(info.gpus.length === 0 ? [] : gpus),
    ...traffic({ id: "pcie", title: "PCIe", told: talks.pcie, metrics: pcieMetrics }, info, t),
    ...traffic({ id: "nvlink", title: "NVLink", told: talks.nvlink, metrics: nvlinkMetrics }, info, t),
    {
      id: "cpu",
      title: t.cpu,
      tracks: host(["cpu_utilization", t.cpu], ["cpu_iowait", t.iowait]),
      factor: 1,
      top: 100,
      write: percent,
    },
    {
      id: "host-memory",
      title: t.hostMemory,
      tracks: host(["memory_used", t.hostMemory], ["swap_used", t.swap]),
      factor: 1,
      ...memory,
      binary: true,
      write: size,
    },
    { id: "load", title: t.load, tracks: host(["load1", t.load]), factor: 1, write: one },
    {
      id: "network",
      title: t.network,
      tracks: nicTracks(info, t),
      factor: 1,
      binary: true,
      write: (v) => `${size(v)}/s`,
    },
  ];
}

interface Traffic {
  readonly id: string;
  readonly title: string;
  told(gpu: GPUInfo): boolean;
  readonly metrics: readonly [received: string, sent: string];
}

/** What cards receive and send; no panel where none tells of it. */
function traffic({ id, title, told, metrics: [received, sent] }: Traffic, info: HostInfo, t: Text): Panel[] {
  const tracks = info.gpus.flatMap((gpu, card): Track[] => {
    if (!told(gpu)) return [];
    const of = { level: "gpu", key: gpuKey(gpu), colour: card, card } as const;
    const name = t.card(cardName(gpu.id ?? card));
    return [
      { ...of, metric: received, name: `${name} ${t.receive}` },
      { ...of, metric: sent, name: `${name} ${t.transmit}`, dashed: true },
    ];
  });
  return tracks.length === 0 ? [] : [{ id, title, tracks, factor: 1, binary: true, write: (v) => `${size(v)}/s` }];
}

function topOf(info: HostInfo): { top?: number } {
  const top = Math.max(0, ...info.gpus.map((gpu) => Number(gpu.memTotal ?? 0n)));
  return top > 0 ? { top } : {};
}

function nicTracks(info: HostInfo, t: Text): Track[] {
  return nicsOf(info).flatMap((key, colour) => {
    const nic = { level: "nic", key, colour } as const;
    return [
      { ...nic, metric: "network_receive", name: `${key} ${t.receive}` },
      { ...nic, metric: "network_transmit", name: `${key} ${t.transmit}`, dashed: true },
    ];
  });
}
