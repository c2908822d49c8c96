import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";
import { BookFixture } from "../../../test/book.ts";
import { openDatabase } from "../../database/open.ts";
import type { AuditPage, Book } from "../book.ts";
import { bookSchema } from "./schema.ts";

let folder = "";
let fixture: BookFixture;
let book: Book;

const entries = [
  ["administrator alice", "account.create", "bob"],
  ["administrator alice", "accounts.import", "bob"],
  ["owner", "account.delete", "bob"],
  ["administrator al", "node.approve", "gpu1"],
  ["administrator alice", "account", "gpu1"],
  ["owner", "account.create.again", "alice"],
  ["owner", "Account.create", "alice"],
] as const;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-audit-"));
  fixture = new BookFixture();
  book = fixture.open(folder);
  book.write((writer) => {
    for (const [actor, action, target] of entries) {
      writer.appendAudit({ time: 1, actor, origin: "control", action, target, details: {}, result: "done" });
    }
  });
});

afterEach(() => {
  fixture.close();
  rmSync(folder, { recursive: true });
});

const numbers = (page: Partial<AuditPage>): number[] => book.audit({ limit: 100, ...page }).map(({ id }) => id);

test.each<[Partial<AuditPage>, number[]]>([
  [{}, [7, 6, 5, 4, 3, 2, 1]],
  [{ actor: "administrator alice" }, [5, 2, 1]],
  [{ actor: "alice" }, [5, 2, 1]],
  [{ actor: "al" }, [4]],
  [{ actor: "lice" }, []],
  [{ actor: "administrator" }, []],
  [{ action: "account" }, [6, 5, 3, 1]],
  [{ action: "account.create" }, [1]],
  [{ action: "account." }, []],
  [{ action: "" }, []],
  [{ action: "account.%" }, []],
  [{ target: "gpu1" }, [5, 4]],
  [{ target: "bob", action: "account" }, [3, 1]],
  [{ target: "bob", action: "account", actor: "owner" }, [3]],
  [{ action: "account", before: 5 }, [3, 1]],
  [{ action: "account", limit: 2 }, [6, 5]],
  [{ actor: "' OR 1 --" }, []],
  [{ actor: undefined, target: "gpu1" }, [5, 4]],
])("the entries of %j are %j", (page, wanted) => expect(numbers(page)).toEqual(wanted));

const day = 86_400_000;

/** Writes an entry of each time. */
function refuse(times: readonly number[], result: "done" | "refused" = "refused"): void {
  book.write((writer) => {
    for (const time of times) {
      const target = `${result} ${time / day}`;
      writer.appendAudit({
        time,
        actor: "anonymous",
        origin: "",
        action: "session.create",
        target,
        details: {},
        result,
      });
    }
  });
}

const targets = (): string[] => book.audit({ limit: 1000, action: "session" }).map(({ target }) => target);

test("refusals are deleted after 90 days, and what was done never is", () => {
  fixture.now = 100 * day;
  refuse([1 * day, 50 * day], "done");
  refuse([1 * day, 9 * day, 10 * day, 50 * day]);
  fixture.runTimers();
  expect(targets()).toEqual(["refused 50", "refused 10", "done 50", "done 1"]);
});

test("of more than 100,000 refusals the oldest are deleted, some at a time, and the last ones are exactly so many", () => {
  const full = join(folder, "full");
  mkdirSync(full);
  const file = openDatabase(join(full, "gohm.db"), bookSchema);
  // Most of one time, as a flood has it, and by a clock that was wrong for a moment.
  file.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100602)
    INSERT INTO audit (time, actor, origin, action, target, details, result)
    SELECT iif(i = 100602, 1, 2), '', '', '', '', '{}', iif(i = 1, 'done', 'refused') FROM n`);
  file.close();
  fixture.now = 3;
  book = fixture.open(full);
  for (let i = 0; i < 3; i++) fixture.runTimers();
  book.close();
  const left = openDatabase(join(full, "gohm.db"), bookSchema);
  const count = "SELECT result, count(*) AS entries, min(time) AS time, max(id) AS id FROM audit GROUP BY result";
  expect(left.prepare(count).all()).toEqual([
    { result: "done", entries: 1, time: 2, id: 1 },
    { result: "refused", entries: 100_000, time: 2, id: 100_601 },
  ]);
  left.close();
});
