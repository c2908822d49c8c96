import { gpuKey, type Level } from "../../../proto/device.ts";
import type { GPUInfo, HostInfo, NicInfo } from "../../../proto/gen/host_pb.js";
import { Unit } from "../../../proto/gen/metric_pb.js";
import { unitByMetric } from "../../../proto/metric-unit.ts";
import { cardName } from "../../../proto/verdict.ts";
import { type ChartData, seriesId } from "../../history.ts";
import type { Text } from "../../text/text.ts";

/** One line of a chart: its series and name. */
interface Track {
  readonly level: Level;
  readonly key: string;
  readonly metric: string;
  readonly name: string;
  /** Number of its stroke (`strokeOf`). */
  readonly slot: number;
  /** Drawn below the axis: transmitted traffic, below received. */
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
/** Number of interfaces charted by default: dozens of lines would hide one another. */
export const nicsShown = 4;

/** Traffic of an interface in both directions, bytes per second. */
const rateOf = ({ rxRate = 0n, txRate = 0n }: NicInfo): number => Number(rxRate) + Number(txRate);

/**
 * Names of a host's interfaces, busiest first: by the sum of averages in `range`, then by current traffic; those that are
 * down come last, else they keep the order of the machine.
 */
export function busiest(info: HostInfo, range: ChartData | undefined): readonly string[] {
  const carried = (key: string): number =>
    nicMetrics
      .flatMap((metric) => [...(range?.series.get(seriesId({ level: "nic", key, metric }))?.avg ?? [])])
      .reduce((sum, value) => sum + (value || 0), 0);
  const nics = info.nics.map((nic) => {
    const name = nic.name ?? "";
    return { name, carried: carried(name), now: rateOf(nic), down: Number(nic.up === false) };
  });
  nics.sort((a, b) => b.carried - a.carried || b.now - a.now || a.down - b.down);
  return [...new Set(nics.map(({ name }) => name))];
}

/** True if a card reports such traffic, which is charted then. */
const hasTraffic = {
  pcie: (gpu: GPUInfo): boolean => gpu.pcieRxRate !== undefined,
  nvlink: (gpu: GPUInfo): boolean => gpu.nvlink !== undefined,
};

/** Series of a host's charts, with these interfaces. */
export function seriesOf(
  info: HostInfo,
  nics: readonly string[],
): { readonly metrics: readonly string[]; readonly keys: readonly string[] } {
  return {
    metrics: [
      // Traffic, too, if no card reports any now: there may be some in the range.
      ...(info.gpus.length === 0 ? [] : [...gpuMetrics, ...pcieMetrics, ...nvlinkMetrics]),
      ...hostMetrics,
      ...(nics.length === 0 ? [] : nicMetrics),
    ],
    keys: [...info.gpus.map(gpuKey), ...nics],
  };
}

/** Strokes of the lines, and the series with samples. */
export interface ChartSlots {
  /** Strokes of cards by key. */
  readonly cards: ReadonlyMap<string, number>;
  /** Strokes of the charted interfaces by name. */
  readonly nics: ReadonlyMap<string, number>;
  /** Ids of series that have samples in the range. */
  readonly sampled: ReadonlySet<string>;
}

/**
 * Charts of a host, most important first: of what it reports, or has reported within the range. A client of the logger, for
 * example, reports GPUs alone.
 */
export function panelsOf(info: HostInfo, shown: ChartSlots, t: Text): Panel[] {
  const cards = info.gpus.map((gpu, i): CardTrack => {
    const key = gpuKey(gpu);
    return { gpu, level: "gpu", key, name: t.card(cardName(gpu.id ?? i)), slot: shown.cards.get(key) ?? i };
  });
  const ofCards = (metric: string): Track[] => cards.map(({ gpu: _, ...of }) => ({ ...of, metric }));
  const host = (...named: readonly (readonly [string, string])[]): Track[] =>
    named.map(([metric, name], slot) => ({ level: "host", key: "", metric, name, slot }));
  const { sampled } = shown;
  const { gpus, cpu, memory, system } = info;
  /** A chart, unless nothing is known of it. */
  const known = (isReported: boolean, of: PanelOptions): Panel[] =>
    isReported || of.tracks.some((track) => sampled.has(seriesId(track))) ? [panel(of)] : [];
  const reports = (reading: (gpu: GPUInfo) => unknown): boolean => gpus.some((gpu) => reading(gpu) !== undefined);
  return [
    ...known(
      reports((gpu) => gpu.utilization),
      { id: "utilization", title: t.utilization, tracks: ofCards("gpu_utilization"), top: 100 },
    ),
    ...known(
      reports((gpu) => gpu.memUsed),
      { id: "memory", title: t.memory, tracks: ofCards("gpu_memory_used"), top: memoryOf(gpus) },
    ),
    ...known(
      reports((gpu) => gpu.temp),
      { id: "temperature", title: t.temperature, tracks: ofCards("gpu_temperature") },
    ),
    ...known(
      reports((gpu) => gpu.power),
      { id: "power", title: t.power, tracks: ofCards("gpu_power") },
    ),
    ...traffic({ id: "pcie", title: "PCIe", reports: hasTraffic.pcie, metrics: pcieMetrics, cards, sampled }, t),
    ...traffic(
      { id: "nvlink", title: "NVLink", reports: hasTraffic.nvlink, metrics: nvlinkMetrics, cards, sampled },
      t,
    ),
    ...known(cpu?.busy !== undefined, {
      id: "cpu",
      title: t.cpu,
      tracks: host(["cpu_utilization", t.cpu], ["cpu_iowait", t.iowait]),
      top: 100,
    }),
    ...known(memory?.used !== undefined, {
      id: "host-memory",
      title: t.hostMemory,
      tracks: host(["memory_used", t.hostMemory], ["swap_used", t.swap]),
      top: Number(memory?.total ?? 0n),
    }),
    ...known(system?.load1 !== undefined, { id: "load", title: t.load, tracks: host(["load1", t.load]) }),
    ...known(shown.nics.size > 0, {
      id: "network",
      title: t.network,
      tracks: [...shown.nics].flatMap(([key, slot]) =>
        bothDirections({ level: "nic", key, name: key, slot }, nicMetrics, t),
      ),
    }),
  ];
}

type PanelOptions = Omit<Panel, "unit" | "top"> & { readonly top?: number };

/** Adds the unit, which all metrics of a chart have in common. */
function panel({ top = 0, ...rest }: PanelOptions): Panel {
  return { ...rest, top, unit: unitByMetric.get(rest.tracks[0]?.metric ?? "") ?? Unit.UNSPECIFIED };
}

type Directions = readonly [received: string, sent: string];

/** Received traffic of a device above the axis, and transmitted below it with the same stroke. */
function bothDirections(of: Omit<Track, "metric">, [received, sent]: Directions, t: Text): Track[] {
  return [
    { ...of, metric: received, name: `${of.name} ${t.receive}` },
    { ...of, metric: sent, name: `${of.name} ${t.transmit}`, below: true },
  ];
}

type CardTrack = Omit<Track, "metric"> & { readonly gpu: GPUInfo };

interface Traffic {
  readonly id: string;
  readonly title: string;
  reports(gpu: GPUInfo): boolean;
  readonly metrics: Directions;
  readonly cards: readonly CardTrack[];
  readonly sampled: ReadonlySet<string>;
}

/** Chart of the traffic of cards that report it, now or within the range; none if no card does. */
function traffic({ id, title, reports, metrics, cards, sampled }: Traffic, t: Text): Panel[] {
  const tracks = cards
    .filter(({ gpu, ...of }) => reports(gpu) || metrics.some((metric) => sampled.has(seriesId({ ...of, metric }))))
    .flatMap(({ gpu: _, ...of }) => bothDirections(of, metrics, t));
  return tracks.length === 0 ? [] : [panel({ id, title, tracks })];
}

const memoryOf = (gpus: readonly GPUInfo[]): number =>
  Math.max(0, ...gpus.map(({ memTotal }) => Number(memTotal ?? 0n)));
