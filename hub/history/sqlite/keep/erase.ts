import type { File } from "../database.ts";
import { blockMs, groupEnd, spanOfKey, spanOfTable } from "../key.ts";
import type { HostRecord } from "../names.ts";
import { type Rows, tables } from "../row.ts";
import type { Work } from "../turns.ts";

/** Deletes everything that rows hold of a host, one span of one table at a time. @returns true once nothing is left */
export function* erase({ file, rows }: { file: File; rows: Rows }, { id, first, last }: HostRecord): Work<true> {
  for (const table of tables) {
    const end = spanOfTable(table, (last + 1) * blockMs - 1);
    for (let span = spanOfTable(table, first * blockMs); span <= end; ) {
      file.transaction(() => rows.erase(table, span, id)).immediate();
      yield;
      // Spans without rows are passed over: a clock that was wrong for a while leaves gaps of centuries.
      const next = rows.after(table, groupEnd(span, id));
      span = next === undefined ? Number.POSITIVE_INFINITY : Math.max(span + 1, spanOfKey(next));
    }
  }
  return true;
}
