import { clean as cleanText, limitOf } from "../proto/clean.ts";
import { type Device, devices, type Level } from "../proto/device.ts";
import { type GPUInfo, type HostInfo, State } from "../proto/gen/host_pb.js";
import { type SourceName, sourceOf } from "../proto/source.ts";
import { sanitize } from "./clean.ts";
import { ClockGuard } from "./clock.ts";
import { kept, type Measured, type Store } from "./history/store.ts";
import type { Live } from "./live.ts";
import { type Log, silent } from "./log.ts";

/** A sample's own time is used when it is no older than this; else the clock of the machine is off. Milliseconds. */
const skew = 30_000;

/** Metrics that stand in one part of a device's message: their places in `kept[level]`, and how to read them. */
interface Part {
  /** Fields to follow from the device's message to the part; none where that is the message itself. */
  readonly path: readonly string[];
  /** The source that fills it; undefined where its device has a state of its own. */
  readonly source: SourceName | undefined;
  readonly fields: readonly { readonly place: number; readonly name: string; readonly fraction: boolean }[];
}

/** A poll of a large host reads hundreds of values: where each of them stands is worked out once. */
const parts: Readonly<Record<Level, readonly Part[]>> = {
  host: partsOf("host"),
  gpu: partsOf("gpu"),
  disk: partsOf("disk"),
  nic: partsOf("nic"),
};

function partsOf(level: Level): Part[] {
  const named = kept[level].map(({ path, fraction }, place) => ({
    names: path.map((f) => f.localName),
    fraction,
    place,
  }));
  return [...Map.groupBy(named, ({ names }) => names.slice(0, -1).join("."))].map(([part, fields]) => {
    const path = part.split(".").filter((name) => name !== "");
    const source = Object.entries(sourceOf).find(([field]) => level === "host" && field === path[0])?.[1];
    return { path, source, fields: fields.map(({ names, ...rest }) => ({ ...rest, name: names.at(-1) ?? "" })) };
  });
}

export interface Keeping {
  readonly live: Live;
  readonly history: Pick<Store, "append">;
  readonly now: () => number;
  /** Unix milliseconds of the newest sample in history; undefined where there is none. */
  readonly newest?: number | undefined;
  readonly log?: Log;
}

/** The single door through which what a host says, or that it is silent, enters the hub. */
export class Ingest {
  readonly #to: Keeping;
  /** When each device was last read, as its host says: a reading that is given twice is no new sample. */
  readonly #read = new Map<string, Map<string, bigint>>();
  /** Arrays for values, used again with every poll: the first GPU's, the second's, … */
  readonly #rows: Readonly<Record<Level, Float64Array[]>> = { host: [], gpu: [], disk: [], nic: [] };

  readonly #clock: ClockGuard;
  #doubted = false;

  constructor(to: Keeping) {
    this.#to = to;
    this.#clock = new ClockGuard(to.newest);
  }

