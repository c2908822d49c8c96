import type { IssueRows } from "../../hub/report/issue.ts";
import type { JsonAnswer } from "../../hub/route/route.ts";
import type { v1Routes } from "../../hub/route/v1.ts";
import type { Translation } from "../../hub/sentence.ts";

type State = JsonAnswer<typeof v1Routes.listReports>["reports"][number]["state"];

/** All texts of daily reports in one language, which are loaded with them. */
export interface ReportText {
  readonly node: string;
  readonly allNodes: string;
  readonly from: string;
  readonly to: string;
  readonly states: Readonly<Record<State, string>>;
  readonly stateHint: Readonly<Record<State, string>>;
  readonly coverage: string;
  /** Rows that are there of those that a report has if none is missing. */
  readonly rows: (there: string, all: string) => string;
  readonly users: string;
  /** Nobody used a card. */
  readonly nobody: string;
  readonly files: string;
  /** Name of the link to a file, by its kind. */
  readonly file: Readonly<Record<"average" | "summary", string>>;
  /** Number of files, of each GPU one. */
  readonly perCard: (files: number) => string;
  /** Name of the link to the page that is printed. */
  readonly print: string;
  readonly vram: string;
  readonly noData: string;
  /** What the small charts of the list show. */
  readonly byHour: (zone: string) => string;
  /** What the small charts of one report show. */
  readonly byTenMinutes: (zone: string) => string;
  /** Number of the card of a GPU. */
  readonly cardNumber: string;
  readonly older: string;
  readonly noneFit: string;
  readonly back: string;
  /** A report that is not there. */
  readonly unknown: (node: string, date: string) => string;
  /** Files that name users are not among those that are shown. */
  readonly namesHidden: string;

  // Without any report

  readonly none: string;
  /** When the first one is written. */
  readonly first: (time: string, zone: string) => string;
  readonly setUp: string;
  /** Lines of the settings file, for nodes with Netdata and hosts of this hub. */
  readonly setUpMore: string;

  /** What checks find in the data of a report, by code; undefined in the hub's own language. */
  readonly issues: Translation<IssueRows> | undefined;
}
