import { crc32 } from "node:zlib";
import type { Level } from "../../../../proto/device.ts";
import { NumberReader } from "../bytes.ts";
import type { HeadChunk } from "../chunk.ts";

/** Describes the rows of a head chunk; written before the first of them. The names of its fields are those on the disk. */
export interface ChunkStart {
  /** The chunk's id. */
  readonly run: number;
  readonly host: string;
  /** The block, counted from the epoch. */
  readonly window: number;
  readonly devices: readonly (readonly [level: Level, key: string, index: number | null, name?: string])[];
  /** Place in `devices`, the metric's name, and the scale that its values were multiplied by. */
  readonly columns: readonly (readonly [device: number, metric: string, scale: number])[];
}

/** A row, with its offset among the bytes of its chunk: it can be read only after all rows before it. */
export interface ChunkRow {
  readonly chunk: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A device that has another key from here on. */
export interface DeviceRename {
  /** An id of its own, of the same sequence as those of chunks. */
  readonly id: number;
  readonly host: string;
  readonly level: Level;
  readonly from: string;
  readonly to: string;
}

/** Its form on the disk: versions before it take it for a chunk whose samples are too old, and ignore it. */
interface StoredRename extends ChunkStart {
  readonly to: string;
}

/** Receives what a journal holds, in the order it was written. */
export interface Replay {
  start(start: ChunkStart, segment: number): void;
  rename(rename: DeviceRename, segment: number): void;
  row(row: ChunkRow, segment: number): void;
}

/** Begins each record, so that the next one is found behind damage; its length and its checksum follow. */
export const mark = Buffer.from([0xf5, 0x47, 0x4a, 0xfa]);
export const headerBytes = mark.length + 8;

/** Describes a head chunk for the journal. */
export function startOf({ id, host, block, slots, columns }: HeadChunk): ChunkStart {
  const places = new Map(slots.map(({ device }, place) => [device, place]));
  return {
    run: id,
    host: host.name,
    window: block,
    devices: slots.map(({ device: { level, key }, index = null, name }) =>
      name === undefined ? [level, key, index] : [level, key, index, name],
    ),
    columns: columns.map(({ device, metric, scale }) => [places.get(device) ?? 0, metric.name, scale]),
  };
}

export function storedRename({ id, host, level, from, to }: DeviceRename): StoredRename {
  return { run: id, host, window: 0, devices: [[level, from, null]], columns: [], to };
}

/** Reads what `storedRename` made; undefined for the start of a chunk. */
function renameOf(stored: ChunkStart | StoredRename): DeviceRename | undefined {
  const [device] = stored.devices;
  if (!("to" in stored) || device === undefined) return undefined;
  const { run: id, host, to } = stored;
  const [level, from] = device;
  return { id, host, level, from, to };
}

/** The payload of the record at an offset; undefined where none begins there, or its checksum differs. */
export function recordAt(bytes: Buffer, at: number): Uint8Array | undefined {
  if (at + headerBytes > bytes.length || !bytes.subarray(at, at + mark.length).equals(mark)) return undefined;
  const end = at + headerBytes + bytes.readUInt32LE(at + mark.length);
  const payload = bytes.subarray(at + headerBytes, end);
  return end <= bytes.length && crc32(payload) === bytes.readUInt32LE(at + mark.length + 4) ? payload : undefined;
}

/** Hands on every entry of a record's payload. */
export function entries(payload: Uint8Array, to: Replay, segment: number): void {
  const reader = new NumberReader(payload);
  while (!reader.done) {
    const chunk = reader.number();
    const offset = chunk > 0 ? reader.number() : 0;
    const bytes = reader.take(reader.number());
    if (chunk > 0) to.row({ chunk, offset, bytes }, segment);
    else {
      const start = JSON.parse(Buffer.from(bytes).toString()) as ChunkStart | StoredRename;
      const rename = renameOf(start);
      if (rename === undefined) to.start(start, segment);
      else to.rename(rename, segment);
    }
  }
}
