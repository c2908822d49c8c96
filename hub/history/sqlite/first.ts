// The first version of the file: one row for each device and poll. Read once, to be brought into the form of today.
import { endianness } from "node:os";
import type { Level } from "../../../proto/catalog.ts";
import type { Log } from "../../log.ts";
import type { File } from "./database.ts";
import { Names } from "./names.ts";
import { Rows } from "./rows.ts";
import { Sealer } from "./seal.ts";
import { columnId, merge, type Sheet } from "./sheet.ts";
import { dayOf, latest, windowLength, windowOf } from "./span.ts";

interface DeviceRow {
  readonly id: number;
  readonly host: string;
  readonly level: Level;
  readonly key: string;
  readonly idx: number | null;
}

/** Writes everything that a file of the first version holds into an empty one of today's, host by host. */
export function convert(from: File, to: File, log: Log): void {
  const names = new Names(to);
  const rows = new Rows(to, log);
  const sealer = new Sealer(rows, names);
  const layouts = new Map(
    (from.prepare("SELECT id, names FROM layout").raw().all() as [number, string][]).map(([id, text]) => [
      id,
      text.split("\n"),
    ]),
  );
  const devices = from.prepare("SELECT id, host, level, key, idx FROM device ORDER BY id").all() as DeviceRow[];
  const extent = from.prepare(`SELECT min(t), max(t) FROM poll WHERE device = ? AND t < ${latest}`).raw();
  const next = from.prepare(`SELECT min(t) FROM poll WHERE device = ? AND t >= ? AND t < ${latest}`).pluck();
  /** Those that hold something, oldest first: a clock that was wrong for a while leaves gaps of centuries. */
  const windows = function* (own: readonly DeviceRow[]): Generator<number> {
    for (let from = 0; ; ) {
      const times = own.map(({ id }) => (next.get(id, from) as number | null) ?? Number.POSITIVE_INFINITY);
      const window = windowOf(Math.min(...times));
      if (!Number.isFinite(window)) return;
      yield window;
      from = (window + 1) * windowLength;
    }
  };
  const polls = from.prepare("SELECT t, layout, v FROM poll WHERE device = ? AND t >= ? AND t < ? ORDER BY t").raw();
  for (const [hostName, own] of Map.groupBy(devices, ({ host }) => host)) {
    const extents = own.map(({ id }) => extent.get(id) as [number | null, number | null]);
    const held = extents.filter(([first]) => first !== null).map(([first, last]) => [first ?? 0, last ?? 0] as const);
    if (held.length === 0) continue;
    const host = names.host(hostName);
    host.first = windowOf(Math.min(...held.map(([first]) => first)));
    host.last = windowOf(Math.max(...held.map(([, last]) => last)));
    to.transaction(() => {
      for (const [i, { level, key, idx }] of own.entries()) {
        const last = extents[i]?.[1] ?? null;
        if (last !== null) Object.assign(names.device(host, level, key), { index: idx ?? undefined, last });
      }
      for (const window of windows(own)) {
        const range = [window * windowLength, (window + 1) * windowLength];
        const sheets = own.flatMap(({ id, level, key }): Sheet[] => {
          const found = polls.all(id, ...range) as [number, number, Buffer][];
          return found.length > 0 ? [sheetOf(found, { device: names.device(host, level, key), layouts, names })] : [];
        });
        host.open.add(dayOf(window));
        rows.write(sealer.window(host, window, { fresh: [merge(sheets)], gone: { raw: false, five: false } }));
      }
      names.save(host);
    })();
  }
}

function sheetOf(
  found: readonly [t: number, layout: number, v: Buffer][],
  of: { device: ReturnType<Names["device"]>; layouts: ReadonlyMap<number, readonly string[]>; names: Names },
): Sheet {
  const { device, layouts, names } = of;
  const columns = new Map<number, Float64Array>();
  for (const [row, [, layout, v]] of found.entries()) {
    const values = doubles(v);
    for (const [i, name] of (layouts.get(layout) ?? []).entries()) {
      const id = columnId(device.id, names.metric(device.level, name).id);
      const column = columns.get(id) ?? new Float64Array(found.length).fill(Number.NaN);
      columns.set(id, column);
      column[row] = values[i] ?? Number.NaN;
      device.metrics.add(name);
    }
  }
  return { times: Float64Array.from(found, ([t]) => t), columns };
}

const little = endianness() === "LE";

function doubles(bytes: Buffer): Float64Array {
  const held = Buffer.from(bytes);
  if (!little) held.swap64();
  const out = new Float64Array(Math.floor(bytes.length / 8));
  new Uint8Array(out.buffer).set(held.subarray(0, out.byteLength));
  return out;
}
