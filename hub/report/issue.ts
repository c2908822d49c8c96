import { span } from "../../proto/quantity.ts";
import { speaker } from "../sentence.ts";

/** Size limit of an issue, in bytes. */
const limit = 1024;

/** What checks find in the data of a node and day. The page has each sentence in its languages (`ReportText.issues`). */
const rows = {
  /** `gpus` names those that lack rows. */
  rows_missing: ({
    gpus,
    missing,
    expected,
  }: {
    readonly gpus: string;
    readonly missing: number;
    readonly expected: number;
  }) => `${missing} of ${expected} rows are missing: ${gpus}`,
  values_out: ({ gpus, count }: { readonly gpus: string; readonly count: number }) =>
    `${count} rows have a value below 0 % or above 100 %: ${gpus}`,
  /** `date` is that of the last report that has data of them. */
  cards_gone: ({ gpus, date }: { readonly gpus: string; readonly date: string }) =>
    `no data of cards that the report of ${date} has: ${gpus}`,
  /** `most` is the greatest number of users of one card at a time. */
  cards_shared: ({ gpus, most }: { readonly gpus: string; readonly most: number }) =>
    `tasks of ${most} users at the same time on one card: ${gpus}`,
  /** `why` is a cause (hub/cause.ts), as are `error` and `why` of the others. */
  rows_unread: ({ gpus, why }: { readonly gpus: string; readonly why: string }) => `no rows of ${gpus}: ${why}`,
  charts_unknown: ({ why }: { readonly why: string }) =>
    `its charts cannot be listed, so those of cards of an unknown model are read: ${why}`,
  cards_unlisted: ({ gpus }: { readonly gpus: string }) => `its Netdata has no charts of ${gpus}`,
  cards_unnamed: ({ cards }: { readonly cards: string }) =>
    `its Netdata has charts of cards that the settings do not name: ${cards}`,
  values_none: ({ gpus, count }: { readonly gpus: string; readonly count: number }) =>
    `${count} rows have no value, and count as 0: ${gpus}`,
  values_no_vram: ({ gpus, count }: { readonly gpus: string; readonly count: number }) =>
    `${count} rows have no value of VRAM, which counts as 0: ${gpus}`,
  rows_bad: ({ gpus, count }: { readonly gpus: string; readonly count: number }) =>
    `${count} rows cannot be read, and are left out: ${gpus}`,
  rows_spaced: ({ gpus, stepSec }: { readonly gpus: string; readonly stepSec: number }) =>
    `its rows are ${stepSec} s apart, and not 600 s: ${gpus}`,
  clock_off: ({ aheadMs }: { readonly aheadMs: number }) =>
    `its clock is ${span(Math.abs(aheadMs) / 1000)} ${aheadMs > 0 ? "ahead of" : "behind"} this one`,
  /** `host` is the one whose history is read. */
  history_empty: ({ host }: { readonly host: string }) => `history has no samples of "${host}" of that day`,
} as const;

export type IssueRows = typeof rows;

/** Makes an issue. */
export const issue = speaker(rows, { limit });
