import fc from "fast-check";
import { expect, test } from "vitest";
import { Backlog } from "./backlog.ts";

const of = (...sizes: number[]): Backlog => {
  const backlog = new Backlog({ count: 3, bytes: 100 });
  for (const size of sizes) backlog.add(new Uint8Array(size));
  return backlog;
};

test("keeps the newest where there are too many, and counts the others once", () => {
  const backlog = of(1, 2, 3, 4, 5);
  expect(backlog.oldest()?.bytes.length).toBe(3);
  expect(backlog.newest()?.bytes.length).toBe(5);
  expect([backlog.takeDropped(), backlog.takeDropped()]).toEqual([2, 0]);
});

test("keeps the newest where they are too big", () => {
  const backlog = of(40, 50, 60);
  expect(backlog.size).toBe(1);
  expect(backlog.bytes).toBe(60);
});

test("a sample that alone is too big is dropped, and takes all before it along", () => {
  const backlog = of(1, 101);
  expect([backlog.size, backlog.bytes, backlog.takeDropped()]).toEqual([0, 0, 2]);
  expect(backlog.newest()).toBeUndefined();
});

test("one that was dropped while it was sent is nobody's loss", () => {
  const backlog = of(1);
  const sample = backlog.oldest();
  for (let i = 0; i < 3; i++) backlog.add(new Uint8Array(2));
  if (sample !== undefined) backlog.done(sample);
  expect([backlog.size, backlog.bytes]).toEqual([3, 6]);
});

test("with one that is sent go those before it, and none that came meanwhile", () => {
  const backlog = of(1, 2);
  const sample = backlog.newest();
  backlog.add(new Uint8Array(3));
  if (sample !== undefined) backlog.done(sample);
  expect([backlog.size, backlog.oldest()?.bytes.length]).toEqual([1, 3]);
});

type Step = { add: number } | "oldest" | "newest";

const step = fc.oneof(fc.record({ add: fc.integer({ min: 0, max: 150 }) }), fc.constantFrom<Step>("oldest", "newest"));

test("whatever comes and goes: never over its room, always in order, every sample either kept, let go or counted", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const backlog = new Backlog({ count: 5, bytes: 300 });
      let added = 0;
      let gone = 0;
      let dropped = 0;
      for (const each of steps) {
        const before = backlog.size;
        if (typeof each === "object") {
          backlog.add(new Uint8Array(each.add));
          added++;
          dropped += backlog.takeDropped();
        } else {
          const sample = each === "oldest" ? backlog.oldest() : backlog.newest();
          if (sample !== undefined) backlog.done(sample);
          gone += before - backlog.size;
        }
        expect(backlog.size).toBeLessThanOrEqual(5);
        expect(backlog.bytes).toBeLessThanOrEqual(300);
        expect(backlog.size).toBe(added - gone - dropped);
      }
      const sequences: number[] = [];
      let bytes = 0;
      const total = backlog.bytes;
      for (let sample = backlog.oldest(); sample !== undefined; sample = backlog.oldest()) {
        sequences.push(sample.sequence);
        bytes += sample.bytes.length;
        backlog.done(sample);
      }
      expect(bytes).toBe(total);
      expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
    }),
  );
});

test("a sample counts as many records as it has, and dropping it counts them all", () => {
  const backlog = new Backlog({ count: 10, bytes: 100 });
  for (const records of [4, 3, 3]) backlog.add(new Uint8Array(1), records);
  expect([backlog.size, backlog.records, backlog.takeDropped()]).toEqual([3, 10, 0]);
  backlog.add(new Uint8Array(1), 1);
  expect([backlog.size, backlog.records, backlog.takeDropped()]).toEqual([3, 7, 4]);
});
