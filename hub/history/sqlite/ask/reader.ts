import { allocateBuckets, type Buckets, type BufferPool } from "../bucket.ts";
import type { HeadChunk } from "../chunk.ts";
import { columnId, type Frame, merge, within } from "../frame.ts";
import { blockMs, blockOf, bucketOf, bucketsInRow, dayOf, spanOf, type Tier, tiers } from "../key.ts";
import type { HostRecord, MetricRecord } from "../names.ts";
import type { Rows } from "../row.ts";
import { type Piece, type PieceSink, samplesOf } from "./gather.ts";

/** Samples that are not compacted yet. */
export interface HeadView {
  /** Head chunks of a block, in the order in which they were begun. */
  chunks(host: HostRecord, block: number): readonly HeadChunk[];
  blocks(host: HostRecord): Iterable<number>;
  /** Rows of a chunk from a time on, if that is in its last minutes; undefined if they must be decoded with all others. */
  tail(chunk: HeadChunk, metric: MetricRecord, from: number): Frame | undefined;
  /** 5-minute buckets of a chunk, by device; they are valid until the chunk grows. */
  rolled(chunk: HeadChunk, metric: MetricRecord): ReadonlyMap<number, Buckets>;
}

/** Series of one metric of one host, read together. */
export interface SeriesSelection {
  readonly host: HostRecord;
  readonly metric: MetricRecord;
  /** Index of each device in the query, by its id. */
  readonly devices: ReadonlyMap<number, number>;
  readonly step: number;
  /** The coarsest rollup whose buckets make up whole points; undefined if samples are needed. */
  readonly tier: Tier | undefined;
  /** True if every sample is needed, as for p95. */
  readonly all: boolean;
}

/** A range of time, from ≤ t < to, and where its pieces go. */
export interface TimeClip {
  readonly from: number;
  readonly to: number;
  readonly sink: PieceSink;
}

interface CachedBuckets {
  readonly span: number;
  readonly buckets: readonly (Buckets | undefined)[] | undefined;
  /** True if there may be buckets that cannot be read. */
  readonly damaged?: boolean;
}

/** Reads some series from rows and head chunks, block by block. */
export class BlockReader {
  readonly #rows: Rows;
  readonly #memory: HeadView;
  readonly #wanted: SeriesSelection;
  readonly #spare: BufferPool | undefined;
  readonly #column: ((device: number, count: number) => Float64Array) | undefined;
  readonly #held = new Map<Tier, CachedBuckets>();
  #frames: { readonly block: number; readonly from: number; readonly frame: Frame | undefined } | undefined;
  /** Number of pieces that were found. */
  pieces = 0;

  /** @param spare lends buckets and columns; without it pieces stay valid */
  constructor({ rows, memory }: { rows: Rows; memory: HeadView }, wanted: SeriesSelection, spare?: BufferPool) {
    this.#rows = rows;
    this.#memory = memory;
    this.#wanted = wanted;
    this.#spare = spare;
    this.#column = spare && ((device, count) => spare.column(wanted.devices.get(device) ?? 0, count));
  }

  /** Drops cached rows: other work runs now, and may change them. */
  reset(): void {
    this.#held.clear();
    this.#frames = undefined;
  }

  /** Reads one block. */
  block(block: number, { from, to, sink }: TimeClip): void {
    const start = block * blockMs;
    const clip = { from: Math.max(from, start), to: Math.min(to, start + blockMs), sink };
    const { tier, host } = this.#wanted;
    const [chunk, ...more] = this.#memory.chunks(host, block);
    if (tier !== undefined && chunk && more.length === 0 && block > host.last) this.#headRollup(chunk, clip);
    else if (chunk || host.open.has(dayOf(block))) this.#unfinished(block, clip, chunk !== undefined);
    else if (tier === undefined) this.#samples(block, clip);
    else this.#rollup(tier === "five" ? "five" : "hour", clip);
  }

