/**
 * A value of a chart; `source` is how the JSON has it, as 0 and 0.0 are different in files of reports; undefined for one that
 * is not whole.
 */
export interface ChartValue {
  /** null if it has no samples of that time. */
  readonly value: number | null;
  readonly source: string | undefined;
}

/** Rows of a chart. */
export interface ChartRows {
  /** Names of its dimensions, in the order of the values; empty if the answer has none. */
  readonly labels: readonly string[];
  /** Values by the end of their interval, in Unix seconds; undefined for what is neither a number nor null. */
  readonly rows: ReadonlyMap<number, readonly (ChartValue | undefined)[]>;
  /** Rows that have no time. */
  readonly bad: number;
}

const isTime = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value > 0 && value < 1e11;

/** A number with its source, as the reviver makes it. */
class Source {
  readonly value: number;
  readonly source: string;

  constructor(value: number, source: string) {
    this.value = value;
    this.source = source;
  }
}

/** Numbers that a value does not tell the form of: 0.0, 1e2, and those with more digits than a float keeps. */
const tricky = /\d[eE]|\.0+(?!\d)|\d{16}|[\d.]{17}/;

/** Parses JSON and keeps how numbers are written, where they do not tell. That costs ten times as much. @throws SyntaxError */
function parse(text: string): unknown {
  if (!tricky.test(text)) return JSON.parse(text);
  const keep = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === "number" ? new Source(value, context?.source ?? String(value)) : value;
  return JSON.parse(text, keep);
}

const numberOf = (value: unknown): unknown => (value instanceof Source ? value.value : value);

/** Reads the answer of /api/v1/data. @returns undefined if it is JSON of another form @throws SyntaxError */
export function readRows(text: string): ChartRows | undefined {
  const answer = parse(text);
  if (typeof answer !== "object" || answer === null) return undefined;
  const { labels: told, data } = answer as { readonly labels?: unknown; readonly data?: unknown };
  if (!Array.isArray(data)) return undefined;
  const names = Array.isArray(told) ? told.map((label) => (typeof label === "string" ? label : "")) : [];
  const time = Math.max(0, names.indexOf("time"));
  const rows = new Map<number, readonly (ChartValue | undefined)[]>();
  let bad = 0;
  for (const row of data) {
    const at: unknown = Array.isArray(row) ? numberOf(row[time]) : undefined;
    if (!Array.isArray(row) || !isTime(at)) bad++;
    else if (!rows.has(at)) rows.set(at, valuesOf(row, time));
  }
  return { labels: names.toSpliced(time, 1), rows, bad };
}

/** Values of a row without its time. Most have one: a list that grows would take room for 16 more. */
function valuesOf(row: readonly unknown[], time: number): readonly (ChartValue | undefined)[] {
  return row.length === 2 ? [readValue(row[1 - time])] : row.toSpliced(time, 1).map(readValue);
}

function readValue(value: unknown): ChartValue | undefined {
  if (value === null) return { value: null, source: "null" };
  if (typeof value === "number") return { value, source: Number.isInteger(value) ? String(value) : undefined };
  return value instanceof Source && Number.isFinite(value.value) ? value : undefined;
}
