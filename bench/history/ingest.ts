// Process of the history benchmark that appends samples to our store, poll by poll on a simulated clock, as the hub would,
// and measures the cost. Started with fork: receives a Job and sends a list of Marks.
import { setImmediate as turn } from "node:timers/promises";
import { openStore } from "../../hub/history/sqlite/store.ts";
import type { Local, Store } from "../../hub/history/store.ts";
import { silent } from "../../hub/log.ts";
import { PlayedClock } from "./clock.ts";
import { ownCpu, peak, resetPeak, written } from "./cost.ts";
import { bytesOf } from "./peer.ts";
import { PollBuilder } from "./polls.ts";
import { ask } from "./query.ts";
import type { Shape } from "./question.ts";
import { type PlayedFleet, readSamples, widthOf } from "./samples.ts";

export interface Job {
  readonly folder: string;
  readonly played: PlayedFleet;
  /** Unix milliseconds at which the cost is measured and queries are run, besides the end. */
  readonly marks: readonly number[];
}

/** Checkpoint: cost of the samples so far. The last one is taken after the store was closed. */
export interface Mark {
  readonly at: number;
  readonly samples: number;
  /** CPU seconds, user and system, of the whole process, without reading the samples. */
  readonly cpu: number;
  /** Bytes: written to the disk, passed to write calls, peak of memory, in files. */
  readonly disk: number;
  readonly calls: number;
  readonly peak: number;
  readonly bytes: number;
  /** Median duration of queries on the store by shape, in milliseconds; empty after it was closed. */
  readonly asked: Partial<Record<Shape, number>>;
}

/** Number of rows from which the cost of reading and building polls is measured. */
const trial = 400_000;

const day = 86_400_000;
/** Default retention of the hub. */
const retention = {
  raw: 30 * day,
  fiveMinutes: 365 * day,
  hour: Number.POSITIVE_INFINITY,
  day: Number.POSITIVE_INFINITY,
};

/** Measures the CPU seconds per row of the same loop without a store. */
async function buildCost(played: PlayedFleet): Promise<number> {
  const builder = new PollBuilder(played.columns);
  const rowWidth = widthOf(played);
  const walk = new Walk();
  const before = ownCpu();
  let rows = 0;
  let sum = 0;
  for (const some of readSamples(played)) {
    for (let at = 0; at < some.length; at += rowWidth) {
      if (walk.next(some[at + 1] ?? 0)) await turn();
      sum += builder.poll(some, at).at;
      rows++;
    }
    if (rows >= trial) break;
  }
  return sum > 0 ? (ownCpu() - before) / rows : 0;
}

/** Detects the beginning of each second. Polls that are late by a few milliseconds may be of the previous second. */
class Walk {
  #second = 0;

  next(at: number): boolean {
    const second = Math.floor(at / 1000);
    if (second <= this.#second) return false;
    this.#second = second;
    return true;
  }
}

class Meter {
  readonly #each: number;
  readonly #width: number;
  readonly #cpu = ownCpu();
  readonly #written = written("self");
  /** CPU seconds that are not counted. */
  #apart = 0;

  /** @param each CPU seconds of building the poll of a row @param width samples of a row */
  constructor(each: number, width: number) {
    this.#each = each;
    this.#width = width;
  }

  async apart<T>(work: () => Promise<T>): Promise<T> {
    const before = ownCpu();
    const done = await work();
    this.#apart += ownCpu() - before;
    return done;
  }

  mark(at: number, rows: number): Omit<Mark, "asked" | "bytes"> {
    const { disk, calls } = written("self");
    return {
      at,
      samples: rows * this.#width,
      cpu: ownCpu() - this.#cpu - this.#apart - rows * this.#each,
      disk: disk - this.#written.disk,
      calls: calls - this.#written.calls,
      peak: peak("self"),
    };
  }
}

async function ingest({ folder, played, marks }: Job): Promise<Mark[]> {
  const meter = new Meter(await buildCost(played), played.columns.length);
  const rowWidth = widthOf(played);
  resetPeak();
  const clock = new PlayedClock(played.from);
  const store: Store & Local = openStore({
    folder,
    clock,
    log: silent,
    retention: () => retention,
    maxSize: () => Number.POSITIVE_INFINITY,
    trouble: (words) => {
      if (words !== undefined) throw new Error(words.text);
    },
  });
  const builder = new PollBuilder(played.columns);
  const walk = new Walk();
  const done: Mark[] = [];
  let rows = 0;
  for (const some of readSamples(played)) {
    for (let at = 0; at < some.length; at += rowWidth) {
      const time = some[at + 1] ?? 0;
      if (walk.next(time)) {
        store.flush();
        clock.advance(time);
        await turn();
        if (time >= (marks[done.length] ?? Number.POSITIVE_INFINITY)) {
          const cost = meter.mark(time, rows);
          const asked = await meter.apart(() => ask(store, played, time));
          done.push({ ...cost, bytes: store.bytes(), asked });
        }
      }
      store.append(builder.poll(some, at));
      rows++;
    }
  }
  store.close();
  return [...done, { ...meter.mark(clock.now(), rows), bytes: bytesOf(folder), asked: {} }];
}

process.on("disconnect", () => process.exit(0));
process.once("message", async (job: Job) => {
  process.send?.(await ingest(job));
  process.disconnect();
});
