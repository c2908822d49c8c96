import { undefused } from "../../program/csv.ts";
import type { Zone } from "../../program/zone.ts";
import { clean } from "../../proto/clean.ts";
import type { GPUInfo } from "../../proto/gen/host_pb.js";
import { round } from "../../proto/round.ts";
import { type Column, columns, halfMebibyte, mebibyte } from "./form.ts";
import { hostNameOf, nameWanted } from "./name.ts";

/** Readings of a card in a row. Absent values are unknown. */
export type ReadCard = Partial<
  Pick<
    GPUInfo,
    | "name"
    | "utilization"
    | "utilizationExact"
    | "memUtilization"
    | "memUtilizationExact"
    | "memTotal"
    | "memUsed"
    | "temp"
    | "power"
    | "powerLimit"
    | "fanspeed"
  >
>;

/** A row that was read. */
export interface ReadRow {
  /** Unix milliseconds. */
  readonly at: number;
  readonly client: string;
  readonly gpu: number;
  readonly card: ReadCard;
}

/** Why a row cannot be stored, for people. */
export interface BadRow {
  readonly message: string;
}

/** Columns without which a row says nothing; the name of the client may be given for a whole file. */
const needed: readonly Column[] = ["timestamp", "gpu_id", "client_name"];

/** A file's rows cannot be read; the message says why. */
export class FormError extends Error {
  override name = "FormError";
}

export interface RowReaderOptions {
  readonly zone: Zone;
  /** Client of rows without a name of their own. */
  readonly client?: string | undefined;
}

type Places = Readonly<Partial<Record<Column, number>>>;

const inOrder: Places = Object.fromEntries(columns.map((column, place) => [column, place]));

/** Reads rows of the logger's files: columns in any order, by the header, and those of the documented order without one. */
export class RowReader {
  readonly #options: RowReaderOptions;
  #places: Places | undefined;
  /** The last time that was read: the cards of a machine have the same. */
  #time = { text: "", at: undefined as number | undefined };
  readonly #clients = new Map<string, string | undefined>();
  /** Cells that should be numbers and are not, beside the words for an unknown value. */
  unreadable = 0;

  constructor(options: RowReaderOptions) {
    this.#options = options;
  }

