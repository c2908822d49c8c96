import { expect, test } from "vitest";
import type { HeadChunk } from "../chunk.ts";
import { blockMs } from "../key.ts";
import type { HostRecord } from "../names.ts";
import type { HeadBlock } from "./head.ts";
import { relief } from "./relief.ts";

const now = 1000 * blockMs + 1;
const mega = 2 ** 20;
const host = (name: string): HostRecord => ({ name }) as HostRecord;
const [a, b] = [host("a"), host("b")];

/** @param order position of its newest sample in the order of their arrival */
const block = (of: HostRecord, number: number, order: number, size: number, segment = 90): HeadBlock => ({
  host: of,
  block: number,
  order,
  touched: 0,
  chunks: [{ size: size * mega, segments: [segment, segment] } as HeadChunk],
});
const journal = (bytes: number) => ({ bytes: () => bytes * mega, newest: 90 });
const chosen = (blocks: readonly HeadBlock[], bytes = 0): number[] =>
  relief(blocks, journal(bytes), now).map(({ order }) => order);

test("nothing is compacted early while memory and journal are small, or only blocks that go on are large", () => {
  expect(chosen([block(a, 10, 1, 15), block(a, 11, 2, 15), block(b, 1000, 3, 500, 1)], 100)).toEqual([]);
});

test("blocks that were not touched for the longest time go first, until the rest is small", () => {
  const blocks = [block(a, 12, 4, 7), block(a, 10, 2, 7), block(a, 11, 1, 7), block(b, 10, 3, 7), block(b, 9, 5, 7)];
  expect(chosen(blocks)).toEqual([1, 2]);
  expect(chosen([...blocks, block(b, 8, 6, 7), block(a, 7, 7, 1)])).toEqual([1, 2, 3]);
});

test("the block that was touched last of each host goes only if the others are not enough", () => {
  expect(chosen([block(a, 1, 1, 20), block(b, 1, 2, 11), block(b, 2, 3, 4)])).toEqual([2]);
  expect(chosen([block(a, 1, 1, 20), block(b, 1, 2, 4), block(b, 2, 3, 16)])).toEqual([2, 1]);
});

test("a journal that is too large loses its oldest segments: the blocks in them go, those that go on too", () => {
  const blocks = [block(a, 1000, 3, 1, 2), block(b, 1000, 2, 1, 86), block(b, 5, 1, 1, 85)];
  expect(chosen(blocks, 127)).toEqual([]);
  expect(chosen(blocks, 129)).toEqual([3, 1]);
});
