import type { Database } from "../../database/database.ts";
import { Fault } from "../../fault.ts";
import type { AuditDetails, AuditEntry, AuditPage, NumberedEntry } from "../book.ts";
import { attempt, type DamageReport, jsonColumn, recordOf } from "./column.ts";

const most = 1000;

/** Conditions by filter. The kind of an action is the part before the dot, as in the index audit_kind. */
const conditions = {
  actor: "actor = @actor",
  kind: "substr(action, 1, instr(action || '.', '.') - 1) = @kind",
  action: "action = @action",
  target: "target = @target",
} as const;

/** An actor is also found by its name alone, whatever its role was then. */
const roles = ["", "administrator ", "viewer ", "token "] as const;

/** Which refusals are deleted: those before a time, and those beyond a number. The index audit_refused has them in this order. */
const refusals = {
  old: `DELETE FROM audit WHERE id IN
    (SELECT id FROM audit WHERE result = 'refused' AND time < @before ORDER BY time, id LIMIT @most)`,
  newestBeyond: "SELECT time, id FROM audit WHERE result = 'refused' ORDER BY time DESC, id DESC LIMIT 1 OFFSET @kept",
  beyond: `DELETE FROM audit WHERE id IN
    (SELECT id FROM audit WHERE result = 'refused' AND (time, id) <= (@time, @id) ORDER BY time, id LIMIT @most)`,
} as const;

/** Refusals that are kept. */
export interface RefusalLimits {
  /** Unix milliseconds of the oldest one. */
  readonly from: number;
  readonly count: number;
}

type Value = AuditDetails[string];
const isValue = (value: unknown): value is Value =>
  value === null || ["string", "number", "boolean"].includes(typeof value);

/** Details are bounded by hub/desk.ts. */
const details = jsonColumn<AuditDetails>("details", recordOf(isValue), Number.POSITIVE_INFINITY);

type AuditRow = Omit<NumberedEntry, "details"> & { readonly details: string };

const rowOf = (entry: AuditEntry) => ({ ...entry, details: details.write(entry.details, entry.action) });

/** The table of audit entries, with its statements prepared. */
export class AuditTable {
  readonly #file: Database;
  readonly #report: DamageReport;
  readonly #insert;
  readonly #draft;
  readonly #drafts;
  readonly #publish;
  readonly #discard;
  readonly #old;
  readonly #newestBeyond;
  readonly #beyond;
  /** By their conditions. */
  readonly #pages = new Map<string, ReturnType<Database["prepare"]>>();

  constructor(file: Database, report: DamageReport) {
    this.#file = file;
    this.#report = report;
    const columns = "time, actor, origin, action, target, details, result";
    const values = "@time, @actor, @origin, @action, @target, @details, @result";
    this.#insert = file.prepare(`INSERT INTO audit (${columns}) VALUES (${values})`);
    this.#draft = file.prepare(`INSERT OR REPLACE INTO draft (key, ${columns}) VALUES (@key, ${values})`);
    this.#drafts = file.prepare("SELECT key FROM draft ORDER BY time");
    this.#publish = file.prepare(`INSERT INTO audit (${columns}) SELECT ${columns} FROM draft WHERE key = ?`);
    this.#discard = file.prepare("DELETE FROM draft WHERE key = ?");
    this.#old = file.prepare(refusals.old);
    this.#newestBeyond = file.prepare(refusals.newestBeyond);
    this.#beyond = file.prepare(refusals.beyond);
  }

  /** Deletes refusals beyond the limits, the oldest first. @param most how many at once @returns how many it were */
  prune({ from, count }: RefusalLimits, most: number): number {
    const { changes: old } = this.#old.run({ before: from, most });
    const newest = old < most ? this.#newestBeyond.get({ kept: count }) : undefined;
    return newest === undefined ? old : old + this.#beyond.run({ ...(newest as object), most: most - old }).changes;
  }

  append(entry: AuditEntry): number {
    return Number(this.#insert.run(rowOf(entry)).lastInsertRowid);
  }

  draft(key: string, entry: AuditEntry): void {
    this.#draft.run({ key, ...rowOf(entry) });
  }

  /** Appends the draft of a key, or all drafts. */
  publish(key: string | undefined): void {
    const keys = key === undefined ? (this.#drafts.all() as { key: string }[]).map((row) => row.key) : [key];
    for (const one of keys) if (this.#publish.run(one).changes > 0) this.#discard.run(one);
  }

  /** @throws Fault bad_request */
  page({ before = Number.MAX_SAFE_INTEGER, limit, actor, action, target }: AuditPage): NumberedEntry[] {
    if (!Number.isInteger(limit) || limit < 1 || limit > most) {
      throw new Fault("bad_request", `A page of the audit log has 1 to ${most} entries: limit is ${limit}`);
    }
    if (!Number.isSafeInteger(before)) {
      throw new Fault("bad_request", `"before" must be the number of an audit entry: it is ${before}`);
    }
    const filter = {
      ...(actor === undefined ? {} : { actor }),
      ...(action === undefined ? {} : action.includes(".") ? { action } : { kind: action }),
      ...(target === undefined ? {} : { target }),
    };
    const statement = this.#statement(Object.keys(filter) as (keyof typeof conditions)[]);
    // One query for each: all in one would sort every entry of the actor.
    const rows = (actor === undefined ? [{}] : roles.map((role) => ({ actor: `${role}${actor}` }))).flatMap(
      (one) => statement.all({ ...filter, ...one, before, limit }) as AuditRow[],
    );
    const newest = rows.toSorted((a, b) => b.id - a.id).slice(0, limit);
    return newest.map((row) => ({ ...row, details: this.#detailsOf(row) }));
  }

  /** Details that are damaged leave the rest of their entry in the log. */
  #detailsOf(row: AuditRow): AuditDetails {
    return attempt(() => details.read(row.details, `entry ${row.id}`), this.#report) ?? { damaged: true };
  }

  #statement(filters: readonly (keyof typeof conditions)[]): ReturnType<Database["prepare"]> {
    const where = ["id < @before", ...filters.map((filter) => conditions[filter])].join(" AND ");
    const known = this.#pages.get(where);
    if (known !== undefined) return known;
    const made = this.#file.prepare(`SELECT * FROM audit WHERE ${where} ORDER BY id DESC LIMIT @limit`);
    this.#pages.set(where, made);
    return made;
  }
}
