import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { cases } from "../../test/cases.ts";
import { known, type Standing, Turns } from "./turns.ts";

/** Work that ends when the test says so. */
class Bench {
  readonly turns = new Turns();
  /** Names in the order in which their work began. */
  readonly begun: string[] = [];
  readonly refused: string[] = [];
  readonly #running = new Map<string, () => void>();

  get running(): string[] {
    return [...this.#running.keys()];
  }

  enter(name: string, standing: Standing): void {
    const work = (): Promise<void> => {
      this.begun.push(name);
      return new Promise((resolve) => this.#running.set(name, resolve));
    };
    this.turns.run(standing, work).catch((error: { code: string; retryAfter: number }) => {
      expect(error).toMatchObject({ code: "too_many_attempts", retryAfter: 5 });
      this.refused.push(name);
    });
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }

  /** Ends the work that has been running longest. */
  async end(): Promise<void> {
    await this.settle();
    const [first] = this.#running;
    if (first === undefined) return;
    this.#running.delete(first[0]);
    first[1]();
    await this.settle();
  }
}

let bench: Bench;

beforeEach(() => {
  bench = new Bench();
});

const stranger = (earlier = 0, near = 0): Standing => ({ known: false, earlier, near });

test("during ten thousand guesses from a thousand networks one hash is made at a time, who is known waits for none, and a stranger for one", async () => {
  for (let guess = 0; guess < 10; guess++) {
    for (let i = 0; i < 1000; i++) bench.enter(`guess ${guess} of ${i}`, stranger(guess));
  }
  await bench.settle();
  expect(bench.running).toEqual(["guess 0 of 0"]);
  bench.enter("alice", known);
  bench.enter("bob", stranger());
  await bench.settle();
  expect(bench.running).toEqual(["guess 0 of 0", "alice"]);
  await bench.end();
  expect(bench.running).toEqual(["alice", "bob"]);
  for (let i = 0; i < 40; i++) await bench.end();
  expect([bench.refused.length + bench.begun.length, bench.running]).toEqual([10_002, []]);
});

test("strangers come in the order of the attempts of their networks, then of those near them, the newest first", async () => {
  bench.enter("running", stranger());
  const all: readonly [string, Standing][] = [
    ["6th", stranger(2, 0)],
    ["2nd", stranger(0, 0)],
    ["1st", stranger(0, 0)],
    ["3rd", stranger(0, 7)],
    ["5th", stranger(1, 3)],
    ["4th", stranger(1, 1)],
  ];
  for (const [name, standing] of all) bench.enter(name, standing);
  for (let i = 0; i < 8; i++) await bench.end();
  expect(bench.begun).toEqual(["running", "1st", "2nd", "3rd", "4th", "5th", "6th"]);
});

test("those who are known come one after the other, and use both places while no stranger waits", async () => {
  for (const name of ["a", "b", "c", "d"]) bench.enter(name, known);
  await bench.settle();
  expect(bench.running).toEqual(["a", "b"]);
  bench.enter("stranger", stranger());
  // Neither keeps the other from a place.
  await bench.end();
  expect(bench.running).toEqual(["b", "stranger"]);
  await bench.end();
  expect(bench.running).toEqual(["stranger", "c"]);
  await bench.end();
  expect(bench.running).toEqual(["c", "d"]);
});

test("work that fails passes its turn on", async () => {
  const failing = bench.turns.run(known, () => Promise.reject(new Error("no memory")));
  await expect(failing).rejects.toThrow("no memory");
  for (const name of ["a", "b", "c"]) bench.enter(name, known);
  for (let i = 0; i < 4; i++) await bench.end();
  expect(bench.begun).toEqual(["a", "b", "c"]);
});

test("whoever comes in whichever order: two work, one of them a stranger, at most 32 wait, and each is served or refused once", async () => {
  const standing = fc.oneof(
    fc.constant(known),
    fc.record({ known: fc.boolean(), earlier: fc.nat(3), near: fc.nat(3) }),
  );
  const step = fc.oneof({ weight: 3, arbitrary: standing }, { weight: 1, arbitrary: fc.constant("end" as const) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
      bench = new Bench();
      const strangers = new Set<string>();
      let entered = 0;
      const check = (): void => {
        expect(bench.running.length).toBeLessThanOrEqual(2);
        expect(bench.running.filter((name) => strangers.has(name)).length).toBeLessThanOrEqual(1);
        const waiting = entered - bench.begun.length - bench.refused.length;
        expect(waiting).toBeLessThanOrEqual(32);
        if (bench.running.length === 0) expect(waiting).toBe(0);
      };
      for (const one of steps) {
        if (one === "end") await bench.end();
        else {
          const name = String(entered++);
          if (!one.known) strangers.add(name);
          bench.enter(name, one);
          await bench.settle();
        }
        check();
      }
      while (bench.running.length > 0) await bench.end();
      check();
      expect(new Set([...bench.begun, ...bench.refused]).size).toBe(entered);
    }),
    cases,
  );
});