  /**
   * Reads a whole day from its rollup.
   * @param settled false if samples of it may have come since
   * @returns false if it is not rolled up
   */
  day(start: number, sink: PieceSink, settled: boolean): boolean {
    const held = this.#buckets("day", start);
    const clip = { from: start, to: start + bucketOf.day, sink };
    if (held === undefined || !(settled || this.#counts("day", held, clip))) return false;
    if (settled) this.#emit("day", held, clip);
    else {
      // Its pieces are of several blocks, and must stay valid.
      const reader = new BlockReader({ rows: this.#rows, memory: this.#memory }, this.#wanted);
      this.#most("day", clip, ({ from, to, sink: into }) => {
        for (let at = from; at < to; at += blockMs) reader.block(blockOf(at), { from: at, to, sink: into });
      });
      this.pieces += reader.pieces;
    }
    return true;
  }

  /**
   * Finds the first day, counted from the epoch and not before the one given, of which a rollup has samples. Where there is no
   * rollup, the first day after it, of which nothing is said. A day that has no sample in its rollup has none at all, unless
   * some came since.
   */
  dayAfter(day: number): number {
    return this.#findDay(day, 1);
  }

  /** Finds the last day, not after the one given, as `dayAfter` finds the first. */
  dayBefore(day: number): number {
    return this.#findDay(day, -1);
  }

  #findDay(from: number, step: 1 | -1): number {
    const { span, buckets, damaged } = this.#cached("day", from * bucketOf.day);
    if (damaged) return from;
    const first = span * bucketsInRow;
    const end = step > 0 ? first + bucketsInRow : first - 1;
    if (buckets === undefined) return end;
    let day = from;
    while (day !== end && !buckets.some((one) => (one?.count[day - first] ?? 0) > 0)) day += step;
    return day;
  }

  /** Reads a block that is not rolled up, or of which more came after it was. */
  #unfinished(block: number, clip: TimeClip, inMemory: boolean): void {
    const { tier, host } = this.#wanted;
    // Head chunks may replace samples that a rollup has counted.
    const samples = (part: TimeClip): void => this.#samples(block, part);
    const isGone = inMemory && this.#rows.times(host.id, block) === undefined;
    const five = (part: TimeClip): void => {
      if (isGone) this.#most("five", part, samples);
      else if (inMemory || tier === undefined) samples(part);
      else this.#rollup("five", part);
    };
    this.#most("hour", clip, five);
  }

