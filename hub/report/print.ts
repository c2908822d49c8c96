import { createHash } from "node:crypto";
import { clean } from "../../proto/clean.ts";
import { drawChart } from "./print/chart.ts";
import { style } from "./print/style.ts";
import { type PrintText, printTexts } from "./print/text.ts";
import { type CardFigures, intervalSec, type ReportDay, type ReportFigures } from "./report.ts";

export interface PrintOptions {
  readonly day: ReportDay;
  /** Rows that a card has if none is missing. */
  readonly expected: number;
  readonly language: keyof typeof printTexts;
}

/** What the page may load: nothing but its own style. */
export const printPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Most characters of a name. */
const longest = 256;

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text of HTML for names from elsewhere: hidden characters are left out. */
const htmlText = (text: string): string => clean(text, longest).replace(/[&<>"']/g, (found) => escapes[found] ?? "");

/** A report as a page of HTML that prints well, in pieces: it needs no other file and has no script. */
export function* printReport(figures: ReportFigures, options: PrintOptions): Generator<string> {
  const { day, language, expected } = options;
  const t = printTexts[language];
  const { node, date, cards, rows } = figures;
  const name = htmlText(node);
  const hasData = cards.some(({ gpu }) => gpu !== undefined);
  const facts = [
    [`${t.gpu} (${t.mean})`, percent(hasData ? figures.gpu : undefined, t)],
    [`${t.vram} (${t.mean})`, percent(hasData ? figures.vram : undefined, t)],
    [t.coverage, rowsOf(t, rows, expected * cards.length)],
  ];
  yield `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${name} · ${date} · ${t.title}</title>
<style>${style}</style>
</head>
<body>
<header><h1>${name}</h1><p>${t.title} · <time datetime="${date}">${date}</time></p></header>
<main>
<dl>${facts.map(([term, text]) => `<div><dt>${term}</dt><dd>${text}</dd></div>`).join("")}</dl>
${tableOf(figures, options)}
<h2>${t.charts}</h2>
<p class="note">${t.legend(htmlText(day.zone.name))}</p>
<div class="charts">
`;
  const frame = frameOf(options);
  if (cards.length > 1)
    yield drawChart({ ...frame, ...meanLines(cards, day), caption: t.all, note: "", isWhole: true });
  for (const card of cards) {
    const number = card.card === undefined ? "" : ` · ${t.cardNumber(card.card)}`;
    const caption = `GPU[${card.index}]${number}`;
    yield drawChart({ ...frame, ...linesOf(card.rows, day), caption, note: userText(card.user, t), isWhole: false });
  }
  yield `
</div>
</main>
</body>
</html>
`;
}

const userText = (user: string | undefined, t: PrintText): string =>
  user === undefined ? t.nobody : htmlText(user) || "?";

const percent = (value: number | undefined, t: PrintText): string =>
  value === undefined ? t.noData : `${value.toFixed(2)} %`;

/** Rows that are there. Today's report may have that of the interval that runs, which is none too many. */
const rowsOf = (t: PrintText, rows: number, expected: number): string => t.of(Math.min(rows, expected), expected);

function tableOf(figures: ReportFigures, { language, expected }: PrintOptions): string {
  const t = printTexts[language];
  const { cards, gpu, vram, rows } = figures;
  const hasData = cards.some((card) => card.gpu !== undefined);
  const cell = (text: string, isNumber = true): string => `<td${isNumber ? ' class="number"' : ""}>${text}</td>`;
  const lines = cards.map((card) =>
    [
      cell(`GPU[${card.index}]`, false),
      cell(card.card === undefined ? "" : String(card.card)),
      cell(percent(card.gpu, t)),
      cell(percent(card.vram, t)),
      cell(rowsOf(t, card.rows.length, expected)),
      cell(userText(card.user, t), false),
    ].join(""),
  );
  const total = [
    cell(t.all, false),
    cell(""),
    cell(percent(hasData ? gpu : undefined, t)),
    cell(percent(hasData ? vram : undefined, t)),
    cell(rowsOf(t, rows, expected * cards.length)),
    cell("", false),
  ];
  const heads = ["GPU", t.card, t.gpu, t.vram, t.rows, t.user].map((head, i) => {
    const isNumber = i > 0 && i < 5;
    return `<th scope="col"${isNumber ? ' class="number"' : ""}>${head}</th>`;
  });
  return `<table>
<thead><tr>${heads.join("")}</tr></thead>
<tbody>${lines.map((line) => `<tr>${line}</tr>`).join("\n")}</tbody>
<tfoot><tr>${total.join("")}</tr></tfoot>
</table>`;
}

/** Local hours that the charts name, as places from 0 to 1. */
function frameOf({ day: { from, to, zone }, language }: PrintOptions) {
  const ticks: { at: number; label: string }[] = [{ at: 0, label: zone.format(from * 1000).slice(11, 16) }];
  for (let at = from + 1800; at < to; at += 1800) {
    const time = zone.format(at * 1000).slice(11, 16);
    if (/^(06|12|18):00$/.test(time)) ticks.push({ at: (at - from) / (to - from), label: time });
  }
  const t = printTexts[language];
  return { ticks: [...ticks, { at: 1, label: "24:00" }], names: { gpu: t.gpu, vram: t.vram } };
}

type Line = readonly (number | undefined)[];

/** Values of rows by their place in the day, with gaps where rows are missing. */
function linesOf(rows: CardFigures["rows"], { from, to }: ReportDay): { readonly gpu: Line; readonly vram: Line } {
  const places = Math.round((to - from) / intervalSec);
  const gpu = new Array<number | undefined>(places).fill(undefined);
  const vram = [...gpu];
  for (const row of rows) {
    const place = Math.round((row.at - from) / intervalSec) - 1;
    if (place < 0 || place >= places) continue;
    gpu[place] = row.gpu;
    vram[place] = row.vram;
  }
  return { gpu, vram };
}

function meanLines(cards: readonly CardFigures[], day: ReportDay): { readonly gpu: Line; readonly vram: Line } {
  const all = cards.map(({ rows }) => linesOf(rows, day));
  const mean = (lines: readonly Line[]): Line =>
    (lines[0] ?? []).map((_, place) => {
      const there = lines.flatMap((line) => line[place] ?? []);
      return there.length === 0 ? undefined : there.reduce((sum, one) => sum + one, 0) / there.length;
    });
  return { gpu: mean(all.map(({ gpu }) => gpu)), vram: mean(all.map(({ vram }) => vram)) };
}
