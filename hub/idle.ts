import type { GPUInfo, HostInfo } from "../proto/gen/host_pb.js";
import { holdingProcs, keysOf, parentOf, type Verdict, verdict } from "../proto/verdict.ts";

/** Cards of one answer that somebody has and does not compute on, by their keys (`keysOf`). */
export type IdleCards = ReadonlyMap<string, Idle>;

export interface Idle {
  /** Hub's clock, Unix milliseconds. */
  readonly since: number;
  /** The hub did not see it begin: idle for that long or longer. */
  readonly orLonger: boolean;
}

/** An answer, and what was worked out from it. */
export interface Answered {
  readonly info: HostInfo;
  readonly idle: IdleCards;
}

/**
 * @param before The previous answer, where nothing can have happened between the two that the hub had to see.
 * @param now Hub's clock, Unix milliseconds.
 */
export function idleCards(info: HostInfo, before: Answered | undefined, now: number): IdleCards {
  const cards = cardsOf(info);
  const idle = new Map<string, Idle>();
  if (![...cards.values()].some(({ state }) => state === "held")) return idle;
  const known = before === undefined ? new Map<string, Card>() : cardsOf(before.info);
  for (const [key, { gpu, state }] of cards) {
    if (state !== "held") continue;
    const old = known.get(key);
    const since = before?.idle.get(key);
    if (old === undefined || since === undefined) {
      idle.set(key, { since: now, orLonger: old?.state !== "busy" && old?.state !== "free" });
    } else idle.set(key, changedHands(old.gpu, gpu) ? { since: now, orLonger: false } : since);
  }
  return idle;
}

interface Card {
  readonly gpu: GPUInfo;
  readonly state: Verdict;
}

function cardsOf({ gpus }: HostInfo): Map<string, Card> {
  const keys = keysOf(gpus);
  return new Map(gpus.map((gpu, i) => [keys[i] ?? "", { gpu, state: verdict(gpu, true, parentOf(gpus, gpu)) }]));
}

/** True if no process (where there are none: no pod) of before is still there: somebody else has the card. */
function changedHands(before: GPUInfo, after: GPUInfo): boolean {
  const was = occupantsOf(before);
  const is = occupantsOf(after);
  return was.size > 0 && is.size > 0 && ![...is].some((one) => was.has(one));
}

function occupantsOf(gpu: GPUInfo): Set<string> {
  // A display server is on the card whichever user holds it.
  const having = new Set<object>(holdingProcs(gpu));
  const procs = gpu.procs.filter((proc) => having.has(proc));
  if (procs.length > 0) return new Set(procs.map(({ pid, uid }) => `${pid} ${uid}`));
  const { holders } = gpu;
  return new Set(holders.map(({ namespace, pod }) => `${namespace}/${pod}`));
}
