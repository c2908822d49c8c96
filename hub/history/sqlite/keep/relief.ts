import { blockMs } from "../key.ts";
import type { HostRecord } from "../names.ts";
import type { HeadBlock } from "./head.ts";

/** Memory of head chunks of blocks that have ended, beyond which some are compacted, and what is left then. Bytes. */
const mostHeadBytes = 32 * 2 ** 20;
const leftHeadBytes = 26 * 2 ** 20;
/** Size of the journal beyond which blocks that keep its oldest segments are compacted. Bytes. */
const mostJournalBytes = 128 * 2 ** 20;
/** The newest segments, which are left then. */
const leftSegments = 4;

/** What the journal takes. */
export interface JournalLoad {
  bytes(): number;
  /** Number of the segment that is written to. */
  readonly newest: number;
}

/**
 * Chooses blocks to compact while samples come much faster than time goes. A block that was touched last of those of its
 * host is left if possible: an import that goes through time is in the middle of it.
 */
export function relief(blocks: Iterable<HeadBlock>, journal: JournalLoad, now: number): HeadBlock[] {
  const all = [...blocks];
  const chosen = new Set<HeadBlock>();
  const ended = all.filter(({ block }) => (block + 1) * blockMs <= now).sort((a, b) => a.order - b.order);
  let bytes = ended.reduce((sum, { chunks }) => sum + chunks.reduce((part, { size }) => part + size, 0), 0);
  if (bytes > mostHeadBytes) {
    const last = new Map<HostRecord, HeadBlock>(ended.map((one) => [one.host, one]));
    const complete = ended.filter((one) => last.get(one.host) !== one);
    for (const one of [...complete, ...ended.filter((other) => last.get(other.host) === other)]) {
      if (bytes <= leftHeadBytes) break;
      chosen.add(one);
      bytes -= one.chunks.reduce((sum, { size }) => sum + size, 0);
    }
  }
  if (journal.bytes() > mostJournalBytes) {
    for (const one of all) {
      if (one.chunks.some(({ segments }) => segments[0] < journal.newest - leftSegments)) chosen.add(one);
    }
  }
  return [...chosen];
}
