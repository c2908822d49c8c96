import { type DeviceSample, type HostSample, kept } from "../../store.ts";
import type { Buckets } from "../bucket.ts";
import { type ChunkColumn, type ChunkDevice, HeadChunk } from "../chunk.ts";
import type { Frame } from "../frame.ts";
import type { ChunkStart } from "../journal.ts";
import { mostMetrics } from "../key.ts";
import type { DeviceRecord, HostRecord, MetricRecord, NameTable } from "../names.ts";
import { ChunkRollup } from "./rollup.ts";
import { ChunkTail, tailMs } from "./tail.ts";

/** Tails that are held; each has some kilobytes. */
const mostTails = 4096;
/** A chunk with fewer rows is decoded as fast as it is looked for. */
const fewRows = 64;

interface OpenBlock {
  readonly chunks: HeadChunk[];
  /** When the newest poll came, by the hub's clock. Unix ms. */
  touched: number;
  /** Greater for a block whose newest poll came later. */
  order: number;
}

/** A block with its place. */
export interface HeadBlock extends Readonly<OpenBlock> {
  readonly host: HostRecord;
  readonly block: number;
}

/** Head chunks, by host and block: polls that are not compacted yet. */
export class Head {
  readonly #names: NameTable;
  readonly #hosts = new Map<HostRecord, Map<number, OpenBlock>>();
  /** Rollups of chunks that were queried; they are continued as the chunks grow. */
  readonly #rollups = new WeakMap<HeadChunk, Map<MetricRecord, ChunkRollup>>();
  /** Tails of chunks whose last minutes were queried, by chunk and metric; the least recently used first. */
  readonly #tails = new Map<number, ChunkTail>();
  #next = 1;
  #order = 0;

  constructor(names: NameTable) {
    this.#names = names;
  }

  chunks(host: HostRecord, block: number): readonly HeadChunk[] {
    return this.#hosts.get(host)?.get(block)?.chunks ?? [];
  }

  blocks(host: HostRecord): Iterable<number> {
    return this.#hosts.get(host)?.keys() ?? [];
  }

  rolled(chunk: HeadChunk, metric: MetricRecord): ReadonlyMap<number, Buckets> {
    const held = this.#rollups.get(chunk) ?? new Map<MetricRecord, ChunkRollup>();
    this.#rollups.set(chunk, held);
    const rolled = held.get(metric) ?? new ChunkRollup(chunk, metric);
    held.set(metric, rolled);
    return rolled.buckets();
  }

  tail(chunk: HeadChunk, metric: MetricRecord, from: number): Frame | undefined {
    if (chunk.rows < fewRows || !(from >= chunk.last - tailMs)) return undefined;
    const key = tailKey(chunk, metric);
    const tail = this.#tails.get(key) ?? new ChunkTail(chunk, metric);
    this.#tails.delete(key);
    this.#tails.set(key, tail);
    const [oldest] = this.#tails.keys();
    if (oldest !== undefined && this.#tails.size > mostTails) this.#tails.delete(oldest);
    return tail.frame();
  }

  /** Lists all blocks. */
  *all(): Generator<HeadBlock> {
    for (const [host, blocks] of this.#hosts) {
      for (const [block, held] of blocks) yield { host, block, ...held };
    }
  }

  /** Lists the chunks of a host. */
  *of(host: HostRecord): Generator<HeadChunk> {
    for (const { chunks } of this.#hosts.get(host)?.values() ?? []) yield* chunks;
  }

  /** Returns the oldest block; Infinity if there is none. */
  oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { block } of this.all()) oldest = Math.min(oldest, block);
    return oldest;
  }

  /** Appends a poll to an open chunk. @returns the chunk; undefined if none can take the poll */
  add(poll: HostSample, block: number, now: number): HeadChunk | undefined {
    const host = this.#names.find(poll.host);
    const held = host && this.#hosts.get(host)?.get(block);
    const open = held?.chunks.at(-1);
    if (held === undefined || !open?.append(poll.at, poll.devices)) return undefined;
    held.touched = now;
    held.order = ++this.#order;
    return open;
  }

