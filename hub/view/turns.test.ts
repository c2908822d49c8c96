import fc from "fast-check";
import { expect, test } from "vitest";
import { Turns } from "./turns.ts";

test("an address that has its turns waits, and others pass it", () => {
  const turns = new Turns({ total: 3, perAddress: 2 });
  const started: string[] = [];
  const enter = (address: string, name: string): (() => void) => turns.enter(address, () => started.push(name));
  const [first] = [enter("a", "a1"), enter("a", "a2"), enter("a", "a3"), enter("b", "b1"), enter("b", "b2")];
  expect(started).toEqual(["a1", "a2", "b1"]);
  first?.();
  first?.();
  expect(started).toEqual(["a1", "a2", "b1", "a3"]);
});

test("an address that comes later does not wait for all that others asked before", () => {
  const turns = new Turns({ total: 2, perAddress: 1 });
  const started: string[] = [];
  const names = ["a1", "b1", "a2", "a3", "a4", "b2", "b3", "c1"];
  const [a1, b1, a2] = names.map((name) => turns.enter(name.slice(0, 1), () => started.push(name)));
  for (const leave of [a1, b1, a2]) leave?.();
  expect(started).toEqual(["a1", "b1", "a2", "b2", "c1"]);
});

test("one that gives up waiting takes no turn", () => {
  const turns = new Turns({ total: 1, perAddress: 1 });
  const started: string[] = [];
  const [first, second] = ["1", "2", "3"].map((name) => turns.enter("a", () => started.push(name)));
  second?.();
  first?.();
  expect(started).toEqual(["1", "3"]);
});

test("in whatever order turns end, everybody gets one, and never too many at a time", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 40 }),
      fc.infiniteStream(fc.nat(100)),
      (asked, picks) => {
        const turns = new Turns({ total: 3, perAddress: 2 });
        const running: { address: string; leave: () => void }[] = [];
        let started = 0;
        for (const address of asked) {
          const one = { address, leave: (): void => undefined };
          const leave = turns.enter(address, () => {
            started++;
            running.push(one);
          });
          one.leave = leave;
        }
        while (running.length > 0) {
          expect(running.length).toBeLessThanOrEqual(3);
          for (const at of ["a", "b", "c"]) {
            expect(running.filter(({ address }) => address === at).length).toBeLessThanOrEqual(2);
          }
          running.splice(picks.next().value % running.length, 1)[0]?.leave();
        }
        expect(started).toBe(asked.length);
      },
    ),
  );
});
