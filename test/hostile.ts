// Reports that are made to exhaust a hub: each is as large as the hub lets in, and refused before or after it was read.
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { HostInfoSchema } from "../proto/gen/host_pb.js";

export const sampleType = "application/x-protobuf; messageType=gpu.HostInfo";

export interface HostileBody {
  readonly name: string;
  readonly type: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Status of the answer. */
  readonly status: number;
  /** What administrators see, if it is accepted: parts of the sentences. */
  readonly trouble?: readonly string[];
}

const MB = 1_000_000;
/** What administrators see of a report that is larger than usual ones. */
const large = " KiB, far more than usual";
const json = "application/json";
const jsonOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

/** A card with empty processes, two bytes each. */
function emptyProcesses(count: number): Buffer {
  const procs = Buffer.alloc(2 * count, Buffer.from([0x42, 0x00]));
  const length: number[] = [];
  for (let rest = procs.length; rest > 0; rest >>>= 7) length.push((rest & 127) | (rest > 127 ? 128 : 0));
  return Buffer.concat([Buffer.from([0x12, ...length]), procs]);
}

const sample = (more: object): Uint8Array =>
  toBinary(HostInfoSchema, create(HostInfoSchema, { hostname: "h", agentVersion: "1", ...more }));

/** Fields that no version of the message has, one byte of content each. */
function unknownFields(count: number): Buffer {
  return Buffer.concat(many(count, () => Buffer.from([0xf2, 0x3f, 0x01, 0x00])));
}

export const hostileBodies: readonly HostileBody[] = [
  { name: "half a million empty processes", type: sampleType, body: emptyProcesses(500_000), status: 400 },
  { name: "two million empty processes", type: sampleType, body: emptyProcesses(2_000_000), status: 413 },
  { name: "250,000 unknown fields", type: sampleType, body: unknownFields(250_000), status: 400 },
  {
    name: "20,000 processes with texts",
    type: sampleType,
    body: sample({ gpus: [{ id: 0, procs: many(19_000, (pid) => ({ pid, username: "x".repeat(40) })) }] }),
    status: 200,
    trouble: [large],
  },
  {
    name: "10,000 cards in a sample",
    type: sampleType,
    body: sample({ gpus: many(10_000, (id) => ({ id, temp: 40 })) }),
    status: 200,
    trouble: ["more than 256 devices"],
  },
  {
    name: "a megabyte of text in a sample",
    type: sampleType,
    body: sample({ err: "\u202e数".repeat(MB / 7) }),
    status: 200,
    trouble: [large],
  },
  { name: "bytes that are no sample", type: sampleType, body: Buffer.alloc(MB, 0xff), status: 400 },
  { name: "a megabyte of [", type: json, body: Buffer.alloc(MB, "["), status: 400 },
  { name: "330,000 empty objects", type: json, body: Buffer.from(`[${"{},".repeat(330_000)}{}]`), status: 400 },
  {
    name: "10,000 cards in a report",
    type: json,
    body: jsonOf({ hostname: "h", gpus: many(10_000, (index) => ({ index, name: "x", utilizationPct: 1 })) }),
    status: 400,
  },
  { name: "a megabyte of quotes", type: json, body: Buffer.alloc(MB, '"'), status: 400 },
  {
    name: "a megabyte of backslashes",
    type: json,
    body: Buffer.from(`{"hostname": "${"\\\\".repeat(MB / 2 - 10)}"}`),
    status: 200,
    trouble: [large],
  },
  {
    name: "a text of a megabyte",
    type: json,
    body: jsonOf({ hostname: "h", gpus: [{ index: 0, name: "\u202e<script>".repeat(MB / 12) }] }),
    status: 200,
    trouble: [large],
  },
  {
    name: "a thousand texts of a kilobyte",
    type: json,
    body: jsonOf({ hostname: "h", nics: many(900, (i) => ({ name: `${i}${'=1+1,"\u0000'.repeat(80)}` })) }),
    status: 200,
    trouble: [large, "more than 256 devices"],
  },
  {
    name: "130,000 times NaN",
    type: json,
    body: Buffer.from(`{"hostname": "h", "loadAvg": [${"NaN,".repeat(130_000)}0]}`),
    status: 400,
  },
  {
    name: "19,000 times NaN",
    type: json,
    body: Buffer.from(`{"hostname": "h", "loadAvg": [${"NaN,".repeat(19_000)}0]}`),
    status: 200,
    trouble: [large],
  },
  {
    name: "numbers of a hundred thousand digits",
    type: json,
    body: Buffer.from(`{"hostname": "h", "cpuCores": ${"9".repeat(900_000)}}`),
    status: 200,
    trouble: [large],
  },
  {
    name: "a bomb of 500 MB in gzip",
    type: json,
    headers: { "content-encoding": "gzip" },
    body: gzipSync(Buffer.alloc(500 * 2 ** 20)),
    status: 415,
  },
  { name: "another type", type: "text/html", body: Buffer.alloc(MB, "x"), status: 415 },
];
