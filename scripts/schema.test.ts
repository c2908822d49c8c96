import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { create, type fromBinary as FromBinary, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { build } from "esbuild";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as feed from "../proto/gen/feed_pb.js";
import * as host from "../proto/gen/host_pb.js";
import { cases } from "../test/cases.ts";
import { top } from "../test/program.ts";
import { tableOfFields } from "./schema.ts";

/** Modules as the build of the page makes them, with the decoder that they are for. */
interface Page {
  readonly feed: Pick<typeof feed, "EventSchema" | "HostSchema" | "DeltaSchema" | "Link">;
  readonly host: Pick<typeof host, "HostInfoSchema" | "State" | "Throttle" | "Vendor">;
  readonly fromBinary: typeof FromBinary;
}

let folder: string;
let page: Page;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-schema-"));
  const outfile = join(folder, "page.mjs");
  const contents = `export * as feed from "./proto/gen/feed_pb.js"; export * as host from "./proto/gen/host_pb.js";
    export { fromBinary } from "@bufbuild/protobuf";`;
  await build({
    stdin: { contents, resolveDir: top },
    ...{ outfile, bundle: true, format: "esm", logLevel: "warning", plugins: [tableOfFields] },
  });
  page = await import(pathToFileURL(outfile).href);
});

afterAll(() => rmSync(folder, { recursive: true }));

const few = { maxLength: 2 };
const text = fc.string({ unit: "grapheme", maxLength: 8 });
const whole = fc.nat();
const big = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const proc = fc.record({ pid: maybe(whole), username: maybe(text), mem: maybe(big), compute: maybe(fc.boolean()) });
const gpu = fc.record({
  ...{ id: maybe(whole), name: maybe(text), memUsed: maybe(big), power: maybe(whole) },
  ...{ utilizationExact: maybe(fc.double()), state: maybe(fc.constantFrom(0, 1, 3, 99)) },
  throttle: fc.array(fc.nat({ max: 20 }), { maxLength: 4 }),
  procs: fc.array(proc, few),
  integrated: maybe(fc.boolean()),
});
const info = fc.record({ hostname: maybe(text), sampled: maybe(big), gpus: fc.array(gpu, few) });
const event = fc.record({
  ...{ sequence: big, now: big, whole: fc.boolean(), hub: text, interval: fc.double(), removed: fc.array(whole, few) },
  notices: fc.array(text, few),
  noticeSentences: fc.array(
    fc.record({
      code: text,
      texts: fc.dictionary(text, text, { maxKeys: 2 }),
      numbers: fc.dictionary(text, fc.double(), { maxKeys: 2 }),
    }),
    few,
  ),
  hosts: fc.array(
    fc.record({ number: whole, name: text, link: fc.nat({ max: 5 }), seen: maybe(big), info: maybe(info) }),
    few,
  ),
  deltas: fc.array(fc.record({ integers: fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), few) }), few),
});

test("the page's table of fields decodes every event as the library's descriptors do", () => {
  fc.assert(
    fc.property(event, (init) => {
      const bytes = toBinary(
        feed.EventSchema,
        create(feed.EventSchema, init as MessageInitShape<typeof feed.EventSchema>),
      );
      expect(page.fromBinary(page.feed.EventSchema, bytes)).toEqual(fromBinary(feed.EventSchema, bytes));
    }),
    cases,
  );
});

test("the table has every field of the messages that the page reads, and the values of their enums", () => {
  const plain = (schema: typeof feed.EventSchema | typeof host.HostInfoSchema, seen = new Set<string>()): unknown[] => {
    if (seen.has(schema.typeName)) return [];
    seen.add(schema.typeName);
    return schema.fields.map(({ localName, number, fieldKind, scalar, message }) => [
      [schema.typeName, localName, number, fieldKind, scalar],
      message === undefined ? [] : plain(message as typeof feed.EventSchema, seen),
    ]);
  };
  expect(plain(page.feed.EventSchema)).toEqual(plain(feed.EventSchema));
  expect(JSON.stringify(plain(page.feed.EventSchema)).length).toBeGreaterThan(4000);
  expect(page.feed.Link).toEqual(feed.Link);
  expect([page.host.State, page.host.Throttle, page.host.Vendor]).toEqual([host.State, host.Throttle, host.Vendor]);
});
