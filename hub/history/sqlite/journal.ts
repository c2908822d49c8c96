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
import type { Log } from "../../log.ts";
import { putNumber } from "./bytes.ts";
import type { HeadChunk } from "./chunk.ts";
import { type ChunkStart, entries, headerBytes, mark, type Replay, recordAt, startOf } from "./journal/record.ts";
import { quarantine } from "./quarantine.ts";

export type { ChunkStart, Replay };

/** The file that is written to. */
interface Open {
  readonly fd: number;
  readonly number: number;
  length: number;
  readonly since: number;
  /** How many times it is being brought to the disk just now, and whether it is to be closed after that. */
  syncs: number;
  left: boolean;
}

/** First bytes of each file, with the version of what follows. */
const magic = Buffer.from("GOHM journal 1\n");
const name = /^history\.journal-(\d{1,15})$/;
/** A file is ended at this size or age, so that it can go once all in it is sealed. Bytes, milliseconds. */
const largest = 8 * 2 ** 20;
const oldest = 30 * 60_000;
/**
 * Between two times that the system is told to bring what was written to the disk: what a loss of power costs at most. Linux as it is set up does so after 35 s
 * by itself (vm.dirty_expire_centisecs, vm.dirty_writeback_centisecs); telling it every 30 s costs a quarter of all CPU of keeping, and as many pages again. Milliseconds.
 */
const between = 120_000;
/** What could not be written yet, at most; beyond it the samples are in memory only. Bytes. */
const waiting = 32 * 2 ** 20;
/**
 * What is not sealed yet, in files beside the database: one record for each write, of rows and of the chunks they belong
 * to. A record that is damaged, or was cut short by the end of the power, costs what is in it and what builds on that.
 */
export class Journal {
  readonly #folder: string;
  readonly #now: () => number;
  readonly #log: Log;
  #batch = Buffer.alloc(64 * 1024);
  #place = headerBytes;
  #chunks = new Set<HeadChunk>();
  #file: Open | undefined;
  #next: number;
  /** Numbers of the files there are, ascending. */
  #files: number[];
  #unsynced = false;
  #told: number;
  #failing = false;

  constructor(folder: string, { now, log }: { now: () => number; log: Log }) {
    this.#folder = folder;
    this.#now = now;
    this.#log = log;
    this.#told = now();
    this.#files = numbers(folder);
    this.#next = (this.#files.at(-1) ?? 0) + 1;
  }

  /** Something waits to be written. */
  get waiting(): boolean {
    return this.#place > headerBytes;
  }

  /** Takes a chunk that begins, with the rows that it has already. */
  begin(chunk: HeadChunk): void {
    const text = Buffer.from(JSON.stringify(startOf(chunk)));
    this.#room(text.length + 20);
    this.#place = putNumber(this.#batch, this.#place, 0);
    this.#place = putNumber(this.#batch, this.#place, text.length);
    this.#place += text.copy(this.#batch, this.#place);
    this.rows(chunk, 0);
  }

