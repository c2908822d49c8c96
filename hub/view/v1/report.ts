import { networkOf } from "../../../program/network.ts";
import { dayNumber } from "../../../program/zone.ts";
import type { CsvCell } from "../../csv/row.ts";
import { documentHeaders } from "../../door/document.ts";
import { Fault } from "../../fault.ts";
import type { Mask } from "../../privacy.ts";
import { expectedRows, reportDay } from "../../report/day.ts";
import { listReports, type ReportPlace, readFigures } from "../../report/figures.ts";
import { printPolicy, printReport } from "../../report/print.ts";
import type { ReportDay, ReportFigures } from "../../report/report.ts";
import { filesOfReport, mostFileBytes, namesUsers, readReportFile } from "../../report/shelf.ts";
import type { RouteRequest } from "../../route/handler.ts";
import type { JsonAnswer, Route } from "../../route/route.ts";
import { mostReports, type v1Routes } from "../../route/v1.ts";
import { admit } from "../../who.ts";
import { answer, turn } from "../body.ts";
import { inOrder } from "../fleet.ts";
import { Lane } from "../lane.ts";
import type { HubView } from "../view.ts";
import { lazily, listed, type Position, pageOf, pieces } from "./list.ts";
import { meansOf, ReportSummaries, type ReportSummary } from "./summary.ts";

type ReportRequest<K extends keyof typeof v1Routes> = RouteRequest<(typeof v1Routes)[K]>;
type ReportRow = JsonAnswer<typeof v1Routes.listReports>["reports"][number];
type ReportDetails = JsonAnswer<typeof v1Routes.getReport>;

/** Bytes of a page, as a guess for the memory of its answer. */
const pageBytes = 524_288;

/** Answers questions about the files in the folder of the reports. */
export class Reports {
  readonly #hub: HubView;
  readonly #summaries = new ReportSummaries();
  readonly #lane = new Lane();

  constructor(hub: HubView) {
    this.#hub = hub;
  }

  list(request: ReportRequest<"listReports">): Promise<Response> {
    const { given, by } = request;
    const { log, reports, privacy, clock } = this.#hub;
    const { folder, zone, time, nodes } = reports();
    const mask = privacy.maskFor(by);
    return this.#inTurn(request, async () => {
      const all = await listReports(folder);
      const names = [...new Set([...nodes.map(({ name }) => name), ...all.map(({ node }) => node)])].sort(inOrder);
      const found = await inOrderOf(all, names, given);
      const page = pageOf(found, positionOf, { limit: given.limit ?? mostReports, cursor: given.cursor });
      const summaries: ReportSummary[] = [];
      for (const name of page.rows) {
        const summary = await this.#summaries.summary(folder, zone, name);
        if (summary !== undefined) summaries.push(summary);
      }
      const rows = lazily(summaries, (summary) => ({
        ...rowOf(summary, { mask, now: clock.now() }),
        issues: this.#issuesOf(summary, mask),
      }));
      const { total, next } = page;
      return listed(log, request, {
        json: {
          reports: rows,
          nodes: names,
          configured: nodes.length > 0,
          time,
          timezone: zone.name,
          total,
          next,
        },
        table: { name: "reports", rows, columns: reportColumns, cell: reportCell },
        size: summaries.length,
        next,
      });
    });
  }

  /** @throws Fault report_unknown */
  details(request: ReportRequest<"getReport">): Promise<Response> {
    return this.#inTurn(request, async () => {
      const { folder, zone } = this.#hub.reports();
      const { figures, day } = await this.#read(request);
      const files = await filesOfReport(folder, request.given.node, request.given.date);
      const mask = this.#hub.privacy.maskFor(request.by);
      const json: ReportDetails = {
        ...headOf({ ...figures, ...meansOf(figures), cards: figures.cards.length, day }, this.#hub.clock.now()),
        timezone: zone.name,
        from: day.from,
        to: day.to,
        cards: figures.cards.map((card) => ({
          index: card.index,
          card: card.card ?? null,
          gpu_percent: card.gpu ?? null,
          vram_percent: card.vram ?? null,
          user: card.user ?? null,
          expected: this.#expected(day),
          rows: card.rows.map(({ at, gpu, vram }) => ({ time: at, gpu_percent: gpu, vram_percent: vram })),
        })),
        files: shownFiles(files, request.given, mask),
        issues: this.#issuesOf(request.given, mask),
      };
      return listed(this.#hub.log, request, { json: { ...json }, size: figures.rows / 16 });
    });
  }

  /** @throws Fault report_unknown */
  page(request: ReportRequest<"getReportPage">): Promise<Response> {
    const { c, budget, given, head } = request;
    return this.#inTurn(request, async () => {
      const { figures, day } = await this.#read(request);
      await budget.reserve(c, pageBytes);
      const texts = printReport(figures, {
        day,
        expected: this.#expected(day),
        language: given.lang ?? "en",
      });
      const headers = {
        ...personal,
        "Content-Type": "text/html; charset=utf-8",
        ...documentHeaders({ policy: printPolicy, secure: this.#hub.identity.isSecure(head) }),
      };
      return answer({ c, log: this.#hub.log, tagged: true }, pieces(texts), headers);
    });
  }

  /** @throws Fault report_unknown, and those of `admit` for a file that names people */
  async file({ c, by, budget, given }: ReportRequest<"getReportFile">): Promise<Response> {
    const { log, privacy, reports } = this.#hub;
    const { node, date, file } = given;
    // Before anything tells whether there is such a file.
    if (namesUsers(file, date) && privacy.maskFor(by) !== undefined)
      admit(by, "read", { what: "A file that names users" });
    const reservation = await budget.reserve(c, mostFileBytes);
    const bytes = await readReportFile(reports().folder, given);
    reservation.shrink(bytes?.length ?? 0);
    if (bytes === undefined) throw unknown(given);
    const headers = {
      ...personal,
      "Content-Type": `${file.endsWith(".csv") ? "text/csv" : "text/plain"}; charset=utf-8`,
      // Files of all nodes have the same names.
      "Content-Disposition": `attachment; filename="${node}_${file}"`,
    };
    return answer({ c, log, tagged: true }, piecesOf(bytes), headers);
  }

  #inTurn({ c, by }: Pick<RouteRequest<Route>, "c" | "by">, work: () => Promise<Response>): Promise<Response> {
    return this.#lane.ask({ address: networkOf(by.origin), signal: c.req.raw.signal }, work);
  }

  /** What checks found in a report, which may quote addresses and paths. */
  #issuesOf({ node, date }: ReportPlace, mask: Mask | undefined): ReportRow["issues"] {
    const made = this.#hub.reportRuns.of(node, date);
    if (mask !== undefined || made === undefined) return [];
    return made.outcome.issues.map((words) =>
      typeof words === "string"
        ? { code: null, values: {}, text: words }
        : { code: words.code, values: { ...words.values }, text: words.text },
    );
  }

  /** Rows that a card has if none is missing; of a day that has not ended, those until now. */
  #expected(day: ReportDay): number {
    return expectedRows(day, this.#hub.clock.now() / 1000).length;
  }

  /** Figures as a client may see them. @throws Fault report_unknown */
  async #read({ by, given }: Pick<RouteRequest<Route>, "by"> & { readonly given: ReportPlace }) {
    const { folder, zone } = this.#hub.reports();
    const day = reportDay(zone, given.date);
    const figures = day && (await readFigures(folder, given.node, given.date));
    if (day === undefined || figures === undefined) throw unknown(given);
    return { figures: masked(figures, this.#hub.privacy.maskFor(by)), day };
  }
}

