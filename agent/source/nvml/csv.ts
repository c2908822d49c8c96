import type { ComputeMode } from "../../../proto/gen/host_pb.js";
import { dropImplausible } from "../source.ts";
import { throttles } from "./card.ts";
import { lost, mostErrors, type NvmlGpu, type NvmlProc, nvidia, ok, put, unsupported } from "./gpu.ts";

/** One line of comma-separated values; a value in double quotes may hold commas, and quotes as "". */
export function cells(line: string): string[] {
  const found: string[] = [];
  let rest = line;
  for (;;) {
    const [all = "", quoted, plain = ""] = /^\s*(?:"((?:[^"]|"")*)"\s*|([^,]*))(?=,|$)/.exec(rest) ?? [
      rest,
      undefined,
      rest,
    ];
    found.push(quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'));
    if (all.length >= rest.length) return found;
    rest = rest.slice(all.length + 1);
  }
}

/** Undefined for what nvidia-smi writes in place of a value: "[N/A]", "[Not Supported]", "[GPU requires reset]", "ERR!". */
const said = (cell: string): string | undefined =>
  /^(\[.*\]|N\/A|ERR!|Unknown Error|Not Supported|)$/i.test(cell) ? undefined : cell;

/** True if the device does not have the value, as against one that could not be read. */
const unsupportedCell = (cell: string): boolean => /^\[?(N\/A|Not Supported)\]?$/i.test(cell);

