// The first schema, one row for each device and poll: read once, to convert it into the current one.
import { endianness } from "node:os";
import type { Level } from "../../../../proto/device.ts";
import { earliest } from "../../../clock.ts";
import type { Log } from "../../../log.ts";
import type { File } from "../database.ts";
import { columnId, type Frame, merge } from "../frame.ts";
import { Compactor } from "../keep.ts";
import { blockMs, blockOf, dayOf, latest } from "../key.ts";
import { type HostRecord, NameTable } from "../names.ts";
import { Rows } from "../row.ts";
import { atOnce } from "../turns.ts";

interface DeviceRow {
  readonly id: number;
  readonly host: string;
  readonly level: Level;
  readonly key: string;
  readonly idx: number | null;
}

type PollRow = readonly [t: number, layout: number, v: Buffer];

/** Reads a file of the first schema. */
class FirstFormat {
  readonly devices: readonly DeviceRow[];
  readonly layouts: ReadonlyMap<number, readonly string[]>;
  readonly #newest;
  readonly #next;
  readonly #polls;

  constructor(file: File) {
    this.devices = file.prepare("SELECT id, host, level, key, idx FROM device ORDER BY id").all() as DeviceRow[];
    const layouts = file.prepare("SELECT id, names FROM layout").raw().all() as [number, string][];
    this.layouts = new Map(layouts.map(([id, text]) => [id, text.split("\n")]));
    this.#newest = file
      .prepare(`SELECT max(t) FROM poll WHERE device = ? AND t >= ${earliest} AND t < ${latest}`)
      .pluck();
    this.#next = file.prepare(`SELECT min(t) FROM poll WHERE device = ? AND t >= ? AND t < ${latest}`).pluck();
    this.#polls = file.prepare("SELECT t, layout, v FROM poll WHERE device = ? AND t >= ? AND t < ? ORDER BY t").raw();
  }

  /** Returns the Unix ms of a device's newest sample; null if it has none. */
  newest({ id }: DeviceRow): number | null {
    return this.#newest.get(id) as number | null;
  }

  /** Lists blocks with samples of some devices, oldest first; a clock that was wrong for a while leaves gaps of centuries. */
  *blocks(devices: readonly DeviceRow[]): Generator<number> {
    // Samples of a clock that cannot be right are left out.
    for (let from = earliest; ; ) {
      const times = devices.map(({ id }) => (this.#next.get(id, from) as number | null) ?? Number.POSITIVE_INFINITY);
      const block = blockOf(Math.min(...times));
      if (!Number.isFinite(block)) return;
      yield block;
      from = (block + 1) * blockMs;
    }
  }

  polls({ id }: DeviceRow, block: number): readonly PollRow[] {
    return this.#polls.all(id, block * blockMs, (block + 1) * blockMs) as PollRow[];
  }
}

/** Converts a file of the first schema into an empty one of the current, host by host. */
export function convert(from: File, to: File, log: Log): void {
  const names = new NameTable(to);
  const rows = new Rows(to, log);
  const compactor = new Compactor(rows, names);
  const first = new FirstFormat(from);
  const hosts = Map.groupBy(first.devices, ({ host }) => host);
  let done = 0;
  for (const [name, devices] of hosts) {
    const found = devices.filter((device) => first.newest(device) !== null);
    to.transaction(() => {
      for (const block of first.blocks(found)) {
        const host = names.host(name);
        const frames = found.map((row) => frameOf(first, { row, block, host, names }));
        const fresh = [merge(frames)];
        host.first = Math.min(host.first, block);
        host.last = Math.max(host.last, block);
        host.open.add(dayOf(block));
        rows.write(atOnce(compactor.block(host, block, fresh)));
      }
      const host = names.find(name);
      if (host) names.save(host);
    })();
    if (++done % Math.ceil(hosts.size / 10) === 0) log.info(`${done} of ${hosts.size} hosts of the history are done`);
  }
}

/** Reads the samples of a device within a block. */
function frameOf(
  first: FirstFormat,
  { row, block, host, names }: { row: DeviceRow; block: number; host: HostRecord; names: NameTable },
): Frame {
  const found = first.polls(row, block);
  const columns = new Map<number, Float64Array>();
  if (found.length === 0) return { times: new Float64Array(0), columns };
  const device = names.device(host, row.level, row.key);
  device.index = row.idx ?? undefined;
  device.last = first.newest(row) ?? device.last;
  for (const [place, [, layout, v]] of found.entries()) {
    const values = doubles(v);
    for (const [i, name] of (first.layouts.get(layout) ?? []).entries()) {
      const id = columnId(device.id, names.metric(device.level, name).id);
      const column = columns.get(id) ?? new Float64Array(found.length).fill(Number.NaN);
      columns.set(id, column);
      column[place] = values[i] ?? Number.NaN;
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
