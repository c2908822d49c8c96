import { verdicts } from "../../proto/verdict.ts";
import { choice, choices, count, day, flag, format, repeated, required, size, text } from "./parameter.ts";
import type { Routes } from "./route.ts";
import { cards, free, vendors } from "./v1/card.ts";
import { host, hostStates, hosts } from "./v1/host.ts";
import { reportDetails, reports } from "./v1/report.ts";
import { users } from "./v1/user.ts";

export type HostState = (typeof hostStates)[number];
export type VendorName = (typeof vendors)[number];

/** Most rows of one page. */
export const mostRows = 5000;
/** Most rows of a page of reports: the files of each are read. */
export const mostReports = 200;
/** Most cards that can be asked for. */
const mostCards = 1024;

const csv = "text/csv";

const page = {
  limit: count(
    { help: `Most rows of the answer. Default: ${mostRows}, which is also the greatest value.`, example: "100" },
    mostRows,
  ),
  cursor: text({
    help: "Begins after a row: `next` of the page before. Rows that appear or disappear meanwhile neither repeat nor hide others.",
    example: "WyJncHUxIl0",
  }),
  format,
};

const group = text({ help: "Only hosts of this group.", example: "lab-a" });
const label = repeated({
  help: "Only hosts with this label: `name=value`, or `name` for any value. May be repeated; all must fit.",
  example: "rack=7",
});
const hostNames = repeated({
  help: "Only this host, by its name or the one that is shown. May be repeated.",
  example: "gpu1",
});
const model = text({
  help: "Only models with this in their name; upper and lower case are the same.",
  example: "h100",
});

const unchanged = { 304: "The client has this answer already (If-None-Match)." };
const notes =
  "The answer has an entity tag, made of its content, if it is not larger than 4 MiB. CSV has a line of names first; text that a spreadsheet would calculate has an apostrophe before it.";
const paging = `A page has ${mostRows} rows at most; the header Link names the next one.`;

const rowOf =
  <const G extends string>(tag: G) =>
  <const T extends object>(row: T) =>
    ({ method: "GET", needs: "read", tag, strict: true, others: unchanged, ...row }) as const;
const of = rowOf("v1");
const ofReports = rowOf("reports");

/** Names a report in a path. */
const reportName = {
  node: required("name a node", text({ help: "Name of the node.", example: "colab-gpu1" })),
  date: required("name a day", day({ help: "Day of the report: YYYY-MM-DD.", example: "2025-08-01" })),
};