  /**
   * Reads a row; undefined for a header, which may come again where files were joined.
   * @throws FormError if the first row is neither a header nor a row in the documented order
   */
  read(cells: readonly string[]): ReadRow | BadRow | undefined {
    const places = this.#places;
    if (places === undefined) {
      this.#places = this.#timeOf(cells[0] ?? "") === undefined ? placesOf(cells, this.#options.client) : inOrder;
      return this.#places === inOrder ? this.read(cells) : undefined;
    }
    const { timestamp = -1, gpu_id: id = -1, client_name: name = -1 } = places;
    const written = cells[timestamp] ?? "";
    if (isHeader(cells, timestamp)) {
      this.#places = placesOf(cells, this.#options.client);
      return undefined;
    }
    const at = this.#timeOf(written);
    if (at === undefined) return bad("timestamp", written, "a time as 2026-11-28 08:30:05");
    const gpu = number(cells[id] ?? "");
    if (gpu === undefined || !Number.isInteger(gpu) || gpu < 0 || gpu > 999_999) {
      return bad("gpu_id", cells[id] ?? "", "a whole number from 0 to 999999");
    }
    const given = cells[name] ?? "";
    const called = given === "" ? (this.#options.client ?? "") : given;
    const client = this.#clientOf(called);
    if (client === undefined) return bad("client_name", called, nameWanted);
    return { at, client, gpu, card: this.#cardOf(cells, places) };
  }

  /** True once the header, or a row without one, was read. */
  get begun(): boolean {
    return this.#places !== undefined;
  }

  /** True if the last cell of a row that has no line end can be trusted: a name that the file has already. */
  knows(cells: readonly string[]): boolean {
    const places = this.#places;
    if (places === undefined || Math.max(...Object.values(places)) !== cells.length - 1) return false;
    return places.client_name === cells.length - 1 && this.#clients.get(cells.at(-1) ?? "") !== undefined;
  }

  #timeOf(text: string): number | undefined {
    if (text !== this.#time.text) this.#time = { text, at: this.#options.zone.parse(plain(text)) };
    return this.#time.at;
  }

  #clientOf(text: string): string | undefined {
    if (!this.#clients.has(text)) {
      if (this.#clients.size > 10_000) this.#clients.clear();
      this.#clients.set(text, hostNameOf(undefused(text)));
    }
    return this.#clients.get(text);
  }

  #cardOf(cells: readonly string[], places: Places): ReadCard {
    const card: ReadCard = {};
    const value = (column: Column): number | undefined => {
      const place = places[column];
      const text = place === undefined ? undefined : cells[place];
      if (text === undefined || text === "") return undefined;
      const read = number(text);
      if (read === undefined && !isUnknown(text)) this.unreadable++;
      return read;
    };
    const name = places.gpu_name === undefined ? "" : (cells[places.gpu_name] ?? "");
    if (name !== "") card.name = undefused(name);
    const utilization = value("utilization_gpu");
    if (utilization !== undefined) {
      card.utilizationExact = utilization;
      card.utilization = round(utilization);
    }
    const memUtilization = value("utilization_memory");
    if (memUtilization !== undefined) {
      card.memUtilizationExact = memUtilization;
      card.memUtilization = round(memUtilization);
    }
    setMemory(card, value("memory_total"), value("memory_used"), value("memory_free"));
    const temperature = value("temperature");
    if (temperature !== undefined) card.temp = round(temperature);
    const power = milliwatts(value("power_draw"));
    if (power !== undefined) card.power = power;
    const limit = milliwatts(value("power_limit"));
    if (limit !== undefined) card.powerLimit = limit;
    const fan = value("fan_speed");
    if (fan !== undefined) card.fanspeed = round(fan);
    return card;
  }
}

function bad(column: Column, text: string, wanted: string): BadRow {
  const given = text === "" ? "it is empty" : `it is ${JSON.stringify(clean(text, 64))}`;
  return { message: `${column} must be ${wanted}: ${given}` };
}

const isHeader = (cells: readonly string[], timestamp: number): boolean =>
  keyOf(cells[timestamp] ?? "") === "timestamp" && cells.some((cell) => keyOf(cell) === "gpu_id");

const keyOf = (cell: string): string => plain(cell).toLowerCase();

/** Places of the columns by a header. @throws FormError */
function placesOf(cells: readonly string[], client: string | undefined): Places {
  const keys = cells.map(keyOf);
  const places: Partial<Record<Column, number>> = {};
  for (const column of columns) {
    const place = keys.indexOf(column);
    if (place >= 0) places[column] = place;
  }
  const missing = needed.filter((column) => places[column] === undefined && (column !== "client_name" || !client));
  if (missing.length === 0) return places;
  const [only = ""] = cells;
  for (const [separator, word] of separators) {
    if (cells.length > 1 || !only.includes(separator)) continue;
    throw new FormError(`The columns are separated by ${word}: they must be separated by commas`);
  }
  const found = clean(cells.join(","), 200);
  const hint = missing.includes("client_name")
    ? "; of such a file, name the client in the request (gohm import --client NAME)"
    : "";
  throw new FormError(
    `The first line must have the columns ${missing.join(", ")}: it is ${JSON.stringify(found)}${missing.length < 3 ? hint : ""}`,
  );
}

const separators = [
  [";", "semicolons"],
  ["\t", "tabs"],
] as const;

/** A cell without the spaces around it, and without what keeps a spreadsheet from changing it: ="75". */
function plain(cell: string): string {
  const text = cell.trim();
  return text.startsWith('="') && text.endsWith('"') && text.length > 2 ? text.slice(2, -1).trim() : text;
}

const written = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function number(cell: string): number | undefined {
  if (!written.test(cell)) {
    const text = plain(cell);
    return text !== cell && written.test(text) ? number(text) : undefined;
  }
  const value = Number(cell);
  return Number.isFinite(value) ? value : undefined;
}

/** How programs write that a value is not known. */
const isUnknown = (cell: string): boolean => /^(|n\/?a|\[.*\]|nan|none|null|unknown|-+)$/i.test(plain(cell));

const milliwatts = (watts: number | undefined): number | undefined =>
  watts === undefined ? undefined : Math.round(watts * 1000);

const mostMegabytes = 2 ** 32;

/** The logger rounds total, used and free down to whole MB, each by itself. */
function setMemory(card: ReadCard, ...sizes: (number | undefined)[]): void {
  // No card is as large: that is no measurement.
  const [size, used, free] = sizes.map((value) => (value !== undefined && value <= mostMegabytes ? value : undefined));
  // No card is without memory.
  const total = size === 0 ? undefined : size;
  const all = total ?? (used !== undefined && free !== undefined ? used + free : undefined);
  const taken = used ?? (total !== undefined && free !== undefined ? total - free : undefined);
  if (all !== undefined && all >= 0) card.memTotal = bytesOf(all);
  if (taken === undefined || taken < 0) return;
  const half = all !== undefined && free !== undefined && taken + free === all - 1 ? halfMebibyte : 0;
  card.memUsed = bytesOf(taken) + BigInt(half);
}

const bytesOf = (megabytes: number): bigint => BigInt(Math.round(megabytes * mebibyte));
