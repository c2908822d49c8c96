import { crc32 } from "node:zlib";
import type { Level } from "../../../proto/device.ts";
import { Kind } from "../../../proto/gen/metric_pb.js";
import { earliest } from "../../clock.ts";
import { type DeviceFilter, type KnownDevice, kept } from "../store.ts";
import { CorruptChunk } from "./codec.ts";
import type { File } from "./database.ts";
import { blockOf, dayOf, mostHosts, mostMetrics, timesRow } from "./key.ts";
import { knownOf } from "./names/known.ts";

export interface HostRecord {
  readonly id: number;
  readonly name: string;
  /** Oldest and newest block with rows; Infinity and -Infinity without rows. */
  first: number;
  last: number;
  /** Days, counted from the epoch, with new rows since they were rolled up by hour and day. */
  readonly open: Set<number>;
  readonly devices: Map<string, DeviceRecord>;
  /** True once its history is being deleted: nothing may be written for it. */
  forgotten: boolean;
}

export interface DeviceRecord {
  readonly id: number;
  readonly host: HostRecord;
  readonly level: Level;
  key: string;
  index: number | undefined;
  /** Its model name, and the Unix ms of the newest sample that gave one. */
  name: string | undefined;
  named: number;
  /** Unix ms of its newest sample. */
  last: number;
  readonly metrics: Set<string>;
  /** True if it is forgotten: later samples under its key are of a new device. */
  forgotten: boolean;
}

export interface MetricRecord {
  readonly id: number;
  readonly level: Level;
  readonly name: string;
  /** Values times this are usually whole numbers. */
  readonly scale: number;
  readonly counter: boolean;
}

/** Gives a device the name of one of its samples, unless a later one gave it another. */
export function nameDevice(device: DeviceRecord, name: string | undefined, at: number): void {
  if (name === undefined || at < device.named) return;
  device.name = name;
  device.named = at;
}

interface HostRow {
  readonly id: number;
  readonly name: string;
  readonly first: number | null;
  readonly last: number | null;
  readonly open: string;
}

interface DeviceRow {
  readonly id: number;
  readonly host: number;
  readonly level: Level;
  readonly key: string;
  readonly idx: number | null;
  readonly last: number;
  readonly metrics: string;
  readonly name: string | null;
  readonly named: number | null;
}

/** Columns of a device's row that its checksum always covers, in this order. */
const deviceCells = "id, host, level, key, idx, last, metrics";

/**
 * Maps hosts, devices and metrics to their numbers in rows. A number is assigned at first sight, and written in the
 * transaction of the first row that uses it.
 */
export class NameTable {
  readonly #file: File;
  readonly #maxDevices: () => number;
  /** Hosts that lost devices to the limit since the last call of `crowded`. */
  readonly #crowded = new Set<string>();
  /** Devices as they were last committed, and those written or deleted in the open transaction. */
  readonly #written = new WeakMap<DeviceRecord, string>();
  readonly #pending = new Map<DeviceRecord, string>();
  readonly #forgotten = new Set<number>();
  readonly #hosts = new Map<string, HostRecord>();
  /** Forgotten hosts that may still have rows. */
  readonly #tombstones = new Set<HostRecord>();
  readonly #metrics = new Map<string, MetricRecord>();
  readonly #metricsById = new Map<number, MetricRecord>();
  #nextHost = 1;
  #nextDevice = 1;
  #nextMetric = timesRow + 1;
  readonly #sql;

