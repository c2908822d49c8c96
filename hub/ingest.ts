import { catalog, type Device, devices, value } from "../proto/catalog.ts";
import { type GPUInfo, type HostInfo, State } from "../proto/gen/host_pb.js";
import { clean } from "./clean.ts";
import type { Measured, Store } from "./history/store.ts";
import type { Live } from "./live.ts";

/** A sample's own time is used when it is no older than this; else the clock of the machine is off. Milliseconds. */
const skew = 30_000;

const kept = catalog.filter((metric) => metric.keep);

/** Which source fills which part of HostInfo, where the names differ. */
const sourceOf: Readonly<Record<string, string>> = { nics: "net", disks: "disk" };

export interface Keeping {
  readonly live: Live;
  readonly history: Pick<Store, "append">;
  readonly now: () => number;
}

/** The single door through which what a host says, or that it is silent, enters the hub. */
export class Ingest {
  readonly #to: Keeping;
  /** When each device was last read, as its host says: a reading that is given twice is no new sample. */
  readonly #read = new Map<string, Map<string, bigint>>();

  constructor(to: Keeping) {
    this.#to = to;
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

  failed(name: string, reason: string): void {
    this.#to.live.failed(name, reason);
  }

  /** Takes the answer of a host; `info` belongs to the hub from now on. */
  received(name: string, info: HostInfo): void {
    if (this.#to.live.host(name) === undefined) return;
    clean(info);
    this.#to.live.received(name, info);
    const measured = this.#measured(name, info);
    if (measured.length > 0) this.#to.history.append({ host: name, at: this.#time(info), devices: measured });
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
    const seen = new Set<string>();
    for (const device of devices(info)) {
      const id = `${device.level}\n${device.key}`;
      // Two devices of one key (a broken driver, one filesystem listed twice): the first is the one that is kept.
      if (seen.has(id) || (device.level !== "host" && device.key === "")) continue;
      seen.add(id);
      const { sampled } = device.message as { sampled?: bigint };
      if (sampled !== undefined && device.level !== "host") after.set(id, sampled);
      if (!fresh(device, info, before.get(id), stale)) continue;
      const values = valuesOf(device, stale);
      if (values.size === 0) continue;
      const index = device.level === "gpu" ? { index: (device.message as GPUInfo).id ?? 0 } : {};
      measured.push({ level: device.level, key: device.key, ...index, values });
    }
    return measured;
  }
}

/** Whether a reading was made for this answer: one that is repeated from before must not look like a measurement. */
function fresh(device: Device, info: HostInfo, before: bigint | undefined, stale: ReadonlySet<string>): boolean {
  if (device.level === "host") return true;
  if (device.level === "nic") return !stale.has("net");
  const { state, sampled } = device.message as { state?: State; sampled?: bigint };
  if (state !== undefined && state !== State.OK && state !== State.UNSPECIFIED) return false;
  if (sampled === undefined) return true;
  if (before !== undefined && sampled <= before) return false;
  return info.sampled === undefined || sampled + BigInt(skew) > info.sampled;
}

function valuesOf(device: Device, stale: ReadonlySet<string>): Map<string, number> {
  const values = new Map<string, number>();
  for (const metric of kept) {
    if (metric.level !== device.level) continue;
    const part = metric.path[0]?.localName ?? "";
    if (device.level === "host" && stale.has(sourceOf[part] ?? part)) continue;
    const held = value(metric, device.message);
    if (held !== undefined && Number.isFinite(held)) values.set(metric.name, held);
  }
  return values;
}
