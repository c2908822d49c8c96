import type { DatabaseSchema } from "../../database/open.ts";

/**
 * audit: append-only. An insertion that gives the number of an entry that is there would replace it without its trigger of
 * deletion, so that has a trigger of its own. Limits of texts are those of hub/desk.ts.
 */
const steps = [
  `CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    actor TEXT NOT NULL,
    origin TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    details TEXT NOT NULL CHECK (json_type(details) = 'object'),
    result TEXT NOT NULL CHECK (result IN ('done', 'refused'))
  ) STRICT;
  CREATE TRIGGER audit_insert BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'audit entries are never replaced'); END;
  CREATE TRIGGER audit_update BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;
  CREATE TRIGGER audit_delete BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit entries are never deleted'); END;`,
];

/** Form of gohm.db. */
export const bookSchema: DatabaseSchema = {
  noun: "administration database",
  // "GOHB" in ASCII.
  application: 0x474f4842,
  newest: steps.length,
  steps,
};
