import {
  closeSync,
  fdatasync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { quarantine } from "../../database/database.ts";
import type { Log } from "../../log.ts";
import { putNumber } from "./bytes.ts";
import type { HeadChunk } from "./chunk.ts";
import {
  type ChunkStart,
  type DeviceRename,
  entries,
  headerBytes,
  mark,
  type Replay,
  recordAt,
  startOf,
  storedRename,
} from "./journal/record.ts";

export type { ChunkStart, DeviceRename, Replay };

/** Something of which the journal has records. */
export interface Journaled {
  /** Oldest and newest segment with records of it; 0 before they are written. */
  segments: [first: number, last: number];
}

/** The segment that is written to. */
interface Segment {
  readonly fd: number;
  readonly number: number;
  length: number;
  readonly since: number;
  /** Number of fdatasync calls under way, and whether the file is closed after the last of them. */
  syncs: number;
  left: boolean;
}

/** First bytes of each segment, with the version of its format. */
const magic = Buffer.from("GOHM journal 1\n");
const name = /^history\.journal-(\d{1,15})$/;
/** Maximum size and age of a segment, which is deleted once all of it is compacted. Bytes, milliseconds. */
const maxSegmentBytes = 8 * 2 ** 20;
const maxSegmentMs = 30 * 60_000;
/**
 * Interval of fdatasync, and with it the most that a loss of power costs. Linux writes after 35 s by default anyway
 * (vm.dirty_expire_centisecs, vm.dirty_writeback_centisecs); a shorter interval writes the same pages again. Milliseconds.
 */
const syncMs = 120_000;
/** Maximum bytes that wait while nothing can be written; beyond it samples are only in memory. */
const maxWaitingBytes = 32 * 2 ** 20;
/**
 * Write-ahead log of head chunks, in segments beside the database: one record for each write, with rows and the chunks they
 * belong to. A record that is damaged, or cut short by a loss of power, costs its rows and those that build on them.
 */
export class Journal {
  readonly #folder: string;
  readonly #now: () => number;
  readonly #log: Log;
  #batch = Buffer.alloc(64 * 1024);
  #length = headerBytes;
  #unwritten = new Set<Journaled>();
  #renames: readonly (DeviceRename & Journaled)[] = [];
  #file: Segment | undefined;
  #next: number;
  /** Numbers of the segments, ascending. */
  #files: number[];
  #unsynced = false;
  #syncedAt: number;
  #failing = false;
  #written = 0;

  constructor(folder: string, { now, log }: { now: () => number; log: Log }) {
    this.#folder = folder;
    this.#now = now;
    this.#log = log;
    this.#syncedAt = now();
    this.#files = numbers(folder);
    this.#next = (this.#files.at(-1) ?? 0) + 1;
  }

  /** True if something waits to be written. */
  get waiting(): boolean {
    return this.#length > headerBytes;
  }

  /** Bytes that wait to be written. */
  get pending(): number {
    return this.#length - headerBytes;
  }

  /** Bytes that were written since it was opened. */
  get written(): number {
    return this.#written;
  }

  /** Number of the newest segment. */
  get newest(): number {
    return this.#next - 1;
  }

  /** Adds a new chunk, with the rows that it has already. */
  begin(chunk: HeadChunk): void {
    this.#put(startOf(chunk));
    this.rows(chunk, 0);
  }

  /** Adds that a device has another key from here on. */
  rename(rename: DeviceRename & Journaled): void {
    this.#put(storedRename(rename));
    this.#unwritten.add(rename);
    this.#renames = [...this.#renames, rename];
  }

  /** Adds the rows of a chunk from an offset on. */
  rows(chunk: HeadChunk, from: number): void {
    const length = chunk.length - from;
    this.#room(length + 30);
    this.#length = putNumber(this.#batch, this.#length, chunk.id);
    this.#length = putNumber(this.#batch, this.#length, from);
    this.#length = putNumber(this.#batch, this.#length, length);
    chunk.copy(from, this.#batch, this.#length);
    this.#length += length;
    this.#unwritten.add(chunk);
  }

  /**
   * Writes what waits.
   * @throws Error of the file system; it goes on waiting
   */
  write(): void {
    if (!this.waiting) return;
    const file = this.#open();
    const batch = this.#batch;
    mark.copy(batch);
    batch.writeUInt32LE(this.#length - headerBytes, mark.length);
    batch.writeUInt32LE(crc32(batch.subarray(headerBytes, this.#length)), mark.length + 4);
    // At its offset, not at the end: overwrites what a failed attempt left.
    writeAll(file.fd, batch, { length: this.#length, place: file.length });
    file.length += this.#length;
    this.#written += this.#length;
    for (const one of this.#unwritten) {
      if (one.segments[1] !== file.number) one.segments = [one.segments[0] || file.number, file.number];
    }
    this.#clear();
    this.#unsynced = true;
  }

  /** Drops samples that wait if they exceed the maximum. @returns true if it did: its chunks cannot be continued */
  overflow(): boolean {
    if (this.#length < maxWaitingBytes) return false;
    const renames = this.#renames;
    this.#clear();
    // What is written already needs them.
    for (const rename of renames) this.rename(rename);
    return true;
  }

  /** Starts fdatasync when it is due, without waiting for it. */
  sync(): void {
    const now = this.#now();
    if (!this.#unsynced || this.#file === undefined || Math.abs(now - this.#syncedAt) < syncMs) return;
    this.#unsynced = false;
    this.#syncedAt = now;
    this.#startSync(this.#file);
  }

  /** Deletes segments. @param least the first that is still needed @returns the first that is left */
  release(least: number): number {
    const end = Math.min(least, this.#file?.number ?? least);
    for (const number of this.#files.filter((one) => one < end)) {
      // Somebody else may have deleted it.
      rmSync(this.#path(number), { force: true });
      this.#files = this.#files.filter((one) => one !== number);
    }
    return end;
  }

  /** Reads all segments, oldest first; to be called before the first write. */
  replay(to: Replay, log: Log): void {
    for (const number of [...this.#files]) {
      const path = this.#path(number);
      const { found, lost, why } = this.#records(number, to);
      if (lost === 0) continue;
      const gap = "what was measured then, a second or some, shows as a gap";
      if (found > 0) log.error(`${path} is damaged or cut short in ${lost} bytes (${why}): ${gap}`);
      else log.error(`${path} cannot be read (${why}); it was moved to ${quarantine(path)}, and ${gap}`);
      if (found === 0) this.#files = this.#files.filter((one) => one !== number);
    }
  }

  /** True if a segment was deleted or replaced by somebody else. */
  get lost(): boolean {
    const there = (number: number): boolean => {
      const now = statSync(this.#path(number), { throwIfNoEntry: false });
      return now !== undefined && (number !== this.#file?.number || now.ino === fstatSync(this.#file.fd).ino);
    };
    return !this.#files.every(there);
  }

  /** Continues in a new segment. The caller must write the rows of lost segments elsewhere. */
  renew(): void {
    if (this.#file) closeAfterSync(this.#file);
    this.#file = undefined;
    this.#files = numbers(this.#folder);
    this.#next = Math.max(this.#next, (this.#files.at(-1) ?? 0) + 1);
  }

  bytes(): number {
    const size = (number: number): number => statSync(this.#path(number), { throwIfNoEntry: false })?.size ?? 0;
    return this.#files.reduce((sum, number) => sum + size(number), 0);
  }

  /** @param empty true if nothing of it is needed any more */
  close(empty: boolean): void {
    if (this.#file) closeAfterSync(this.#file);
    this.#file = undefined;
    if (empty) this.release(Number.POSITIVE_INFINITY);
  }

  #open(): Segment {
    const { length = 0, since = 0 } = this.#file ?? {};
    const age = this.#now() - since;
    if (this.#file && length < maxSegmentBytes && age >= 0 && age < maxSegmentMs) return this.#file;
    const number = this.#next;
    const fd = openSync(this.#path(number), "w", 0o600);
    try {
      writeAll(fd, magic, { length: magic.length, place: 0 });
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.#next++;
    this.#files.push(number);
    if (this.#file) {
      this.#startSync(this.#file);
      closeAfterSync(this.#file);
    }
    this.#file = { fd, number, length: magic.length, since: this.#now(), syncs: 0, left: false };
    return this.#file;
  }

  /** Reads the records of a segment. @returns how many there are, how many bytes belong to none, and why */
  #records(number: number, to: Replay): { found: number; lost: number; why: string } {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.#path(number));
    } catch (error) {
      return { found: 0, lost: Number.POSITIVE_INFINITY, why: (error as Error).message };
    }
    let found = 0;
    let lost = 0;
    for (let at = bytes.subarray(0, magic.length).equals(magic) ? magic.length : 0; at < bytes.length; ) {
      const payload = recordAt(bytes, at);
      if (payload) {
        entries(payload, to, number);
        found++;
        at += headerBytes + payload.length;
      } else {
        const next = bytes.indexOf(mark, at + 1);
        const end = next < 0 ? bytes.length : next;
        lost += end - at;
        at = end;
      }
    }
    return { found, lost, why: "no record with a right checksum" };
  }

  #startSync(file: Segment): void {
    file.syncs++;
    fdatasync(file.fd, (error) => {
      file.syncs--;
      if (file.left) closeAfterSync(file);
      this.#synced(error);
    });
  }

  /** Logs the first failure and the recovery: a failing disk reports lost pages only once. */
  #synced(error: Error | null): void {
    if (error !== null && !this.#failing) {
      this.#log.error(
        `${this.#folder}: the journal of the history cannot be brought to the disk (${error.message}): if the power goes now, the last hours may be lost. Is the disk failing?`,
      );
    } else if (error === null && this.#failing)
      this.#log.info("the journal of the history is brought to the disk again");
    this.#failing = error !== null;
  }

  #put(entry: ChunkStart): void {
    const text = Buffer.from(JSON.stringify(entry));
    this.#room(text.length + 20);
    this.#length = putNumber(this.#batch, this.#length, 0);
    this.#length = putNumber(this.#batch, this.#length, text.length);
    this.#length += text.copy(this.#batch, this.#length);
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#batch.length) return;
    const larger = Buffer.alloc(Math.max(this.#batch.length * 2, this.#length + bytes));
    this.#batch.copy(larger, 0, 0, this.#length);
    this.#batch = larger;
  }

  #clear(): void {
    this.#length = headerBytes;
    this.#unwritten.clear();
    this.#renames = [];
    if (this.#batch.length > 2 ** 20) this.#batch = Buffer.alloc(64 * 1024);
  }

  #path(number: number): string {
    return join(this.#folder, `history.journal-${number}`);
  }
}

/** Closes a segment once no fdatasync is under way: its descriptor could be another file's by then. */
function closeAfterSync(file: Segment): void {
  file.left = true;
  if (file.syncs === 0) closeSync(file.fd);
}

/** Writes all bytes; a disk that becomes full takes a part of them at first. */
function writeAll(fd: number, bytes: Uint8Array, { length, place }: { length: number; place: number }): void {
  for (let done = 0; done < length; ) done += writeSync(fd, bytes, done, length - done, place + done);
}

function numbers(folder: string): number[] {
  const found = readdirSync(folder).map((file) => Number(name.exec(file)?.[1] ?? Number.NaN));
  return found.filter((number) => number > 0).sort((a, b) => a - b);
}
