import { styleText } from "node:util";
import { clean, hidden } from "../../proto/clean.ts";
import { csvRow } from "../csv/row.ts";
import type { Cell, Listing, ListingColumn } from "./command.ts";

/** Target of output, and its capabilities. */
export interface OutputSink {
  write(text: string): void;
  /** Columns of the terminal; undefined where lines may have any length, as in a pipe or a file. */
  readonly columns: number | undefined;
  readonly colors: boolean;
}

/** Options of the command line, by name. */
export type Flags = Readonly<Record<string, string | boolean | undefined>>;

/** Creates the sink of a stream. Colours only on a terminal, and not with NO_COLOR (https://no-color.org). */
export function sinkOf(
  stream: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number },
  { flags, env }: { flags: Flags; env: Readonly<Record<string, string | undefined>> },
): OutputSink {
  const terminal = stream.isTTY === true;
  return {
    write: (text) => void stream.write(text),
    columns: terminal && stream.columns ? stream.columns : undefined,
    colors: terminal && flags["no-color"] !== true && !env.NO_COLOR && env.TERM !== "dumb",
  };
}

/** Writes rows in the form that the options name: a table where they name none. */
export function show<T>(listing: Listing<T>, flags: Flags, sink: OutputSink): void {
  if (flags.json) sink.write(json(listing.json));
  else if (flags.csv) sink.write(csv(listing));
  else if (flags.parsable) sink.write(parsable(listing));
  else sink.write(listing.upright ? upright(listing, sink) : table(listing, sink));
}

/** Size limit of a text that is shown, in bytes. Names are shorter; a notice may be a long sentence. */
const longest = 4096;

/** Removes what steers a terminal, ends a line or turns the writing direction. */
const safe = (text: string): string => clean(text, longest);

/** A cell as texts; none if it is unknown. */
function textsOf(cell: Cell): string[] {
  if (cell === undefined) return [];
  return (typeof cell === "object" ? [...cell] : [String(cell)]).map(safe);
}

/** As JSON, indented. Hidden characters are written as \u escapes, which read back as what they were. */
function json(value: unknown): string {
  const text = JSON.stringify(value, null, 2) ?? "null";
  return `${text.replace(hidden, (found) => (found === "\n" ? found : escaped(found)))}\n`;
}

const escaped = (text: string): string =>
  text.split("").reduce((all, unit) => `${all}\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`, "");

/** RFC 4180. */
const csv = <T>({ columns, rows }: Listing<T>): string =>
  [columns.map(({ name }) => name), ...rows.map((row) => columns.map(({ value }) => value(row)))].map(csvRow).join("");

/** As `sacct -P`: names of the columns, then a line a row, with "|" between. A "|" in a value reads "¦": columns never move. */
function parsable<T>({ columns, rows }: Listing<T>): string {
  const field = (cell: Cell): string => textsOf(cell).join("; ").replaceAll("|", "¦");
  const lines = [columns.map(({ name }) => name), ...rows.map((row) => columns.map(({ value }) => field(value(row))))];
  return lines.map((line) => `${line.join("|")}\n`).join("");
}

/** Separates two columns. */
const gap = "  ";
/** Minimum width of a column that is cut, in cells. */
const least = 8;

const shownOf = <T>(column: ListingColumn<T>, row: T): Cell => (column.text ?? column.value)(row);

const titleOf = <T>({ name, title = name }: ListingColumn<T>): string => title.replaceAll("_", " ").toUpperCase();

/** Columns aligned; on a terminal the widest ones are cut until a row fits on a line. Numbers are on the right. */
function table<T>({ columns: all, rows }: Listing<T>, { columns: room, colors }: OutputSink): string {
  const columns = all.filter((column) => !column.hidden);
  const cells = rows.map((row) => columns.map((column) => textsOf(shownOf(column, row)).join("; ") || "–"));
  const widths = columns.map((column, i) =>
    Math.max(width(titleOf(column)), ...cells.map((line) => width(line[i] ?? ""))),
  );
  shrink(widths, room);
  const right = columns.map(({ value }) => rows.length > 0 && rows.every((row) => typeof value(row) === "number"));
  const line = (texts: readonly string[], style: (text: string, i: number) => string): string => {
    const fields = texts.map((text, i) => {
      const short = cut(text, widths[i] ?? 0);
      const blanks = " ".repeat(Math.max(0, (widths[i] ?? 0) - width(short)));
      return right[i] ? `${blanks}${style(short, i)}` : `${style(short, i)}${i + 1 < texts.length ? blanks : ""}`;
    });
    return `${fields.join(gap)}\n`;
  };
  const head = line(columns.map(titleOf), (text) => (colors ? paint("bold", text) : text));
  return head + cells.map((texts, at) => line(texts, (text, i) => tinted(text, columns[i], rows[at], colors))).join("");
}

/** Each value behind the name of its column; the further entries of a list below the first one. In full, however long. */
function upright<T>({ columns: all, rows }: Listing<T>, { colors }: OutputSink): string {
  const columns = all.filter((column) => !column.hidden);
  const names = Math.max(...columns.map(({ name, title = name }) => title.length));
  return rows
    .map((row) =>
      columns
        .map((column) => {
          const texts = textsOf(shownOf(column, row));
          const lines = (texts.length === 0 ? ["–"] : texts).map((text) => tinted(text, column, row, colors));
          return `${(column.title ?? column.name).padEnd(names)}${gap}${lines.join(`\n${" ".repeat(names)}${gap}`)}\n`;
        })
        .join(""),
    )
    .join("\n");
}

function tinted<T>(text: string, column: ListingColumn<T> | undefined, row: T | undefined, colors: boolean): string {
  const tone = colors && row !== undefined ? column?.tone?.(row) : undefined;
  return tone === undefined ? text : paint(tone === "good" ? "green" : "red", text);
}

const paint = (style: "bold" | "green" | "red", text: string): string =>
  styleText(style, text, { validateStream: false });

/** Narrows the widest columns in place until a line fits. */
function shrink(widths: number[], room: number | undefined): void {
  if (room === undefined) return;
  let over = widths.reduce((sum, each) => sum + each, 0) + gap.length * (widths.length - 1) - room;
  while (over > 0) {
    const widest = Math.max(...widths);
    if (widest <= least) return;
    widths[widths.indexOf(widest)] = widest - 1;
    over--;
  }
}

/** East Asian wide and fullwidth characters (Unicode's EastAsianWidth.txt), and emoji. */
const wide =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4c6\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18d08}\u{1aff0}-\u{1b2fb}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]|(?!\p{Regional_Indicator})\p{Emoji_Presentation}/u;
/** Marks on the character before them, and the parts of a Korean syllable that are drawn into its first one. */
const mark = /[\p{Mn}\p{Me}\u1160-\u11ff\ud7b0-\ud7fb]/u;

/** Cells of a terminal that a text takes. */
export function width(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let cells = 0;
  for (const character of text) cells += mark.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return cells;
}

/** A text of at most so many cells; "…" replaces the rest. */
export function cut(text: string, cells: number): string {
  if (width(text) <= cells) return text;
  let short = "";
  let used = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    const more = width(segment);
    if (used + more > cells - 1) break;
    short += segment;
    used += more;
  }
  return cells > 0 ? `${short}…` : "";
}
