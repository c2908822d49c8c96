// CSV as spreadsheets, Python and databases write it: RFC 4180, lines ended by CRLF or LF.

/** A record, with the number of the line at which it begins, from 1. */
export interface CsvRecord {
  readonly line: number;
  /** Undefined if its quotes are wrong: of such a record only the first line is left out. */
  readonly cells: readonly string[] | undefined;
  /** True if there are no cells because the line is too long. */
  readonly isLong?: boolean;
}

/** A record without a line end at the end of a text. */
export interface LastRecord extends CsvRecord {
  /** True if the end of its last cell is certain: the cell is quoted. */
  readonly closed: boolean;
}

/** Most characters of a record. A quote that is never closed must not take the rest of a file. */
const longest = 262_144;

/** What becomes of the text from a place on: a record, none yet for lack of text, or quotes that make no sense. */
type Scan = { readonly cells: string[]; readonly end: number; readonly closed: boolean } | "open" | "wrong";

/** Reads records from a text that comes piece by piece. Empty lines are left out. */
export class CsvReader {
  #rest = "";
  #line = 1;
  /** True within a line that is too long. */
  #skips = false;

  /** The records that are complete with this piece. */
  *read(piece: string): Generator<CsvRecord> {
    const text = this.#rest === "" ? piece : this.#rest + piece;
    this.#rest = "";
    let at = this.#skips ? text.indexOf("\n") + 1 : 0;
    if (this.#skips && at === 0) return;
    if (this.#skips) this.#line++;
    this.#skips = false;
    for (;;) {
      const end = text.indexOf("\n", at);
      if (end < 0) break;
      const line = this.#line;
      const whole = lineOf(text, at, end);
      if (!whole.includes('"')) {
        at = end + 1;
        this.#line++;
        if (whole !== "") yield { line, cells: whole.split(",") };
        continue;
      }
      const scan = scanOf(text, at, false);
      if (scan === "open" && text.length - at < longest) break;
      if (typeof scan === "string") {
        at = end + 1;
        this.#line++;
        yield { line, cells: undefined };
        continue;
      }
      this.#line += linesIn(text, at, scan.end);
      at = scan.end;
      yield { line, cells: scan.cells };
    }
    this.#rest = at === 0 ? text : text.slice(at);
    if (this.#rest.length < longest) return;
    yield { line: this.#line, cells: undefined, isLong: !this.#rest.includes('"') };
    this.#rest = "";
    this.#skips = true;
  }

  /** The record after the last line end; undefined if there is none. */
  end(): LastRecord | undefined {
    const text = this.#rest;
    const line = this.#line;
    this.#rest = "";
    if (text === "" || text === "\r") return undefined;
    const scan = scanOf(text, 0, true);
    if (typeof scan === "string") return { line, cells: undefined, closed: false };
    return { line, cells: scan.cells, closed: scan.closed };
  }
}

const lineOf = (text: string, from: number, end: number): string =>
  text.slice(from, end > from && text.charCodeAt(end - 1) === 13 ? end - 1 : end);

function linesIn(text: string, from: number, to: number): number {
  let count = 0;
  for (let at = text.indexOf("\n", from); at >= 0 && at < to; at = text.indexOf("\n", at + 1)) count++;
  return count;
}

/** @param last true if no text follows: its end is that of the record */
function scanOf(text: string, from: number, last: boolean): Scan {
  const cells: string[] = [];
  for (let at = from; ; ) {
    if (text[at] === '"') {
      const close = closingQuote(text, at + 1);
      if (close < 0) return last ? "wrong" : "open";
      cells.push(text.slice(at + 1, close).replaceAll('""', '"'));
      const after = text.startsWith("\r\n", close + 1) ? close + 2 : close + 1;
      if (text[after] === ",") at = after + 1;
      else if (text[after] === "\n") return { cells, end: after + 1, closed: true };
      else if (after === text.length || (text[after] === "\r" && after + 1 === text.length)) {
        return last ? { cells, end: text.length, closed: true } : "open";
      } else return "wrong";
      continue;
    }
    const comma = text.indexOf(",", at);
    const line = text.indexOf("\n", at);
    if (comma >= 0 && (line < 0 || comma < line)) {
      cells.push(text.slice(at, comma));
      at = comma + 1;
    } else if (line >= 0) {
      cells.push(lineOf(text, at, line));
      return { cells, end: line + 1, closed: true };
    } else if (last) {
      cells.push(lineOf(text, at, text.length));
      return { cells, end: text.length, closed: false };
    } else return "open";
  }
}

/** The quote that ends a cell: one that is not doubled. -1 if there is none. */
function closingQuote(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2)) if (text[at + 1] !== '"') return at;
  return -1;
}

/** A cell as Python's csv module writes it: in quotes only where they are needed. */
export const quoted = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

/** A text that a spreadsheet would calculate, also after spaces and in full-width characters; apostrophes before it count. */
const formula = /^'*[\s\u200b\ufeff]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;
const defusedFormula = /^'+[\s\u200b\ufeff]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;

/** Puts an apostrophe before a text that a spreadsheet would calculate. */
export const defused = (text: string): string => (formula.test(text) ? `'${text}` : text);

/** The text that `defused` was given. */
export const undefused = (text: string): string => (defusedFormula.test(text) ? text.slice(1) : text);
