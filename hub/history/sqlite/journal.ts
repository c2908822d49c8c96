import { closeSync, fdatasync, openSync, readdirSync, readFileSync, statSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { Level } from "../../../proto/catalog.ts";
import { putNumber, Reader } from "./bytes.ts";
import type { Run } from "./run.ts";

/** What the rows of a run mean: written before the first of them. */
export interface RunStart {
  readonly run: number;
  readonly host: string;
  readonly window: number;
  readonly devices: readonly (readonly [level: Level, key: string, index: number | null])[];
  /** Place in `devices`, and the metric's name. */
  readonly columns: readonly (readonly [device: number, metric: string])[];
}

export interface Replay {
  start(start: RunStart, segment: number): void;
  row(run: number, row: Uint8Array, segment: number): void;
}

/** First bytes of each file, with the version of what follows. */
const magic = Buffer.from("GOHM journal 1\n");
const name = /^history\.journal-(\d{1,15})$/;
/** A file is ended at this size or age, so that it can go once all in it is sealed. Bytes, milliseconds. */
const largest = 8 * 2 ** 20;
const oldest = 30 * 60_000;
/** What could not be written yet, at most; beyond it the samples are in memory only. Bytes. */
const waiting = 32 * 2 ** 20;
/** Length and checksum before each record. */
const head = 8;

/**
 * What is not sealed yet, in files beside the database: one record for each write, of rows and of the runs they belong
 * to. A record that was cut short by the end of the process, or of the power, ends its file.
 */
export class Journal {
  readonly #folder: string;
  readonly #now: () => number;
  #batch = Buffer.alloc(64 * 1024);
  #place = head;
  #runs = new Set<Run>();
  #file: { fd: number; number: number; length: number; since: number } | undefined;
  #next: number;
  /** Numbers of the files there are, ascending. */
  #files: number[];
  #unsynced = false;

  constructor(folder: string, now: () => number) {
    this.#folder = folder;
    this.#now = now;
    this.#files = numbers(folder);
    this.#next = (this.#files.at(-1) ?? 0) + 1;
  }

  /** Something waits to be written. */
  get waiting(): boolean {
    return this.#place > head;
  }

  start(start: RunStart): void {
    const text = Buffer.from(JSON.stringify(start));
    this.#room(text.length + 20);
    this.#place = putNumber(this.#batch, this.#place, 0);
    this.#place = putNumber(this.#batch, this.#place, text.length);
    this.#place += text.copy(this.#batch, this.#place);
  }

  row(run: Run, row: Uint8Array): void {
    this.#room(row.length + 20);
    this.#place = putNumber(this.#batch, this.#place, run.id);
    this.#place = putNumber(this.#batch, this.#place, row.length);
    this.#batch.set(row, this.#place);
    this.#place += row.length;
    this.#runs.add(run);
  }

  /**
   * Writes what waits.
   * @throws when it cannot; it waits on then
   */
  write(): void {
    if (!this.waiting) return;
    const file = this.#open();
    const record = this.#batch.subarray(0, this.#place);
    record.writeUInt32LE(this.#place - head, 0);
    record.writeUInt32LE(crc32(record.subarray(head)), 4);
    // At its place, not at the end: what an attempt before left there half written is written over.
    for (let done = 0; done < record.length; )
      done += writeSync(file.fd, record, done, record.length - done, file.length + done);
    file.length += record.length;
    for (const run of this.#runs) {
      run.segments = [run.segments[0] || file.number, file.number];
    }
    this.#clear();
    this.#unsynced = true;
  }

  /** More waits than memory may hold: lets it go. @returns whether it did; the runs it was of cannot be written on then */
  overflow(): boolean {
    if (this.#place < waiting) return false;
    this.#clear();
    return true;
  }

  /** Has the system bring what was written to the disk, without waiting for it. */
  sync(): void {
    if (!this.#unsynced || this.#file === undefined) return;
    this.#unsynced = false;
    // The next one a few seconds later tells again what this one could not do.
    fdatasync(this.#file.fd, () => {});
  }

  /** Deletes files that nothing unsealed is in. @param least the first that is needed */
  release(least: number): void {
    const gone = this.#files.filter((number) => number < least && number !== this.#file?.number);
    for (const number of gone) unlinkSync(this.#path(number));
    if (gone.length > 0) this.#files = this.#files.filter((number) => !gone.includes(number));
  }

  /** Everything that was written and not deleted, oldest first. To be called before the first write. */
  replay(to: Replay): void {
    for (const number of this.#files) {
      const bytes = readFileSync(this.#path(number));
      if (!bytes.subarray(0, magic.length).equals(magic)) continue;
      for (let at = magic.length; at + head <= bytes.length; ) {
        const end = at + head + bytes.readUInt32LE(at);
        const payload = bytes.subarray(at + head, end);
        if (end > bytes.length || crc32(payload) !== bytes.readUInt32LE(at + 4)) break;
        entries(payload, to, number);
        at = end;
      }
    }
  }

  bytes(): number {
    return this.#files.reduce((sum, number) => sum + statSync(this.#path(number)).size, 0);
  }

  /** @param empty nothing of it is needed any more */
  close(empty: boolean): void {
    if (this.#file) closeSync(this.#file.fd);
    this.#file = undefined;
    if (empty) this.release(Number.POSITIVE_INFINITY);
  }

  #open(): { fd: number; number: number; length: number } {
    const { length = 0, since = 0 } = this.#file ?? {};
    const age = this.#now() - since;
    if (this.#file && length < largest && age >= 0 && age < oldest) return this.#file;
    const number = this.#next;
    const fd = openSync(this.#path(number), "w", 0o640);
    try {
      writeSync(fd, magic);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.#next++;
    this.#files.push(number);
    const before = this.#file?.fd;
    if (before !== undefined) fdatasync(before, () => closeSync(before));
    this.#file = { fd, number, length: magic.length, since: this.#now() };
    return this.#file;
  }

  #room(bytes: number): void {
    if (this.#place + bytes <= this.#batch.length) return;
    const larger = Buffer.alloc(Math.max(this.#batch.length * 2, this.#place + bytes));
    this.#batch.copy(larger, 0, 0, this.#place);
    this.#batch = larger;
  }

  #clear(): void {
    this.#place = head;
    this.#runs.clear();
    if (this.#batch.length > 2 ** 20) this.#batch = Buffer.alloc(64 * 1024);
  }

  #path(number: number): string {
    return join(this.#folder, `history.journal-${number}`);
  }
}

function numbers(folder: string): number[] {
  const found = readdirSync(folder).map((file) => Number(name.exec(file)?.[1] ?? Number.NaN));
  return found.filter((number) => number > 0).sort((a, b) => a - b);
}

function entries(payload: Uint8Array, to: Replay, segment: number): void {
  const reader = new Reader(payload);
  while (!reader.done) {
    const run = reader.number();
    const bytes = reader.take(reader.number());
    if (run > 0) to.row(run, bytes, segment);
    else to.start(JSON.parse(Buffer.from(bytes).toString()) as RunStart, segment);
  }
}
