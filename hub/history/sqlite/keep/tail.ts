import { Cursor, type HeadChunk } from "../chunk.ts";
import { type Frame, within } from "../frame.ts";
import type { MetricRecord } from "../names.ts";

/** Age of rows, compared with the newest one, up to which they are held. Milliseconds. */
export const tailMs = 360_000;

/**
 * Newest rows of one metric of a head chunk, continued as the chunk grows: rows are differences, so that the last minutes
 * cannot be decoded without all that is before them.
 */
export class ChunkTail {
  readonly #chunk: HeadChunk;
  readonly #cursor: Cursor;
  #held: Frame = { times: new Float64Array(0), columns: new Map() };

  constructor(chunk: HeadChunk, metric: MetricRecord) {
    this.#chunk = chunk;
    this.#cursor = new Cursor(chunk, (column) => column.metric === metric);
  }

  /** Returns at least the rows of the last `tailMs`. The arrays are not changed later. */
  frame(): Frame {
    const fresh = this.#cursor.take();
    if (fresh.times.length > 0) this.#held = joined([this.#held, fresh], this.#chunk.last - tailMs);
    return this.#held;
  }
}

/** Copies the rows of frames from a time on, those of the second after those of the first. */
function joined(frames: readonly [Frame, Frame], from: number): Frame {
  const parts = frames.map((frame) => ({ ...frame, low: within(frame.times, from, Number.POSITIVE_INFINITY)[0] }));
  const rows = parts.reduce((sum, { times, low }) => sum + times.length - low, 0);
  const all = { times: new Float64Array(rows), columns: new Map<number, Float64Array>() };
  let place = 0;
  for (const { times, columns, low } of parts) {
    all.times.set(times.subarray(low), place);
    for (const [id, values] of columns) {
      const column = all.columns.get(id) ?? new Float64Array(rows).fill(Number.NaN);
      all.columns.set(id, column);
      column.set(values.subarray(low), place);
    }
    place += times.length - low;
  }
  return all;
}
