import type { Level } from "../../../../proto/device.ts";
import type { DeviceId } from "../../store.ts";
import type { DeviceRename, Journaled } from "../journal.ts";
import type { DeviceRecord, HostRecord, NameTable } from "../names.ts";
import type { Head } from "./head.ts";

/** A device whose new key the file does not have yet. */
export interface Renaming extends DeviceRename, Journaled {
  readonly record: HostRecord;
}

/**
 * Gives devices other keys. What is in memory and in the journal has a device by its key, so a new key is a record of the
 * journal, too: whatever it holds before that record is of the renamed device, and what comes after it is not.
 */
export class Renamer {
  readonly #names: NameTable;
  readonly #head: Head;
  #unsaved: readonly Renaming[] = [];

  constructor(names: NameTable, head: Head) {
    this.#names = names;
    this.#head = head;
  }

  /** @returns what the journal must record; undefined if the old key is not known, or the new one is */
  rename({ host, level, key: from }: DeviceId, to: string): Renaming | undefined {
    const record = this.#names.find(host);
    const device = measured(record, level, from);
    if (record === undefined || device === undefined || measured(record, level, to) !== undefined) return undefined;
    this.#names.rename(device, to);
    return this.#add({ id: this.#head.takeId(), host, level, from, to, record, segments: [0, 0] });
  }

  /**
   * Repeats what the journal records. All that was read of it before is older.
   * @param saved true if the file has the new key: under the old one it may have another device since
   */
  replay(rename: DeviceRename, segment: number, saved: boolean): void {
    const { host, level, from, to } = rename;
    const record = this.#names.find(host);
    const device = record?.devices.get(`${level}\n${from}`);
    if (record === undefined || device === undefined) return;
    if (saved || record.devices.has(`${level}\n${to}`)) {
      this.#head.reassign(device, this.#names.device(record, level, to));
      if (device.metrics.size === 0) this.#names.remove(device);
      return;
    }
    this.#names.rename(device, to);
    this.#add({ ...rename, record, segments: [segment, segment] });
  }

  /** Lists what is not saved of some hosts. */
  unsaved(hosts: { has(host: HostRecord): boolean }): readonly Renaming[] {
    return this.#unsaved.filter(({ record }) => hosts.has(record));
  }

  /** Hosts whose names must be saved. */
  hosts(): ReadonlySet<HostRecord> {
    return new Set(this.#unsaved.map(({ record }) => record));
  }

  /** Marks the names of some hosts as saved, or as deleted. */
  saved(hosts: { has(host: HostRecord): boolean }): void {
    this.#unsaved = this.#unsaved.filter(({ record }) => !hosts.has(record));
  }

  #add(renaming: Renaming): Renaming {
    this.#unsaved = [...this.#unsaved, renaming];
    return renaming;
  }
}

/** Finds a device of which something was measured. */
function measured(host: HostRecord | undefined, level: Level, key: string): DeviceRecord | undefined {
  const device = host?.devices.get(`${level}\n${key}`);
  return device !== undefined && device.metrics.size > 0 ? device : undefined;
}
