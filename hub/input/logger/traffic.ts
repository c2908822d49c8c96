import type { Clock } from "../../clock.ts";
import { Fault } from "../../fault.ts";
import { RateLimit, type RateLimits } from "../../push/rate.ts";

/** Most requests that are received at the same time: in all, and of one sender. Behind a gateway many clients are one. */
const most = { total: 128, perSender: 48 } as const;
/** The same of large ones. Each takes a part of the processor: fewer at a time are done sooner, and within their time. */
const mostLarge = { total: 6, perSender: 2 } as const;
/** A request counts as large from here on. Bytes. */
const largeBytes = 1024 * 1024;
/** A large one that keeps the hub waiting for longer gives way to others. Milliseconds. */
const patienceMs = 5000;

/** Bytes of one sender, and of all, beyond which a request is read more slowly. */
const senderRate: RateLimits = { rate: 4 * 1024 ** 2, burst: 128 * 1024 ** 2, waitMs: Number.POSITIVE_INFINITY };
const totalRate: RateLimits = { rate: 16 * 1024 ** 2, burst: 512 * 1024 ** 2, waitMs: Number.POSITIVE_INFINITY };
const mostSenders = 1000;

/** Counts something in all and by sender, up to limits. */
class Places {
  readonly #most: { readonly total: number; readonly perSender: number };
  readonly #bySender = new Map<string, number>();
  #total = 0;

  constructor(limits: { readonly total: number; readonly perSender: number }) {
    this.#most = limits;
  }

  /** @returns false if there is no place */
  take(sender: string): boolean {
    const own = this.#bySender.get(sender) ?? 0;
    if (own >= this.#most.perSender || this.#total >= this.#most.total) return false;
    this.#total++;
    this.#bySender.set(sender, own + 1);
    return true;
  }

  release(sender: string): void {
    this.#total--;
    const rest = (this.#bySender.get(sender) ?? 0) - 1;
    if (rest > 0) this.#bySender.set(sender, rest);
    else this.#bySender.delete(sender);
  }
}

/** Limits of the requests that are being received: a large or slow one must not use up what others need. */
export class Traffic {
  readonly #clock: Clock;
  readonly #places = new Places(most);
  readonly #large = new Places(mostLarge);
  readonly #rates = new Map<string, RateLimit>();
  readonly #rate: RateLimit;
  /** Time at which a large request was refused last. */
  #crowdedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#rate = new RateLimit(totalRate, clock.now());
  }

  /** Begins to receive a request. @param length as declared; undefined if unknown @throws Fault busy */
  begin(sender: string, length: number | undefined): Transfer {
    if (!this.#places.take(sender)) throw tooMany();
    const transfer = new Transfer(this, sender);
    try {
      if ((length ?? 0) > largeBytes) transfer.enlarge();
      return transfer;
    } catch (error) {
      transfer.end();
      throw error;
    }
  }

  /** @throws Fault busy */
  takeLarge(sender: string): void {
    if (this.#large.take(sender)) return;
    this.#crowdedAt = this.#clock.now();
    throw tooMany();
  }

  release(sender: string, isLarge: boolean): void {
    this.#places.release(sender);
    if (isLarge) this.#large.release(sender);
  }

  /** True if large requests were refused a moment ago. */
  get crowded(): boolean {
    return Math.abs(this.#clock.now() - this.#crowdedAt) <= patienceMs;
  }

  now(): number {
    return this.#clock.now();
  }

  /** Waits until a sender may send so many bytes more. */
  async pace(sender: string, bytes: number): Promise<void> {
    const now = this.#clock.now();
    const own = this.#rates.get(sender) ?? new RateLimit(senderRate, now);
    this.#rates.delete(sender);
    this.#rates.set(sender, own);
    const oldest = this.#rates.keys().next();
    if (this.#rates.size > mostSenders && !oldest.done) this.#rates.delete(oldest.value);
    const wait = Math.max(own.take(bytes, now) ?? 0, this.#rate.take(bytes, now) ?? 0);
    if (wait > 0) await new Promise<void>((done) => this.#clock.after(wait, done));
  }
}

/** One request that is being received. */
class Transfer {
  readonly #traffic: Traffic;
  readonly #sender: string;
  #isLarge = false;
  #bytes = 0;
  #waitedMs = 0;

  constructor(traffic: Traffic, sender: string) {
    this.#traffic = traffic;
    this.#sender = sender;
  }

  /** @throws Fault busy */
  enlarge(): void {
    if (this.#isLarge) return;
    this.#traffic.takeLarge(this.#sender);
    this.#isLarge = true;
  }

  /** Reads a body within the limits. @throws Fault body_too_large, busy, canceled, request_too_slow */
  async *read(body: AsyncIterable<Uint8Array>, mostBytes: number, tooLarge: () => Fault): AsyncGenerator<Buffer> {
    let since = this.#traffic.now();
    for await (const piece of untilClosed(body)) {
      this.#waitedMs += Math.max(0, this.#traffic.now() - since);
      this.#bytes += piece.length;
      if (this.#bytes > mostBytes) throw tooLarge();
      if (this.#bytes > largeBytes) this.enlarge();
      if (this.#isLarge && this.#waitedMs > patienceMs && this.#traffic.crowded) {
        throw new Fault("request_too_slow", "This request arrives slowly, and others wait: send it again.");
      }
      await this.#traffic.pace(this.#sender, piece.length);
      yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
      since = this.#traffic.now();
    }
  }

  end(): void {
    this.#traffic.release(this.#sender, this.#isLarge);
  }
}

/** The pieces of a body. @throws Fault canceled if its client goes away */
async function* untilClosed(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw new Fault("canceled", "The client went away before its request was read.", { cause: error });
  }
}

const tooMany = (): Fault =>
  new Fault("busy", "Too many requests with records are being received: send this one again in some seconds.");
