import type { JsonAnswer } from "../../../hub/route/route.ts";
import type { v1Routes } from "../../../hub/route/v1.ts";
import { type Caller, caller } from "../../call.ts";
import { partText } from "../../language.ts";
import type { ReportText } from "../../text/report.ts";

type Rows = Pick<typeof v1Routes, "listReports" | "getReport">;

export const askReports: Caller<Rows> = caller<Rows>({
  listReports: "GET /api/v1/reports",
  getReport: "GET /api/v1/reports/{node}/{date}",
});

export type ReportList = JsonAnswer<Rows["listReports"]>;
export type Report = ReportList["reports"][number];
export type ReportDetails = JsonAnswer<Rows["getReport"]>;

/** Address of what belongs to a report: a file, or the page that is printed. */
export const partOf = ({ node, date }: Pick<Report, "node" | "date">, name: string): string =>
  `api/v1/reports/${encodeURIComponent(node)}/${date}/${name}`;

/** Texts of daily reports. */
export const { text: reportText, load: loadReportText } = partText<ReportText>({
  en: async () => (await import("../../text/report-en.ts")).reportEn,
  "zh-CN": async () => (await import("../../text/report-zh-CN.ts")).reportZhCN,
  "zh-TW": async () => (await import("../../text/report-zh-TW.ts")).reportZhTW,
});
