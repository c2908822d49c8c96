import type { GPUInfo, HostInfo } from "../../proto/gen/host_pb.js";
import { holdingProcs, keysOf, parentOf, type Verdict, verdict } from "../../proto/verdict.ts";

/** Cards of one report that are occupied without computing, by their keys (`keysOf`). */
export type IdleCards = ReadonlyMap<string, Idle>;

export interface Idle {
  /** Unix milliseconds of the hub's clock. */
  readonly since: number;
  /** True if the hub did not see it begin: it may have begun earlier. */
  readonly orLonger: boolean;
}

/** A report with its idle cards. */
export interface ReportWithIdle {
  readonly info: HostInfo;
  readonly idle: IdleCards;
}

/**
 * Finds the cards that are occupied without computing, and since when.
 * @param before the previous report; undefined if the hub may have missed a change since
 * @param now Unix milliseconds of the hub's clock
 */
export function idleCards(info: HostInfo, before: ReportWithIdle | undefined, now: number): IdleCards {
  const cards = cardsOf(info);
  const idle = new Map<string, Idle>();
  if (![...cards.values()].some(({ state }) => state === "held")) return idle;
  const known = before === undefined ? new Map<string, CardVerdict>() : cardsOf(before.info);
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

interface CardVerdict {
  readonly gpu: GPUInfo;
  readonly state: Verdict;
}

function cardsOf({ gpus }: HostInfo): Map<string, CardVerdict> {
  const keys = keysOf(gpus);
  return new Map(gpus.map((gpu, i) => [keys[i] ?? "", { gpu, state: verdict(gpu, true, parentOf(gpus, gpu)) }]));
}

/** True if none of the previous processes (without processes: pods) is left: somebody else has the card. */
function changedHands(before: GPUInfo, after: GPUInfo): boolean {
  const previous = occupantsOf(before);
  const current = occupantsOf(after);
  return previous.size > 0 && current.size > 0 && ![...current].some((one) => previous.has(one));
}

function occupantsOf(gpu: GPUInfo): Set<string> {
  // A display server stays on the card whoever occupies it.
  const procs = holdingProcs(gpu);
  if (procs.length > 0) return new Set(procs.map(({ pid, uid }) => `${pid} ${uid}`));
  const { holders } = gpu;
  return new Set(holders.map(({ namespace, pod }) => `${namespace}/${pod}`));
}