/** "00000000:1B:00.0" as lspci writes it; undefined for anything else. */
const busIdOf = (text: string): string | undefined =>
  /^(?:0000)?([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/.exec(text.toLowerCase())?.[1];

/** @param factor To the unit of the wire. */
function amount(cell: string, most: number, factor = 1): number | undefined {
  const text = said(cell);
  const value = text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Math.round(Number(text) * factor) : undefined;
  return value !== undefined && value <= most ? value : undefined;
}

function bytes(cell: string): bigint | undefined {
  // 64 TiB in MiB.
  const mebibytes = amount(cell, 1 << 26);
  return mebibytes === undefined ? undefined : BigInt(mebibytes) * 1_048_576n;
}

const computeModes: readonly string[] = ["Default", "Exclusive_Thread", "Prohibited", "Exclusive_Process"];

/** What one value of `--query-gpu` is of a GPU. */
type Column = (gpu: NvmlGpu, cell: string) => void;

/**
 * Names of `nvidia-smi --help-query-gpu`, and where each goes. memory.free before memory.total, so that what is in use
 * follows from both (docs/decisions/0002); a link's maxima after what it runs at. It offers no counts of remapped rows, PCIe and
 * NVLink: those are queries of their own, each another start of the program.
 */
export const columns = {
  index: (gpu, cell) => put(gpu, "id", amount(cell, 1024)),
  uuid: (gpu, cell) => put(gpu, "uuid", said(cell)),
  name: (gpu, cell) => put(gpu, "name", said(cell)),
  "pci.bus_id": (gpu, cell) => put(gpu, "pciBusId", busIdOf(cell)),
  "memory.free": (gpu, cell) => put(gpu, "memUsed", bytes(cell)),
  "memory.total": (gpu, cell) => {
    const total = bytes(cell);
    const free = gpu.memUsed;
    delete gpu.memUsed;
    put(gpu, "memTotal", total);
    if (total === 0n || unsupportedCell(cell)) gpu.memoryShared = true;
    if (total !== undefined && free !== undefined && free <= total) gpu.memUsed = total - free;
  },
  "utilization.gpu": (gpu, cell) => put(gpu, "utilization", amount(cell, 100)),
  "utilization.memory": (gpu, cell) => put(gpu, "memUtilization", amount(cell, 100)),
  "temperature.gpu": (gpu, cell) => put(gpu, "temp", amount(cell, 200)),
  "fan.speed": (gpu, cell) => put(gpu, "fanspeed", amount(cell, 200)),
  "power.draw": (gpu, cell) => put(gpu, "power", amount(cell, 10_000_000, 1000)),
  "enforced.power.limit": (gpu, cell) => put(gpu, "powerLimit", amount(cell, 10_000_000, 1000)),
  "clocks.sm": (gpu, cell) => put(gpu, "clockSm", amount(cell, 20_000)),
  "clocks.mem": (gpu, cell) => put(gpu, "clockMem", amount(cell, 50_000)),
  "ecc.errors.corrected.volatile.total": (gpu, cell) => put(gpu, "eccCorrected", count(cell)),
  "ecc.errors.uncorrected.volatile.total": (gpu, cell) => put(gpu, "eccUncorrected", count(cell)),
  "pcie.link.gen.current": (gpu, cell) => link(gpu, "generation", amount(cell, 16) || undefined),
  "pcie.link.width.current": (gpu, cell) => link(gpu, "width", amount(cell, 64) || undefined),
  "pcie.link.gen.max": (gpu, cell) => most(gpu, ["generation", "generationMax"], amount(cell, 16) || undefined),
  "pcie.link.width.max": (gpu, cell) => most(gpu, ["width", "widthMax"], amount(cell, 64) || undefined),
  "utilization.encoder": (gpu, cell) => put(gpu, "encoder", amount(cell, 100)),
  "utilization.decoder": (gpu, cell) => put(gpu, "decoder", amount(cell, 100)),
  pstate: (gpu, cell) => put(gpu, "performance", amount(cell.replace(/^P/, ""), 15)),
  persistence_mode: (gpu, cell) => put(gpu, "persistence", flag(cell)),
  compute_mode: (gpu, cell) => {
    const mode = computeModes.indexOf(cell);
    if (mode >= 0) gpu.computeMode = (mode + 1) as ComputeMode;
  },
  "memory.reserved": (gpu, cell) => put(gpu, "memReserved", bytes(cell)),
  "temperature.memory": (gpu, cell) => put(gpu, "memTemp", amount(cell, 200) || undefined),
  // The same twice: drivers since 535 call it the second, and may drop the first.
  "clocks_throttle_reasons.active": (gpu, cell) => reasons(gpu, cell),
  "clocks_event_reasons.active": (gpu, cell) => reasons(gpu, cell),
  "mig.mode.current": (gpu, cell) => {
    if (flag(cell)) gpu.divided = true;
  },
} as const satisfies Readonly<Record<string, Column>>;

export type ColumnName = keyof typeof columns;

function reasons(gpu: NvmlGpu, cell: string): void {
  if (/^0x[0-9a-f]{1,16}$/i.test(cell)) gpu.throttle = throttles(BigInt(cell));
}

const count = (cell: string): bigint | undefined => {
  const value = amount(cell, mostErrors);
  return value === undefined ? undefined : BigInt(value);
};

const flag = (cell: string): boolean | undefined =>
  cell === "Enabled" ? true : cell === "Disabled" ? false : undefined;

type LinkField = keyof NonNullable<NvmlGpu["pcie"]>;

function link(gpu: NvmlGpu, name: LinkField, value: number | undefined): void {
  if (value !== undefined) gpu.pcie = { ...gpu.pcie, [name]: value };
}

/** Sets a maximum if it is greater. */
function most(gpu: NvmlGpu, [now, max]: readonly [LinkField, LinkField], value: number | undefined): void {
  if (value !== gpu.pcie?.[now]) link(gpu, max, value);
}

/** What one answer to `--query-gpu` says. */
export interface SmiTable {
  readonly gpus: NvmlGpu[];
  readonly driver: string | undefined;
  /** Lines that are no GPU: what went wrong, in nvidia-smi's words. */
  readonly rest: string[];
}

/** @param names Columns that follow driver_version. */
export function parseGpus(text: string, names: readonly ColumnName[]): SmiTable {
  const gpus: NvmlGpu[] = [];
  const dead: NvmlGpu[] = [];
  const rest: string[] = [];
  let driver: string | undefined;
  for (const line of text.split("\n").map((each) => each.trim())) {
    if (line === "") continue;
    const [version = "", ...values] = cells(line);
    const gpu: NvmlGpu = { vendor: nvidia, state: ok, procs: [] };
    if (values.length === names.length) names.forEach((name, i) => void columns[name](gpu, values[i] ?? ""));
    // A line without a GPU number is something else that happens to have as many commas.
    if (gpu.id !== undefined) {
      gpus.push(dropImplausible(gpu));
      driver ??= said(version);
      continue;
    }
    const complaint = deadCard(line);
    if (complaint === undefined) rest.push(line);
    else dead.push(complaint);
  }
  // Not numbered in the complaint, or by another rule: the first numbers that no other card has.
  const taken = new Set(gpus.map(({ id }) => id));
  for (const gpu of dead) {
    let id = 0;
    while (taken.has(id)) id++;
    taken.add(id);
    gpus.push({ ...gpu, id });
  }
  return { gpus, driver, rest };
}

/** A card that nvidia-smi knows by its place alone, from its complaint; undefined for any other line. */
function deadCard(line: string): NvmlGpu | undefined {
  const [, place = "", why = ""] =
    /^Unable to determine the device handle for GPU ?\d*:? ?([0-9a-f]{4,8}:\S+): (.*)$/i.exec(line) ?? [];
  const pciBusId = busIdOf(place);
  if (pciBusId === undefined) return undefined;
  const state = /permission/i.test(why) ? unsupported : lost;
  return { vendor: nvidia, pciBusId, state, err: `nvidia-smi: ${line}` };
}

/** What one answer to `--query-compute-apps` says. */
export interface Apps {
  /** By the uuid of the GPU. */
  readonly procs: ReadonlyMap<string, NvmlProc[]>;
  /** True if the processes of a GPU, by its uuid, are not all among them. */
  hides(uuid: string): boolean;
}

/** Processes from `--query-compute-apps=gpu_uuid,pid,used_memory`. */
export function parseApps(text: string): Apps {
  const found = new Map<string, NvmlProc[]>();
  // "[Not Supported], [Not Supported], [Not Supported]" is of every GPU; a process without a number is of its own.
  const hidden = new Set<string>();
  for (const line of text.split("\n")) {
    const values = cells(line);
    const [uuid = "", number = "", memory = ""] = values;
    const pid = amount(number, 0xffff_ffff);
    if (values.length === 3 && said(number) === undefined) hidden.add(said(uuid) ?? "");
    if (values.length !== 3 || uuid === "" || !pid) continue;
    const mem = bytes(memory);
    const proc: NvmlProc = { pid, compute: true, ...(mem === undefined ? {} : { mem }) };
    found.set(uuid, [...(found.get(uuid) ?? []), proc]);
  }
  return { procs: found, hides: (uuid) => hidden.has(uuid) || hidden.has("") };
}
