import type { HostInfo } from "../../../proto/gen/host_pb.js";
import type { Sentence } from "../../sentence.ts";
import { trouble } from "../../trouble.ts";

/** More bytes than usual reports have: a sample of 8 GPUs with a hundred processes each has 200 KiB, JSON has no processes. */
const usualSizes = { json: 64 * 1024, sample: 256 * 1024 } as const;

/** What administrators should know of a report that is accepted, undefined for a usual one. @param size bytes */
export function oddityOf({ gpus }: HostInfo, type: keyof typeof usualSizes, size: number): Sentence | undefined {
  const ids = gpus.flatMap(({ uuid }) => uuid || []);
  const more = ids.length - new Set(ids).size;
  if (more > 0) return trouble("same_ids", { more, gpus: gpus.length });
  if (size <= usualSizes[type]) return undefined;
  return trouble("large_report", { kib: Math.round(size / 1024) });
}
