/** Limits of the backlog. */
export interface BacklogLimits {
  /** Records of all samples together. */
  readonly count: number;
  readonly bytes: number;
}

/** An encoded sample and its sequence number. */
export interface QueuedSample {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

interface Waiting {
  readonly bytes: Uint8Array;
  readonly records: number;
}

/** Queue of samples that wait to be sent, oldest first. Beyond its limits the oldest are dropped and their records counted. */
export class Backlog {
  readonly #room: BacklogLimits;
  // A Map keeps the order of arrival, and removing its first entry is cheap, unlike an array's.
  readonly #samples = new Map<number, Waiting>();
  #records = 0;
  #bytes = 0;
  #next = 0;
  #dropped = 0;

  constructor(room: BacklogLimits) {
    this.#room = room;
  }

  get size(): number {
    return this.#samples.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Records of all waiting samples. */
  get records(): number {
    return this.#records;
  }

  /**
   * Adds a sample. One that alone exceeds the limit is dropped at once.
   * @param records Number of records that the receiver gets of it.
   */
  add(bytes: Uint8Array, records = 1): void {
    this.#samples.set(this.#next++, { bytes, records });
    this.#bytes += bytes.length;
    this.#records += records;
    while (this.#records > this.#room.count || this.#bytes > this.#room.bytes) {
      const oldest = this.oldest();
      if (oldest === undefined) return;
      this.#dropped += this.#remove(oldest.sequence);
    }
  }

  oldest(): QueuedSample | undefined {
    const first = this.#samples.entries().next();
    return first.done ? undefined : { sequence: first.value[0], bytes: first.value[1].bytes };
  }

  newest(): QueuedSample | undefined {
    const last = this.#samples.get(this.#next - 1);
    return last && { sequence: this.#next - 1, bytes: last.bytes };
  }

  /** Removes this sample and all before it, unless they were dropped already. */
  done({ sequence }: QueuedSample): void {
    for (const waiting of this.#samples.keys()) {
      if (waiting > sequence) return;
      this.#remove(waiting);
    }
  }

  /** Returns the number of records dropped since the last call. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /** Removes a sample. @returns its records */
  #remove(sequence: number): number {
    const sample = this.#samples.get(sequence);
    if (sample === undefined) return 0;
    this.#samples.delete(sequence);
    this.#bytes -= sample.bytes.length;
    this.#records -= sample.records;
    return sample.records;
  }
}
