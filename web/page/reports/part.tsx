import type { JSX } from "preact";
import { linePath } from "../../../proto/line.ts";
import { saidIn, text } from "../../language.ts";
import { Bar, Figure } from "../../part/part.tsx";
import { viewer } from "../../viewer.ts";
import { partOf, type Report, reportText } from "./call.ts";

// Parts of the list and of one report.

const size = { width: 120, height: 26 };

/** A day as a line, beside the figure that it explains. */
export function Spark({ values }: { values: readonly (number | null)[] }): JSX.Element {
  return (
    <svg class="spark" viewBox={`0 -1 ${size.width} ${size.height + 2}`} preserveAspectRatio="none" aria-hidden="true">
      <path class="floor" d={`M0 ${size.height}H${size.width}`} />
      <path d={linePath(values, size)} />
    </svg>
  );
}

/** A mean, with a bar. */
export function Percent({ value }: { value: number | null }): JSX.Element {
  return (
    <span class="percent">
      <Figure unit="%">{value?.toFixed(1)}</Figure>
      <Bar percent={value ?? undefined} />
    </span>
  );
}

/** Rows that are there, in words. Today's report may have that of the interval that runs, which is none too many. */
export function rowsText(rows: number, expected: number): string {
  const number = new Intl.NumberFormat(text.value.tag).format;
  return reportText().rows(number(Math.min(rows, expected)), number(expected));
}

/** Rows that are there, and the state of a report in words. */
export function Coverage({ state, rows, expected }: Pick<Report, "state" | "rows" | "expected">): JSX.Element {
  const t = reportText();
  const tone = { running: "", complete: "free", partial: "held", empty: "broken" }[state];
  return (
    <span class="coverage" title={t.stateHint[state]}>
      <span class={`word ${tone}`}>{t.states[state]}</span>{" "}
      {/* A node that was never read has no cards of which rows could be expected. */}
      {expected === 0 ? null : <span class="quiet">{rowsText(rows, expected)}</span>}
    </span>
  );
}

/** What checks found in a report. */
export function Issues({ of }: { of: Report["issues"] }): JSX.Element | null {
  if (of.length === 0) return null;
  const { issues } = reportText();
  return (
    <ul class="report-issues">
      {of.map(({ code, values, text: english }) => (
        <li key={english}>{saidIn(issues, code === null ? null : { code, values }, english)}</li>
      ))}
    </ul>
  );
}

const printPath = (report: Pick<Report, "node" | "date">): string =>
  partOf(report, `page?lang=${encodeURIComponent(text.value.tag)}`);

/** Downloads of a report that are not those of one card, and its page to print. */
export function Links({ report }: { report: Pick<Report, "node" | "date" | "files"> }): JSX.Element {
  const t = reportText();
  const whole = (["average", "summary"] as const).flatMap((kind) => {
    const name = report.files.find((file) => file.startsWith(`${kind}_`));
    return name === undefined ? [] : [{ kind, name }];
  });
  return (
    <span class="links">
      {whole.map(({ kind, name }) => (
        <a href={partOf(report, name)} download key={kind}>
          {t.file[kind]}
        </a>
      ))}
      <a href={printPath(report)} target="_blank" rel="noreferrer">
        {t.print}
      </a>
    </span>
  );
}

/** Says that files which name users are left out for this viewer. */
export function HiddenNames({ of }: { of: readonly Pick<Report, "files">[] }): JSX.Element | null {
  const isHidden =
    viewer.value?.kind === "anonymous" &&
    of.some(({ files }) => files.length > 0 && !files.some((file) => file.startsWith("average_")));
  return isHidden ? <p class="quiet">{reportText().namesHidden}</p> : null;
}
