// Writes history files in the format of version 0.1.0: one row for each device and poll.
import Database from "better-sqlite3";
import type { Level } from "../proto/device.ts";
import { start } from "./store.ts";

/** Schema of version 0.1.0. */
const tables = `
  CREATE TABLE device (
    id INTEGER PRIMARY KEY, host TEXT NOT NULL, level TEXT NOT NULL, key TEXT NOT NULL, idx INTEGER,
    UNIQUE (host, level, key)
  );
  CREATE TABLE layout (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE);
  CREATE TABLE used (
    device INTEGER NOT NULL, layout INTEGER NOT NULL, PRIMARY KEY (device, layout)
  ) WITHOUT ROWID;
  CREATE TABLE poll (
    device INTEGER NOT NULL, t INTEGER NOT NULL, layout INTEGER NOT NULL, v BLOB NOT NULL, PRIMARY KEY (device, t)
  ) WITHOUT ROWID;
`;

/** Values of one device at one time. */
export interface FirstSample {
  readonly host: string;
  readonly level: Level;
  readonly key: string;
  readonly index?: number;
  readonly at: number;
  readonly values: Readonly<Record<string, number>>;
}

/** Writes a file in the format of version 0.1.0. @returns its samples by series */
export function writeFirst(path: string, polls: readonly FirstSample[]): Map<string, [number, number][]> {
  const file = new Database(path);
  file.pragma("journal_mode = WAL");
  file.exec(tables);
  file.pragma(`application_id = ${0x474f484d}`);
  file.pragma("user_version = 1");
  const sql = {
    device: file.prepare("INSERT OR IGNORE INTO device (host, level, key, idx) VALUES (?, ?, ?, ?)"),
    deviceId: file.prepare("SELECT id FROM device WHERE host = ? AND level = ? AND key = ?").pluck(),
    layout: file.prepare("INSERT OR IGNORE INTO layout (names) VALUES (?)"),
    layoutId: file.prepare("SELECT id FROM layout WHERE names = ?").pluck(),
    used: file.prepare("INSERT OR IGNORE INTO used (device, layout) VALUES (?, ?)"),
    poll: file.prepare("INSERT OR REPLACE INTO poll (device, t, layout, v) VALUES (?, ?, ?, ?)"),
  };
  const held = new Map<string, [number, number][]>();
  file.transaction(() => {
    for (const { host, level, key, index, at, values } of polls) {
      sql.device.run(host, level, key, index ?? null);
      const names = Object.keys(values).join("\n");
      sql.layout.run(names);
      const device = sql.deviceId.get(host, level, key);
      const layout = sql.layoutId.get(names);
      sql.used.run(device, layout);
      sql.poll.run(device, at, layout, Buffer.from(Float64Array.from(Object.values(values)).buffer));
      for (const [metric, value] of Object.entries(values)) {
        const id = JSON.stringify({ host, level, key, metric });
        held.set(id, [...(held.get(id) ?? []), [at, value]]);
      }
    }
  })();
  file.close();
  for (const series of held.values()) series.sort(([a], [b]) => a - b);
  return held;
}

/** Makes polls of a small fleet, with cases that are hard to convert: special names, changing metrics, gaps. */
export function fleet(hosts: number, length: number): FirstSample[] {
  const polls: FirstSample[] = [];
  for (let h = 0; h < hosts; h++) {
    const host = h === 1 ? "ü 1" : `h${h}`;
    for (let i = 0; i < length; i++) {
      const at = start + i * 10_000 + h;
      polls.push({ host, level: "host", key: "", at, values: { load1: i / 8, cpu_utilization: i % 100 } });
      const fan = i % 5 === 0 ? { gpu_fan: 30 + (i % 3) } : {};
      for (const index of [0, 1]) {
        if (index === 1 && i % 3 > 0) continue;
        const values = { gpu_temperature: 40 + (i % 50), gpu_power: i * 1000.5, ...fan };
        polls.push({ host, level: "gpu", key: `GPU-${h}-${index}`, index, at: at + index, values });
      }
      if (i % 6 === 0) polls.push({ host, level: "disk", key: "/mnt/ü", at, values: { disk_used: i * 2 ** 30 } });
    }
  }
  return polls;
}