  /**
   * Reads each whole bucket from a rollup if that has more samples than what is finer, as compaction decides it (compact.ts):
   * samples that it was made of may be gone, and some of them have come once more.
   */
  #most(tier: Tier, { from, to, sink }: TimeClip, finer: (clip: TimeClip) => void): void {
    const bucket = bucketOf[tier];
    const low = Math.ceil(from / bucket) * bucket;
    const high = Math.floor(to / bucket) * bucket;
    const held = low < high ? this.#buckets(tier, low) : undefined;
    if (held === undefined || !this.#counts(tier, held, { from: low, to: high })) {
      if (from < to) finer({ from, to, sink });
      return;
    }
    if (from < low) finer({ from, to: low, sink });
    for (let at = low; at < high; at += bucket) {
      const place = Math.round(at / bucket) - held.span * bucketsInRow;
      const pieces: [number, Piece][] = [];
      const clip = { from: at, to: at + bucket };
      const put = (device: number, piece: Piece): void => {
        // Where nothing finer is left, this bucket or a wider one is used instead.
        if (!("buckets" in piece && piece.bucket >= bucket)) pieces.push([device, piece]);
      };
      finer({ ...clip, sink: { put } });
      const counts = new Map<number, number>();
      for (const [device, piece] of pieces) counts.set(device, (counts.get(device) ?? 0) + samplesOf(piece));
      const fuller = (held.buckets ?? []).map((one, device) =>
        (one?.count[place] ?? 0) > (counts.get(device) ?? 0) ? one : undefined,
      );
      for (const [device, piece] of pieces) if (fuller[device] === undefined) sink.put(device, piece);
      this.#emit(tier, { span: held.span, buckets: fuller }, { ...clip, sink });
    }
    if (high < to) finer({ from: high, to, sink });
  }

  /** True if a rollup has a sample within a range. */
  #counts(tier: Tier, { span, buckets }: CachedBuckets, { from, to }: { from: number; to: number }): boolean {
    const first = span * bucketsInRow;
    const [low, high] = [from, to].map((t) => Math.round(t / bucketOf[tier]) - first);
    return (buckets ?? []).some((one) => one?.count.subarray(low, high).some((count) => count > 0));
  }

  /** Reads a block that is in one head chunk: whole buckets from the chunk's rollup, the ends from its samples. */
  #headRollup(chunk: HeadChunk, { from, to, sink }: TimeClip): void {
    const bucket = bucketOf.five;
    const start = chunk.block * blockMs;
    // An end beyond the chunk's samples cuts off none.
    const low = from <= chunk.first ? start : Math.ceil(from / bucket) * bucket;
    const high = to > chunk.last ? start + blockMs : Math.floor(to / bucket) * bucket;
    if (low > high) {
      this.#samples(chunk.block, { from, to, sink });
      return;
    }
    if (from < low) this.#samples(chunk.block, { from, to: low, sink });
    const rolled = this.#memory.rolled(chunk, this.#wanted.metric);
    const buckets = [...this.#wanted.devices.keys()].map((device) => rolled.get(device));
    this.#emit("five", { span: chunk.block, buckets }, { from: low, to: high, sink });
    if (high < to) this.#samples(chunk.block, { from: high, to, sink });
  }

  /** Reads whole buckets from a rollup, and both ends from a finer one, at last from the samples. */
  #rollup(tier: "five" | "hour", { from, to, sink }: TimeClip): void {
    if (from >= to) return;
    const bucket = bucketOf[tier];
    const low = Math.ceil(from / bucket) * bucket;
    const high = Math.floor(to / bucket) * bucket;
    const held = low < high ? this.#buckets(tier, low) : undefined;
    const finer = (clip: TimeClip): void => {
      if (tier === "hour") this.#rollup("five", clip);
      else if (clip.from < clip.to) this.#samples(blockOf(clip.from), clip);
    };
    if (held === undefined) {
      finer({ from, to, sink });
      return;
    }
    finer({ from, to: low, sink });
    this.#emit(tier, held, { from: low, to: high, sink });
    finer({ from: high, to, sink });
  }

  /** Reads samples of a block; if they have expired, the finest rollup, each bucket at its start. */
  #samples(block: number, { from, to, sink }: TimeClip): void {
    const frame = this.#frame(block, from);
    if (frame === undefined) {
      this.#instead({ from, to, sink });
      return;
    }
    const [low, high] = within(frame.times, from, to);
    const { devices, metric } = this.#wanted;
    for (const [device, place] of devices) {
      const values = frame.columns.get(columnId(device, metric.id));
      if (values === undefined || low >= high) continue;
      this.pieces++;
      sink.put(place, { times: frame.times, values, low, high });
    }
  }

  #instead({ from, to, sink }: TimeClip): void {
    for (const tier of tiers) {
      const held = this.#buckets(tier, from);
      if (held === undefined) continue;
      const bucket = bucketOf[tier];
      this.#emit(tier, held, { from: Math.ceil(from / bucket) * bucket, to, sink });
      return;
    }
  }

  /** Reads the samples of a block, at least those from a time on. */
  #frame(block: number, from: number): Frame | undefined {
    const before = this.#frames;
    if (before?.block === block && before.from <= from) return before.frame;
    const frame = this.#decode(block, from);
    this.#frames = { block, from, frame };
    return frame;
  }

  #decode(block: number, from: number): Frame | undefined {
    const { host, metric, devices } = this.#wanted;
    const held = this.#rows.frame({ host: host.id, block, metrics: [metric.id], devices, spare: this.#column });
    const chunks = this.#memory.chunks(host, block);
    if (chunks.length === 0) return held;
    const fresh = chunks.map(
      (chunk) => this.#memory.tail(chunk, metric, from) ?? chunk.frame((column) => column.metric === metric),
    );
    return merge(held ? [held, ...fresh] : fresh);
  }

  #buckets(tier: Tier, t: number): CachedBuckets | undefined {
    const held = this.#cached(tier, t);
    return held.buckets ? held : undefined;
  }

  #cached(tier: Tier, t: number): CachedBuckets {
    const span = spanOf(tier, t);
    const before = this.#held.get(tier);
    if (before?.span === span) return before;
    const { host, metric, devices } = this.#wanted;
    const buckets: (Buckets | undefined)[] = [];
    const there = this.#rows.read({ table: tier, span, host: host.id, metric: metric.id }, (device) => {
      const place = devices.get(device);
      if (place === undefined) return undefined;
      const room = this.#spare?.at(tiers.indexOf(tier) * devices.size + place) ?? allocateBuckets(bucketsInRow);
      buckets[place] = room;
      return room;
    });
    const held = { span, buckets: there ? buckets : undefined, damaged: there === undefined };
    this.#held.set(tier, held);
    return held;
  }

  /** Passes on the buckets that begin within the clip. */
  #emit(tier: Tier, { span, buckets }: CachedBuckets, { from, to, sink }: TimeClip): void {
    const bucket = bucketOf[tier];
    const start = span * bucketsInRow * bucket;
    const low = Math.round((from - start) / bucket);
    const high = Math.min(bucketsInRow, Math.ceil((to - start) / bucket));
    if (low >= high || buckets === undefined) return;
    for (let place = 0; place < buckets.length; place++) {
      const held = buckets[place];
      if (held === undefined || isEmpty(held, low, high)) continue;
      this.pieces++;
      sink.put(place, { buckets: held, start, bucket, low, high });
    }
  }
}

function isEmpty({ count }: Buckets, low: number, high: number): boolean {
  for (let i = low; i < high; i++) if ((count[i] ?? 0) > 0) return false;
  return true;
}
