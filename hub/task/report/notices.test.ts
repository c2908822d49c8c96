import { expect, test } from "vitest";
import { issue } from "../../report/issue.ts";
import { textOf } from "../../sentence.ts";
import { checkNotices, type NodeReport } from "./notices.ts";

const last = (node: string, date: string, missing: number): NodeReport => ({
  ...{ node, date, at: 0 },
  outcome: {
    ...{ node, state: "partial", rows: 0, expected: 288, written: true },
    issues: [issue("rows_missing", { gpus: "GPU[0]", missing, expected: 288 })],
  },
});

test("a notice is of the nodes of the newest day: last reports of before are of nodes that fail since", () => {
  const notices = checkNotices([
    last("gpu1", "2026-11-20", 7),
    last("gpu2", "2026-11-27", 5),
    last("gpu3", "2026-11-27", 6),
  ]);
  const words = notices.get("rows_missing");
  expect(words && textOf(words)).toBe(
    "The daily report of gpu2 and 1 more of 2026-11-27 is not whole: 5 of 288 rows of gpu2 are missing (GPU[0]).",
  );
});
