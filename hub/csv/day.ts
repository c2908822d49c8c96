import type { Zone } from "../../program/zone.ts";
import type { KnownDevice, Store } from "../history/store.ts";
import { heading, lineOf, metrics } from "./form.ts";
import { type SheetDevice, sheet } from "./sheet.ts";

/** What a row of the logger's file says of a card. */
export interface FileCard {
  readonly client: string;
  readonly gpuId: number;
  readonly name: string;
  readonly device: KnownDevice;
}

interface FileDevice extends SheetDevice {
  readonly card: FileCard;
}

export interface LoggerQuery {
  readonly history: Pick<Store, "read">;
  readonly zone: Zone;
  /** In any order. */
  readonly cards: readonly FileCard[];
  /** Unix milliseconds, half-open. */
  readonly from: number;
  readonly to: number;
  readonly intervalMs: number;
}

/** Cards in the order in which the file has those of one time. */
function devicesOf(cards: readonly FileCard[]): FileDevice[] {
  const sorted = cards.toSorted(
    (a, b) => byText(a.client, b.client) || a.gpuId - b.gpuId || byText(a.device.key, b.device.key),
  );
  return sorted.map((card) => {
    const { device } = card;
    const series = metrics.flatMap((metric, place) =>
      device.metrics.includes(metric) ? [{ metric, of: "avg" as const, place }] : [],
    );
    return { ...device, card, series };
  });
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
    devices: devicesOf(cards),
    step: 0,
    grain: 1000,
    width: metrics.length,
    line({ card: { client, gpuId, name } }, at, values) {
      if (Math.floor(at / 1000) !== second) {
        second = Math.floor(at / 1000);
        time = zone.format(at);
      }
      return lineOf({ time, gpu: gpuId, name, client, values });
    },
  });
}
