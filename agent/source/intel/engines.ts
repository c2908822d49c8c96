import { given } from "../../../proto/number.ts";
import { type Client, type Since, sharesOf } from "../../machine/drm/clients.ts";
import type { FdInfo } from "../../machine/drm/fdinfo.ts";
import type { Proc } from "../source.ts";

// Names of i915 (Documentation/gpu/i915.rst) and of xe (xe-drm-usage-stats.rst).
const graphics = new Set(["render", "rcs"]);
const compute = new Set(["compute", "ccs"]);
const media = new Set(["video", "video-enhance", "vcs", "vecs"]);

/** Bytes in memory of the card's own: "local0" (i915) or "vram0" (xe). */
function localMemory({ memory }: FdInfo): number {
  let sum = 0;
  for (const [kind, bytes] of memory) if (/^(local|vram)\d*$/.test(kind)) sum += bytes;
  return sum;
}

/** Percent of the time in which the busiest kind of engine worked for anybody, of all and of those for video. */
export interface Loads {
  readonly utilization: number;
  /** Undefined where nobody has opened an engine for video: whether there is one is then not known. */
  readonly media: number | undefined;
}

/** Undefined before there are two readings. */
export function loads(clients: readonly Client[], since: Since | undefined): Loads | undefined {
  if (since === undefined) return undefined;
  const sums = new Map<string, number>();
  for (const client of clients) {
    for (const [name, share] of sharesOf(client, since) ?? []) sums.set(name, (sums.get(name) ?? 0) + share);
  }
  const busiest = (shares: readonly number[]): number => Math.round(Math.min(100, Math.max(0, ...shares)));
  const videos = [...sums].filter(([name]) => media.has(name)).map(([, share]) => share);
  return { utilization: busiest([...sums.values()]), media: videos.length === 0 ? undefined : busiest(videos) };
}

/** One entry per process that has worked on the card or holds memory of it; those that merely opened it are left out. */
export function procsOf(clients: readonly Client[], since: Since | undefined): Proc[] {
  const drafts = new Map<number, { local: number; gfx: number; compute: number; worked: number; share?: number }>();
  for (const client of clients) {
    const draft = drafts.get(client.pid) ?? { local: 0, gfx: 0, compute: 0, worked: 0 };
    drafts.set(client.pid, draft);
    draft.local += localMemory(client.info);
    for (const [name, { busy }] of client.info.engines) {
      draft.worked += busy;
      if (graphics.has(name)) draft.gfx += busy;
      if (compute.has(name)) draft.compute += busy;
    }
    const found = sharesOf(client, since);
    if (found !== undefined) draft.share = Math.min(100, (draft.share ?? 0) + Math.max(0, ...found.values()));
  }
  return [...drafts]
    .filter(([, { local, worked }]) => local + worked > 0)
    .map(([pid, draft]) => ({
      pid,
      compute: draft.compute > 0,
      graphics: draft.gfx > 0 || draft.compute === 0,
      ...given("mem", draft.local > 0 ? BigInt(draft.local) : undefined),
      ...given("utilization", draft.share === undefined ? undefined : Math.round(draft.share)),
    }))
    .sort((a, b) => Number((b.mem ?? 0n) - (a.mem ?? 0n)) || a.pid - b.pid);
}
