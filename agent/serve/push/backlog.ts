/** Most that is kept. */
export interface BacklogLimits {
  readonly count: number;
  readonly bytes: number;
}

/** A sample as it goes over the wire, and its place in the row. */
export interface Sample {
  readonly place: number;
  readonly bytes: Uint8Array;
}

/** Samples that wait to be sent, oldest first. When they are too many the oldest go, and are counted. */
export class Backlog {
  readonly #room: BacklogLimits;
  // A Map keeps the order of arrival, and its first entry goes at no cost, unlike an array's.
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

  /** Takes a sample in. One that alone is over the limit is dropped at once. */
  add(bytes: Uint8Array): void {
    this.#samples.set(this.#next++, bytes);
    this.#bytes += bytes.length;
    while (this.#samples.size > this.#room.count || this.#bytes > this.#room.bytes) {
      const oldest = this.oldest();
      if (oldest === undefined) return;
      this.#remove(oldest.place);
      this.#dropped++;
    }
  }

  oldest(): Sample | undefined {
    const first = this.#samples.entries().next();
    return first.done ? undefined : { place: first.value[0], bytes: first.value[1] };
  }

  newest(): Sample | undefined {
    const bytes = this.#samples.get(this.#next - 1);
    return bytes && { place: this.#next - 1, bytes };
  }

  /** Lets go of this sample and of all before it; they may be gone already. */
  done({ place }: Sample): void {
    for (const held of this.#samples.keys()) {
      if (held > place) return;
      this.#remove(held);
    }
  }

  /** How many were dropped since this was asked last. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  #remove(place: number): void {
    const held = this.#samples.get(place);
    if (held === undefined) return;
    this.#samples.delete(place);
    this.#bytes -= held.length;
  }
}