  /** @param most maximum devices of a host */
  constructor(file: File, maxDevices: () => number = () => Number.POSITIVE_INFINITY) {
    this.#file = file;
    this.#maxDevices = maxDevices;
    this.#sql = {
      host: file.prepare("INSERT OR REPLACE INTO host (id, name, first, last, open, sum) VALUES (?, ?, ?, ?, ?, ?)"),
      device: file.prepare(
        `INSERT OR REPLACE INTO device (${deviceCells}, sum, name, named) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ),
      metric: file.prepare("INSERT OR IGNORE INTO metric (id, level, name, sum) VALUES (?, ?, ?, ?)"),
      forgetDevices: file.prepare("DELETE FROM device WHERE host = ?"),
      forgetHost: file.prepare("DELETE FROM host WHERE id = ?"),
      forgetDevice: file.prepare("DELETE FROM device WHERE id = ?"),
    };
    this.#load();
  }

  hosts(): Iterable<HostRecord> {
    return this.#hosts.values();
  }

  tombstones(): ReadonlySet<HostRecord> {
    return this.#tombstones;
  }

  /** Finds a host without creating it. */
  find(name: string): HostRecord | undefined {
    return this.#hosts.get(name);
  }

  host(name: string): HostRecord {
    const held = this.#hosts.get(name);
    if (held) return held;
    if (this.#nextHost >= mostHosts) throw new RangeError(`history holds ${mostHosts - 1} hosts at most`);
    const made: HostRecord = {
      id: this.#nextHost++,
      name,
      first: Infinity,
      last: -Infinity,
      open: new Set(),
      devices: new Map(),
      forgotten: false,
    };
    this.#hosts.set(name, made);
    return made;
  }

  device(host: HostRecord, level: Level, key: string): DeviceRecord {
    const held = host.devices.get(`${level}\n${key}`);
    if (held) return held;
    const made: DeviceRecord = {
      id: this.#nextDevice++,
      host,
      level,
      key,
      index: undefined,
      name: undefined,
      named: -Infinity,
      last: -Infinity,
      metrics: new Set(),
      forgotten: false,
    };
    host.devices.set(`${level}\n${key}`, made);
    return made;
  }

  /** Gives a device another key, which no other known device has. */
  rename(device: DeviceRecord, key: string): void {
    const { host, level } = device;
    host.devices.delete(`${level}\n${device.key}`);
    device.key = key;
    host.devices.set(`${level}\n${key}`, device);
  }

  /** Removes a device of which nothing was measured. */
  remove({ host, level, key }: DeviceRecord): void {
    host.devices.delete(`${level}\n${key}`);
  }

  findMetric(level: Level, name: string): MetricRecord | undefined {
    return this.#metrics.get(`${level}\n${name}`);
  }

  metric(level: Level, name: string): MetricRecord {
    const held = this.#metrics.get(`${level}\n${name}`);
    if (held) return held;
    if (this.#nextMetric >= mostMetrics) throw new RangeError(`history holds ${mostMetrics - 1} metrics at most`);
    return this.#keep(this.#nextMetric++, level, name);
  }

  /** Lists all metrics of rows. */
  metrics(): Iterable<MetricRecord> {
    return this.#metrics.values();
  }

  metricIds(): Iterable<number> {
    return this.#metricsById.keys();
  }

  metricOf(id: number): MetricRecord | undefined {
    return this.#metricsById.get(id);
  }

  /** Lists devices that have samples, host by host. */
  *known({ host: name, level }: DeviceFilter = {}): Generator<readonly [HostRecord, readonly KnownDevice[]]> {
    const found = name === undefined ? undefined : this.#hosts.get(name);
    const hosts = name === undefined ? this.#hosts.values() : found ? [found] : [];
    for (const host of hosts) {
      const devices: KnownDevice[] = [];
      for (const device of host.devices.values()) {
        if (device.metrics.size > 0 && (level === undefined || device.level === level)) devices.push(knownOf(device));
      }
      yield [host, devices];
    }
  }

  /** Writes a host with its devices, and all metrics; to be called within the transaction that writes its rows. */
  save(host: HostRecord): void {
    for (const { id, level, name } of this.#metrics.values()) this.#sql.metric.run(summed([id, level, name]));
    const { first, last, open } = host;
    this.#sql.host.run(summed([host.id, host.name, finite(first), finite(last), [...open].join(" ")]));
    for (const device of host.devices.values()) {
      const { id, level, key, index, name, named, last, metrics } = device;
      const state = JSON.stringify([last, index, metrics.size, key, name, named]);
      if (metrics.size === 0 || this.#written.get(device) === state) continue;
      const cells = [id, host.id, level, key, index ?? null, last, [...metrics].join("\n")];
      const naming = name === undefined ? [] : [name, named];
      this.#sql.device.run(...cells, sumOf([...cells, ...naming]), naming[0] ?? null, naming[1] ?? null);
      this.#pending.set(device, state);
    }
    if (this.#forgotten.size === 0) return;
    for (const id of this.#forgotten) this.#sql.forgetDevice.run(id);
    this.#keepNumbers();
  }

  /** Keeps the greatest number ever assigned, under no host: rows may still hold columns of deleted devices. */
  #keepNumbers(): void {
    this.#sql.device.run(summed([this.#nextDevice++, 0, "", "", null, 0, ""]), null, null);
  }

  /** Ends the transaction of `save`. @param kept true if it was committed */
  saved(kept: boolean): void {
    if (kept) {
      for (const [device, state] of this.#pending) this.#written.set(device, state);
      this.#forgotten.clear();
    }
    this.#pending.clear();
  }

  /**
   * Writes a tombstone for a host; to be called within a transaction, and `forgotten` after it. The tombstone, a name that no
   * host can have, stays until the host's rows are deleted: only then may its number be assigned again.
   */
  bury({ id, first, last }: HostRecord): void {
    this.#sql.host.run(summed([id, `${grave}${id}`, finite(first), finite(last), ""]));
    this.#sql.forgetDevices.run(id);
    this.#keepNumbers();
  }

  /** Removes a host whose tombstone is committed. */
  forgotten(host: HostRecord): void {
    this.#hosts.delete(host.name);
    this.#tombstones.add(host);
    host.forgotten = true;
    for (const device of host.devices.values()) device.forgotten = true;
  }

  /** Deletes the tombstone of a host without rows. */
  erased(host: HostRecord): void {
    this.#sql.forgetHost.run(host.id);
    this.#tombstones.delete(host);
  }

  /** Forgets devices without a sample since `limit`, Unix ms. */
  forget(limit: number): void {
    for (const { devices } of this.#hosts.values()) {
      for (const [id, device] of devices) {
        if (device.last >= limit) continue;
        device.forgotten = true;
        devices.delete(id);
        this.#sql.forgetDevice.run(device.id);
      }
    }
  }

  /** Forgets devices of a host beyond the limit, the least recently seen first; those in `present` stay. */
  trim(host: HostRecord, present?: { has(device: DeviceRecord): boolean }): void {
    const excess = host.devices.size - this.#maxDevices();
    if (excess <= 0) return;
    this.#crowded.add(host.name);
    const old = [...host.devices].filter(([, device]) => device.level !== "host" && !present?.has(device));
    for (const [id, device] of old.sort(([, a], [, b]) => a.last - b.last).slice(0, excess)) {
      device.forgotten = true;
      host.devices.delete(id);
      this.#forgotten.add(device.id);
    }
  }

  /** Returns the hosts that lost devices to the limit since the last call. */
  crowded(): readonly string[] {
    const names = [...this.#crowded];
    this.#crowded.clear();
    return names;
  }

  #keep(id: number, level: Level, name: string): MetricRecord {
    const declared = kept[level].find((metric) => metric.name === name);
    // Values of a metric that some senders give with decimals have two of them.
    const scale = declared?.exact === undefined ? (declared?.scale ?? 1) : 100;
    const made = { id, level, name, scale, counter: declared?.kind === Kind.COUNTER };
    this.#metrics.set(`${level}\n${name}`, made);
    this.#metricsById.set(id, made);
    return made;
  }

  #load(): void {
    const rows = (sql: string): unknown[] => this.#file.prepare(sql).all().map(sound);
    for (const row of rows("SELECT id, level, name, sum FROM metric ORDER BY id")) {
      const { id, level, name } = row as { id: number; level: Level; name: string };
      this.#keep(id, level, name);
      this.#nextMetric = id + 1;
    }
    const byId = new Map<number, HostRecord>();
    for (const row of rows("SELECT id, name, first, last, open, sum FROM host ORDER BY id")) {
      const { id, name, first, last, open } = row as HostRow;
      const host = {
        id,
        name,
        // An earlier version kept rows of a clock that cannot be right; they are about to expire.
        first: Math.max(first ?? Number.POSITIVE_INFINITY, blockOf(earliest)),
        last: (last ?? 0) < blockOf(earliest) ? Number.NEGATIVE_INFINITY : (last ?? 0),
        open: new Set(
          open === ""
            ? []
            : open
                .split(" ")
                .map(Number)
                .filter((day) => day >= dayOf(blockOf(earliest))),
        ),
        devices: new Map(),
        forgotten: name.startsWith(grave),
      };
      if (host.forgotten) this.#tombstones.add(host);
      else this.#hosts.set(name, host);
      byId.set(id, host);
      this.#nextHost = id + 1;
    }
    const devices = this.#file.prepare(`SELECT ${deviceCells}, name, named, sum FROM device ORDER BY id`).all();
    for (const row of devices) {
      const { name, named, ...cells } = row as DeviceRow;
      // The checksum covers a name if there is one: rows of version 0.2.0 have none.
      const held = sound(name === null ? cells : row) as DeviceRow;
      this.#nextDevice = held.id + 1;
      const host = byId.get(held.host);
      if (host === undefined) continue;
      host.devices.set(`${held.level}\n${held.key}`, {
        id: held.id,
        host,
        level: held.level,
        key: held.key,
        index: held.idx ?? undefined,
        name: name ?? undefined,
        named: (name === null ? null : named) ?? Number.NEGATIVE_INFINITY,
        last: held.last,
        metrics: new Set(held.metrics.split("\n")),
        forgotten: false,
      });
    }
  }
}

/** Begins the name in a tombstone, before the host's number: no host's name has a line break. */
const grave = "\n";

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

type SqlValue = string | number | null;

/** Checksum of a row of names: a corrupted name would show one card's samples as another's. */
const sumOf = (cells: readonly SqlValue[]): number => crc32(JSON.stringify(cells));
const summed = (cells: readonly SqlValue[]): SqlValue[] => [...cells, sumOf(cells)];

/** Checks a row of names. @throws CorruptChunk */
function sound(row: unknown): unknown {
  const { sum, ...cells } = row as Record<string, SqlValue>;
  if (sum !== sumOf(Object.values(cells))) throw new CorruptChunk("a name does not match its checksum");
  return row;
}
