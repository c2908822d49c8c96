import { notice } from "../../notice.ts";
import type { LastReport } from "../../report/runs.ts";
import type { Sentence, SentenceValues } from "../../sentence.ts";

/** The last report of a node. */
export interface NodeReport extends LastReport {
  readonly node: string;
}

/** What is common to a notice of one node and others. */
interface Where {
  readonly date: string;
  readonly node: string;
  readonly others: number;
  readonly gpus: string;
}

/** Notices of what checks find, by the code of the issue. */
const rows: Readonly<Record<string, (where: Where, values: SentenceValues) => Sentence>> = {
  rows_missing: (where, { missing, expected }) =>
    notice("report_rows", { ...where, missing: Number(missing), expected: Number(expected) }),
  values_out: (where, { count }) => notice("report_values", { ...where, count: Number(count) }),
  cards_gone: (where, { date }) => notice("report_cards", { ...where, before: String(date) }),
  cards_shared: (where, { most }) => notice("report_shared", { ...where, most: Number(most) }),
};

/** Notices of the last reports of nodes, by topic; undefined takes one back. */
export function checkNotices(reports: readonly NodeReport[]): Map<string, Sentence | undefined> {
  const notices = new Map<string, Sentence | undefined>();
  for (const [code, make] of Object.entries(rows)) {
    const found = reports.flatMap(({ node, date, outcome }) => {
      const issue = outcome.issues.find((one) => typeof one !== "string" && one.code === code);
      return issue === undefined || typeof issue === "string" ? [] : [{ node, date, values: issue.values }];
    });
    // Those of the newest day, as others are of nodes that fail.
    const date = found.reduce((newest, one) => (one.date > newest ? one.date : newest), "");
    const [first, ...others] = found.filter((one) => one.date === date);
    const where = first && { date, node: first.node, others: others.length, gpus: String(first.values.gpus) };
    notices.set(code, where && make(where, first.values));
  }
  return notices;
}
