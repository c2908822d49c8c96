import type { Database } from "../../database/database.ts";
import { Fault } from "../../fault.ts";
import type { AuditEntry, AuditPage, NumberedEntry } from "../book.ts";

const most = 1000;

/** The table of audit entries, with its statements prepared. */
export class AuditTable {
  readonly #insert;
  readonly #page;

  constructor(file: Database) {
    this.#insert = file.prepare(
      `INSERT INTO audit (time, actor, origin, action, target, details, result)
       VALUES (@time, @actor, @origin, @action, @target, @details, @result)`,
    );
    this.#page = file.prepare("SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?");
  }

  append(entry: AuditEntry): number {
    return Number(this.#insert.run({ ...entry, details: JSON.stringify(entry.details) }).lastInsertRowid);
  }

  /** @throws Fault bad_request */
  page({ before = Number.MAX_SAFE_INTEGER, limit }: AuditPage): NumberedEntry[] {
    if (!Number.isInteger(limit) || limit < 1 || limit > most) {
      throw new Fault("bad_request", `A page of the audit log has 1 to ${most} entries: limit is ${limit}`);
    }
    if (!Number.isSafeInteger(before)) {
      throw new Fault("bad_request", `"before" must be the number of an audit entry: it is ${before}`);
    }
    const rows = this.#page.all(before, limit) as (Omit<NumberedEntry, "details"> & { details: string })[];
    return rows.map((row) => ({ ...row, details: JSON.parse(row.details) }));
  }
}
