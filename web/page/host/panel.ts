import { gpuKey, type Level } from "../../../proto/device.ts";
import type { GPUInfo, HostInfo, NicInfo } from "../../../proto/gen/host_pb.js";
import { Unit } from "../../../proto/gen/metric_pb.js";
import { unitByMetric } from "../../../proto/metric-unit.ts";
import { cardName } from "../../../proto/verdict.ts";
import { type Answer, idOf } from "../../history.ts";
import type { Text } from "../../text/text.ts";

/** One line of a chart: whose series it is, and how it is named. */
interface Track {
  readonly level: Level;
  readonly key: string;
  readonly metric: string;
  readonly name: string;
  /** Its place among the strokes. */
  readonly slot: number;
  /** Drawn downwards from the axis: what is sent, below what is received. */
  readonly below?: boolean;
}

/** One chart. */
export interface Panel {
  readonly id: string;
  readonly title: string;
  readonly tracks: readonly Track[];
  /** Unit of its metrics, from the catalogue. */
  readonly unit: Unit;
  /** Value that the axis reaches at least, in that unit. */
  readonly top: number;
}

const gpuMetrics = ["gpu_utilization", "gpu_memory_used", "gpu_temperature", "gpu_power"] as const;
export const nicMetrics = ["network_receive", "network_transmit"] as const;
const pcieMetrics = ["gpu_pcie_receive", "gpu_pcie_transmit"] as const;
const nvlinkMetrics = ["gpu_nvlink_receive", "gpu_nvlink_transmit"] as const;
const hostMetrics = ["cpu_utilization", "cpu_iowait", "memory_used", "swap_used", "load1"] as const;
/** Interfaces that are charted unless somebody chooses: dozens of lines would hide one another. */
export const nicsShown = 4;

/** Bytes per second of an interface, in both directions. */
const rateOf = ({ rxRate = 0n, txRate = 0n }: NicInfo): number => Number(rxRate) + Number(txRate);

/**
 * Names of a host's interfaces, the busiest first: by the sum of averages in `range`, then by what they carry now; those
 * that are down come last, else the machine's own order holds.
 */
export function busiest(info: HostInfo, range: Answer | undefined): readonly string[] {
  const carried = (key: string): number =>
    nicMetrics
      .flatMap((metric) => [...(range?.series.get(idOf({ level: "nic", key, metric }))?.avg ?? [])])
      .reduce((sum, value) => sum + (value || 0), 0);
  const nics = info.nics.map((nic) => {
    const name = nic.name ?? "";
    return { name, carried: carried(name), now: rateOf(nic), down: Number(nic.up === false) };
  });
  nics.sort((a, b) => b.carried - a.carried || b.now - a.now || a.down - b.down);
  return [...new Set(nics.map(({ name }) => name))];
}

/** Traffic is charted of cards that tell of it. */
const talks = {
  pcie: (gpu: GPUInfo): boolean => gpu.pcieRxRate !== undefined,
  nvlink: (gpu: GPUInfo): boolean => gpu.nvlink !== undefined,
};

/** What to ask history for, with these interfaces. */
export function askedOf(
  info: HostInfo,
  nics: readonly string[],
): { readonly metrics: readonly string[]; readonly keys: readonly string[] } {
  return {
    metrics: [
      // Traffic also where no card has any now: there may be some in the range.
      ...(info.gpus.length === 0 ? [] : [...gpuMetrics, ...pcieMetrics, ...nvlinkMetrics]),
      ...hostMetrics,
      ...(nics.length === 0 ? [] : nicMetrics),
    ],
    keys: [...info.gpus.map(gpuKey), ...nics],
  };
}

/** Which lines there are, and their strokes. */
export interface Shown {
  /** Slots of cards, by their keys. */
  readonly cards: ReadonlyMap<string, number>;
  /** Slots of the interfaces that are charted, by their names. */
  readonly nics: ReadonlyMap<string, number>;
  /** Series that have samples in the range, by their ids. */
  readonly sampled: ReadonlySet<string>;
}

