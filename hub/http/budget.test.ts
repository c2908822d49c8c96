import { EventEmitter } from "node:events";
import fc from "fast-check";
import type { Context } from "hono";
import { expect, test, vi } from "vitest";
import { AnswerBudget } from "./budget.ts";

const limits = { answers: 4, bytes: 100, waiting: 4, waitMs: 60_000, stallMs: 30_000 };

interface Request {
  readonly c: Context;
  /** Ends the answer, as when it was sent or its connection broke. */
  end(): void;
}

function request(remoteAddress: string): Request {
  const outgoing = Object.assign(new EventEmitter(), { closed: false });
  const incoming = { socket: { remoteAddress, setTimeout: () => {} } };
  const end = (): void => {
    outgoing.closed = true;
    outgoing.emit("close");
  };
  return { c: { env: { incoming, outgoing } } as unknown as Context, end };
}

/** What became of an attempt, once all that can happen has happened. */
async function state(attempt: Promise<unknown>): Promise<"in" | "out" | "waits"> {
  const late = new Promise<"waits">((resolve) => setImmediate(() => resolve("waits")));
  return await Promise.race([
    attempt.then(
      () => "in" as const,
      () => "out" as const,
    ),
    late,
  ]);
}

test("one address has half the places: its next answer waits, another address is answered, and a place that is left is taken", async () => {
  const budget = new AnswerBudget(limits);
  const [a, b, c, other] = [request("10.0.0.1"), request("10.0.0.1"), request("10.0.0.1"), request("10.0.0.2")];
  await budget.reserve(a.c, 1);
  await budget.reserve(b.c, 1);
  const third = budget.reserve(c.c, 1);
  expect(await state(third)).toBe("waits");
  expect(await state(budget.reserve(other.c, 1))).toBe("in");
  a.end();
  expect(await state(third)).toBe("in");
});

test("the memory of answers is bounded as their number is, and what turns out not to be needed is for others", async () => {
  const budget = new AnswerBudget(limits);
  const [a, b] = [request("10.0.0.1"), request("10.0.0.1")];
  const reservation = await budget.reserve(a.c, 45);
  const second = budget.reserve(b.c, 10);
  expect(await state(second)).toBe("waits");
  reservation.shrink(40);
  expect(await state(second)).toBe("in");
  reservation.shrink(1000);
  b.end();
  expect(await state(budget.reserve(request("10.0.0.1").c, 10))).toBe("in");
});

test("an answer larger than an address may have enters alone", async () => {
  const budget = new AnswerBudget(limits);
  expect(await state(budget.reserve(request("10.0.0.1").c, 1000))).toBe("in");
  expect(await state(budget.reserve(request("10.0.0.1").c, 1))).toBe("waits");
});

test("more than may wait are refused at once, and who went away while waiting takes no place", async () => {
  const budget = new AnswerBudget(limits);
  for (let i = 0; i < 2; i++) await budget.reserve(request("10.0.0.1").c, 1);
  const waiting = [request("10.0.0.1"), request("10.0.0.1")];
  const attempts = waiting.map(({ c }) => budget.reserve(c, 1));
  await expect(budget.reserve(request("10.0.0.1").c, 1)).rejects.toMatchObject({ code: "busy" });
  waiting[0]?.end();
  await expect(attempts[0]).rejects.toMatchObject({ code: "busy" });
  expect(await state(budget.reserve(request("10.0.0.1").c, 1))).toBe("waits");
});

test("who waits too long is told to come again", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const budget = new AnswerBudget(limits);
    for (let i = 0; i < 2; i++) await budget.reserve(request("10.0.0.1").c, 1);
    const attempt = budget.reserve(request("10.0.0.1").c, 1);
    const refused = expect(attempt).rejects.toMatchObject({ code: "busy" });
    vi.advanceTimersByTime(limits.waitMs);
    await refused;
  } finally {
    vi.useRealTimers();
  }
});

test("addresses of one IPv6 network share their half, and so does an IPv4 address in either form", async () => {
  const budget = new AnswerBudget(limits);
  await budget.reserve(request("2001:db8::1").c, 1);
  await budget.reserve(request("2001:db8::2:3").c, 1);
  expect(await state(budget.reserve(request("2001:db8:0:0:ffff::").c, 1))).toBe("waits");
  expect(await state(budget.reserve(request("::ffff:10.0.0.1").c, 45))).toBe("in");
  expect(await state(budget.reserve(request("10.0.0.1").c, 45))).toBe("waits");
});

test("whoever comes and goes: no bound is passed, and at the end every place is free", async () => {
  const step = fc.record({ address: fc.integer({ min: 1, max: 3 }), bytes: fc.nat(60), leave: fc.nat(7) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const budget = new AnswerBudget(limits);
      const open = new Set<Request & { bytes: number; entered: boolean }>();
      for (const { address, bytes, leave } of steps) {
        const one = { ...request(`10.0.0.${address}`), bytes: Math.min(bytes, 50), entered: false };
        open.add(one);
        budget.reserve(one.c, bytes).then(
          () => {
            one.entered = true;
          },
          () => open.delete(one),
        );
        await new Promise((resolve) => setImmediate(resolve));
        const inside = [...open].filter(({ entered }) => entered);
        expect(inside.length).toBeLessThanOrEqual(limits.answers);
        expect(inside.reduce((sum, each) => sum + each.bytes, 0)).toBeLessThanOrEqual(limits.bytes);
        const leaving = [...open][leave];
        if (leaving === undefined) continue;
        open.delete(leaving);
        leaving.end();
      }
      for (const one of [...open]) one.end();
      await new Promise((resolve) => setImmediate(resolve));
      for (const address of ["10.0.0.1", "10.0.0.2"]) {
        expect(await state(budget.reserve(request(address).c, 25))).toBe("in");
        expect(await state(budget.reserve(request(address).c, 25))).toBe("in");
      }
    }),
    { numRuns: 50 },
  );
});
