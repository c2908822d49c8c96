import { endianness } from "node:os";
import type { Level } from "../../../proto/catalog.ts";
import type { Known, Range, SeriesId } from "../store.ts";
import type { File } from "./file.ts";
import { idOf, type Row } from "./pending.ts";

/** A device as its table has it. */
interface DeviceRow {
  readonly id: number;
  readonly host: string;
  readonly level: Level;
  readonly key: string;
  idx: number | null;
  /** Time of its newest sample, Unix ms; null without any. */
  last: number | null;
  readonly layouts: Set<number>;
}

/** Devices looked at for old samples with each commit, and old samples deleted of one device at once. */
const looked = 64;
const batch = 1000;

/** The tables of the file, with devices and layouts held in memory too. One commit is one transaction. */
export class Tables {
  readonly #file: File;
  readonly #devices = new Map<string, DeviceRow>();
  readonly #layouts = new Map<string, number>();
  readonly #names = new Map<number, readonly string[]>();
  readonly #sql;
  #round: string[] = [];

  constructor(file: File) {
    this.#file = file;
    this.#sql = {
      device: file.prepare("INSERT INTO device (host, level, key, idx) VALUES (?, ?, ?, ?)"),
      index: file.prepare("UPDATE device SET idx = ? WHERE id = ?"),
      layout: file.prepare("INSERT INTO layout (names) VALUES (?)"),
      use: file.prepare("INSERT OR IGNORE INTO used (device, layout) VALUES (?, ?)"),
      poll: file.prepare("INSERT OR REPLACE INTO poll (device, t, layout, v) VALUES (?, ?, ?, ?)"),
      last: file.prepare("SELECT max(t) FROM poll WHERE device = ?").pluck(),
      read: file.prepare("SELECT t, layout, v FROM poll WHERE device = ? AND t >= ? AND t < ? ORDER BY t").raw(),
      old: file.prepare(
        "DELETE FROM poll WHERE device = @device AND t < @limit AND t <= coalesce((SELECT t FROM poll WHERE device = @device ORDER BY t LIMIT 1 OFFSET @batch), @limit)",
      ),
      unuse: file.prepare("DELETE FROM used WHERE device = ?"),
      forget: file.prepare("DELETE FROM device WHERE id = ?"),
    };
    this.#load();
  }

  /** Devices that have samples on disk. */
  devices(): Known[] {
    return [...this.#devices.values()].flatMap(({ host, level, key, idx, last, layouts }) => {
      if (last === null) return [];
      const metrics = [...new Set([...layouts].flatMap((layout) => this.#names.get(layout) ?? []))];
      return { host, level, key, ...(idx === null ? {} : { index: idx }), metrics, last };
    });
  }

  /** Times on disk within the range, with the value of the series at each, or undefined where it has none. */
  *samples(series: SeriesId, { from, to }: Range): Generator<readonly [number, number | undefined]> {
    const device = this.#devices.get(idOf(series));
    if (device === undefined || !(from < to)) return;
    const low = Math.max(0, Math.ceil(from));
    const high = Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(to));
    for (const row of this.#sql.read.all(device.id, low, high)) {
      const [t, layout, v] = row as [number, number, Buffer];
      const place = this.#names.get(layout)?.indexOf(series.metric) ?? -1;
      yield [t, place < 0 ? undefined : v.readDoubleLE(place * 8)];
    }
  }

  /**
   * Writes rows and lets some of what is older than `limit` go, all or nothing.
   * @returns devices of which nothing is left
   * @throws when the file cannot be written; nothing has changed then
   */
  write(rows: Iterable<Row>, limit: number): { host: string; level: Level; key: string }[] {
    try {
      return this.#file
        .transaction(() => {
          for (const row of rows) this.#put(row);
          return this.#prune(limit);
        })
        .immediate();
    } catch (error) {
      // What was registered within the transaction is gone with it.
      this.#load();
      throw error;
    }
  }

  #load(): void {
    this.#devices.clear();
    this.#layouts.clear();
    this.#names.clear();
    for (const row of this.#file.prepare("SELECT id, names FROM layout").all()) {
      const { id, names } = row as { id: number; names: string };
      this.#layouts.set(names, id);
      this.#names.set(id, names.split("\n"));
    }
    const byId = new Map<number, DeviceRow>();
    for (const row of this.#file
      .prepare("SELECT id, host, level, key, idx, (SELECT max(t) FROM poll WHERE device = id) AS last FROM device")
      .all()) {
      const device = { ...(row as Omit<DeviceRow, "layouts">), layouts: new Set<number>() };
      this.#devices.set(idOf(device), device);
      byId.set(device.id, device);
    }
    for (const row of this.#file.prepare("SELECT device, layout FROM used").raw().all()) {
      const [device, layout] = row as [number, number];
      byId.get(device)?.layouts.add(layout);
    }
  }

  #put({ host, at, measured }: Row): void {
    const device = this.#device(host, measured);
    const layout = this.#layout([...measured.values.keys()].join("\n"));
    if (!device.layouts.has(layout)) {
      this.#sql.use.run(device.id, layout);
      device.layouts.add(layout);
    }
    if (device.last === null || at >= device.last) {
      device.last = at;
      const index = measured.index ?? null;
      if (device.idx !== index) this.#sql.index.run(index, device.id);
      device.idx = index;
    }
    this.#sql.poll.run(device.id, at, layout, doubles(measured.values.values()));
  }

  #device(host: string, { level, key, index }: Row["measured"]): DeviceRow {
    const id = idOf({ host, level, key });
    const held = this.#devices.get(id);
    if (held) return held;
    const { lastInsertRowid } = this.#sql.device.run(host, level, key, index ?? null);
    const made = {
      id: Number(lastInsertRowid),
      host,
      level,
      key,
      idx: index ?? null,
      last: null,
      layouts: new Set<number>(),
    };
    this.#devices.set(id, made);
    return made;
  }

  #layout(names: string): number {
    const held = this.#layouts.get(names);
    if (held !== undefined) return held;
    const id = Number(this.#sql.layout.run(names).lastInsertRowid);
    this.#layouts.set(names, id);
    this.#names.set(id, names.split("\n"));
    return id;
  }

  /** A few devices with each commit, in turn: deleting all at once would hold everything else up. */
  #prune(limit: number): DeviceRow[] {
    if (this.#round.length === 0) this.#round = [...this.#devices.keys()];
    const emptied: DeviceRow[] = [];
    for (const id of this.#round.splice(-looked)) {
      const device = this.#devices.get(id);
      if (device === undefined) continue;
      const { changes } = this.#sql.old.run({ device: device.id, limit, batch });
      if (changes === 0 || this.#sql.last.get(device.id) !== null) continue;
      this.#sql.unuse.run(device.id);
      this.#sql.forget.run(device.id);
      this.#devices.delete(id);
      emptied.push(device);
    }
    return emptied;
  }
}

const little = endianness() === "LE";

function doubles(values: Iterable<number>): Buffer {
  const held = Float64Array.from(values);
  const bytes = Buffer.from(held.buffer);
  return little ? bytes : bytes.swap64();
}
