import { type DrmClient, type Since, sharesOf } from "../../machine/drm/clients.ts";
import { amount, given } from "../../number.ts";
import type { Proc } from "../source.ts";
import type { Hold } from "./kfd.ts";

interface Draft {
  /** Bytes; undefined if the driver reports no such memory. */
  vram: number | undefined;
  host: number | undefined;
  /** Nanoseconds since the device was opened. */
  gfx: number;
  compute: number;
  worked: number;
  share: number | undefined;
}

/** Undefined only where neither is known. */
const sum = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined ? other : one + (other ?? 0);

function add(draft: Draft, client: DrmClient, since: Since | undefined): void {
  const { info } = client;
  const time = (engine: string): number => info.engines.get(engine)?.busy ?? 0;
  draft.vram = sum(draft.vram, info.memory.get("vram"));
  draft.host = sum(draft.host, info.memory.get("gtt"));
  draft.gfx += time("gfx");
  draft.compute += time("compute");
  for (const { busy } of info.engines.values()) draft.worked += busy;
  const shares = sharesOf(client, since);
  if (shares === undefined) return;
  // As in the card's own share: a process that keeps any engine busy is busy.
  draft.share = Math.min(100, (draft.share ?? 0) + Math.max(0, ...shares.values()));
}

/** Clients and compute processes of one card. */
export interface CardClients {
  /** Its device files that are open. */
  readonly clients: readonly DrmClient[];
  /** What compute programs have of this card, by pid. Undefined: the program computes, but has nothing here. */
  readonly holds: ReadonlyMap<number, Hold | undefined>;
  readonly since: Since | undefined;
  /** Bytes that are set aside for graphics inside a processor; undefined for cards. */
  readonly setAside?: number | undefined;
}

/**
 * Processes of one card. The KFD lists programs that compute through ROCm with their memory; the work they submit
 * passes no engine that fdinfo counts, so their share is not known and left out rather than 0.
 */
export function procsOf({ clients, holds, since, setAside }: CardClients): Proc[] {
  const drafts = new Map<number, Draft>();
  for (const client of clients) {
    const empty = { vram: undefined, host: undefined, gfx: 0, compute: 0, worked: 0, share: undefined };
    const draft = drafts.get(client.pid) ?? empty;
    drafts.set(client.pid, draft);
    add(draft, client, since);
  }
  const procs: Proc[] = [];
  for (const [pid, hold] of holds) {
    const draft = drafts.get(pid);
    const share = draft?.share ? Math.round(draft.share) : undefined;
    // ROCm opens every card it may use: only where it holds memory, has a queue or works is it on the card. On processors
    // with graphics inside, what it takes is the host's memory, and its queue is all that shows.
    if (hold === undefined && !share) continue;
    drafts.delete(pid);
    const graphics = (draft?.gfx ?? 0) > 0;
    procs.push({ pid, compute: true, graphics, ...memoryOf(hold, draft, setAside), ...given("utilization", share) });
  }
  for (const [pid, draft] of drafts) {
    const { vram, host, gfx, compute, worked, share } = draft;
    // Of a ROCm program that only opened the card, a few pages lie there; one that draws there too has worked.
    if ((holds.has(pid) ? 0 : (sum(vram, host) ?? 0)) + worked === 0) continue;
    procs.push({
      pid,
      compute: compute > 0,
      graphics: gfx > 0 || compute === 0,
      ...given("mem", amount(vram)),
      ...given("hostMem", amount(host)),
      ...given("utilization", share === undefined ? undefined : Math.round(share)),
    });
  }
  const all = ({ mem = 0n, hostMem = 0n }: Proc): bigint => mem + (setAside === undefined ? 0n : hostMem);
  return procs.sort((a, b) => Number(all(b) - all(a)) || (a.pid ?? 0) - (b.pid ?? 0));
}

/**
 * Memory of a ROCm program. On a processor with graphics inside, the KFD calls device memory what the driver takes from
 * the host (since 6.10): there, what the program has open says where it lies, and without that its size does.
 */
function memoryOf(hold: Hold | undefined, draft: Draft | undefined, setAside: number | undefined): Proc {
  const memory = hold === undefined || hold.memory === 0 ? undefined : hold.memory;
  if (setAside === undefined) return { ...given("mem", amount(memory)), ...given("hostMem", amount(draft?.host)) };
  if (draft?.host !== undefined) return { ...given("mem", amount(draft.vram)), hostMem: amount(draft.host) ?? 0n };
  return given(memory !== undefined && memory > setAside ? "hostMem" : "mem", amount(memory));
}

/**
 * The same in a container with processes of its own: the KFD's ids are the host's, those of the clients the container's,
 * and nothing tells which of them are the same. What computes through ROCm passes no engine: it is left to the KFD.
 */
export function procsApart({ clients, holds, since, setAside }: CardClients): Proc[] {
  const works = ({ info }: DrmClient): boolean => [...info.engines.values()].some(({ busy }) => busy > 0);
  const kfd = procsOf({ clients: [], holds, since: undefined, setAside });
  const others = kfd.map((proc) => ({ ...proc, elsewhere: true }));
  const own = holds.size === 0 ? clients : clients.filter(works);
  return [...others, ...procsOf({ clients: own, holds: new Map(), since, setAside })];
}
