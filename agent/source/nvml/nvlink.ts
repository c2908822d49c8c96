import { Baseline } from "../source.ts";
import { type Field, FieldList, linkCount, linkReceived, linkSent, linkSwitched } from "./field.ts";
import { type Fields, type NvmlGpu, put } from "./gpu.ts";
import { type Nvml, type NvmlDevice, queries } from "./library.ts";
import type { DeviceQueries } from "./query.ts";

/** NVML_NVLINK_MAX_LINKS is 18; a driver that reports far more is not plausible. */
const mostLinks = 64;

/** No GPU is near this, in bytes per second one way. Counters of links that died have been seen to jump further (by 10^20). */
const fastest = 10_000_000_000_000n;

export interface Count {
  readonly up: number;
  /** Links that ought to be up. */
  readonly expected: number;
}

interface Totals {
  readonly received: bigint;
  readonly sent: bigint;
}

/** Reads a device's NVLinks. */
export class Links {
  readonly #fields: FieldList;
  readonly #baselines = new Map<bigint, Baseline<Totals>>();
  /** Links of each model that this machine has on NVLink switches, where all are in use. */
  readonly #switched = new Map<string, number>();

  constructor(nvml: Nvml) {
    this.#fields = new FieldList(nvml, [linkCount, linkSwitched]);
  }

  /**
   * Counts the links; undefined when the device has none.
   * @throws NvmlError when the device or the library is gone.
   */
  count(asker: DeviceQueries, name = ""): Count | undefined {
    this.#fields.forget(asker.device);
    const values = asker.take((device) => this.#fields.read(device));
    const there = values?.get(linkCount);
    let found = 0;
    let up = 0;
    for (let link = 0; link < Math.min(Number(there ?? mostLinks), mostLinks); link++) {
      const state = asker.ask(queries.link, link);
      if (state === undefined && there === undefined) break;
      if (state !== undefined) found++;
      if (state === 1) up++;
    }
    if (found === 0) return undefined;
    // On a board with switches all GPUs of a model are wired alike, also one whose links are all down.
    const switched = values?.get(linkSwitched) ?? 0n;
    if (switched > 0n && switched <= mostLinks) this.#switched.set(name, found);
    return { up, expected: Math.max(up, this.#switched.get(name) ?? 0) };
  }

  /** @param ticks Milliseconds. */
  traffic(
    device: NvmlDevice,
    values: ReadonlyMap<Field, bigint> | undefined,
    ticks: number,
  ): Fields<NonNullable<NvmlGpu["nvlink"]>> {
    const received = values?.get(linkReceived);
    const sent = values?.get(linkSent);
    if (received === undefined || sent === undefined || received < 0n || sent < 0n) return {};
    const baseline = this.#baselines.get(device.handle) ?? new Baseline<Totals>();
    this.#baselines.set(device.handle, baseline);
    const since = baseline.take(ticks, { received, sent });
    const traffic: Fields<NonNullable<NvmlGpu["nvlink"]>> = { rxTotal: received, txTotal: sent };
    if (since === undefined) return traffic;
    put(traffic, "rxRate", rate(since.from.received, received, since.span));
    put(traffic, "txRate", rate(since.from.sent, sent, since.span));
    return traffic;
  }
}

/**
 * Bytes per second from counts of KiB, over milliseconds. Undefined when the count went back (the GPU was reset, and
 * counts from 0), or goes faster than any GPU can.
 */
function rate(from: bigint, to: bigint, span: number): bigint | undefined {
  if (to < from || span < 1) return undefined;
  const perSecond = ((to - from) * 1024n * 1000n) / BigInt(Math.round(span));
  return perSecond <= fastest ? perSecond : undefined;
}