export const v1Routes = {
  listHosts: of({
    path: "/api/v1/hosts",
    summary: "All hosts with their state and load",
    description: `In the order of their names, without machines that wait for approval. ${paging} ${notes}`,
    params: {
      group,
      label,
      state: choices(hostStates, { help: "Only hosts in these states, with commas between.", example: "down,stale" }),
      name: text({
        help: "Only hosts with this in their name or the one that is shown; upper and lower case are the same.",
        example: "gpu",
      }),
      ...page,
    },
    answer: { "application/json": hosts, [csv]: "text" },
    refuses: ["bad_request", "busy"],
  }),
  getHost: of({
    path: "/api/v1/hosts/{name}",
    summary: "One host with its GPUs, disks, interfaces and sources",
    description: "Everything of its last report. Device by device, `metrics` has what history keeps and more.",
    params: { name: required("name a host", text({ help: "Name of a host, or its shown name.", example: "gpu1" })) },
    answer: { "application/json": host },
    refuses: ["host_unknown", "busy"],
  }),
  listGpus: of({
    path: "/api/v1/gpus",
    summary: "All GPUs with verdict, readings, processes and users",
    description: `In the order of hosts and indices. Cards of a host that does not answer are \`unknown\`, or \`broken\` if they were lost or hung before. \`count\` has the cards of all pages. ${paging} ${notes}`,
    params: {
      verdict: choices(verdicts, {
        help: "Only cards with these verdicts, with commas between.",
        example: "free,held",
      }),
      model,
      host: hostNames,
      group,
      label,
      vendor: choice(vendors, { help: "Only cards of this vendor.", example: "nvidia" }),
      user: text({
        help: "Only cards that this user holds, or this pod, by the name that answers have (`privacy.users`).",
        example: "alice",
      }),
      ...page,
    },
    answer: { "application/json": cards, [csv]: "text" },
    refuses: ["bad_request", "host_unknown", "busy"],
  }),
  findFree: of({
    path: "/api/v1/free",
    summary: "Which cards are free, the best first, and how to use them",
    description: `Only cards of hosts that answer now. Cards of one model on one host belong together: first come hosts that have \`count\` of them, then the model of which most are free, then the host with the fewest free cards that suffice, so that machines stay free as a whole; then names and indices. A program can use one MIG instance, so instances are only for a \`count\` of 1. Nothing is reserved. If there are too few, the status is 200 and \`satisfied\` false. ${notes}`,
    params: {
      model,
      min_mem: size({
        help: "Least memory that must be free on a card: 40G is 40 × 10^9 bytes, 40Gi 40 × 2^30.",
        example: "40G",
      }),
      count: count({ help: `Number of cards, at most ${mostCards}. Default: 1.`, example: "2" }, mostCards),
      same_host: flag({ help: "True if all must be on one host, and of one vendor. Default: false.", example: "true" }),
      host: hostNames,
      group,
      label,
      vendor: choice(vendors, { help: "Only cards of this vendor.", example: "nvidia" }),
      format,
    },
    answer: { "application/json": free, [csv]: "text" },
    refuses: ["bad_request", "host_unknown", "busy"],
  }),
  listUsers: of({
    path: "/api/v1/users",
    summary: "Who holds cards now",
    description: `Those with most cards first. Only cards of hosts that answer now. Names are as \`privacy.users\` shows them; what each person uses is still summed. ${paging} ${notes}`,
    params: { user: text({ help: "Only this user or pod.", example: "alice" }), group, label, ...page },
    answer: { "application/json": users, [csv]: "text" },
    refuses: ["bad_request", "busy"],
  }),
  listReports: ofReports({
    path: "/api/v1/reports",
    summary: "Daily reports by day and node, with their averages",
    description: `The latest day first, then in the order of the nodes' names. Figures are read from the files in the report folder (docs/reports.md), also from files that another program wrote. A page has ${mostReports} rows at most; the header Link names the next one. The answer has an entity tag, made of its content.`,
    params: {
      from: day({ help: "First day: YYYY-MM-DD.", example: "2025-07-01" }),
      to: day({ help: "Last day; it is included.", example: "2025-08-31" }),
      node: repeated({ help: "Only reports of this node. May be repeated.", example: "colab-gpu1" }),
      limit: count(
        { help: `Most rows of the answer. Default: ${mostReports}, which is also the greatest value.`, example: "50" },
        mostReports,
      ),
      cursor: text({
        help: "Begins after a row: `next` of the page before.",
        example: "Wy0yMDMwMiwiY29sYWItZ3B1MSJd",
      }),
      format,
    },
    answer: { "application/json": reports, [csv]: "text" },
    refuses: ["bad_request", "busy"],
  }),
  getReport: ofReports({
    path: "/api/v1/reports/{node}/{date}",
    summary: "One daily report with the rows of every card",
    description: "The same figures as its files.",
    params: reportName,
    answer: { "application/json": reportDetails },
    refuses: ["bad_request", "report_unknown", "busy"],
  }),
  getReportPage: ofReports({
    path: "/api/v1/reports/{node}/{date}/page",
    summary: "One daily report as a page to print",
    description: "HTML that needs nothing else: charts are SVG in it, and it has no script.",
    params: {
      ...reportName,
      lang: choice(["en", "zh-CN", "zh-TW"], { help: "Language of the page. Default: `en`.", example: "zh-TW" }),
    },
    answer: { "text/html": "text" },
    refuses: ["bad_request", "report_unknown", "busy"],
  }),
  getReportFile: ofReports({
    path: "/api/v1/reports/{node}/{date}/{file}",
    // Other names are not those of a report's files.
    pattern: "/api/v1/reports/:node/:date/:file{[a-z0-9]+_[0-9-]+\\.(?:csv|txt)}",
    summary: "A file of a daily report, byte for byte",
    description:
      "Where `privacy.users` hides the users, `average` and `summary`, which name them, are only for clients with an account or a token; `gpu` files name nobody.",
    params: {
      ...reportName,
      file: required(
        "name a file",
        text({
          help: "`gpuN_DATE.csv`, `average_DATE.csv` or `summary_DATE.txt`, with the same day as the path.",
          example: "average_2025-08-01.csv",
        }),
      ),
    },
    answer: { "text/csv": "bytes", "text/plain": "bytes" },
    refuses: ["bad_request", "report_unknown", "busy"],
  }),
} as const satisfies Routes;
