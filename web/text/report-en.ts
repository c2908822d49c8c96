import type { ReportText } from "./report.ts";

export const reportEn: ReportText = {
  node: "Node",
  allNodes: "All nodes",
  from: "From",
  to: "To",
  states: { running: "day not over", complete: "complete", partial: "rows missing", empty: "no data" },
  stateHint: {
    running: "The day has not ended; the report has what there was when it was written.",
    complete: "Every card has all rows.",
    partial: "Some rows are missing.",
    empty: "No card has any row: the node did not answer.",
  },
  coverage: "Coverage",
  rows: (there, all) => `${there} of ${all} rows`,
  users: "Users",
  nobody: "nobody",
  files: "Files",
  file: { average: "Averages", summary: "Summary" },
  perCard: (files) => `${files} GPU ${files === 1 ? "file" : "files"}`,
  print: "Print view",
  vram: "VRAM in use",
  noData: "no data",
  byHour: (zone) => `Charts show GPU utilization by hour, from 0 to 100%. Days are those of ${zone}.`,
  byTenMinutes: (zone) => `Charts show ten-minute means, from 0 to 100%. Days are those of ${zone}.`,
  cardNumber: "Card",
  older: "Older reports",
  noneFit: "No report fits this filter.",
  back: "All reports",
  unknown: (node, date) => `There is no report of ${node} of ${date}.`,
  namesHidden: "Files that name users are for those who sign in.",

  none: "There are no daily reports yet.",
  first: (time, zone) => `They are written every day at ${time} (${zone}).`,
  setUp:
    'Name nodes under "reports" in settings.json, each with the address of its Netdata or with a host of this hub:',
  setUpMore: "A report of any day is written at once by gohm report YYYY-MM-DD. docs/reports.md describes the files.",

  issues: undefined,
};
