import type { JSX } from "preact";
import { text } from "../../language.ts";
import type { Params } from "../../route.ts";
import { reportsPath } from "../../route.ts";
import { useAnswer } from "./answer.ts";
import { askReports, partOf, type ReportDetails, reportText } from "./call.ts";
import { Coverage, HiddenNames, Issues, Links, Percent, rowsText, Spark } from "./part.tsx";

type Card = ReportDetails["cards"][number];

/** One daily report, card by card. */
export function OneReport({ node = "", date = "" }: Params): JSX.Element {
  const t = reportText();
  const key = JSON.stringify([node, date]);
  const { value, error, refusal } = useAnswer((stop) => askReports("getReport", { node, date }, stop), key);
  const report = value.value;
  const isUnknown = ["report_unknown", "bad_request"].includes(refusal.value);
  return (
    <div class="reports">
      <nav class="crumbs">
        <a href={reportsPath}>← {t.back}</a>
      </nav>
      {isUnknown ? (
        <p class="empty">{t.unknown(node, date)}</p>
      ) : (
        <>
          {error.value === "" ? null : <output class="standing">{text.value.partFault(error.value)}</output>}
          {report === undefined ? <p class="empty">{text.value.loading}</p> : <Whole report={report} />}
        </>
      )}
    </div>
  );
}

function Whole({ report }: { report: ReportDetails }): JSX.Element {
  const t = reportText();
  const { node, date, gpu_percent, vram_percent, timezone, cards } = report;
  return (
    <>
      <header class="reports-head">
        <h1>
          {node} <small>{date}</small>
        </h1>
        <Links report={report} />
      </header>
      <dl class="report-facts">
        <div>
          <dt>{text.value.utilization}</dt>
          <dd>
            <Percent value={gpu_percent} />
          </dd>
        </div>
        <div>
          <dt>{t.vram}</dt>
          <dd>
            <Percent value={vram_percent} />
          </dd>
        </div>
        <div>
          <dt>{t.coverage}</dt>
          <dd>
            <Coverage {...report} />
          </dd>
        </div>
      </dl>
      <Issues of={report.issues} />
      {cards.length === 0 ? null : (
        <>
          <section class="table" aria-label={node}>
            <table class="report-table by-card">
              <thead>
                <tr>
                  {["GPU", text.value.utilization, t.vram, t.coverage, t.users, t.files].map((name) => (
                    <th scope="col" key={name}>
                      {name}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {cards.map((card) => (
                  <CardRow card={card} report={report} key={card.index} />
                ))}
              </tbody>
            </table>
          </section>
          <p class="quiet report-note">{t.byTenMinutes(timezone)}</p>
        </>
      )}
      <HiddenNames of={[report]} />
    </>
  );
}

/** Values at every ten minutes of the day, with gaps where rows are missing. */
function placed({ rows }: Card, { from, to }: ReportDetails, key: "gpu_percent" | "vram_percent"): (number | null)[] {
  const values = new Array<number | null>(Math.round((to - from) / 600)).fill(null);
  for (const row of rows) {
    // A row has the time at which it ends. Those of another zone's day have no place.
    const place = Math.round((row.time - from) / 600) - 1;
    if (place >= 0 && place < values.length) values[place] = row[key];
  }
  return values;
}

function CardRow({ card, report }: { card: Card; report: ReportDetails }): JSX.Element {
  const t = reportText();
  const { index, rows, expected, user, gpu_percent, vram_percent } = card;
  const file = report.files.find((name) => name.startsWith(`gpu${index}_`));
  return (
    <tr>
      <th scope="row">
        {`GPU[${index}]`} {card.card === null ? null : <small>{`${t.cardNumber} ${card.card}`}</small>}
      </th>
      <td data-name={text.value.utilization}>
        <span class="with-spark">
          <Percent value={gpu_percent} />
          <Spark values={placed(card, report, "gpu_percent")} />
        </span>
      </td>
      <td data-name={t.vram}>
        <span class="with-spark">
          <Percent value={vram_percent} />
          <Spark values={placed(card, report, "vram_percent")} />
        </span>
      </td>
      <td data-name={t.coverage}>
        <span class={rows.length === 0 ? "word broken" : "quiet"}>
          {rows.length === 0 ? t.noData : rowsText(rows.length, expected)}
        </span>
      </td>
      <td data-name={t.users}>{user ?? <span class="quiet">{t.nobody}</span>}</td>
      <td data-name={t.files}>
        {file === undefined ? (
          "–"
        ) : (
          <a href={partOf(report, file)} download>
            CSV
          </a>
        )}
      </td>
    </tr>
  );
}
