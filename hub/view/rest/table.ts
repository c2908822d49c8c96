// Series as CSV.
import { type CsvCell, csvRow } from "../../csv/row.ts";

/** Rows written at a time: about a millisecond. */
const slice = 500;

/**
 * One row for each time: the time in ISO 8601, what names the series, and a value of each column, empty if it is not a number.
 * @param t Unix milliseconds
 */
export function* tableRows(
  t: Float64Array,
  names: readonly CsvCell[],
  columns: readonly Float64Array[],
): Generator<Uint8Array> {
  // The same in every row.
  const lead = csvRow(names).slice(0, -2);
  for (let start = 0; start < t.length; start += slice) {
    let text = "";
    for (let i = start; i < Math.min(t.length, start + slice); i++) {
      text += `${new Date(t[i] as number).toISOString()},${lead}`;
      for (const column of columns) text += Number.isFinite(column[i]) ? `,${column[i]}` : ",";
      text += "\r\n";
    }
    yield Buffer.from(text);
  }
}
