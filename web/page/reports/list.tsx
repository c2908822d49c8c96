import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { text } from "../../language.ts";
import { fleetPath, reportPath } from "../../route.ts";
import { useAnswer } from "./answer.ts";
import { askReports, type Report, type ReportList, reportText } from "./call.ts";
import { NoReports } from "./none.tsx";
import { Coverage, HiddenNames, Issues, Links, Percent, Spark } from "./part.tsx";

/** Reports of one request. */
const pageSize = 60;

interface Filter {
  readonly node: string;
  /** "YYYY-MM-DD", or "". */
  readonly from: string;
  readonly to: string;
}

const none: Filter = { node: "", from: "", to: "" };
/** Kept while one report is looked at. */
const filter = signal<Filter>(none);
const count = signal(pageSize);

/** Loads as many reports as are shown, page by page. */
async function load(wanted: Filter, most: number, stop: AbortSignal): Promise<ReportList> {
  const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== ""));
  let whole = await askReports("listReports", { ...given, limit: pageSize }, stop);
  while (whole.next !== null && whole.reports.length < most) {
    const more = await askReports("listReports", { ...given, limit: pageSize, cursor: whole.next }, stop);
    whole = { ...more, reports: [...whole.reports, ...more.reports] };
  }
  return whole;
}

/** Daily reports by day and node. */
export function Reports(): JSX.Element {
  const wanted = filter.value;
  const most = count.value;
  const { value, error } = useAnswer((stop) => load(wanted, most, stop), JSON.stringify([wanted, most]));
  const list = value.value;
  const isFiltered = Object.values(wanted).some((one) => one !== "");
  return (
    <div class="reports">
      <nav class="crumbs">
        <a href={fleetPath}>← {text.value.back}</a>
      </nav>
      {error.value === "" ? null : <output class="standing">{text.value.partFault(error.value)}</output>}
      {list === undefined ? (
        <p class="empty">{text.value.loading}</p>
      ) : list.reports.length === 0 && !isFiltered ? (
        <NoReports list={list} />
      ) : (
        <>
          <header class="reports-head">
            <h1>{text.value.reports}</h1>
            <Filters nodes={list.nodes} />
          </header>
          <Days list={list} />
        </>
      )}
    </div>
  );
}

function Filters({ nodes }: { nodes: readonly string[] }): JSX.Element {
  const t = reportText();
  const set = (part: Partial<Filter>): void => {
    filter.value = { ...filter.peek(), ...part };
    count.value = pageSize;
  };
  const day = (key: "from" | "to"): JSX.Element => (
    <label>
      <span>{t[key]}</span>
      <input
        type="date"
        value={filter.value[key]}
        onChange={({ currentTarget }) => set({ [key]: currentTarget.value })}
      />
    </label>
  );
  return (
    <search class="report-filter">
      <label>
        <span>{t.node}</span>
        <select
          class="menu"
          value={filter.value.node}
          onChange={({ currentTarget }) => set({ node: currentTarget.value })}
        >
          <option value="">{t.allNodes}</option>
          {nodes.map((node) => (
            <option value={node} key={node}>
              {node}
            </option>
          ))}
        </select>
      </label>
      {day("from")}
      {day("to")}
    </search>
  );
}

function Days({ list }: { list: ReportList }): JSX.Element {
  const t = reportText();
  const { reports, next, timezone } = list;
  if (reports.length === 0) {
    return (
      <div class="empty">
        <p>{t.noneFit}</p>
        <button type="button" class="button" onClick={() => (filter.value = none)}>
          {text.value.clearFilter}
        </button>
      </div>
    );
  }
  const days = new Map<string, Report[]>();
  for (const report of reports) days.set(report.date, [...(days.get(report.date) ?? []), report]);
  return (
    <>
      {[...days].map(([date, all]) => (
        <Day date={date} reports={all} key={date} />
      ))}
      {next === null ? null : (
        <button type="button" class="button" onClick={() => (count.value = reports.length + pageSize)}>
          {t.older}
        </button>
      )}
      <p class="quiet report-note">{t.byHour(timezone)}</p>
      <HiddenNames of={reports} />
    </>
  );
}

/** Day and weekday in the viewer's language. */
const dayText = (date: string): string =>
  new Intl.DateTimeFormat(text.value.tag, { dateStyle: "full", timeZone: "UTC" }).format(Date.parse(date));

function Day({ date, reports }: { date: string; reports: readonly Report[] }): JSX.Element {
  const t = reportText();
  return (
    <section class="table" aria-label={date}>
      <h2>
        {date} <small>{dayText(date)}</small>
      </h2>
      <table class="report-table">
        <thead>
          <tr>
            {[t.node, text.value.utilization, t.vram, t.coverage, t.users, t.files].map((name) => (
              <th scope="col" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {reports.map((report) => (
            <Row report={report} key={report.node} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row({ report }: { report: Report }): JSX.Element {
  const t = reportText();
  const { node, date, users, hours, cards, gpu_percent, vram_percent } = report;
  return (
    <tr>
      <th scope="row">
        <a href={reportPath(node, date)}>{node}</a> <small>{text.value.cards(cards)}</small>
      </th>
      <td data-name={text.value.utilization}>
        <span class="with-spark">
          <Percent value={gpu_percent} />
          <Spark values={hours} />
        </span>
      </td>
      <td data-name={t.vram}>
        <Percent value={vram_percent} />
      </td>
      <td data-name={t.coverage}>
        <div>
          <Coverage {...report} />
          <Issues of={report.issues} />
        </div>
      </td>
      <td data-name={t.users}>{users.length === 0 ? <span class="quiet">{t.nobody}</span> : text.value.list(users)}</td>
      <td data-name={t.files}>
        <Links report={report} />
      </td>
    </tr>
  );
}
