import { earliest } from "../../../clock.ts";
import type { Log } from "../../../log.ts";
import type { HeadChunk } from "../chunk.ts";
import type { Journal, Replay } from "../journal.ts";
import { blockOf } from "../key.ts";
import { type DeviceRecord, type NameTable, nameDevice } from "../names.ts";
import type { Head } from "./head.ts";
import type { Renamer } from "./rename.ts";

interface ReplayTargets {
  readonly head: Head;
  readonly names: NameTable;
  readonly renamer: Renamer;
  /** Ids of the chunks and renames that the file has. */
  readonly sealed: Set<number>;
  readonly now: number;
}

/** Loads the head chunks that the journal holds and the file does not have, and what they say of their devices. */
export function replay(journal: Journal, log: Log, { head, names, renamer, sealed, now }: ReplayTargets): void {
  for (const id of sealed) head.beyond(id);
  const chunks = new Map<number, HeadChunk>();
  let lost = 0;
  const to: Replay = {
    start: (start, segment) => {
      head.beyond(start.run);
      if (sealed.has(start.run) || chunks.has(start.run)) return;
      // Of a clock that cannot be right: an earlier version kept such samples.
      if (start.window < blockOf(earliest)) return void sealed.add(start.run);
      const chunk = head.replay(start, now);
      chunk.segments = [segment, segment];
      chunks.set(chunk.id, chunk);
    },
    rename: (rename, segment) => {
      head.beyond(rename.id);
      renamer.replay(rename, segment, sealed.has(rename.id));
    },
    row: ({ chunk: id, offset, bytes }, segment) => {
      head.beyond(id);
      if (sealed.has(id)) return;
      const chunk = chunks.get(id);
      // Rows before it are missing: its differences would give wrong values.
      if (chunk?.length !== offset) return void lost++;
      chunk.replay(bytes);
      chunk.segments = [chunk.segments[0], segment];
    },
  };
  journal.replay(to, log);
  if (lost > 0)
    log.error(`${lost} polls cannot be read from the journal of the history, as what came before is missing`);
  const read = [...chunks.values()].filter(({ rows }) => rows > 0);
  for (const chunk of chunks.values()) if (chunk.rows === 0) head.drop(chunk.host, chunk.block, [chunk]);
  for (const chunk of read) {
    for (const { device, metric } of chunk.columns) device.metrics.add(metric.name);
    for (const { device, index } of chunk.slots) {
      if (chunk.last < device.last) continue;
      device.last = chunk.last;
      device.index = index ?? device.index;
    }
  }
  nameAll(read);
  for (const host of names.hosts()) names.trim(host);
}

/** Gives devices the names that chunks have of them; a sample that gave none counts as one that gave the same name. */
function nameAll(chunks: readonly HeadChunk[]): void {
  const named = chunks.flatMap((chunk) => chunk.slots.map(({ device, name }) => ({ device, name, chunk })));
  for (const [device, all] of Map.groupBy(named, ({ device }) => device)) {
    const names = new Set([device.name, ...all.map(({ name }) => name)]);
    names.delete(undefined);
    for (const { name, chunk } of all) {
      if (name !== undefined) nameDevice(device, name, names.size > 1 ? lastOf(device, chunk) : chunk.last);
    }
  }
}

/** Returns the Unix ms of the last sample of a device in a chunk, whose last rows may be of other devices. */
function lastOf(device: DeviceRecord, chunk: HeadChunk): number {
  const { times, columns } = chunk.frame((column) => column.device === device);
  const last = times.findLastIndex((_, row) => [...columns.values()].some((values) => !Number.isNaN(values[row])));
  return times[last] ?? Number.NEGATIVE_INFINITY;
}
