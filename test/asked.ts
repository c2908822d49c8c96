/** A report that test/report/written.ts writes. */
export const dailyReport = "/api/v1/reports/colab-gpu1/2025-08-01";

/** What each route that reads is asked in test/privacy.test.ts, by its name. */
export const asked: Readonly<Record<string, readonly string[]>> = {
  feed: [],
  feedHost: ["/feed/host?name=dgx", "/feed/host?name=down", "/feed/host?name=stranger", "/feed/host?name=nobody"],
  history: ["dgx", "stranger"].map((host) => `/api/history?host=${host}&metric=disk_used,gpu_power,load1`),
  fleetHistory: ["/api/fleet/history?metric=disk_used&by=host", "/api/fleet/history?metric=gpu_power&by=model"],
  pk: ["/pk", "/pk?host=dgx&type=util", "/pk?host=nobody"],
  hist: ["/hist?type=gpu_power", "/hist?type=nothing"],
  health: ["/api/health"],
  me: ["/api/v1/me"],
  listHosts: ["", "?format=csv", "?label=owner", "?label=owner%3Dalice"].map((query) => `/api/v1/hosts${query}`),
  getHost: ["/api/v1/hosts/dgx", "/api/v1/hosts/down", "/api/v1/hosts/stranger"],
  listGpus: ["", "?format=csv", "?user=alic%65"].map((query) => `/api/v1/gpus${query}`),
  findFree: ["/api/v1/free?count=8"],
  listUsers: ["", "?format=csv", "?user=alic%65"].map((query) => `/api/v1/users${query}`),
  intervals: ["dgx", "stranger"].map(
    (host) => `/api/history/intervals?host=${host}&from=1799996400000&to=1800000000000`,
  ),
  listReports: ["", "?format=csv"].map((query) => `/api/v1/reports${query}`),
  getReport: [dailyReport],
  getReportPage: [`${dailyReport}/page`],
  getReportFile: ["gpu0_2025-08-01.csv", "average_2025-08-01.csv", "summary_2025-08-01.txt"].map(
    (file) => `${dailyReport}/${file}`,
  ),
  getHistory: ["", "&format=csv"].map((form) => `/api/v1/history?host=dgx&metric=disk_used,gpu_power${form}`),
  getFleetHistory: ["/api/v1/fleet/history?metric=disk_used&by=host&format=csv"],
  export: ["?form=wide&level=disk", "?form=long&metric=disk_used", ""].map((query) => `/api/v1/export${query}`),
  docs: ["/docs"],
  redoc: ["/redoc"],
  docsFile: ["/docs/start.js"],
  about: ["/api"],
  loggerHealth: ["/health"],
  page: ["/"],
  hostPage: ["/host/dgx"],
  pageFile: ["/app.js"],
};
