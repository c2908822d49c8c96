const chart = "/api/history?host=gpu1&metric=gpu_power";
const v1Chart = "/api/v1/history?host=gpu1&metric=gpu_power";
/** Requests that the hub of test/openapi.test.ts refuses, by the name of their route: of each fault that it documents one at least. */
export const refused: Readonly<Record<string, readonly string[]>> = {
  history: [
    "/api/history",
    `${chart}&from=x`,
    "/api/history?host=nobody&metric=load1",
    "/api/history?host=gpu1&metric=colour",
    `${chart}&key=GPU-9`,
    "/api/history?host=gpu1&metric=gpu_power&host=gpu2",
  ],
  fleetHistory: ["/api/fleet/history", "/api/fleet/history?metric=colour", "/api/fleet/history?metric=load1&step=0"],
  pk: ["/pk?from=1.5", "/pk?host=nobody", "/pk?type=colour"],
  hist: ["/hist?from=1.5", "/hist?host=nobody", "/hist?type=colour"],
  feedHost: ["/feed/host", "/feed/host?name=nobody"],
  listHosts: ["/api/v1/hosts?grup=x", "/api/v1/hosts?state=lost", "/api/v1/hosts?limit=5001", "/api/v1/hosts?cursor=x"],
  getHost: ["/api/v1/hosts/nobody"],
  listGpus: [
    "/api/v1/gpus?verdict=good",
    "/api/v1/gpus?host=nobody",
    "/api/v1/gpus?vendor=acme",
    "/api/v1/gpus?limit=0",
  ],
  findFree: [
    "/api/v1/free?min_mem=40",
    "/api/v1/free?host=nobody",
    "/api/v1/free?same_host=maybe",
    "/api/v1/free?count=0",
  ],
  listUsers: ["/api/v1/users?name=alice", "/api/v1/users?format=xml"],
  getHistory: [
    "/api/v1/history",
    `${v1Chart}&from=yesterday`,
    `${v1Chart}&from=2027-02-30`,
    `${v1Chart}&form=csv`,
    "/api/v1/history?host=nobody&metric=load1",
    "/api/v1/history?host=gpu1&metric=colour",
    `${v1Chart}&key=GPU-9`,
  ],
  getFleetHistory: [
    "/api/v1/fleet/history",
    "/api/v1/fleet/history?metric=colour",
    "/api/v1/fleet/history?metric=load1&from=2027-01-15T25:00:00Z",
  ],
  listReports: ["/api/v1/reports?from=yesterday", "/api/v1/reports?limit=1000", "/api/v1/reports?date=2025-08-01"],
  getReport: ["/api/v1/reports/colab-gpu1/2025-08", "/api/v1/reports/nobody/2025-08-01"],
  getReportPage: ["/api/v1/reports/colab-gpu1/2025-08-01/page?lang=fr", "/api/v1/reports/nobody/2025-08-01/page"],
  getReportFile: [
    "/api/v1/reports/colab-gpu1/2025-8-1/average_2025-08-01.csv",
    "/api/v1/reports/colab-gpu1/2025-08-01/gpu7_2025-08-01.csv",
  ],
  pageFile: ["/nothing.js"],
  docsFile: ["/docs/nothing.js"],
};
