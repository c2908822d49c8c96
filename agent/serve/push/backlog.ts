/** Limits of the backlog. */
export interface BacklogLimits {
  readonly count: number;
  readonly bytes: number;
}

/** An encoded sample and its sequence number. */
export interface QueuedSample {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/** Queue of samples that wait to be sent, oldest first. Beyond its limits the oldest are dropped and counted. */
export class Backlog {
  readonly #room: BacklogLimits;
  // A Map keeps the order of arrival, and removing its first entry is cheap, unlike an array's.
  readonly #samples = new Map<number, Uint8Array>();
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

  /** Adds a sample. One that alone exceeds the limit is dropped at once. */
  add(bytes: Uint8Array): void {
    this.#samples.set(this.#next++, bytes);
    this.#bytes += bytes.length;
    while (this.#samples.size > this.#room.count || this.#bytes > this.#room.bytes) {
      const oldest = this.oldest();
      if (oldest === undefined) return;
      this.#remove(oldest.sequence);
      this.#dropped++;
    }
  }

  oldest(): QueuedSample | undefined {
    const first = this.#samples.entries().next();
    return first.done ? undefined : { sequence: first.value[0], bytes: first.value[1] };
  }

  newest(): QueuedSample | undefined {
    const bytes = this.#samples.get(this.#next - 1);
    return bytes && { sequence: this.#next - 1, bytes };
  }

  /** Removes this sample and all before it, unless they were dropped already. */
  done({ sequence }: QueuedSample): void {
    for (const waiting of this.#samples.keys()) {
      if (waiting > sequence) return;
      this.#remove(waiting);
    }
  }

  /** Returns the number of samples dropped since the last call. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  #remove(sequence: number): void {
    const sample = this.#samples.get(sequence);
    if (sample === undefined) return;
    this.#samples.delete(sequence);
    this.#bytes -= sample.length;
  }
}
