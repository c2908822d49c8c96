import * as v from "valibot";
import { quoted } from "../../../program/setting.ts";
import type { Database } from "../../database/database.ts";
import { Fault } from "../../fault.ts";
import type { Capabilities, NewNode, NodeChange, NodeRecord, NodeState, NodeWay } from "../book.ts";
import { type DamageReport, jsonColumn, optionalText, optionalWhole, readable, sha256, text, whole } from "./column.ts";

interface NodeRow {
  readonly id: number;
  readonly hostname: string;
  readonly host: string;
  readonly way: NodeWay;
  readonly state: NodeState;
  readonly reset: 0 | 1;
  readonly registered: number;
  readonly origin: string;
  readonly capabilities: string;
  readonly used: number | null;
  readonly used_from: string | null;
  readonly taken_version: number | null;
  readonly taken_time: number | null;
  readonly history: number | null;
  readonly interval_ms: number | null;
  readonly ahead_ms: number | null;
  readonly ahead_zone: string | null;
}

const capabilities = jsonColumn<Capabilities>(
  "capabilities",
  v.object({
    cpuCores: v.exactOptional(v.number()),
    memoryTotalGB: v.exactOptional(v.number()),
    gpus: v.array(v.object({ index: v.number(), name: v.string(), memoryTotalMB: v.exactOptional(v.number()) })),
    disks: v.array(v.object({ mount: v.string(), totalGB: v.exactOptional(v.number()) })),
    nics: v.array(v.object({ name: v.string(), ipv4: v.string() })),
  }),
  65_536,
);

const nodeOf = (row: NodeRow, known: Capabilities): NodeRecord => ({
  id: row.id,
  hostname: row.hostname,
  host: row.host,
  way: row.way,
  state: row.state,
  reset: row.reset === 1,
  registered: row.registered,
  origin: row.origin,
  capabilities: known,
  used: row.used ?? undefined,
  usedFrom: row.used_from ?? undefined,
  taken:
    row.taken_version === null || row.taken_time === null
      ? undefined
      : { version: row.taken_version, time: row.taken_time },
  history: row.history ?? undefined,
  intervalMs: row.interval_ms ?? undefined,
  clock: row.ahead_ms === null ? undefined : { aheadMs: row.ahead_ms, zone: row.ahead_zone ?? undefined },
});

type Fields = Omit<NodeRecord, "id"> & { readonly token: Uint8Array | undefined };
type Columns = Readonly<Record<string, string | number | Uint8Array | null>>;

/** What is written for each field. @throws Fault bad_request */
const writers: { readonly [K in keyof Fields]: (value: Fields[K], owner: string) => Columns } = {
  hostname: (value) => ({ hostname: text(value, "host name of a machine") }),
  host: (value) => ({ host: text(value, "host of a machine") }),
  way: (way) => ({ way }),
  state: (state) => ({ state }),
  reset: (value) => ({ reset: value ? 1 : 0 }),
  registered: (value) => ({ registered: whole(value, "time of a registration") }),
  origin: (value) => ({ origin: text(value, "address of a registration") }),
  capabilities: (value, owner) => ({ capabilities: capabilities.write(value, owner) }),
  used: (value) => ({ used: optionalWhole(value, "last use of a token") }),
  usedFrom: (value) => ({ used_from: optionalText(value, "address of the last use") }),
  taken: (value) => ({
    taken_version: optionalWhole(value?.version, "version of a configuration"),
    taken_time: optionalWhole(value?.time, "time of a configuration"),
  }),
  history: (value) => ({ history: optionalWhole(value, "time of the last sample of another machine") }),
  intervalMs: (value) => ({ interval_ms: optionalWhole(value, "interval of a machine") }),
  clock: (value) => ({
    ahead_ms: optionalWhole(value?.aheadMs, "error of a clock"),
    ahead_zone: optionalText(value?.zone, "time zone of a clock"),
  }),
  token: (value) => ({ token: value === undefined ? null : sha256(value) }),
};

type Writer = (value: unknown, owner: string) => Columns;

