import { given } from "../../../proto/number.ts";
import { type Client, type Since, sharesOf } from "../../machine/drm/clients.ts";
import type { Proc } from "../source.ts";
import type { Hold } from "./kfd.ts";

interface Draft {
  vram: number;
  host: number;
  /** Nanoseconds since the device was opened. */
  gfx: number;
  compute: number;
  worked: number;
  share: number | undefined;
}

function add(draft: Draft, client: Client, since: Since | undefined): void {
  const { info } = client;
  const time = (engine: string): number => info.engines.get(engine)?.busy ?? 0;
  draft.vram += info.memory.get("vram") ?? 0;
  draft.host += info.memory.get("gtt") ?? 0;
  draft.gfx += time("gfx");
  draft.compute += time("compute");
  for (const { busy } of info.engines.values()) draft.worked += busy;
  const shares = sharesOf(client, since);
  if (shares === undefined) return;
  // As the card's own share counts it: busy is whoever keeps any engine busy.
  draft.share = Math.min(100, (draft.share ?? 0) + Math.max(0, ...shares.values()));
}

/**
 * Processes of one card. Programs that compute through ROCm are told by the KFD with their memory; what they submit
 * passes no engine that fdinfo counts, so their share is not known and left out rather than 0.
 * @param holds What compute programs have of this card, by pid. Undefined: the program computes, but has nothing here.
 */
export function procsOf(
  clients: readonly Client[],
  holds: ReadonlyMap<number, Hold | undefined>,
  since: Since | undefined,
): Proc[] {
  const drafts = new Map<number, Draft>();
  for (const client of clients) {
    const draft = drafts.get(client.pid) ?? { vram: 0, host: 0, gfx: 0, compute: 0, worked: 0, share: undefined };
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
    const mem = hold === undefined || hold.memory === 0 ? undefined : BigInt(hold.memory);
    procs.push({ pid, compute: true, graphics, ...given("mem", mem), ...given("utilization", share) });
  }
  for (const [pid, draft] of drafts) {
    const { vram, host, gfx, compute, worked, share } = draft;
    // Of a ROCm program that only opened the card, a few pages lie there; one that draws there too has worked.
    if ((holds.has(pid) ? 0 : vram + host) + worked === 0) continue;
    procs.push({
      pid,
      mem: BigInt(vram),
      compute: compute > 0,
      graphics: gfx > 0 || compute === 0,
      ...given("utilization", share === undefined ? undefined : Math.round(share)),
    });
  }
  return procs.sort((a, b) => Number((b.mem ?? 0n) - (a.mem ?? 0n)) || (a.pid ?? 0) - (b.pid ?? 0));
}

/**
 * The same in a container with processes of its own: the KFD's ids are the host's, those of the clients the container's,
 * and nothing tells which of them are the same. What computes through ROCm passes no engine: it is left to the KFD.
 */
export function procsApart(
  clients: readonly Client[],
  holds: ReadonlyMap<number, Hold | undefined>,
  since: Since | undefined,
): Proc[] {
  const works = ({ info }: Client): boolean => [...info.engines.values()].some(({ busy }) => busy > 0);
  const others = procsOf([], holds, undefined).map((proc) => ({ ...proc, elsewhere: true }));
  const own = holds.size === 0 ? clients : clients.filter(works);
  return [...others, ...procsOf(own, new Map(), since)];
}
