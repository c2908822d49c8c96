import type { DiskInfo, NicInfo, SourceInfo } from "../../../proto/gen/host_pb.js";
import { State } from "../../../proto/gen/host_pb.js";
import { percentOf } from "../../../proto/verdict.ts";
import type { CsvCell } from "../../csv/row.ts";
import type { JsonAnswer } from "../../route/route.ts";
import type { v1Routes } from "../../route/v1.ts";
import type { SeenHost } from "../fleet.ts";
import { cardRow, cardsOf, countVerdicts, isoTime, measured, numberOf, readingOf } from "./card.ts";
import { lazily } from "./list.ts";

type HostRow = JsonAnswer<typeof v1Routes.listHosts>["hosts"][number];
type HostDetails = JsonAnswer<typeof v1Routes.getHost>;

/** A host as /api/v1/hosts has it. */
export function hostRow(seen: SeenHost): HostRow {
  const { host, info, labels } = seen;
  const { system, cpu, memory } = info ?? {};
  return {
    name: host.name,
    shown_name: seen.shown,
    group: host.profile?.group ?? null,
    labels,
    address: host.address,
    state: seen.state,
    since: isoTime(seen.since),
    reason: seen.reason ?? null,
    seen: isoTime(host.seen),
    interval_seconds: seen.intervalSec,
    agent_version: info?.agentVersion || null,
    hostname: info?.hostname || null,
    ip: info?.ip || null,
    os: system?.os || null,
    os_version: system?.osVersion || null,
    kernel: system?.kernel || null,
    driver_version: system?.driverVersion || null,
    cuda_version: system?.cudaVersion || null,
    uptime_seconds: numberOf(system?.uptime),
    cpu_percent: cpu?.busy ?? null,
    cpu_threads: cpu?.threads ?? null,
    load1: system?.load1 ?? null,
    memory_total_bytes: numberOf(memory?.total),
    memory_used_bytes: numberOf(memory?.used),
    ...diskFigures(info?.disks ?? []),
    gpu_count: countVerdicts(cardsOf(seen)),
  };
}

/** Sums over the filesystems that can be written and that answered; a read-only one (an image, a CD) is full by nature. */
function diskFigures(
  disks: readonly DiskInfo[],
): Pick<HostRow, "disk_fullest" | "disk_fullest_percent" | "disk_total_bytes" | "disk_used_bytes"> {
  const known = disks.flatMap(({ mount, device, used, total, readOnly, state }) => {
    const share = percentOf(used, total);
    const isOld = state === State.HUNG || state === State.STALE;
    if (share === undefined || readOnly === true || isOld) return [];
    return [{ mount: mount ?? device ?? "", share, used: Number(used), total: Number(total) }];
  });
  const [fullest] = known.toSorted((a, b) => b.share - a.share);
  const sum = (key: "used" | "total"): number | null =>
    known.length === 0 ? null : known.reduce((all, disk) => all + disk[key], 0);
  return {
    disk_fullest: fullest?.mount ?? null,
    disk_fullest_percent: fullest === undefined ? null : Math.round(fullest.share * 100) / 100,
    disk_total_bytes: sum("total"),
    disk_used_bytes: sum("used"),
  };
}

/** Everything of a host, as /api/v1/hosts/{name} has it; its lists are made when they are written. */
export function hostDetails(seen: SeenHost): { readonly [K in keyof HostDetails]: Rows<HostDetails[K]> } {
  const { host, info } = seen;
  return {
    ...hostRow(seen),
    cpu_model: info?.cpu?.model || null,
    clock_skew_ms: host.skewMs ?? null,
    metrics: info === undefined ? {} : measured("host", info),
    gpus: lazily(cardsOf(seen), (card) => ({ ...cardRow(card), metrics: measured("gpu", card.gpu) })),
    disks: lazily(info?.disks ?? [], diskRow),
    nics: lazily(info?.nics ?? [], nicRow),
    sources: lazily(info?.sources ?? [], sourceRow),
  };
}

type Rows<T> = T extends (infer R)[] ? Iterable<R> : T;

const diskRow = (disk: DiskInfo): HostDetails["disks"][number] => ({
  mount: disk.mount ?? null,
  device: disk.device ?? null,
  fstype: disk.fstype ?? null,
  total_bytes: numberOf(disk.total),
  used_bytes: numberOf(disk.used),
  available_bytes: numberOf(disk.available),
  read_only: disk.readOnly === true,
  state: readingOf(disk.state),
  metrics: measured("disk", disk),
});

const nicRow = (nic: NicInfo): HostDetails["nics"][number] => ({
  name: nic.name ?? null,
  addresses: nic.addresses,
  up: nic.up ?? null,
  speed_bytes_per_second: numberOf(nic.speed),
  receive_bytes_per_second: numberOf(nic.rxRate),
  transmit_bytes_per_second: numberOf(nic.txRate),
  metrics: measured("nic", nic),
});

const sourceRow = ({ name, state, sampled, err }: SourceInfo): HostDetails["sources"][number] => ({
  name: name ?? null,
  state: readingOf(state),
  sampled: isoTime(sampled),
  error: err || null,
});

/** Columns of hosts in CSV: cards by verdict are the last ones. */
export const hostColumns: readonly string[] = [
  ...["name", "shown_name", "group", "labels", "address", "state", "since", "reason", "seen", "interval_seconds"],
  ...["agent_version", "hostname", "ip", "os", "os_version", "kernel", "driver_version", "cuda_version"],
  ...["uptime_seconds", "cpu_percent", "cpu_threads", "load1", "memory_total_bytes", "memory_used_bytes"],
  ...["disk_fullest", "disk_fullest_percent", "disk_total_bytes", "disk_used_bytes"],
  ...["gpus_free", "gpus_held", "gpus_busy", "gpus_broken", "gpus_unknown"],
];

export function hostCell(row: HostRow, column: string): CsvCell {
  if (column === "labels") return Object.entries(row.labels).map(([name, value]) => `${name}=${value}`);
  const [, verdict] = /^gpus_(.*)$/.exec(column) ?? [];
  if (verdict !== undefined) return row.gpu_count[verdict as keyof HostRow["gpu_count"]];
  return row[column as Exclude<keyof HostRow, "labels" | "gpu_count">];
}
