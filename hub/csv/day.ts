import type { Zone } from "../../program/zone.ts";
import type { KnownDevice, Store } from "../history/store.ts";
import { heading, lineOf, metrics } from "./form.ts";
import { type SheetDevice, sheet } from "./sheet.ts";

/** A card with what a row of the logger's file says of it. */
interface LoggerCard extends SheetDevice {
  readonly index: number;
  readonly name: string;
}

export interface LoggerQuery {
  readonly history: Pick<Store, "read">;
  readonly zone: Zone;
  readonly cards: readonly LoggerCard[];
  /** Unix milliseconds, half-open. */
  readonly from: number;
  readonly to: number;
  readonly intervalMs: number;
}

/** The cards of a list of devices, in the order in which the file has those of one time: by host, then by index. */
export function cardsOf(known: Iterable<KnownDevice>): LoggerCard[] {
  const cards: LoggerCard[] = [];
  for (const { host, level, key, index, name = "", last, metrics: own } of known) {
    if (level !== "gpu" || index === undefined) continue;
    const series = metrics.flatMap((metric, place) =>
      own.includes(metric) ? [{ metric, of: "avg" as const, place }] : [],
    );
    cards.push({ host, level, key, index, name, last, series });
  }
  return cards.sort((a, b) => byText(a.host, b.host) || a.index - b.index || byText(a.key, b.key));
}

export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * The file of the logger: the heading, then a row for each card and time, also of summaries where samples are not kept any
 * more.
 * @throws Fault canceled
 */
export async function* loggerFile({ zone, cards, ...query }: LoggerQuery): AsyncGenerator<Uint8Array> {
  yield Buffer.from(heading);
  let second = Number.NaN;
  let time = "";
  yield* sheet({
    ...query,
    devices: cards,
    step: 0,
    grain: 1000,
    width: metrics.length,
    line({ index, name, host }, at, values) {
      if (Math.floor(at / 1000) !== second) {
        second = Math.floor(at / 1000);
        time = zone.format(at);
      }
      return lineOf({ time, gpu: index, name, client: host, values });
    },
  });
}
