import * as v from "valibot";
import { quoted } from "../../../program/setting.ts";
import type { Database } from "../../database/database.ts";
import { Fault } from "../../fault.ts";
import { everything, type HostChange, type HostConfig, type HostRecord } from "../book.ts";
import { type DamageReport, jsonColumn, optionalText, readable, recordOf, text, whole } from "./column.ts";

interface HostRow {
  readonly name: string;
  readonly shown: string | null;
  readonly group: string | null;
  readonly labels: string;
  readonly config: string;
  readonly config_version: number;
  readonly address: string | null;
  readonly parted: 0 | 1;
}

const list = <T>(item: v.GenericSchema<unknown, T>) => v.optional(v.nullable(v.array(item)), null);
const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const labels = jsonColumn(
  "labels",
  recordOf((value): value is string => typeof value === "string"),
  65_536,
);
const config = jsonColumn<HostConfig>(
  "configuration",
  v.object({
    gpuIndices: list(natural),
    diskMounts: list(v.string()),
    nicNames: list(v.string()),
    reportIntervalSec: v.optional(v.nullable(v.pipe(v.number(), v.safeInteger(), v.minValue(1))), null),
  }),
  2_097_152,
);

const hostOf = (row: HostRow): HostRecord => ({
  name: row.name,
  shown: row.shown ?? undefined,
  group: row.group ?? undefined,
  labels: labels.read(row.labels, row.name),
  config: config.read(row.config, row.name),
  configVersion: row.config_version,
  address: row.address ?? undefined,
  parted: row.parted === 1,
});

const empty: Omit<HostRecord, "name"> = {
  shown: undefined,
  group: undefined,
  labels: {},
  config: everything,
  configVersion: 0,
  address: undefined,
  parted: false,
};

/** The table of what administrators have set for hosts, with its statements prepared. */
export class HostTable {
  readonly #report: DamageReport;
  readonly #all;
  readonly #get;
  readonly #taken;
  readonly #put;
  readonly #remove;

  constructor(file: Database, report: DamageReport) {
    this.#report = report;
    const columns = `name, shown, "group", labels, config, config_version, address, parted`;
    this.#all = file.prepare(`SELECT ${columns} FROM host ORDER BY name`);
    this.#get = file.prepare(`SELECT ${columns} FROM host WHERE name = ?`);
    this.#taken = file
      .prepare(
        `SELECT name FROM host WHERE (name = @shown OR shown = @shown) AND name <> @name
         UNION ALL SELECT host FROM node WHERE host = @shown AND host <> @name LIMIT 1`,
      )
      .pluck();
    this.#put = file.prepare(
      `INSERT INTO host (${columns})
       VALUES (@name, @shown, @group, @labels, @config, @config_version, @address, @parted)
       ON CONFLICT (name) DO UPDATE SET shown = @shown, "group" = @group, labels = @labels, config = @config,
         config_version = @config_version, address = @address, parted = @parted`,
    );
    this.#remove = file.prepare("DELETE FROM host WHERE name = ?");
  }

  all(): HostRecord[] {
    return readable(this.#all.all() as HostRow[], hostOf, this.#report);
  }

  get(name: string): HostRecord | undefined {
    const row = this.#get.get(name) as HostRow | undefined;
    return row && hostOf(row);
  }

  /** Changes a record, or creates it. @throws Fault name_taken, bad_request */
  change(name: string, change: HostChange): HostRecord {
    const old = this.get(name) ?? { name, ...empty };
    const record = { ...old, ...change, configVersion: old.configVersion + (change.config === undefined ? 0 : 1) };
    const { shown } = record;
    // A machine that registered later with the name that is shown for this host must not keep it from being changed.
    const other = shown === undefined || shown === old.shown ? undefined : this.#taken.get({ shown, name });
    if (other !== undefined) {
      throw new Fault("name_taken", `${quoted(shown)} is a name of the host ${quoted(other)} already`);
    }
    this.#put.run({
      name: text(name, "name of a host"),
      shown: optionalText(shown, "shown name of a host"),
      group: optionalText(record.group, "group of a host"),
      labels: labels.write(record.labels, name),
      config: config.write(record.config, name),
      config_version: whole(record.configVersion, "version of a configuration"),
      address: optionalText(record.address, "address of a host"),
      parted: record.parted ? 1 : 0,
    });
    return record;
  }

  /** @returns false if there was none */
  remove(name: string): boolean {
    return this.#remove.run(name).changes > 0;
  }
}
