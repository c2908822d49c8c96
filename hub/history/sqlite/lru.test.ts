import fc from "fast-check";
import { expect, test } from "vitest";
import { LruCache } from "./lru.ts";

test("what was asked for last is there, and all together never take more than they may", () => {
  const step = fc.record({ key: fc.integer({ min: 0, max: 9 }), bytes: fc.integer({ min: 1, max: 40 }) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 40, maxLength: 200 }), (steps) => {
      const remembered = new LruCache<number>(100);
      // Newest last.
      let model: { key: number; bytes: number }[] = [];
      for (const one of steps) {
        const known = model.find(({ key }) => key === one.key);
        expect(remembered.get(one.key)).toBe(known?.bytes);
        if (!known) remembered.set(one.key, one.bytes, one.bytes);
        model = [...model.filter(({ key }) => key !== one.key), known ?? one];
        while (model.reduce((sum, { bytes }) => sum + bytes, 0) > 100) model.shift();
      }
    }),
  );
});

test("what was forgotten is not there, and takes no room", () => {
  const remembered = new LruCache<string>(10);
  remembered.set(1, "a", 10);
  remembered.clear();
  expect(remembered.get(1)).toBeUndefined();
  remembered.set(2, "b", 4);
  remembered.set(3, "c", 6);
  expect([remembered.get(2), remembered.get(3)]).toEqual(["b", "c"]);
});
