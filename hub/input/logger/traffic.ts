import type { Clock } from "../../clock.ts";
import { Fault } from "../../fault.ts";
import { RateLimit, type RateLimits } from "../../push/rate.ts";

/** Most requests that are received at the same time: in all, and of one sender. Behind a gateway many clients are one. */
const most = { total: 256, perSender: 48 } as const;
/** The same of large ones. Each takes a part of the processor: fewer at a time are done sooner, and within their time. */
const mostLarge = { total: 6, perSender: 2 } as const;
/** A request counts as large from here on. Bytes. */
const largeBytes = 1024 * 1024;
/** One that keeps the hub waiting for longer gives way to others of its kind that were refused. Milliseconds. */
const patienceMs = 5000;

/** Bytes of one sender, and of all, beyond which a request is read more slowly. */
const senderRate: RateLimits = { rate: 4 * 1024 ** 2, burst: 128 * 1024 ** 2, waitMs: Number.POSITIVE_INFINITY };
const totalRate: RateLimits = { rate: 16 * 1024 ** 2, burst: 512 * 1024 ** 2, waitMs: Number.POSITIVE_INFINITY };
const mostSenders = 1000;

/** Counts something in all and by sender, up to limits. */
class Places {
  readonly #most: { readonly total: number; readonly perSender: number };
  readonly #now: () => number;
  /** Time of the last refusal. */
  #refused = Number.NEGATIVE_INFINITY;
  readonly #bySender = new Map<string, number>();
  #total = 0;

  constructor(limits: { readonly total: number; readonly perSender: number }, now: () => number) {
    this.#most = limits;
    this.#now = now;
  }

  /** True if somebody was refused a moment ago. */
  get crowded(): boolean {
    return Math.abs(this.#now() - this.#refused) <= 2 * patienceMs;
  }

  /** @throws Fault busy */
  take(sender: string): void {
    const own = this.#bySender.get(sender) ?? 0;
    if (own >= this.#most.perSender || this.#total >= this.#most.total) {
      this.#refused = this.#now();
      throw new Fault(
        "busy",
        "Too many requests with records are being received: send this one again in some seconds.",
      );
    }
    this.#total++;
    this.#bySender.set(sender, own + 1);
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
  readonly places: Places;
  readonly large: Places;
  readonly #rates = new Map<string, RateLimit>();
  readonly #rate: RateLimit;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.places = new Places(most, clock.now);
    this.large = new Places(mostLarge, clock.now);
    this.#rate = new RateLimit(totalRate, clock.now());
  }

  /** Begins to receive a request. @param length as declared; undefined if unknown @throws Fault busy */
  begin(sender: string, length: number | undefined): Transfer {
    this.places.take(sender);
    const transfer = new Transfer(this, sender);
    try {
      if ((length ?? 0) > largeBytes) transfer.enlarge();
      return transfer;
    } catch (error) {
      transfer.end();
      throw error;
    }
  }

  now(): number {
    return this.#clock.now();
  }

  /** A second in which something is waited for. */
  pause(): { readonly ended: Promise<undefined>; readonly cancel: () => void } {
    let cancel = (): void => {};
    const ended = new Promise<undefined>((done) => {
      cancel = this.#clock.after(1000, () => done(undefined));
    });
    return { ended, cancel };
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
    this.#traffic.large.take(this.#sender);
    this.#isLarge = true;
  }

  /** Reads a body within the limits. @throws Fault body_too_large, busy, canceled, request_too_slow */
  async *read(body: AsyncIterable<Uint8Array>, mostBytes: number, tooLarge: () => Fault): AsyncGenerator<Buffer> {
    const pieces = body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { done, value: piece } = await this.#next(pieces);
        if (done) return;
        this.#bytes += piece.length;
        if (this.#bytes > mostBytes) throw tooLarge();
        if (this.#bytes > largeBytes) this.enlarge();
        await this.#traffic.pace(this.#sender, piece.length);
        yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
      }
    } finally {
      // Not awaited: it waits for a piece that may never come.
      pieces.return?.()?.catch(() => {});
    }
  }

  /** Waits for the next piece; no longer than others can wait for this place. */
  async #next(pieces: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    const next = pieces.next();
    try {
      for (;;) {
        const since = this.#traffic.now();
        const { ended, cancel } = this.#traffic.pause();
        const piece = await Promise.race([next, ended]);
        cancel();
        this.#waitedMs += Math.max(0, this.#traffic.now() - since);
        if (piece !== undefined) return piece;
        const { large, places } = this.#traffic;
        if (this.#waitedMs > patienceMs && (this.#isLarge ? large : places).crowded) throw slow();
      }
    } catch (error) {
      next.catch(() => {});
      if (error instanceof Fault) throw error;
      throw new Fault("canceled", "The client went away before its request was read.", { cause: error });
    }
  }

  end(): void {
    this.#traffic.places.release(this.#sender);
    if (this.#isLarge) this.#traffic.large.release(this.#sender);
  }
}

const slow = (): Fault => new Fault("request_too_slow", "This request arrives slowly, and others wait: send it again.");
