import { clean } from "../../../proto/clean.ts";
import type { HostInfo } from "../../../proto/gen/host_pb.js";
import { glance } from "../../../proto/glance.ts";

/** Most cards of a machine that waits for approval, and most of its filesystems and interfaces. */
const mostCards = 16;
const mostOthers = 8;
/** Size limit of each text, in bytes: that of names and ids that are usual. */
const textLimit = 64;

/**
 * Copies what the feed says of a machine that nobody has approved: a few kilobytes, so that strangers, of whom some hundred
 * may wait, cannot make the feed too large for those who read it. Its own page requests all of it.
 */
export function outline({ gpus, disks, nics, ...info }: HostInfo): HostInfo {
  const made = glance({
    ...info,
    err: undefined,
    gpus: gpus
      .slice(0, mostCards)
      .map((gpu) => ({ ...gpu, procs: [], procsUnknown: true, holders: [], throttle: [], err: undefined })),
    disks: disks.slice(0, mostOthers),
    nics: nics.slice(0, mostOthers).map((nic) => ({ ...nic, lower: nic.lower.slice(0, mostOthers) })),
    sources: [],
  });
  shorten(made);
  return made;
}

/** Cuts every text of a message, and of the messages in it, in place. */
function shorten(message: object): void {
  for (const [name, value] of Object.entries(message)) {
    if (name !== "$typeName") Object.assign(message, { [name]: shortened(value) });
  }
}

function shortened(value: unknown): unknown {
  if (typeof value === "string") return clean(value, textLimit);
  if (Array.isArray(value)) return value.map(shortened);
  if (typeof value === "object" && value !== null) shorten(value);
  return value;
}
