import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BookFixture } from "../../../test/book.ts";
import type { AuditPage, Book } from "../book.ts";

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
