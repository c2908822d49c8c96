// Prometheus remote write, by which both peers receive samples: WriteRequest as protobuf in a snappy block.
// https://prometheus.io/docs/specs/prw/remote_write_spec/
import { type Column, hostName, keyOf, widthOf } from "./samples.ts";

/** HTTP headers that the specification requires. */
export const headers =
  "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n";

/** Size of Sample {double value = 1; int64 timestamp = 2}. Unix milliseconds of our time take six bytes. */
const sampleBytes = 16;
const entryBytes = 2 + sampleBytes;
const timeBytes = 6;

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

const text = (field: number, held: string): number[] => {
  const bytes = Buffer.from(held);
  return [field * 8 + 2, ...varint(bytes.length), ...bytes];
};

/** Label that identifies a device within its host, by level. */
export const labelOf: Readonly<Record<Column["level"], string>> = { host: "", gpu: "uuid", nic: "nic", disk: "mount" };

/** Encodes the labels of a series, sorted by name, as both peers require. */
function labels(host: number, column: Column): Buffer {
  const pairs: [string, string][] = [
    ["__name__", column.metric],
    ["host", hostName(host)],
  ];
  if (column.level !== "host") pairs.push([labelOf[column.level], keyOf(host, column)]);
  const bytes = pairs.flatMap(([name, value]) => {
    const label = [...text(1, name), ...text(2, value)];
    return [0x0a, ...varint(label.length), ...label];
  });
  return Buffer.from(bytes);
}

/** Bytes reserved before the message for the header of the snappy block: the length, and the tag of one literal. */
const front = 16;

/** Encodes requests into one buffer that is reused. */
export class Writer {
  readonly #columns: readonly Column[];
  readonly #labels = new Map<number, readonly Buffer[]>();
  #out = Buffer.alloc(1 << 16);
  #end = front;

  /** @param columns of the rows */
  constructor(columns: readonly Column[]) {
    this.#columns = columns;
  }

  /** Encodes one sample of a separate series, which advances the latest time that the program knows. */
  marker(at: number): Buffer {
    const bytes = Buffer.from([...text(1, "__name__"), ...text(2, "marker")]);
    const row = new Float64Array(3);
    row[1] = at;
    this.#end = front;
    this.#series(Buffer.from([0x0a, bytes.length, ...bytes]), row, { places: [0], column: 0 });
    return this.#block();
  }

  /** Encodes rows of readSamples: each series of a host once, with all its samples. Valid until the next call. */
  request(rows: Float64Array): Buffer {
    const hosts = new Map<number, number[]>();
    const rowWidth = widthOf({ columns: this.#columns });
    for (let at = 0; at < rows.length; at += rowWidth) {
      const host = rows[at] ?? 0;
      const places = hosts.get(host);
      if (places) places.push(at);
      else hosts.set(host, [at]);
    }
    this.#end = front;
    for (const [host, places] of hosts) {
      for (const [column, name] of this.#labelsOf(host).entries()) this.#series(name, rows, { places, column });
    }
    return this.#block();
  }

  #labelsOf(host: number): readonly Buffer[] {
    const known = this.#labels.get(host) ?? this.#columns.map((column) => labels(host, column));
    this.#labels.set(host, known);
    return known;
  }

  #series(name: Buffer, rows: Float64Array, { places, column }: { places: readonly number[]; column: number }): void {
    const length = name.length + places.length * entryBytes;
    const head = [0x0a, ...varint(length)];
    this.#room(head.length + length);
    const out = this.#out;
    for (const byte of head) out[this.#end++] = byte;
    name.copy(out, this.#end);
    let at = this.#end + name.length;
    for (const place of places) {
      out[at] = 0x12;
      out[at + 1] = sampleBytes;
      out[at + 2] = 0x09;
      out.writeDoubleLE(rows[place + 2 + column] ?? 0, at + 3);
      out[at + 11] = 0x10;
      let time = rows[place + 1] ?? 0;
      for (let i = 0; i < timeBytes; i++) {
        out[at + 12 + i] = (time % 128) + (i < timeBytes - 1 ? 128 : 0);
        time = Math.floor(time / 128);
      }
      at += entryBytes;
    }
    this.#end = at;
  }

  #room(bytes: number): void {
    if (this.#end + bytes <= this.#out.length) return;
    const larger = Buffer.alloc(Math.max(2 * this.#out.length, this.#end + bytes));
    this.#out.copy(larger);
    this.#out = larger;
  }

  /**
   * Wraps the message in a snappy block of one literal: valid, and cheaper to decode for the peers than a compressed one. The
   * cost of the larger body on loopback is part of their figures.
   */
  #block(): Buffer {
    const length = this.#end - front;
    const tag = Buffer.alloc(5);
    tag[0] = 63 << 2;
    tag.writeUInt32LE(length - 1, 1);
    const head = Buffer.from([...varint(length), ...tag]);
    head.copy(this.#out, front - head.length);
    return this.#out.subarray(front - head.length, this.#end);
  }
}
