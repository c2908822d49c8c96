import { byLevel, type Device, devices, type Level } from "../../proto/device.ts";
import { type GPUInfo, type HostInfo, State } from "../../proto/gen/host_pb.js";
import { type SourceName, sourceOf } from "../../proto/source.ts";
import { type DeviceSample, kept } from "../history/store.ts";

/** Greatest age of a device's values, compared with their report. Milliseconds, as `sampled`. */
const freshMs = 30_000n;

/** Metrics in one part of a device's message: their places in `kept[level]`, and how to read them. */
interface MessagePart {
  /** Fields to follow from the device's message to the part; empty where that is the message itself. */
  readonly path: readonly string[];
  /** The source that fills it; undefined where its device has a state of its own. */
  readonly source: SourceName | undefined;
  readonly fields: readonly MeasuredField[];
}

/** A scalar field of such a part. */
interface MeasuredField {
  readonly place: number;
  readonly name: string;
  readonly fraction: boolean;
  /** The field beside it with the same reading in more digits. */
  readonly exact: string | undefined;
}

/** Computed once, as a report of a large host has hundreds of values. */
const parts: Readonly<Record<Level, readonly MessagePart[]>> = byLevel(partsOf);

function partsOf(level: Level): MessagePart[] {
  const named = kept[level].map(({ path, fraction, exact }, place) => ({
    names: path.map((f) => f.localName),
    fraction,
    exact: exact?.at(-1)?.localName,
    place,
  }));
  return [...Map.groupBy(named, ({ names }) => names.slice(0, -1).join("."))].map(([part, fields]) => {
    const path = part.split(".").filter((name) => name !== "");
    const source = Object.entries(sourceOf).find(([field]) => level === "host" && field === path[0])?.[1];
    return { path, source, fields: fields.map(({ names, ...rest }) => ({ ...rest, name: names.at(-1) ?? "" })) };
  });
}

/** Times at which the devices of a report were read, by the host's clock: "level\nkey" → Unix milliseconds. */
export type ReadTimes = ReadonlyMap<string, bigint>;

export interface Measurement {
  /** Their arrays of values are reused by the next measurement. */
  readonly devices: readonly DeviceSample[];
  readonly times: ReadTimes;
}

/** Extracts the values that history keeps from reports. */
export class Meter {
  /** Arrays of values, reused for every report: the first GPU's, the second's, … */
  readonly #rows: Readonly<Record<Level, Float64Array[]>> = byLevel(() => []);

  /** Devices of the report that is measured: "level\nkey". */
  readonly #seen = new Set<string>();

  /**
   * Extracts what was measured for this report, without values that a failed source or a device repeats from an earlier one.
   * @param before of the previous report of the host
   * @param late true if reports come in any order: only a device with the same time is a repeated one then
   */
  measure(info: HostInfo, before: ReadTimes, late: boolean): Measurement {
    const stale = staleOf(info);
    const times = new Map<string, bigint>();
    const measured: DeviceSample[] = [];
    const used: Record<Level, number> = { host: 0, gpu: 0, disk: 0, nic: 0 };
    const seen = this.#seen;
    seen.clear();
    for (const device of devices(info)) {
      const { level, key, message } = device;
      const id = `${level}\n${key}`;
      // Two devices with one key (a broken driver, one filesystem listed twice): the first one counts.
      if (seen.has(id) || (level !== "host" && key === "")) continue;
      seen.add(id);
      const { sampled } = message as { sampled?: bigint };
      if (sampled !== undefined && level !== "host") {
        times.set(id, sampled);
        const last = before.get(id);
        if (last !== undefined && (late ? sampled === last : sampled <= last)) continue;
      }
      if (!fresh(device, info, stale)) continue;
      const values = this.#rows[level][used[level]] ?? new Float64Array(kept[level].length);
      this.#rows[level][used[level]] = values;
      if (!fill(values, device, stale)) continue;
      used[level]++;
      measured.push(level === "gpu" ? cardOf(key, message as GPUInfo, values) : { level, key, values });
    }
    return { devices: measured, times };
  }
}

function cardOf(key: string, { id = 0, name }: GPUInfo, values: Float64Array): DeviceSample {
  return { level: "gpu", key, index: id, ...(name ? { name } : {}), values };
}

const none: ReadonlySet<string> = new Set();

/** Names of the sources that failed: their values are repeated from an earlier report. */
function staleOf({ sources }: HostInfo): ReadonlySet<string> {
  let stale: Set<string> | undefined;
  for (const { name = "", state = State.OK } of sources) {
    if (state !== State.OK) stale = (stale ?? new Set()).add(name);
  }
  return stale ?? none;
}

/** True if the device was read for this report: repeated values are no measurement. */
function fresh({ level, message }: Device, info: HostInfo, stale: ReadonlySet<string>): boolean {
  if (level === "host") return true;
  if (level === "nic") return !stale.has(sourceOf.nics);
  const { state, sampled } = message as { state?: State; sampled?: bigint };
  if (state !== undefined && state !== State.OK && state !== State.UNSPECIFIED) return false;
  return sampled === undefined || info.sampled === undefined || sampled + freshMs > info.sampled;
}

/** Reads the metrics of a device into `values`, NaN where one is absent. False if all are. */
function fill(values: Float64Array, { level, message }: Device, stale: ReadonlySet<string>): boolean {
  values.fill(Number.NaN);
  let any = false;
  for (const part of parts[level]) {
    if (part.source !== undefined && stale.has(part.source)) continue;
    let at: object | undefined = message;
    for (const name of part.path) at = (at as Record<string, object | undefined> | undefined)?.[name];
    if (at === undefined) continue;
    for (const { place, name, fraction, exact } of part.fields) {
      const fields = at as Record<string, number | bigint | undefined>;
      const refined = exact === undefined ? undefined : fields[exact];
      const read = refined ?? fields[name];
      if (read === undefined) continue;
      const value = fraction || refined !== undefined ? rounded(Number(read)) : Number(read);
      if (!Number.isFinite(value)) continue;
      values[place] = value;
      any = true;
    }
  }
  return any;
}

/** Rounds to two decimals, as docs/metrics.md promises: further digits are noise and cost room. Never -0. */
function rounded(value: number): number {
  return Math.abs(value) < Number.MAX_SAFE_INTEGER / 100 ? Math.round(value * 100) / 100 + 0 : value;
}