/** Columns of the given fields alone. @param owner names the row in messages @throws Fault bad_request */
function columnsOf(fields: Partial<Fields>, owner: string): Columns {
  const known = writers as Readonly<Record<string, Writer | undefined>>;
  return Object.assign({}, ...Object.entries(fields).map(([field, value]) => known[field]?.(value, owner)));
}

/** Fields that change while a machine reports as ever. */
const routine = new Set(["used", "usedFrom", "taken", "intervalMs", "clock"]);

/** The table of machines that report by themselves, with its statements prepared. */
export class NodeTable {
  readonly #file: Database;
  readonly #report: DamageReport;
  readonly #all;
  readonly #named;
  readonly #ofToken;
  readonly #remove;
  /** Insertions and changes, by their columns. */
  readonly #writes = new Map<string, ReturnType<Database["prepare"]>>();
  /** Capabilities by machine, as they were read last: to check them takes ten times as long as to read the row. */
  readonly #known = new Map<number, { readonly text: string; readonly value: Capabilities }>();

  constructor(file: Database, report: DamageReport) {
    this.#file = file;
    this.#report = report;
    this.#all = file.prepare("SELECT * FROM node ORDER BY hostname");
    this.#named = file.prepare("SELECT * FROM node WHERE hostname = ?");
    this.#ofToken = file.prepare("SELECT * FROM node WHERE token = ?");
    this.#remove = file.prepare("DELETE FROM node WHERE id = ?");
  }

  all(): NodeRecord[] {
    return readable(this.#all.all() as NodeRow[], (row) => this.#record(row), this.#report);
  }

  named(hostname: string): NodeRecord | undefined {
    return this.#optional(this.#named.get(hostname));
  }

  ofToken(hash: Uint8Array): NodeRecord | undefined {
    return this.#optional(this.#ofToken.get(hash));
  }

  /** @throws Fault name_taken, bad_request */
  add(node: NewNode, token: Uint8Array | undefined): NodeRecord {
    if (this.#named.get(node.hostname) !== undefined) {
      throw new Fault("name_taken", `A machine ${quoted(node.hostname)} is registered already`);
    }
    const record: Omit<NodeRecord, "id"> = {
      history: undefined,
      way: "portal",
      ...node,
      reset: false,
      used: undefined,
      usedFrom: undefined,
      taken: undefined,
      intervalMs: undefined,
      clock: undefined,
    };
    const columns = columnsOf({ ...record, token }, node.hostname);
    const names = Object.keys(columns);
    const values = names.map((name) => `@${name}`);
    const { lastInsertRowid } = this.#write(`INSERT INTO node (${names}) VALUES (${values})`, columns);
    return { id: Number(lastInsertRowid), ...record };
  }

  /** @returns true if views and inputs must know of the change @throws Fault bad_request */
  change(id: number, change: NodeChange): boolean {
    // The last use of a thousand machines is written each minute: the rest of the row is not even read for it.
    const columns = columnsOf(change, `machine ${id}`);
    const names = Object.keys(columns);
    if (names.length === 0) return false;
    const values = names.map((name) => `${name} = @${name}`);
    const { changes } = this.#write(`UPDATE node SET ${values} WHERE id = @id`, { ...columns, id });
    return changes > 0 && Object.keys(change).some((field) => !routine.has(field));
  }

  #write(sql: string, columns: Columns): { readonly changes: number; readonly lastInsertRowid: number | bigint } {
    const statement = this.#writes.get(sql) ?? this.#file.prepare(sql);
    this.#writes.set(sql, statement);
    return statement.run(columns);
  }

  /** @returns false if there was none */
  remove(id: number): boolean {
    this.#known.delete(id);
    return this.#remove.run(id).changes > 0;
  }

  #optional(row: unknown): NodeRecord | undefined {
    return row === undefined ? undefined : this.#record(row as NodeRow);
  }

  /** @throws Fault book_unusable */
  #record(row: NodeRow): NodeRecord {
    const { id, hostname, capabilities: text } = row;
    const known = this.#known.get(id);
    if (known?.text === text) return nodeOf(row, known.value);
    const value = capabilities.read(text, hostname);
    this.#known.set(id, { text, value });
    return nodeOf(row, value);
  }
}
