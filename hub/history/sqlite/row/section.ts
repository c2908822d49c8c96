import { crc32 } from "node:zlib";
import type { Buckets } from "../bucket.ts";
import { longest, putNumber, Reader } from "../bytes.ts";
import { CorruptChunk } from "../codec.ts";
import { bucketsInRow, groupSize } from "../key.ts";
import { BucketReader, checkBuckets } from "./rollup.ts";

const unseen = 0;
const sound = 1;
const damaged = 2;
/** Bytes of the checksum over the ids of devices. */
const checked = 2;
/** Bytes of memory that a row takes beside its own. */
const beside = 512;

/**
 * A row of a summary: what each host of a group has in it stands as its place in the group, a length, and that many
 * bytes. A section is checked when it is asked for first.
 */
export class Sections {
  /** Bytes of memory, about. */
  readonly size: number;
  readonly #data: Uint8Array;
  /** Where the section of each host begins and ends; 0 where it has none. */
  readonly #start = new Int32Array(groupSize);
  readonly #end = new Int32Array(groupSize);
  readonly #state = new Uint8Array(groupSize);

  /** @param data may be written to. @throws RangeError */
  constructor(data: Uint8Array) {
    this.#data = data;
    this.size = data.length + beside;
    for (const reader = new Reader(data); !reader.done; ) {
      const slot = reader.byte();
      this.#start[slot] = reader.skip(reader.number());
      this.#end[slot] = reader.at;
    }
  }

  has(slot: number): boolean {
    return (this.#end[slot] ?? 0) > 0;
  }

  /** Sections as they stand on the disk, by slot: none has been read. */
  raw(): Map<number, Uint8Array> {
    const found = new Map<number, Uint8Array>();
    for (const [slot, end] of this.#end.entries()) {
      if (end > 0) found.set(slot, this.#data.subarray(this.#start[slot], end));
    }
    return found;
  }

  /**
   * Writes the buckets of each device of a section to what `into` gives for it, if anything.
   * @param veil what the last bytes were mixed with
   * @returns whether there is such a section
   * @throws CorruptChunk, RangeError
   */
  read(slot: number, veil: number, into: (device: number) => Buckets | undefined): boolean {
    const [start, end] = [this.#start[slot] ?? 0, this.#end[slot] ?? 0];
    if (end === 0) return false;
    if (this.#state[slot] === unseen) {
      this.#state[slot] = damaged;
      const section = this.#data.subarray(start, end);
      mix(veil, section);
      const { chunk } = unpack(section);
      checkBuckets(chunk);
      this.#state[slot] = sound;
    }
    if (this.#state[slot] === damaged) throw new CorruptChunk("its bytes do not match their checksum");
    const reader = new Reader(this.#data, start, end);
    const width = reader.number();
    const first = reader.at;
    for (let i = 0; i < width; i++) reader.number();
    const chunk = new BucketReader(this.#data, reader.at + checked, end);
    if (chunk.width !== width || chunk.buckets !== bucketsInRow) throw new CorruptChunk("its counts differ");
    reader.at = first;
    for (let i = 0, device = 0; i < width; i++) {
      device += reader.number();
      chunk.next(into(device));
    }
    return true;
  }
}

/** @param sections by slot */
export function joined(sections: ReadonlyMap<number, Uint8Array>): Uint8Array {
  const length = [...sections.values()].reduce((sum, section) => sum + section.length + 1 + longest, 0);
  const data = new Uint8Array(length);
  let place = 0;
  for (const [slot, section] of [...sections].sort(([a], [b]) => a - b)) {
    data[place++] = slot;
    place = putNumber(data, place, section.length);
    data.set(section, place);
    place += section.length;
  }
  return data.subarray(0, place);
}

/** Mixes a number of 32 bits into the last bytes, or back out of them. */
export function mix(veil: number, data: Uint8Array): void {
  let rest = veil;
  for (let i = Math.max(0, data.length - 4); i < data.length; i++, rest >>>= 8) data[i] = (data[i] ?? 0) ^ (rest & 255);
}

/** Devices, each as its distance from the one before, a checksum over them, and the chunk with its own. */
export function pack(devices: readonly number[], chunk: Uint8Array): Uint8Array {
  const data = new Uint8Array(chunk.length + 8 * (devices.length + 1) + checked);
  let place = putNumber(data, 0, devices.length);
  let before = 0;
  for (const device of devices) {
    place = putNumber(data, place, device - before);
    before = device;
  }
  const sum = crc32(data.subarray(0, place));
  data[place++] = sum;
  data[place++] = sum >>> 8;
  data.set(chunk, place);
  return data.subarray(0, place + chunk.length);
}

/** @throws CorruptChunk, RangeError */
export function unpack(data: Uint8Array): { devices: number[]; chunk: Uint8Array } {
  const reader = new Reader(data);
  const length = reader.number();
  if (length > data.length) throw new CorruptChunk("it names more devices than it has bytes");
  const devices: number[] = [];
  let device = 0;
  for (let i = 0; i < length; i++) {
    device += reader.number();
    devices.push(device);
  }
  const sum = crc32(data.subarray(0, reader.at));
  if (reader.byte() !== (sum & 255) || reader.byte() !== ((sum >>> 8) & 255))
    throw new CorruptChunk("its devices do not match their checksum");
  return { devices, chunk: data.subarray(reader.at) };
}
