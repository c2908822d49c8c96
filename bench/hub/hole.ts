// What machines that are gone without a word cost the others: their packets vanish, as behind a firewall or without power.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { hubFolder, startHub } from "../../test/hub.ts";
import { top } from "../../test/program.ts";
import { lasting, type Quantiles, shown } from "../measure.ts";
import { type Phase, Polls, watch } from "./lag.ts";

const answering = 210;
/** Three of ten machines. */
const gone = 90;
/** Seconds between two polls of a host. */
const interval = 10;
/** The default of `poll.deadline` keeps a place of `poll.concurrency` for so long for each poll that is not answered. */
const settling = lasting(2 * interval * 1000);
const measured = lasting(30_000);
/** Times that both are measured, in turn. */
const rounds = 2;

export interface HoleCost {
  readonly alone: readonly Phase[];
  readonly holes: readonly Phase[];
}

/** A port at which connections are neither accepted nor refused. */
async function hole(): Promise<{ port: number; child: ChildProcess }> {
  const child = fork(join(top, "bench", "hub", "mute.ts"));
  const [port] = (await once(child, "message")) as [number];
  // The kernel completes what fits into the backlog of a process that stands still, and drops the rest.
  child.kill("SIGSTOP");
  return { port, child };
}

/** @param fleet port of the machines that answer */
export async function holeCost(fleet: { readonly grpc: number }): Promise<HoleCost> {
  const { port, child } = await hole();
  const at = hubFolder();
  const named = (letter: string, count: number, to: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`${letter}${i}`, `127.0.0.1:${to}`]));
  const set = (servers: Record<string, string>): void => at.write({ servers, poll: { interval } });
  const alive = named("h", answering, fleet.grpc);
  set(alive);
  const hub = await startHub(at);
  const watched = { hosts: answering, intervalMs: interval * 1000, forMs: measured };
  const [alone, holes]: [Phase[], Phase[]] = [[], []];
  try {
    for (let i = 0; i < rounds; i++) {
      await wait(settling);
      alone.push(await watch(hub, watched));
      set({ ...alive, ...named("gone", gone, port) });
      await hub.line(new RegExp(`(?:settings read again: ${answering + gone} servers[^]*){${i + 1}}`));
      await wait(settling);
      holes.push(await watch(hub, watched));
      set(alive);
      await hub.line(new RegExp(`(?:settings read again: ${answering} servers[^]*){${i + 1}}`));
    }
    return { alone, holes };
  } finally {
    child.kill("SIGKILL");
    await hub.stop();
    at.remove();
  }
}

/** How late polls end, over all rounds; the schedules are those of the whole run. */
export function lateEnds({ alone, holes }: HoleCost): Readonly<Record<"alone" | "holes", Quantiles>> {
  const schedules = Polls.schedules([...alone, ...holes].map(({ polls }) => polls));
  const of = (phases: readonly Phase[]): Quantiles =>
    Polls.lateness(
      phases.map(({ polls }) => polls),
      schedules,
    ).ends;
  return { alone: of(alone), holes: of(holes) };
}

/** Rows for the results. */
export function* holeRows(cost: HoleCost): Iterable<string> {
  const { alone, holes } = lateEnds(cost);
  const load = (phases: readonly Phase[]): string =>
    `${((phases.reduce((sum, one) => sum + one.load, 0) / phases.length) * 100).toFixed(1)} %`;
  yield `${answering} hosts are polled every ${interval} s; then ${gone} more, whose packets vanish; both ${rounds} times in turn; times in ms: median, 99th percentile, maximum`;
  yield "| measured | without them | with them |";
  yield "|---|---|---|";
  yield `| CPU of the hub | ${load(cost.alone)} | ${load(cost.holes)} |`;
  yield `| a poll of the others ends late by | ${shown(alone)} | ${shown(holes)} |`;
}
