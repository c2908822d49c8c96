import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import { networkOf } from "../../program/network.ts";
import { Fault } from "../fault.ts";
import type { AnswerBudget as Contract, Reservation } from "../route/handler.ts";

export interface BudgetLimits {
  /** Most large answers that are made or sent at the same time. */
  readonly answers: number;
  /** Most memory of all of them. */
  readonly bytes: number;
  /** Most requests that wait for a reservation. */
  readonly waiting: number;
  /** Longest wait for a reservation. */
  readonly waitMs: number;
  /** A client that reads nothing of its answer for this long is disconnected. */
  readonly stallMs: number;
}

const usual: BudgetLimits = {
  answers: 64,
  bytes: 128 * 1024 * 1024,
  waiting: 256,
  waitMs: 10_000,
  stallMs: 30_000,
};

/** Usage of one address, or of all addresses together. */
class Usage {
  answers = 0;
  bytes = 0;
  waiting = 0;
}

interface Waiter {
  readonly address: string;
  readonly bytes: number;
  admit(): void;
}

/**
 * Limits the number and the memory of large answers from the start of their making until their last byte is read. One
 * address gets at most half of every limit, so that others are answered meanwhile (decision 0027).
 */
export class AnswerBudget implements Contract {
  readonly #limits: BudgetLimits;
  readonly #total = new Usage();
  readonly #usage = new Map<string, Usage>();
  readonly #queue = new Set<Waiter>();

  constructor(limits: BudgetLimits = usual) {
    this.#limits = limits;
  }

  async reserve(c: Context, bytes: number): Promise<Reservation> {
    // A request without a connection, as in a test, needs no limit.
    const bindings = c.env as Partial<HttpBindings> | undefined;
    if (bindings?.outgoing === undefined || bindings.incoming === undefined) return { shrink: () => {} };
    const { incoming, outgoing } = bindings;
    const address = networkOf(incoming.socket.remoteAddress ?? "");
    // A larger reservation would wait forever.
    let held = Math.min(bytes, this.#limits.bytes / 2);
    if (this.#fits(address, held)) this.#take(address, held);
    else await this.#wait(address, held, outgoing);
    const release = (): void => {
      this.#take(address, -held, -1);
      held = 0;
      this.#admit();
    };
    if (outgoing.closed) release();
    else {
      outgoing.once("close", release);
      incoming.socket.setTimeout(this.#limits.stallMs);
    }
    return {
      shrink: (less) => {
        const spare = held - Math.min(less, held);
        if (spare === 0) return;
        held -= spare;
        this.#take(address, -spare, 0);
        this.#admit();
      },
    };
  }

  /** Resolves when the reservation is made. @throws Fault busy */
  #wait(address: string, bytes: number, outgoing: HttpBindings["outgoing"]): Promise<void> {
    const own = this.#usage.get(address) ?? new Usage();
    const { waiting, waitMs } = this.#limits;
    if (this.#queue.size >= waiting || own.waiting >= waiting / 2) return Promise.reject(busy());
    this.#usage.set(address, own);
    own.waiting++;
    return new Promise((resolve, reject) => {
      const end = (then: () => void): void => {
        clearTimeout(timer);
        outgoing.off("close", gone);
        this.#queue.delete(waiter);
        own.waiting--;
        this.#tidy(address, own);
        then();
      };
      const admit = (): void => {
        this.#take(address, bytes);
        end(resolve);
      };
      const waiter = { address, bytes, admit };
      const gone = (): void => end(() => reject(busy()));
      const timer = setTimeout(gone, waitMs);
      outgoing.once("close", gone);
      this.#queue.add(waiter);
    });
  }

  #fits(address: string, bytes: number): boolean {
    const { answers, bytes: most } = this.#limits;
    const own = this.#usage.get(address) ?? new Usage();
    return (
      this.#total.answers < answers &&
      this.#total.bytes + bytes <= most &&
      own.answers < answers / 2 &&
      own.bytes + bytes <= most / 2
    );
  }

  #take(address: string, bytes: number, answers = 1): void {
    const own = this.#usage.get(address) ?? new Usage();
    this.#usage.set(address, own);
    for (const usage of [this.#total, own]) {
      usage.answers += answers;
      usage.bytes += bytes;
    }
    this.#tidy(address, own);
  }

  #tidy(address: string, { answers, waiting }: Usage): void {
    if (answers === 0 && waiting === 0) this.#usage.delete(address);
  }

  /** Admits waiting requests that fit, the longest waiting first. */
  #admit(): void {
    for (const waiter of this.#queue) if (this.#fits(waiter.address, waiter.bytes)) waiter.admit();
  }
}

const busy = (): Fault =>
  new Fault("busy", "Too many large answers are being made or sent at the moment: ask again in some seconds.");