const unknown = ({ node, date, file }: ReportPlace & { readonly file?: string }): Fault =>
  new Fault(
    "report_unknown",
    file === undefined
      ? `There is no report of "${node}" of ${date}.`
      : `The report of "${node}" of ${date} has no file "${file}".`,
  );

/** Headers of what depends on who asks. */
const personal = { "Cache-Control": "private, no-cache", Vary: "Accept, Authorization, Cookie" };

const positionOf = ({ node, date }: ReportPlace): Position => [-(dayNumber(date) ?? 0), node];
/** Reports after which others get a turn. */
const turnReports = 5000;

interface ReportFilter {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly node: readonly string[];
}

/**
 * Selects the reports that a request is about, those of a day in the order of the names of nodes.
 * @param all the latest day first
 * @param names of all nodes, in order
 */
async function inOrderOf(
  all: readonly ReportPlace[],
  names: readonly string[],
  { from = "", to = "9999-12-31", node: only }: ReportFilter,
): Promise<readonly ReportPlace[]> {
  const rank = new Map(names.map((name, i) => [name, i]));
  const wanted = new Set(only);
  const found: ReportPlace[] = [];
  let day: ReportPlace[] = [];
  for (const [i, place] of all.entries()) {
    if (place.date !== day[0]?.date) {
      for (const one of day) found.push(one);
      day = [];
    }
    const isWanted = place.date >= from && place.date <= to && (wanted.size === 0 || wanted.has(place.node));
    if (isWanted) day.push(place);
    if (place.date !== all[i + 1]?.date) day.sort((a, b) => (rank.get(a.node) ?? 0) - (rank.get(b.node) ?? 0));
    if (i % turnReports === turnReports - 1) await turn();
  }
  return [...found, ...day];
}

/** Replaces users by their aliases, for a client who may not see them. */
const masked = (figures: ReportFigures, mask: Mask | undefined): ReportFigures => ({
  ...figures,
  cards: figures.cards.map((card) => ({ ...card, user: shownUser(card.user, mask) })),
});

const shownUser = (user: string | undefined, mask: Mask | undefined): string | undefined =>
  user === undefined ? undefined : (mask?.person(user) ?? user);

/** Files that a client may have. */
const shownFiles = (files: readonly string[], { date }: ReportPlace, mask: Mask | undefined): string[] =>
  files.filter((file) => mask === undefined || !namesUsers(file, date));

type Whole = Pick<ReportSummary, "node" | "date" | "day" | "gpu" | "vram" | "rows" | "cards">;

/** What every answer says of a report as a whole. */
function headOf({ node, date, day, gpu, vram, rows, cards }: Whole, now: number) {
  const expected = cards * expectedRows(day, now / 1000).length;
  const ended = rows === 0 ? "empty" : rows < expected ? "partial" : "complete";
  const state: ReportRow["state"] = now < day.to * 1000 ? "running" : ended;
  return { node, date, state, gpu_percent: gpu ?? null, vram_percent: vram ?? null, rows, expected };
}

function rowOf(
  summary: ReportSummary,
  { mask, now }: { readonly mask: Mask | undefined; readonly now: number },
): Omit<ReportRow, "issues"> {
  const { cards, users, hours, files } = summary;
  return {
    ...headOf(summary, now),
    cards,
    users: users.map((user) => shownUser(user, mask) ?? ""),
    hours: hours.map((mean) => mean ?? null),
    files: shownFiles(files, summary, mask),
  };
}

/** Columns of reports in CSV. */
const reportColumns = [
  ...([
    "date",
    "node",
    "state",
    "gpu_percent",
    "vram_percent",
    "rows",
    "expected",
    "cards",
    "users",
    "issues",
  ] as const),
];
const reportCell = (row: ReportRow, column: string): CsvCell =>
  column === "issues"
    ? row.issues.map(({ text }) => text)
    : row[column as Exclude<(typeof reportColumns)[number], "issues">];

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
