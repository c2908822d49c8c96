import { byteOrderMark, type CsvCell, csvRow } from "../../csv/row.ts";
import { Fault } from "../../fault.ts";
import type { Log } from "../../log.ts";
import type { RouteRequest } from "../../route/handler.ts";
import type { Route } from "../../route/route.ts";
import { mostRows } from "../../route/v1.ts";
import { answer, mostTagged, type TableForm, tableForm, tableHeaders } from "../body.ts";
import { inOrder } from "../fleet.ts";

/** Bytes of a row, as a guess for the memory of an answer. */
const rowBytes = 2048;
/** Characters that are encoded together. */
const pieceLength = 32_768;

/** Place of a row in a list; lists are compared element by element. */
export type Position = readonly (string | number)[];

/** One page of a list. */
export interface Page<T> {
  readonly rows: readonly T[];
  readonly total: number;
  readonly next: string | null;
}

interface PageWish {
  readonly limit: number | undefined;
  readonly cursor: string | undefined;
}

/**
 * Cuts a page out of a list.
 * @param rows in the order of their positions
 * @throws Fault bad_request for a cursor that no answer has had
 */
export function pageOf<T>(rows: readonly T[], positionOf: (row: T) => Position, wish: PageWish): Page<T> {
  const { limit = mostRows, cursor } = wish;
  const after = cursor === undefined ? undefined : decode(cursor);
  const at = after === undefined ? 0 : firstAfter(rows, (row) => compare(positionOf(row), after) > 0);
  const shown = rows.slice(at, at + limit);
  const last = shown.at(-1);
  const isLast = last === undefined || at + limit >= rows.length;
  return { rows: shown, total: rows.length, next: isLast ? null : encode(positionOf(last)) };
}

/** Place of the first row that lies behind a position, by halves: a list may have very many. */
function firstAfter<T>(rows: readonly T[], isAfter: (row: T) => boolean): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (isAfter(rows[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}

const encode = (position: Position): string => Buffer.from(JSON.stringify(position)).toString("base64url");

function decode(cursor: string): Position {
  try {
    const position: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    if (Array.isArray(position) && position.every((one) => typeof one === "string" || typeof one === "number"))
      return position as Position;
  } catch {
    // It is none: the fault below says so.
  }
  throw new Fault("bad_request", 'The parameter "cursor" must be "next" of an answer to the same request.');
}

function compare(a: Position, b: Position): number {
  for (const [i, one] of a.entries()) {
    const other = b[i];
    if (other === undefined) return 1;
    const order =
      typeof one === "number" && typeof other === "number" ? one - other : inOrder(String(one), String(other));
    if (order !== 0) return order;
  }
  return 0;
}

/** Rows as CSV. */
interface Table<T> {
  /** File name without its ending. */
  readonly name: string;
  readonly rows: Iterable<T>;
  readonly columns: readonly string[];
  cell(row: T, column: string): CsvCell;
}

interface Listing<T> {
  /** JSON, with its lists in pieces. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Absent if it is answered as JSON alone. */
  readonly table?: Table<T>;
  /** Number of rows. */
  readonly size: number;
  /** Cursor of the next page. */
  readonly next?: string | null;
}

/** Maps rows one by one when they are written. */
export const lazily = <T, R>(rows: readonly T[], map: (row: T) => R): Iterable<R> => ({
  *[Symbol.iterator]() {
    for (const row of rows) yield map(row);
  },
});

/** Answers with JSON or CSV, as the request wants, and with an entity tag. @throws Fault busy */
export async function listed<T>(
  log: Log,
  { c, budget, given }: RouteRequest<Route>,
  listing: Listing<T>,
): Promise<Response> {
  const { format } = given as { readonly format?: "json" | "csv" };
  const { json, table, size, next } = listing;
  const form = table === undefined ? "json" : tableForm(c, format);
  await budget.reserve(c, Math.min(mostTagged, rowBytes * (1 + size)));
  const headers = {
    ...tableHeaders(form, table?.name ?? ""),
    // What is in it depends on who asks.
    "Cache-Control": "private, no-cache",
    Vary: "Accept, Authorization, Cookie",
    ...(next ? { Link: `<${nextPage(c.req.url, next)}>; rel="next"` } : {}),
  };
  const texts = table === undefined || form === "json" ? jsonTexts(json) : csvTexts(table, form);
  return answer({ c, log, tagged: true }, pieces(texts), headers);
}

/** Address of the next page, relative to this one: a proxy may serve the hub under a path. */
function nextPage(url: string, cursor: string): string {
  const query = new URLSearchParams(new URL(url).search);
  query.set("cursor", cursor);
  return `?${query}`;
}

function* csvTexts<T>({ rows, columns, cell }: Table<T>, form: TableForm): Generator<string> {
  yield (form === "file" ? byteOrderMark : "") + csvRow(columns);
  for (const row of rows) yield csvRow(columns.map((column) => cell(row, column)));
}

/** An object as JSON, with each element of its lists by itself. */
export function* jsonTexts(object: Readonly<Record<string, unknown>>): Generator<string> {
  let before = "{";
  for (const [key, value] of Object.entries(object)) {
    yield `${before}${JSON.stringify(key)}:`;
    before = ",";
    if (typeof value === "object" && value !== null && Symbol.iterator in value) {
      let start = "[";
      for (const one of value as Iterable<unknown>) {
        yield start + JSON.stringify(one);
        start = ",";
      }
      yield start === "[" ? "[]" : "]";
    } else yield JSON.stringify(value);
  }
  yield before === "{" ? "{}" : "}";
}

/** Joins texts to pieces of bytes. */
export async function* pieces(texts: Iterable<string>): AsyncGenerator<Uint8Array> {
  let text = "";
  for (const one of texts) {
    text += one;
    if (text.length < pieceLength) continue;
    yield Buffer.from(text);
    text = "";
  }
  yield Buffer.from(text);
}
