import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import { networkOf } from "../../program/network.ts";
import { Fault } from "../fault.ts";
import type { Desk as Contract, Place } from "../view/view.ts";

export interface Limits {
  /** Large answers that are made or sent at the same time, and the memory of all of them in bytes. */
  readonly answers: number;
  readonly bytes: number;
  /** Requests that wait for a place, and for how long, in milliseconds. */
  readonly waiting: number;
  readonly patience: number;
  /** Milliseconds in which a reader must take something of such an answer. */
  readonly stall: number;
}

const usual: Limits = {
  answers: 64,
  bytes: 128 * 1024 * 1024,
  waiting: 256,
  patience: 10_000,
  stall: 30_000,
};

/** What one address, or all addresses together, have. */
class Share {
  answers = 0;
  bytes = 0;
  waiting = 0;
}

interface Waiter {
  readonly address: string;
  readonly bytes: number;
  enter(): void;
}

/**
 * Bounds answers that are being made and sent, together: one that nobody reads holds its memory until it is cut. One address
 * has half of every limit at most, so that others are answered while it holds that.
 */
export class Desk implements Contract {
  readonly #limits: Limits;
  readonly #all = new Share();
  readonly #shares = new Map<string, Share>();
  readonly #queue = new Set<Waiter>();

  constructor(limits: Limits = usual) {
    this.#limits = limits;
  }

  async enter(c: Context, bytes: number): Promise<Place> {
    // Without a connection, as in a test, there is nothing to wait for.
    const bindings = c.env as Partial<HttpBindings> | undefined;
    if (bindings?.outgoing === undefined || bindings.incoming === undefined) return { keep: () => {} };
    const { incoming, outgoing } = bindings;
    const address = networkOf(incoming.socket.remoteAddress ?? "");
    // No answer needs more than an address may have: it would wait for ever.
    let held = Math.min(bytes, this.#limits.bytes / 2);
    if (this.#fits(address, held)) this.#take(address, held);
    else await this.#wait(address, held, outgoing);
    const leave = (): void => {
      this.#take(address, -held, -1);
      held = 0;
      this.#admit();
    };
    if (outgoing.closed) leave();
    else {
      outgoing.once("close", leave);
      incoming.socket.setTimeout(this.#limits.stall);
    }
    return {
      keep: (less) => {
        const spare = held - Math.min(less, held);
        if (spare === 0) return;
        held -= spare;
        this.#take(address, -spare, 0);
        this.#admit();
      },
    };
  }

  /** Resolves when the place is taken. @throws Fault busy */
  #wait(address: string, bytes: number, outgoing: HttpBindings["outgoing"]): Promise<void> {
    const share = this.#shares.get(address) ?? new Share();
    const { waiting, patience } = this.#limits;
    if (this.#queue.size >= waiting || share.waiting >= waiting / 2) return Promise.reject(busy());
    this.#shares.set(address, share);
    share.waiting++;
    return new Promise((resolve, reject) => {
      const end = (then: () => void): void => {
        clearTimeout(timer);
        outgoing.off("close", gone);
        this.#queue.delete(waiter);
        share.waiting--;
        this.#tidy(address, share);
        then();
      };
      const enter = (): void => {
        this.#take(address, bytes);
        end(resolve);
      };
      const waiter = { address, bytes, enter };
      const gone = (): void => end(() => reject(busy()));
      const timer = setTimeout(gone, patience);
      outgoing.once("close", gone);
      this.#queue.add(waiter);
    });
  }

  #fits(address: string, bytes: number): boolean {
    const { answers, bytes: most } = this.#limits;
    const own = this.#shares.get(address) ?? new Share();
    return (
      this.#all.answers < answers &&
      this.#all.bytes + bytes <= most &&
      own.answers < answers / 2 &&
      own.bytes + bytes <= most / 2
    );
  }

  #take(address: string, bytes: number, answers = 1): void {
    const own = this.#shares.get(address) ?? new Share();
    this.#shares.set(address, own);
    for (const share of [this.#all, own]) {
      share.answers += answers;
      share.bytes += bytes;
    }
    this.#tidy(address, own);
  }

  #tidy(address: string, { answers, waiting }: Share): void {
    if (answers === 0 && waiting === 0) this.#shares.delete(address);
  }

  /** Lets in those there is room for, the longest waiting first. */
  #admit(): void {
    for (const waiter of this.#queue) if (this.#fits(waiter.address, waiter.bytes)) waiter.enter();
  }
}

const busy = (): Fault =>
  new Fault("busy", "Too many large answers are being made or sent at the moment: ask again in some seconds.");