  /** Takes the rows of a chunk from a place on. */
  rows(chunk: HeadChunk, from: number): void {
    const length = chunk.length - from;
    this.#room(length + 30);
    this.#place = putNumber(this.#batch, this.#place, chunk.id);
    this.#place = putNumber(this.#batch, this.#place, from);
    this.#place = putNumber(this.#batch, this.#place, length);
    chunk.copy(from, this.#batch, this.#place);
    this.#place += length;
    this.#chunks.add(chunk);
  }

  /**
   * Writes what waits.
   * @throws when it cannot; it waits on then
   */
  write(): void {
    if (!this.waiting) return;
    const file = this.#open();
    const batch = this.#batch;
    mark.copy(batch);
    batch.writeUInt32LE(this.#place - headerBytes, mark.length);
    batch.writeUInt32LE(crc32(batch.subarray(headerBytes, this.#place)), mark.length + 4);
    // At its place, not at the end: what an attempt before left there half written is written over.
    put(file.fd, batch, { length: this.#place, place: file.length });
    file.length += this.#place;
    for (const chunk of this.#chunks) {
      if (chunk.segments[1] !== file.number) chunk.segments = [chunk.segments[0] || file.number, file.number];
    }
    this.#clear();
    this.#unsynced = true;
  }

  /** More waits than memory may hold: lets it go. @returns whether it did; the chunks it was of cannot be written on then */
  overflow(): boolean {
    if (this.#place < waiting) return false;
    this.#clear();
    return true;
  }

  /** Has the system bring what was written to the disk when it is time for that, without waiting for it. */
  sync(): void {
    const now = this.#now();
    if (!this.#unsynced || this.#file === undefined || Math.abs(now - this.#told) < between) return;
    this.#unsynced = false;
    this.#told = now;
    this.#bring(this.#file);
  }

  /** Deletes files that nothing unsealed is in. @param least the first that is needed @returns the first that is left */
  release(least: number): number {
    const end = Math.min(least, this.#file?.number ?? least);
    for (const number of this.#files.filter((one) => one < end)) {
      // One that somebody else deleted is gone all the same.
      rmSync(this.#path(number), { force: true });
      this.#files = this.#files.filter((one) => one !== number);
    }
    return end;
  }

  /** Everything that was written and not deleted, oldest first. To be called before the first write. */
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

  /** Whether a file was deleted that is still needed, or another one stands in its place. */
  get lost(): boolean {
    const there = (number: number): boolean => {
      const now = statSync(this.#path(number), { throwIfNoEntry: false });
      return now !== undefined && (number !== this.#file?.number || now.ino === fstatSync(this.#file.fd).ino);
    };
    return !this.#files.every(there);
  }

  /** Goes on in a new file. What was in the ones that are lost must be written to somewhere else. */
  renew(): void {
    if (this.#file) leave(this.#file);
    this.#file = undefined;
    this.#files = numbers(this.#folder);
    this.#next = Math.max(this.#next, (this.#files.at(-1) ?? 0) + 1);
  }

  bytes(): number {
    const size = (number: number): number => statSync(this.#path(number), { throwIfNoEntry: false })?.size ?? 0;
    return this.#files.reduce((sum, number) => sum + size(number), 0);
  }

  /** @param empty nothing of it is needed any more */
  close(empty: boolean): void {
    if (this.#file) leave(this.#file);
    this.#file = undefined;
    if (empty) this.release(Number.POSITIVE_INFINITY);
  }

  #open(): Open {
    const { length = 0, since = 0 } = this.#file ?? {};
    const age = this.#now() - since;
    if (this.#file && length < largest && age >= 0 && age < oldest) return this.#file;
    const number = this.#next;
    const fd = openSync(this.#path(number), "w", 0o600);
    try {
      put(fd, magic, { length: magic.length, place: 0 });
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.#next++;
    this.#files.push(number);
    if (this.#file) {
      this.#bring(this.#file);
      leave(this.#file);
    }
    this.#file = { fd, number, length: magic.length, since: this.#now(), syncs: 0, left: false };
    return this.#file;
  }

  /** Hands on every whole record of a file. @returns records found, bytes that belong to none, and what is wrong with them */
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

  #bring(file: Open): void {
    file.syncs++;
    fdatasync(file.fd, (error) => {
      file.syncs--;
      if (file.left) leave(file);
      this.#ended(error);
    });
  }

  /** A disk that fails says so once for what it could not take: what comes after must not be taken for whole. */
  #ended(error: Error | null): void {
    if (error !== null && !this.#failing) {
      this.#log.error(
        `${this.#folder}: the journal of the history cannot be brought to the disk (${error.message}): if the power goes now, the last hours may be lost. Is the disk failing?`,
      );
    } else if (error === null && this.#failing)
      this.#log.info("the journal of the history is brought to the disk again");
    this.#failing = error !== null;
  }

  #room(bytes: number): void {
    if (this.#place + bytes <= this.#batch.length) return;
    const larger = Buffer.alloc(Math.max(this.#batch.length * 2, this.#place + bytes));
    this.#batch.copy(larger, 0, 0, this.#place);
    this.#batch = larger;
  }

  #clear(): void {
    this.#place = headerBytes;
    this.#chunks.clear();
    if (this.#batch.length > 2 ** 20) this.#batch = Buffer.alloc(64 * 1024);
  }

  #path(number: number): string {
    return join(this.#folder, `history.journal-${number}`);
  }
}

/** Closes a file as soon as nothing is being done with it: its number may be another file's then. */
function leave(file: Open): void {
  file.left = true;
  if (file.syncs === 0) closeSync(file.fd);
}

/** Writes all of some bytes; a disk that gets full takes a part of them first. */
function put(fd: number, bytes: Uint8Array, { length, place }: { length: number; place: number }): void {
  for (let done = 0; done < length; ) done += writeSync(fd, bytes, done, length - done, place + done);
}

function numbers(folder: string): number[] {
  const found = readdirSync(folder).map((file) => Number(name.exec(file)?.[1] ?? Number.NaN));
  return found.filter((number) => number > 0).sort((a, b) => a - b);
}