  /** Begins a chunk with a poll, which has at least one value. */
  begin(poll: HostSample, block: number, now: number): HeadChunk {
    const host = this.#names.host(poll.host);
    const before = this.#newest(host);
    const held = this.#held(host, block);
    held.touched = now;
    held.order = ++this.#order;
    const last = held.chunks.at(-1) ?? before;
    const chunk = new HeadChunk({ id: this.takeId(), host, block, ...layout(this.#names, host, poll.devices, last) });
    held.chunks.push(chunk);
    if (!chunk.append(poll.at, poll.devices)) throw new Error("a chunk does not take the poll it was made for");
    return chunk;
  }

  /** Begins a chunk that is read from the journal. */
  replay(start: ChunkStart, now: number): HeadChunk {
    const host = this.#names.host(start.host);
    const devices = start.devices.map(([level, key]) => this.#names.device(host, level, key));
    const columns = start.columns.flatMap(([place, name, scale]): ChunkColumn[] => {
      const device = devices[place];
      return device ? [{ device, metric: this.#names.metric(device.level, name), scale }] : [];
    });
    const slots = devices.map((device, i): ChunkDevice => {
      const [, , index, name] = start.devices[i] ?? [];
      return { device, index: index ?? undefined, name, columns: new Int32Array(0) };
    });
    const chunk = new HeadChunk({ id: start.run, host, block: start.window, slots, columns });
    this.#next = Math.max(this.#next, chunk.id + 1);
    const held = this.#held(host, start.window);
    held.chunks.push(chunk);
    held.touched = now;
    return chunk;
  }

  /** Assigns only greater ids from now on. */
  beyond(id: number): void {
    this.#next = Math.max(this.#next, id + 1);
  }

  /** Takes an id of the sequence of chunks. */
  takeId(): number {
    return this.#next++;
  }

  /** Assigns everything that chunks hold of a device to another one of its host. */
  reassign(from: DeviceRecord, to: DeviceRecord): void {
    for (const { slots, columns } of this.of(from.host)) {
      for (const one of [...slots, ...columns]) if (one.device === from) one.device = to;
    }
  }

  /** Removes all chunks of a host. */
  forget(host: HostRecord): void {
    for (const chunk of this.of(host)) this.#release(chunk);
    this.#hosts.delete(host);
  }

  /** Removes chunks. */
  drop(host: HostRecord, block: number, gone: readonly HeadChunk[]): void {
    const blocks = this.#hosts.get(host);
    const held = blocks?.get(block);
    if (blocks === undefined || held === undefined) return;
    for (const chunk of gone) this.#release(chunk);
    const left = held.chunks.filter((chunk) => !gone.includes(chunk));
    if (left.length > 0) blocks.set(block, { ...held, chunks: left });
    else blocks.delete(block);
    if (blocks.size === 0) this.#hosts.delete(host);
  }

  #release(chunk: HeadChunk): void {
    for (const { metric } of chunk.columns) this.#tails.delete(tailKey(chunk, metric));
  }

  #held(host: HostRecord, block: number): OpenBlock {
    const blocks = this.#hosts.get(host) ?? new Map<number, OpenBlock>();
    this.#hosts.set(host, blocks);
    const held = blocks.get(block) ?? { chunks: [], touched: 0, order: 0 };
    blocks.set(block, held);
    return held;
  }

  #newest(host: HostRecord): HeadChunk | undefined {
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

const tailKey = (chunk: HeadChunk, metric: MetricRecord): number => chunk.id * mostMetrics + metric.id;

/** Lays out columns for the series of a poll and of the chunk before it: series that come and go need no new chunk each time. */
function layout(
  names: NameTable,
  host: HostRecord,
  devices: readonly DeviceSample[],
  before: HeadChunk | undefined,
): { slots: ChunkDevice[]; columns: ChunkColumn[] } {
  const columns: ChunkColumn[] = [];
  const slots = new Map<DeviceRecord, ChunkDevice>();
  const slot = (device: DeviceRecord, { index, name }: Pick<ChunkDevice, "index" | "name">): ChunkDevice => {
    const held = slots.get(device);
    if (held !== undefined) return held;
    const made = { device, index, name, columns: new Int32Array(kept[device.level].length).fill(-1) };
    slots.set(device, made);
    return made;
  };
  const column = (of: ChunkDevice, place: number): void => {
    const metric = kept[of.device.level][place];
    if (metric === undefined || of.columns[place] !== -1) return;
    of.columns[place] = columns.length;
    of.device.metrics.add(metric.name);
    const named = names.metric(of.device.level, metric.name);
    columns.push({ device: of.device, metric: named, scale: named.scale });
  };
  for (const { level, key, index, name, values } of devices) {
    const device = names.device(host, level, key);
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? Number.NaN;
      if (Number.isFinite(value)) column(slot(device, { index, name }), i);
    }
  }
  names.trim(host, slots);
  for (const old of before?.slots ?? []) {
    if (old.device.forgotten) continue;
    for (const [place, at] of old.columns.entries())
      if (at >= 0 && before?.seen[at] === 1) column(slot(old.device, old), place);
  }
  return { slots: [...slots.values()], columns };
}
