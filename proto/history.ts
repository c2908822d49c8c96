// The messages of history.proto that carry long columns, written by the hub and read by the page.
import { isWhole, lastNanosecond, pack, Unpacker } from "./packed.ts";

/** One series of a HistoryAnswer: named columns of equal length, times in Unix milliseconds, oldest first. */
export interface Series {
  readonly host: string;
  readonly level: string;
  readonly key: string;
  readonly metric: string;
  readonly unit: string;
  /** True if the range has more points than these, the newest. */
  readonly cut: boolean;
  readonly t: Float64Array;
  /** Values by aggregate. */
  readonly columns: Readonly<Record<string, Float64Array>>;
}

export interface Span {
  /** Unix milliseconds; half-open. */
  readonly from: number;
  readonly to: number;
  /** Milliseconds; 0 for every sample unchanged. */
  readonly step: number;
}

export interface HistoryAnswer extends Span {
  readonly series: readonly Series[];
}

/** Encodes the beginning of a HistoryAnswer; any number of results of `packSeries` may follow. */
export function packSpan({ from, to, step }: Span): Uint8Array<ArrayBuffer> {
  return pack((packer) => {
    packer.uint(1, from);
    packer.uint(2, to);
    packer.uint(3, step);
  });
}

/** Encodes one series of a HistoryAnswer. */
export function packSeries(series: Series): Uint8Array<ArrayBuffer> {
  return pack((packer) =>
    packer.inside(4, () => {
      packer.text(1, series.host);
      packer.text(2, series.level);
      packer.text(3, series.key);
      packer.text(4, series.metric);
      packer.text(5, series.unit);
      packer.uint(6, series.cut ? 1 : 0);
      packer.steps(7, series.t);
      for (const [of, values] of Object.entries(series.columns)) {
        packer.inside(8, () => {
          packer.text(1, of);
          if (isWhole(values)) packer.deltas(2, values);
          else packer.doubles(3, values);
        });
      }
    }),
  );
}

/** Decodes a HistoryAnswer. @throws Error for anything else */
export function unpackAnswer(bytes: Uint8Array): HistoryAnswer {
  const reader = new Unpacker(bytes);
  const answer = { from: 0, to: 0, step: 0, series: [] as Series[] };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) answer.from = reader.uint();
    else if (field === 2) answer.to = reader.uint();
    else if (field === 3) answer.step = reader.uint();
    else if (field === 4) answer.series.push(unpackSeries(reader.bytes()));
    else reader.skip();
  }
  return answer;
}

function unpackSeries(bytes: Uint8Array): Series {
  const reader = new Unpacker(bytes);
  const columns: Record<string, Float64Array> = {};
  const series = { host: "", level: "", key: "", metric: "", unit: "", cut: false, t: new Float64Array(), columns };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) series.host = reader.text();
    else if (field === 2) series.level = reader.text();
    else if (field === 3) series.key = reader.text();
    else if (field === 4) series.metric = reader.text();
    else if (field === 5) series.unit = reader.text();
    else if (field === 6) series.cut = reader.uint() !== 0;
    else if (field === 7) series.t = reader.steps();
    else if (field === 8) Object.assign(columns, unpackColumn(reader.bytes()));
    else reader.skip();
  }
  return series;
}

function unpackColumn(bytes: Uint8Array): Record<string, Float64Array> {
  const reader = new Unpacker(bytes);
  let of = "";
  let values = new Float64Array();
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) of = reader.text();
    else if (field === 2) values = reader.deltas();
    else if (field === 3) values = reader.doubles();
    else reader.skip();
  }
  return { [of]: values };
}

/** Samples in the units of the first GOHM, except times: Unix milliseconds, which become nanoseconds on the wire. */
export interface Samples {
  readonly t: Float64Array;
  /** Integers of 0 or more. */
  readonly v: Float64Array;
}

/** Encodes a HistResp. */
export function packSamples({ t, v }: Samples): Uint8Array<ArrayBuffer> {
  return pack((packer) => {
    packer.nanoseconds(1, t);
    packer.uints(2, v);
  });
}

/** Encodes one entry of a HistMap; the message is their concatenation. */
export function packEntry(key: string, { t, v }: Samples): Uint8Array<ArrayBuffer> {
  return pack((packer) =>
    packer.inside(1, () => {
      packer.text(1, key);
      packer.inside(2, () => {
        packer.nanoseconds(1, t);
        packer.uints(2, v);
      });
    }),
  );
}

/** True if a HistResp can hold a sample: others would wrap around, as its values are unsigned integers. */
export const fits = (at: number, value: number): boolean =>
  at >= 0 && at <= lastNanosecond && Number.isSafeInteger(value) && value >= 0;