/** The charts of a host, in the order in which they are looked at. */
export function panelsOf(info: HostInfo, shown: Shown, t: Text): Panel[] {
  const cards = info.gpus.map((gpu, i): CardTrack => {
    const key = gpuKey(gpu);
    return { gpu, level: "gpu", key, name: t.card(cardName(gpu.id ?? i)), slot: shown.cards.get(key) ?? i };
  });
  const ofCards = (metric: string): Track[] => cards.map(({ gpu: _, ...of }) => ({ ...of, metric }));
  const host = (...named: readonly (readonly [string, string])[]): Track[] =>
    named.map(([metric, name], slot) => ({ level: "host", key: "", metric, name, slot }));
  const gpus: Panel[] = [
    panel({ id: "utilization", title: t.utilization, tracks: ofCards("gpu_utilization"), top: 100 }),
    panel({ id: "memory", title: t.memory, tracks: ofCards("gpu_memory_used"), top: memoryOf(info.gpus) }),
    panel({ id: "temperature", title: t.temperature, tracks: ofCards("gpu_temperature") }),
    panel({ id: "power", title: t.power, tracks: ofCards("gpu_power") }),
  ];
  const { sampled } = shown;
  return [
    ...(info.gpus.length === 0 ? [] : gpus),
    ...traffic({ id: "pcie", title: "PCIe", told: talks.pcie, metrics: pcieMetrics, cards, sampled }, t),
    ...traffic({ id: "nvlink", title: "NVLink", told: talks.nvlink, metrics: nvlinkMetrics, cards, sampled }, t),
    panel({
      id: "cpu",
      title: t.cpu,
      tracks: host(["cpu_utilization", t.cpu], ["cpu_iowait", t.iowait]),
      top: 100,
    }),
    panel({
      id: "host-memory",
      title: t.hostMemory,
      tracks: host(["memory_used", t.hostMemory], ["swap_used", t.swap]),
      top: Number(info.memory?.total ?? 0n),
    }),
    panel({ id: "load", title: t.load, tracks: host(["load1", t.load]) }),
    panel({
      id: "network",
      title: t.network,
      tracks: [...shown.nics].flatMap(([key, slot]) => bothWays({ level: "nic", key, name: key, slot }, nicMetrics, t)),
    }),
  ];
}

/** The metrics of one chart have the same unit. */
function panel({ top = 0, ...rest }: Omit<Panel, "unit" | "top"> & { readonly top?: number }): Panel {
  return { ...rest, top, unit: unitByMetric.get(rest.tracks[0]?.metric ?? "") ?? Unit.UNSPECIFIED };
}

type Ways = readonly [received: string, sent: string];

/** What a device receives, and below the axis in the same stroke what it sends. */
function bothWays(of: Omit<Track, "metric">, [received, sent]: Ways, t: Text): Track[] {
  return [
    { ...of, metric: received, name: `${of.name} ${t.receive}` },
    { ...of, metric: sent, name: `${of.name} ${t.transmit}`, below: true },
  ];
}

type CardTrack = Omit<Track, "metric"> & { readonly gpu: GPUInfo };

interface Traffic {
  readonly id: string;
  readonly title: string;
  told(gpu: GPUInfo): boolean;
  readonly metrics: Ways;
  readonly cards: readonly CardTrack[];
  readonly sampled: ReadonlySet<string>;
}

/** What cards receive and send: those that tell of it, or did in the range; no panel where there is none. */
function traffic({ id, title, told, metrics, cards, sampled }: Traffic, t: Text): Panel[] {
  const tracks = cards
    .filter(({ gpu, ...of }) => told(gpu) || metrics.some((metric) => sampled.has(idOf({ ...of, metric }))))
    .flatMap(({ gpu: _, ...of }) => bothWays(of, metrics, t));
  return tracks.length === 0 ? [] : [panel({ id, title, tracks })];
}

const memoryOf = (gpus: readonly GPUInfo[]): number =>
  Math.max(0, ...gpus.map(({ memTotal }) => Number(memTotal ?? 0n)));
