import { defused, quoted } from "../../program/csv.ts";
import { clean } from "../../proto/clean.ts";

/** A value in a row of CSV. Absent is empty, never 0; a list is one cell. */
export type CsvCell = string | number | boolean | null | undefined | readonly string[];

/** Size limit of a text, in bytes. Names are shorter; a reason may be a long sentence. */
const longest = 4096;

/** Bytes with which a file begins that Excel reads as UTF-8. */
export const byteOrderMark = "\ufeff";

/**
 * One row as RFC 4180 has it, ended by CRLF. Hidden characters are left out of texts, and one that a spreadsheet would
 * calculate gets an apostrophe before it; numbers are written as they are.
 */
export const csvRow = (cells: readonly CsvCell[]): string => `${cells.map(cellText).join(",")}\r\n`;

function cellText(cell: CsvCell): string {
  if (cell === undefined || cell === null) return "";
  if (typeof cell === "number") return Number.isFinite(cell) ? String(cell) : "";
  if (typeof cell === "boolean") return String(cell);
  const text = typeof cell === "string" ? clean(cell, longest) : cell.map((one) => clean(one, longest)).join("; ");
  return quoted(defused(text));
}
