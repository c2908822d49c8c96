import { crc32 } from "node:zlib";
import type { Buckets } from "../bucket.ts";
import { longest, NumberReader, putNumber } from "../bytes.ts";
import { CorruptChunk } from "../codec.ts";
import { bucketsInRow, groupSize } from "../key.ts";
import { BucketReader, checkBuckets } from "./rollup.ts";

const unseen = 0;
const sound = 1;
const damaged = 2;
/** Bytes of the checksum over the ids of devices. */
const checked = 2;
/** Bytes of memory of a row beside its data. */
const beside = 512;

/**
 * A row of a rollup, with a section for each host of a group: the host's slot in the group, a length, and that many bytes.
 * A section is verified when it is first read.
 */
export class Sections {
  /** Approximate bytes of memory. */
  readonly size: number;
  readonly #data: Uint8Array;
  /** Start and end of the section of each slot; 0 if it has none. */
  readonly #start = new Int32Array(groupSize);
  readonly #end = new Int32Array(groupSize);
  readonly #state = new Uint8Array(groupSize);

  /** @param data will be modified @throws RangeError */
  constructor(data: Uint8Array) {
    this.#data = data;
    this.size = data.length + beside;
    for (const reader = new NumberReader(data); !reader.done; ) {
      const slot = reader.byte();
      this.#start[slot] = reader.skip(reader.number());
      this.#end[slot] = reader.at;
    }
  }

  has(slot: number): boolean {
    return (this.#end[slot] ?? 0) > 0;
  }

  /** Returns the sections as they are on the disk, by slot; none may have been read. */
  raw(): Map<number, Uint8Array> {
    const found = new Map<number, Uint8Array>();
    for (const [slot, end] of this.#end.entries()) {
      if (end > 0) found.set(slot, this.#data.subarray(this.#start[slot], end));
    }
    return found;
  }

  /**
   * Decodes the buckets of each device of a section into what `into` returns for it, if anything.
   * @param mask the number that was mixed into the last bytes
   * @returns false if there is no such section
   * @throws CorruptChunk, RangeError
   */
  read(slot: number, mask: number, into: (device: number) => Buckets | undefined): boolean {
    const [start, end] = [this.#start[slot] ?? 0, this.#end[slot] ?? 0];
    if (end === 0) return false;
    if (this.#state[slot] === unseen) {
      this.#state[slot] = damaged;
      const section = this.#data.subarray(start, end);
      xorTail(mask, section);
      const { chunk } = unpack(section);
      checkBuckets(chunk);
      this.#state[slot] = sound;
    }
    if (this.#state[slot] === damaged) throw new CorruptChunk("its bytes do not match their checksum");
    const reader = new NumberReader(this.#data, start, end);
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

/** Joins sections into a row. @param sections by slot */
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

/** Mixes a 32-bit number into the last bytes by exclusive or; a second call undoes it. */
export function xorTail(mask: number, data: Uint8Array): void {
  let rest = mask;
  for (let i = Math.max(0, data.length - 4); i < data.length; i++, rest >>>= 8) data[i] = (data[i] ?? 0) ^ (rest & 255);
}

/** Packs devices (each as the difference from the one before), their checksum, and a chunk with its own. */
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

/** Unpacks what `pack` wrote. @throws CorruptChunk, RangeError */
export function unpack(data: Uint8Array): { devices: number[]; chunk: Uint8Array } {
  const reader = new NumberReader(data);
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