  expect(name: string, address: string): void {
    if (this.#to.live.host(name)?.address !== address) this.#read.delete(name);
    this.#to.live.expect(name, address);
  }

  forget(name: string): void {
    this.#read.delete(name);
    this.#to.live.forget(name);
  }

  dialling(name: string): void {
    this.#to.live.dialling(name);
  }

  /** @param reason may quote what the host, or whatever answers at its address, said */
  failed(name: string, reason: string): void {
    this.#to.live.failed(name, cleanText(reason, limitOf("err")));
  }

  /** Takes the answer of a host; `info` belongs to the hub from now on. */
  received(name: string, info: HostInfo): void {
    if (this.#to.live.host(name) === undefined) return;
    sanitize(info);
    this.#to.live.received(name, info);
    const measured = this.#measured(name, info);
    if (!this.#believed(info)) return;
    if (measured.length > 0) this.#to.history.append({ host: name, at: this.#time(info), devices: measured });
  }

  /** Whether the hub's clock can be right: what is kept under a wrong date stays in the summaries for ever. */
  #believed({ sampled }: HostInfo): boolean {
    const { live, log = silent, now } = this.#to;
    const at = now();
    const believed = this.#clock.believes(at, sampled === undefined ? undefined : Number(sampled));
    if (believed !== this.#doubted) return believed;
    this.#doubted = !believed;
    const text = `This machine's clock says ${new Date(at).toISOString().slice(0, 16)}Z, which cannot be right: until it is set, live values go on and nothing is kept in history.`;
    live.notice("clock", believed ? undefined : text);
    if (believed) log.info("the clock of this machine is plausible again: history is kept");
    else log.warn(text);
    return believed;
  }

  #time(info: HostInfo): number {
    const now = this.#to.now();
    const own = Number(info.sampled ?? 0n);
    return own <= now && own > now - skew ? own : now;
  }

  #measured(name: string, info: HostInfo): Measured[] {
    const stale = new Set(info.sources.filter((s) => (s.state ?? State.OK) !== State.OK).map((s) => s.name ?? ""));
    const before = this.#read.get(name) ?? new Map<string, bigint>();
    const after = new Map<string, bigint>();
    this.#read.set(name, after);
    const measured: Measured[] = [];
    const used: Record<Level, number> = { host: 0, gpu: 0, disk: 0, nic: 0 };
    const seen = new Set<string>();
    for (const device of devices(info)) {
      const id = `${device.level}\n${device.key}`;
      // Two devices of one key (a broken driver, one filesystem listed twice): the first is the one that is kept.
      if (seen.has(id) || (device.level !== "host" && device.key === "")) continue;
      seen.add(id);
      const { sampled } = device.message as { sampled?: bigint };
      if (sampled !== undefined && device.level !== "host") after.set(id, sampled);
      if (!fresh(device, info, before.get(id), stale)) continue;
      const { level, key, message } = device;
      const values = this.#rows[level][used[level]] ?? new Float64Array(kept[level].length);
      this.#rows[level][used[level]] = values;
      if (!fill(values, device, stale)) continue;
      used[level]++;
      measured.push(
        level === "gpu" ? { level, key, index: (message as GPUInfo).id ?? 0, values } : { level, key, values },
      );
    }
    return measured;
  }
}

/** Whether a reading was made for this answer: one that is repeated from before must not look like a measurement. */
function fresh(device: Device, info: HostInfo, before: bigint | undefined, stale: ReadonlySet<string>): boolean {
  if (device.level === "host") return true;
  if (device.level === "nic") return !stale.has(sourceOf.nics);
  const { state, sampled } = device.message as { state?: State; sampled?: bigint };
  if (state !== undefined && state !== State.OK && state !== State.UNSPECIFIED) return false;
  if (sampled === undefined) return true;
  if (before !== undefined && sampled <= before) return false;
  return info.sampled === undefined || sampled + BigInt(skew) > info.sampled;
}

/** Reads the metrics of a device into `values`, NaN where one is absent. False when all of them are. */
function fill(values: Float64Array, { level, message }: Device, stale: ReadonlySet<string>): boolean {
  values.fill(Number.NaN);
  let any = false;
  for (const part of parts[level]) {
    if (part.source !== undefined && stale.has(part.source)) continue;
    let at: object | undefined = message;
    for (const name of part.path) at = (at as Record<string, object | undefined> | undefined)?.[name];
    if (at === undefined) continue;
    for (const { place, name, fraction } of part.fields) {
      const held = (at as Record<string, number | bigint | undefined>)[name];
      if (held === undefined) continue;
      const value = fraction ? rounded(Number(held)) : Number(held);
      if (!Number.isFinite(value)) continue;
      values[place] = value;
      any = true;
    }
  }
  return any;
}

/** Two decimals, as docs/metrics.md promises: further digits tell nothing and cost room. Never -0, which no view expects. */
function rounded(value: number): number {
  return Math.abs(value) < Number.MAX_SAFE_INTEGER / 100 ? Math.round(value * 100) / 100 + 0 : value;
}
