import type { FunctionComponent } from "preact";
import type { Params } from "../route.ts";
import { loadSheet } from "../sheet.ts";
import sheet from "../style/report.css?href";
import { loadReportText } from "./reports/call.ts";
import { Reports } from "./reports/list.tsx";
import { OneReport } from "./reports/one.tsx";

// Pages of daily reports, with their texts and styles.

const open = async (page: FunctionComponent<Params>): Promise<FunctionComponent<Params>> => {
  await Promise.all([loadReportText(), loadSheet(sheet)]);
  return page;
};

export const openReports = (): Promise<FunctionComponent<Params>> => open(Reports);
export const openReport = (): Promise<FunctionComponent<Params>> => open(OneReport);
