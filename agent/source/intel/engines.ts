import { type DrmClient, type Since, sharesOf } from "../../machine/drm/clients.ts";
import type { FdInfo } from "../../machine/drm/fdinfo.ts";
import { amount, given } from "../../number.ts";
import type { Proc } from "../source.ts";

// Names of i915 (Documentation/gpu/i915.rst) and of xe (xe-drm-usage-stats.rst).
const graphics = new Set(["render", "rcs"]);
const compute = new Set(["compute", "ccs"]);
const media = new Set(["video", "video-enhance", "vcs", "vecs"]);

/** Memory of the card's own: "local0" (i915) or "vram0" (xe). */
const local = /^(local|vram)\d*$/;
/** Memory of the host: "system0" and "stolen-system0" (i915), "system", "gtt" and "stolen" (xe). */
const host = /^(system|stolen-system|gtt|stolen)\d*$/;

/** Bytes in memory of one kind; undefined if the driver does not report it. */
function memoryIn({ memory }: FdInfo, kind: RegExp): number | undefined {
  const found = [...memory].filter(([name]) => kind.test(name)).map(([, bytes]) => bytes);
  return found.length === 0 ? undefined : found.reduce((sum, bytes) => sum + bytes);
}

/** Percent of the time in which the busiest kind of engine worked for anybody, of all and of those for video. */
export interface Loads {
  readonly utilization: number;
  /** Undefined if no process has opened a video engine: whether there is one is then not known. */
  readonly media: number | undefined;
}

/** Undefined before there are two readings. */
export function loads(clients: readonly DrmClient[], since: Since | undefined): Loads | undefined {
  if (since === undefined) return undefined;
  const sums = new Map<string, number>();
  for (const client of clients) {
    for (const [name, share] of sharesOf(client, since) ?? []) sums.set(name, (sums.get(name) ?? 0) + share);
  }
  const busiest = (shares: readonly number[]): number => Math.round(Math.min(100, Math.max(0, ...shares)));
  const videos = [...sums].filter(([name]) => media.has(name)).map(([, share]) => share);
  return { utilization: busiest([...sums.values()]), media: videos.length === 0 ? undefined : busiest(videos) };
}

interface Draft {
  /** Bytes; absent if the driver reports no such memory. */
  local?: number;
  host?: number;
  /** Nanoseconds or cycles. */
  gfx: number;
  compute: number;
  worked: number;
  /** Percent. */
  share?: number;
}

/** One entry per process that has worked on the card or holds memory of it; those that merely opened it are left out. */
export function procsOf(clients: readonly DrmClient[], since: Since | undefined): Proc[] {
  const drafts = new Map<number, Draft>();
  for (const client of clients) {
    const draft = drafts.get(client.pid) ?? { gfx: 0, compute: 0, worked: 0 };
    drafts.set(client.pid, draft);
    const [own, borrowed] = [memoryIn(client.info, local), memoryIn(client.info, host)];
    if (own !== undefined) draft.local = (draft.local ?? 0) + own;
    if (borrowed !== undefined) draft.host = (draft.host ?? 0) + borrowed;
    for (const [name, { busy }] of client.info.engines) {
      draft.worked += busy;
      if (graphics.has(name)) draft.gfx += busy;
      if (compute.has(name)) draft.compute += busy;
    }
    const found = sharesOf(client, since);
    if (found !== undefined) draft.share = Math.min(100, (draft.share ?? 0) + Math.max(0, ...found.values()));
  }
  const compare = (a: bigint = 0n, b: bigint = 0n): number => Number(b - a);
  return [...drafts]
    .filter(([, { local: own = 0, worked }]) => own + worked > 0)
    .map(([pid, draft]) => ({
      pid,
      compute: draft.compute > 0,
      graphics: draft.gfx > 0 || draft.compute === 0,
      // i915 reports 0 for memory that graphics inside a processor do not have.
      ...given("mem", draft.local ? amount(draft.local) : undefined),
      ...given("hostMem", amount(draft.host)),
      ...given("utilization", draft.share === undefined ? undefined : Math.round(draft.share)),
    }))
    .sort((a, b) => compare(a.mem, b.mem) || compare(a.hostMem, b.hostMem) || a.pid - b.pid);
}
