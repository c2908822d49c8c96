import { kept, type Measured, type Poll } from "../../store.ts";
import type { Buckets } from "../bucket.ts";
import { type Column, HeadChunk, type Slot } from "../chunk.ts";
import type { ChunkStart } from "../journal.ts";
import type { Device, Host, Metric, Names } from "../names.ts";
import { ChunkRollup } from "./rollup.ts";

interface Held {
  readonly chunks: HeadChunk[];
  /** When the newest poll came, by the hub's clock. */
  touched: number;
}

/** Polls that are in no row yet, by host and block. */
export class Head {
  readonly #names: Names;
  readonly #hosts = new Map<Host, Map<number, Held>>();
  /** What was asked of chunks: they are summed up as far as they go, and on from there the next time. */
  readonly #rolled = new WeakMap<HeadChunk, Map<Metric, ChunkRollup>>();
  #next = 1;

  constructor(names: Names) {
    this.#names = names;
  }

  chunks(host: Host, block: number): readonly HeadChunk[] {
    return this.#hosts.get(host)?.get(block)?.chunks ?? [];
  }

  blocks(host: Host): Iterable<number> {
    return this.#hosts.get(host)?.keys() ?? [];
  }

  rolled(chunk: HeadChunk, metric: Metric): ReadonlyMap<number, Buckets> {
    const held = this.#rolled.get(chunk) ?? new Map<Metric, ChunkRollup>();
    this.#rolled.set(chunk, held);
    const rolled = held.get(metric) ?? new ChunkRollup(chunk, metric);
    held.set(metric, rolled);
    return rolled.buckets();
  }

  /** Everything that is held. */
  *all(): Generator<{ host: Host; block: number; chunks: readonly HeadChunk[]; touched: number }> {
    for (const [host, blocks] of this.#hosts) {
      for (const [block, { chunks, touched }] of blocks) yield { host, block, chunks, touched };
    }
  }

  /** All chunks of a host. */
  *of(host: Host): Generator<HeadChunk> {
    for (const { chunks } of this.#hosts.get(host)?.values() ?? []) yield* chunks;
  }

  /** The oldest block that it holds something of; Infinity where it holds nothing. */
  oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { block } of this.all()) oldest = Math.min(oldest, block);
    return oldest;
  }

  /** Takes a poll, if an open chunk can. @returns that chunk; the poll is its newest row */
  add(poll: Poll, block: number, now: number): HeadChunk | undefined {
    const host = this.#names.find(poll.host);
    const held = host && this.#hosts.get(host)?.get(block);
    const open = held?.chunks.at(-1);
    if (held === undefined || !open?.append(poll.at, poll.devices)) return undefined;
    held.touched = now;
    return open;
  }

  /** Takes a poll that has at least one value, with a chunk of its own. */
  begin(poll: Poll, block: number, now: number): HeadChunk {
    const host = this.#names.host(poll.host);
    const before = this.#newest(host);
    const held = this.#held(host, block);
    held.touched = now;
    const last = held.chunks.at(-1) ?? before;
    const chunk = new HeadChunk({ id: this.#next++, host, block, ...layout(this.#names, host, poll.devices, last) });
    held.chunks.push(chunk);
    if (!chunk.append(poll.at, poll.devices)) throw new Error("a chunk does not take the poll it was made for");
    return chunk;
  }

  /** A chunk as the journal has it. */
  replay(start: ChunkStart, now: number): HeadChunk {
    const host = this.#names.host(start.host);
    const devices = start.devices.map(([level, key]) => this.#names.device(host, level, key));
    const columns = start.columns.flatMap(([place, name, scale]): Column[] => {
      const device = devices[place];
      return device ? [{ device, metric: this.#names.metric(device.level, name), scale }] : [];
    });
    const slots = devices.map((device, i): Slot => {
      const index = start.devices[i]?.[2] ?? undefined;
      return { device, index, columns: new Int32Array(0) };
    });
    const chunk = new HeadChunk({ id: start.run, host, block: start.window, slots, columns });
    this.#next = Math.max(this.#next, chunk.id + 1);
    const held = this.#held(host, start.window);
    held.chunks.push(chunk);
    held.touched = now;
    return chunk;
  }

  /** Ids of chunks are taken up to here. */
  beyond(id: number): void {
    this.#next = Math.max(this.#next, id + 1);
  }

  /** Removes all chunks of a host. */
  forget(host: Host): void {
    this.#hosts.delete(host);
  }

  /** Lets chunks go. */
  drop(host: Host, block: number, gone: readonly HeadChunk[]): void {
    const blocks = this.#hosts.get(host);
    const held = blocks?.get(block);
    if (blocks === undefined || held === undefined) return;
    const left = held.chunks.filter((chunk) => !gone.includes(chunk));
    if (left.length > 0) blocks.set(block, { ...held, chunks: left });
    else blocks.delete(block);
    if (blocks.size === 0) this.#hosts.delete(host);
  }

  #held(host: Host, block: number): Held {
    const blocks = this.#hosts.get(host) ?? new Map<number, Held>();
    this.#hosts.set(host, blocks);
    const held = blocks.get(block) ?? { chunks: [], touched: 0 };
    blocks.set(block, held);
    return held;
  }

  #newest(host: Host): HeadChunk | undefined {
    const blocks = this.#hosts.get(host);
    if (blocks === undefined) return undefined;
    let newest: HeadChunk | undefined;
    for (const { chunks } of blocks.values()) {
      const chunk = chunks.at(-1);
      if (chunk && !(newest && newest.block > chunk.block)) newest = chunk;
    }
    return newest;
  }
}

/** Columns for what a poll measured, and for what the chunk before it had: what comes and goes needs no new chunk each time. */
function layout(
  names: Names,
  host: Host,
  devices: readonly Measured[],
  before: HeadChunk | undefined,
): { slots: Slot[]; columns: Column[] } {
  const columns: Column[] = [];
  const slots = new Map<Device, Slot>();
  const slot = (device: Device, index: number | undefined): Slot => {
    const held = slots.get(device) ?? { device, index, columns: new Int32Array(kept[device.level].length).fill(-1) };
    slots.set(device, held);
    return held;
  };
  const column = (of: Slot, place: number): void => {
    const metric = kept[of.device.level][place];
    if (metric === undefined || of.columns[place] !== -1) return;
    of.columns[place] = columns.length;
    of.device.metrics.add(metric.name);
    const named = names.metric(of.device.level, metric.name);
    columns.push({ device: of.device, metric: named, scale: named.scale });
  };
  for (const { level, key, index, values } of devices) {
    const device = names.device(host, level, key);
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? Number.NaN;
      if (Number.isFinite(value)) column(slot(device, index), i);
    }
  }
  names.trim(host, slots);
  for (const { device, index, columns: places } of before?.slots ?? []) {
    if (device.forgotten) continue;
    for (const [place, at] of places.entries())
      if (at >= 0 && before?.seen[at] === 1) column(slot(device, index), place);
  }
  return { slots: [...slots.values()], columns };
}
