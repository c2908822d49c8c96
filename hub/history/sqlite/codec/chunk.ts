import { Batch } from "./batch.ts";
import { BitWriter, type Words } from "./bits.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { CHECK, verifyChecksum, withChecksum, wordsOf } from "./checksum.ts";
import { addColumn, type EncodedColumn, type EncodingState, fillColumn, type Progress, readColumn } from "./column.ts";
import { CorruptChunk } from "./corrupt.ts";
import type { PlaneSource } from "./plane.ts";
import { type DecoderTables, readDecoder } from "./table.ts";

/**
 * A chunk is: CRC-32 of what follows (4 bytes, lowest first), version, count, width, length of the head; the head, which
 * describes each column; the directory, which says how many times 16 bits each table and each series takes; those.
 */
const VERSION = 1;

/** Maximum count, so that a damaged one cannot take all memory. */
const MOST_VALUES = 2 ** 24;

/** Columns share tables up to this many values; more would take memory without a gain. */
const BATCH = 65_536;

const head = new ByteWriter();
const directory = new ByteWriter();
const bits = new BitWriter();
const batch = new Batch();

/** Discards what an encoding that threw has left. */
function clear(): void {
  head.clear();
  directory.clear();
  bits.clear();
  batch.clear();
}

/** See `encode` of codec.ts. */
export function encodeChunk(columns: readonly Float64Array[], count: number): Uint8Array {
  if (!(Number.isInteger(count) && count >= 1 && count <= MOST_VALUES)) {
    throw new RangeError(`Cannot encode ${count} values: must be from 1 to ${MOST_VALUES}`);
  }
  clear();
  const memory: EncodingState = { mask: undefined };
  for (const [at, column] of columns.entries()) {
    if (column.length < count) throw new RangeError(`Column ${at} has ${column.length} values: must have ${count}`);
    addColumn({ column, before: columns[at - 1], count }, memory, { head, batch });
    if (batch.length >= BATCH) writeBatch();
  }
  writeBatch();
  return assemble({ count, width: columns.length });
}

function writeBatch(): void {
  const sizes = batch.write(bits);
  if (sizes.length > 0) directory.whole(sizes.length - 1);
  for (const size of sizes) directory.whole(size);
}

const start = new ByteWriter();

function assemble(of: { count: number; width: number }): Uint8Array {
  start.clear();
  start.byte(VERSION);
  start.whole(of.count);
  start.whole(of.width);
  start.whole(head.length);
  return withChecksum([start.view(), head.view(), directory.view(), bits.view()]);
}

/** An open chunk: its columns are described, and decoded on demand. */
export class Chunk {
  readonly count: number;
  readonly width: number;
  readonly #columns: readonly EncodedColumn[];
  readonly #words: Words;
  readonly #series: readonly SeriesEntry[];

  /** @throws CorruptChunk */
  constructor(bytes: Uint8Array) {
    verifyChecksum(bytes);
    const from = new ByteReader(bytes, CHECK);
    if (from.byte() !== VERSION) throw new CorruptChunk("The chunk is of another version");
    this.count = from.whole();
    this.width = from.whole();
    const headLength = from.whole();
    const headAt = from.at;
    // Every column takes a byte of the head at least.
    if (this.count < 1 || this.count > MOST_VALUES || headAt + headLength > bytes.length || this.width > headLength) {
      throw new CorruptChunk("The counts of the chunk do not fit its length");
    }
    const progress: Progress = { presence: undefined, series: 0 };
    const reader = new ByteReader(bytes, headAt);
    this.#columns = readColumns(reader, this.width, progress);
    if (reader.at !== headAt + headLength) throw new CorruptChunk("The head of the chunk is longer than its columns");
    const rest = new ByteReader(bytes, reader.at);
    const { series, length } = readDirectory(rest, progress.series);
    this.#series = series;
    this.#words = wordsOf(bytes.subarray(rest.at), length);
  }

  /** See `column` of codec.ts. */
  fill(index: number, out: Float64Array): void {
    const column = this.#columns[index];
    if (column === undefined) throw new RangeError(`Cannot read column ${index}: the chunk has ${this.width}`);
    if (out.length < this.count) throw new RangeError(`Cannot write ${this.count} values to ${out.length} places`);
    fillColumn(column, (series) => this.#source(series), { out, count: this.count });
  }

  /** Finds the residuals of a series, and their tables. */
  #source(at: number): PlaneSource | undefined {
    const series = this.#series[at];
    if (series === undefined) return undefined;
    const decoder = decoderFor(series.tables, this.#words);
    return { place: { words: this.#words, from: series.from, to: series.to }, decoder };
  }
}

function readColumns(head: ByteReader, width: number, progress: Progress): EncodedColumn[] {
  const columns: EncodedColumn[] = [];
  for (let at = 0; at < width; at++) columns.push(readColumn(head, columns.at(-1), progress));
  return columns;
}

/** Range of the tables that the series of a batch share, in units of 16 bits, half-open. */
interface TableRange {
  readonly from: number;
  readonly to: number;
}

/** The last decoder: consecutive columns usually share it. */
let ready: { readonly tables: TableRange; readonly decoder: DecoderTables } | undefined;

function decoderFor(tables: TableRange, words: Words): DecoderTables {
  if (ready?.tables === tables) return ready.decoder;
  // Invalid as soon as another one is begun, even if that fails.
  ready = undefined;
  const decoder = readDecoder(words, tables);
  ready = { tables, decoder };
  return decoder;
}

/** Range of a series, in units of 16 bits, half-open. */
interface SeriesEntry {
  readonly from: number;
  readonly to: number;
  readonly tables: TableRange;
}

function readDirectory(from: ByteReader, count: number): { series: SeriesEntry[]; length: number } {
  const series: SeriesEntry[] = [];
  let at = 0;
  while (series.length < count) {
    const size = from.whole();
    if (size < 1 || size > count - series.length)
      throw new CorruptChunk("The directory of the chunk has no such series");
    const tables: TableRange = { from: at, to: at + from.whole() };
    at = tables.to;
    for (let left = size; left > 0; left--) {
      const to = at + from.whole();
      series.push({ from: at, to, tables });
      at = to;
    }
  }
  return { series, length: at };
}
