import fc from "fast-check";
import { expect, test } from "vitest";
import { Limiter } from "./limiter.ts";

test("hosts that may not answer get half of the places at most, so that one that answers always finds one", () => {
  const limiter = new Limiter(4);
  let unsure = 0;
  for (let i = 0; i < 10; i++) limiter.start(false, () => unsure++);
  expect(unsure).toBe(2);
  let sure = 0;
  for (let i = 0; i < 3; i++) limiter.start(true, () => sure++);
  expect(sure).toBe(2);
  limiter.release(false);
  expect([sure, unsure]).toEqual([3, 2]);
});

test("whatever comes and goes, places are never overdrawn, and all who wait get in at last", () => {
  const visit = fc.record({ sure: fc.boolean(), before: fc.nat(3) });
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 9 }), fc.array(visit, { maxLength: 60 }), (size, visits) => {
      const limiter = new Limiter(size);
      const inside: boolean[] = [];
      let entered = 0;
      const check = (): void => {
        expect(inside.length).toBeLessThanOrEqual(size);
        expect(inside.filter((sure) => !sure).length).toBeLessThanOrEqual(Math.floor(size / 2));
      };
      const leave = (): void => {
        const sure = inside.shift();
        if (sure !== undefined) limiter.release(sure);
      };
      for (const { sure, before } of visits) {
        for (let i = 0; i < before; i++) leave();
        limiter.start(sure, () => {
          inside.push(sure);
          entered++;
        });
        check();
      }
      while (inside.length > 0) leave();
      expect(entered).toBe(visits.length);
    }),
  );
});

test("any number of polls that end as soon as they get a place, as those of removed machines do, get in one after the other", () => {
  const limiter = new Limiter(2);
  let entered = 0;
  const pass = (): void => {
    entered++;
    limiter.release(false);
  };
  limiter.start(false, () => undefined);
  for (let i = 0; i < 50_000; i++) limiter.start(false, pass);
  limiter.release(false);
  expect(entered).toBe(50_000);
});
