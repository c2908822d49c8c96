// How late polls are against their schedule, found out from what the hub shows of its hosts.
import { setTimeout as wait } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { HostSchema } from "../../proto/gen/feed_pb.js";
import type { RunningHub } from "../../test/hub.ts";
import { cpu, type Quantiles, quantiles } from "../measure.ts";

/** When a simulated machine was asked, and when the hub had its answer. Unix milliseconds of one clock. */
interface Poll {
  readonly asked: number;
  readonly ended: number;
}

/** A time at which each host was polled without delay: the hub keeps the place of a host within the interval. */
type Schedules = ReadonlyMap<string, number>;

/** Polls of a time, by host. */
export class Polls {
  readonly #intervalMs: number;
  readonly #byHost = new Map<string, Poll[]>();

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Notes the last poll of a host. @param body an answer of GET /feed/host: a machine samples when it is asked */
  see(name: string, body: Uint8Array): void {
    const { seen, info } = fromBinary(HostSchema, body);
    if (seen === undefined || info?.sampled === undefined) return;
    const poll = { asked: Number(info.sampled), ended: Number(seen) };
    const polls = this.#byHost.get(name) ?? [];
    if (polls.at(-1)?.ended !== poll.ended) this.#byHost.set(name, [...polls, poll]);
  }

  get count(): number {
    return [...this.#byHost.values()].reduce((sum, polls) => sum + polls.length, 0);
  }

  /** Milliseconds from a time to a poll, without whole intervals: from minus half an interval to half of one. */
  #offset({ asked }: Poll, from: number): number {
    const half = this.#intervalMs / 2;
    return ((((asked - from + half) % this.#intervalMs) + this.#intervalMs) % this.#intervalMs) - half;
  }

  /** Finds the schedule of each host, which is that of its least late poll. */
  static schedules(all: readonly Polls[]): Schedules {
    const found = new Map<string, number>();
    for (const one of all) {
      for (const [name, polls] of one.#byHost) {
        for (const poll of polls) {
          const best = found.get(name);
          if (best === undefined || one.#offset(poll, best) < 0) found.set(name, poll.asked);
        }
      }
    }
    return found;
  }

  /** How late polls began and ended. */
  static lateness(all: readonly Polls[], schedules: Schedules): Readonly<Record<"starts" | "ends", Quantiles>> {
    const late = all.flatMap((one) =>
      [...one.#byHost].flatMap(([name, polls]) =>
        polls.map((poll) => {
          const start = one.#offset(poll, schedules.get(name) ?? poll.asked);
          return { start, end: start + poll.ended - poll.asked };
        }),
      ),
    );
    return { starts: quantiles(late.map(({ start }) => start)), ends: quantiles(late.map(({ end }) => end)) };
  }
}

/** What a hub did for some time. */
export interface Phase {
  /** CPU seconds per second. */
  readonly load: number;
  /** How late an answer to a page is. */
  readonly answers: Quantiles;
  readonly polls: Polls;
}

interface Watched {
  /** Hosts h0, h1, …, of which each is asked for about once within the interval of its polls. */
  readonly hosts: number;
  readonly intervalMs: number;
  readonly forMs: number;
}

/** Watches a hub for a time: its CPU, its polls, and how late its answers are. */
export async function watch({ url, child }: RunningHub, { hosts, intervalMs, forMs }: Watched): Promise<Phase> {
  const pid = child.pid ?? 0;
  const [used, begun] = [cpu(pid), performance.now()];
  const waits: number[] = [];
  const polls = new Polls(intervalMs);
  for (let i = 0; performance.now() < begun + forMs; i++) {
    const name = `h${i % hosts}`;
    const sent = performance.now();
    const answer = await fetch(`${url}/feed/host?name=${name}`);
    const body = await answer.bytes();
    waits.push(performance.now() - sent);
    polls.see(name, body);
    await wait(intervalMs / hosts);
  }
  const load = (cpu(pid) - used) / ((performance.now() - begun) / 1000);
  return { load, answers: quantiles(waits), polls };
}
