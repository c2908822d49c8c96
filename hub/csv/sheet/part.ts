import type { DeviceId, Store } from "../../history/store.ts";

/** A time, and the devices that may have samples then. */
export interface SheetPart<D> {
  /** Unix milliseconds, half-open. */
  readonly from: number;
  readonly to: number;
  /** In the order of the query. */
  readonly devices: readonly D[];
  /** Samples of all of them at most; Infinity if they were not counted. */
  readonly samples: number;
}

interface PartQuery<D> {
  readonly history: Pick<Store, "read">;
  readonly devices: readonly D[];
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

/** A device with its series. */
interface PartDevice {
  readonly device: DeviceId & { readonly series: readonly { readonly metric: string }[] };
}

const dayMs = 86_400_000;
/** Days that history keeps together in one row of a device. Milliseconds. */
const spanMs = 48 * dayMs;
/** A shorter range is one part. Milliseconds. */
const shortMs = 2 * dayMs;
/** Devices whose samples are counted at a time. */
const mostDevices = 128;

/**
 * Divides a range into parts, in the order of time, and leaves out devices and times without samples. Parts end with days, and
 * have no more samples than `most`, if they are longer than a day.
 * @throws Fault canceled
 */
export async function* partsOf<D extends PartDevice>(query: PartQuery<D>, most: number): AsyncGenerator<SheetPart<D>> {
  const { devices, from, to, step } = query;
  // A bucket must not be in two parts.
  if (to - from <= shortMs || (step > 0 && dayMs % step > 0)) {
    yield { from, to, devices, samples: Number.POSITIVE_INFINITY };
    return;
  }
  for (const span of await countsOf(query, spanMs)) {
    const inSpan = { ...query, ...span, from: Math.max(from, span.from), to: Math.min(to, span.to) };
    let days: Counts<D>[] = [];
    let samples = 0;
    for (const day of await countsOf(inSpan, dayMs)) {
      if (days.length > 0 && samples + day.samples > most) {
        yield joined(days, query);
        days = [];
        samples = 0;
      }
      days.push(day);
      samples += day.samples;
    }
    if (days.length > 0) yield joined(days, query);
  }
}

type Counts<D> = SheetPart<D>;

/** One part of consecutive ones. */
function joined<D>(days: readonly Counts<D>[], { devices, from, to }: PartQuery<D>): SheetPart<D> {
  const there = new Set(days.flatMap((day) => day.devices));
  return {
    from: Math.max(from, Math.min(...days.map((day) => day.from))),
    to: Math.min(to, Math.max(...days.map((day) => day.to))),
    devices: devices.filter((device) => there.has(device)),
    samples: days.reduce((sum, day) => sum + day.samples, 0),
  };
}

/** Counts samples by buckets of a length, and leaves out those without any. */
async function countsOf<D extends PartDevice>(
  { history, devices, from, to }: PartQuery<D>,
  step: number,
): Promise<readonly Counts<D>[]> {
  const found = new Map<number, { readonly there: Uint8Array; samples: number }>();
  let first = 0;
  for (const some of slicesOf(devices, mostDevices)) {
    const places = some.flatMap(({ device: { series } }, place) => series.map(() => first + place));
    const series = some.flatMap(({ device: { host, level, key, series: all } }) =>
      all.map(({ metric }) => ({ host, level, key, metric })),
    );
    const read = await history.read({ series, range: { from, to, step }, of: ["count"], most: (to - from) / step + 2 });
    for (const [i, { t, count }] of read.entries()) {
      for (const [at, start] of t.entries()) {
        const bucket = found.get(start) ?? { there: new Uint8Array(devices.length), samples: 0 };
        found.set(start, bucket);
        bucket.there[places[i] ?? 0] = 1;
        bucket.samples += count[at] ?? 0;
      }
    }
    first += some.length;
  }
  return [...found]
    .sort(([a], [b]) => a - b)
    .map(([start, { there, samples }]) => ({
      from: start,
      to: start + step,
      devices: devices.filter((_, place) => there[place] === 1),
      samples,
    }));
}

/** Divides a list into slices of a length. */
export const slicesOf = <T>(all: readonly T[], length: number): T[][] =>
  Array.from({ length: Math.ceil(all.length / length) }, (_, i) => all.slice(i * length, (i + 1) * length));
