import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { Fault } from "../../fault.ts";
import { type Attempted, Attempts } from "./attempts.ts";

let now = 0;
let attempts: Attempts;

beforeEach(() => {
  now = 1000;
  attempts = new Attempts(() => now);
});

/** Fails at signing in; the seconds to wait if it was not even tried. */
function fail(attempted: Attempted): number {
  try {
    attempts.begin(attempted);
    return 0;
  } catch (error) {
    expect(error).toMatchObject({ code: "too_many_attempts" });
    return (error as Fault).retryAfter ?? Number.NaN;
  }
}

/** Waits as long as asked for, and fails again, so many times. @returns the seconds waited each time */
function persist(attempted: Attempted, times: number): number[] {
  return Array.from({ length: times }, () => {
    const wait = fail(attempted);
    now += wait * 1000;
    if (wait > 0) expect(fail(attempted)).toBe(0);
    return wait;
  });
}

const alice = (network: string): Attempted => ({ account: "alice", network });

test("five attempts at an account are free, then each costs twice the wait of the one before, up to five minutes", () => {
  expect(persist(alice("10.0.0.1"), 16)).toEqual([0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
});

test("many attempts at once are no way around: five are tried", () => {
  expect(Array.from({ length: 100 }, () => fail(alice("10.0.0.1"))).filter((wait) => wait === 0)).toHaveLength(5);
});

test("an account is slowed down from every network, and a network for every account, also for links", () => {
  for (let i = 0; i < 5; i++) fail(alice(`10.0.0.${i}`));
  expect(fail(alice("10.0.0.99"))).toBe(1);
  expect(fail({ account: "bob", network: "10.0.0.99" })).toBe(0);
  for (let i = 0; i < 20; i++) fail({ account: `user${i}`, network: "10.0.1.1" });
  expect(fail({ account: "carol", network: "10.0.1.1" })).toBeGreaterThan(0);
  expect(fail({ network: "10.0.1.1" })).toBeGreaterThan(0);
  expect(fail({ network: "10.0.1.2" })).toBe(0);
});

test("nobody can lock out a person at a network from which the account signed in before", () => {
  attempts.begin(alice("10.0.0.7")).succeeded();
  for (let i = 0; i < 1000; i++) fail(alice(`10.1.0.${i % 256}`));
  expect(fail(alice("10.2.0.1"))).toBeGreaterThan(0);
  attempts.begin(alice("10.0.0.7")).succeeded();
  // But that network is not without a limit of its own.
  expect(persist(alice("10.0.0.7"), 8)).toEqual([0, 0, 0, 0, 0, 1, 2, 4]);
});

test("whoever else of a network guesses, a person who signed in there goes on, also after a start of the hub, and comes first", () => {
  attempts.recall("alice", "10.0.0.7");
  for (let i = 0; i < 100; i++) fail({ account: `user${i}`, exists: false, network: "10.0.0.7" });
  expect(fail({ account: "bob", network: "10.0.0.7" })).toBeGreaterThan(0);
  expect(attempts.begin(alice("10.0.0.7")).standing).toEqual({ known: true, earlier: 0, near: 0 });
  // A name of no account is nobody's, whatever it is.
  expect(() => attempts.begin({ ...alice("10.0.0.7"), exists: false })).toThrow(Fault);
});

test("a network has twenty attempts, and another one each minute", () => {
  const guess = (i: number): number => fail({ account: `user${i}`, exists: false, network: "2001:db8:0:1" });
  expect(Array.from({ length: 22 }, (_, i) => guess(i))).toEqual([...Array(20).fill(0), 60, 60]);
  now += 59_000;
  expect(guess(23)).toBe(1);
  now += 1000;
  expect([guess(24), guess(25)]).toEqual([0, 60]);
});

test("a stranger stands behind others by the attempts of the network, then by those of its neighbours", () => {
  const standingOf = (network: string): unknown => attempts.begin({ network }).standing;
  const stranger = (earlier: number, near: number) => ({ known: false, earlier, near });
  expect(standingOf("2001:db8:0:1")).toEqual(stranger(0, 0));
  expect(standingOf("2001:db8:0:2")).toEqual(stranger(0, 1));
  expect(standingOf("2001:db8:0:2")).toEqual(stranger(1, 2));
  expect(standingOf("2001:db8:1:2")).toEqual(stranger(0, 0));
  expect(standingOf("10.0.0.1")).toEqual(stranger(0, 0));
  // Who got no turn is not slowed down for it, but does not come first again either.
  attempts.begin({ network: "10.0.7.1" }).undo();
  expect(standingOf("10.0.7.1")).toEqual(stranger(1, 1));
  attempts.begin({ account: "7", network: "10.0.8.1" }).succeeded();
  expect(standingOf("10.0.8.1")).toEqual(stranger(0, 0));
});

test("guesses at names of no account do not make an account's attempts forgotten", () => {
  for (let i = 0; i < 5; i++) fail(alice(`10.0.0.${i}`));
  for (let i = 0; i < 20_000; i++) fail({ account: `name${i}`, exists: false, network: `10.1.${i % 256}.${i >> 8}` });
  expect(fail(alice("10.0.0.9"))).toBeGreaterThan(0);
});

test("success gives the free attempts back, and is slowed down itself after thirty from one network", () => {
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 4; i++) expect(fail(alice("10.0.0.1"))).toBe(0);
    attempts.begin(alice("10.0.0.1")).succeeded();
  }
  const other = (): void => attempts.begin(alice("10.0.0.2")).succeeded();
  for (let i = 0; i < 30; i++) other();
  expect(other).toThrow(expect.objectContaining({ code: "too_many_attempts", retryAfter: 1 }));
});

test("a valid sign-in between guesses does not make the guesses free", () => {
  let guesses = 0;
  for (let i = 0; i < 600; i++) {
    now += 1000;
    try {
      attempts.begin({ account: `own${i}`, network: "10.0.0.1" }).succeeded();
    } catch {
      // The network has to wait.
    }
    if (fail({ account: `user${i}`, network: "10.0.0.1" }) === 0) guesses++;
  }
  // Twenty, and one after each pause: 1 + 2 + 4 + … + 256 s.
  expect(guesses).toBeLessThanOrEqual(30);
});

test("attempts are forgotten an hour after the last one", () => {
  persist(alice("10.0.0.1"), 10);
  now += 3_600_001;
  expect(persist(alice("10.0.0.1"), 6)).toEqual([0, 0, 0, 0, 0, 1]);
});

test("whatever is attempted by whom, no more than the free attempts and one for each pause are tried in a time", () => {
  const step = fc.record({
    account: fc.constantFrom("a", "b", undefined),
    network: fc.constantFrom("1", "2"),
    pause: fc.constantFrom(0, 0, 0, 500, 2000, 60_000),
    end: fc.constantFrom("fail", "fail", "undo"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      now = 0;
      attempts = new Attempts(() => now);
      const tried = new Map<string, number>();
      for (const { account, network, pause, end } of steps) {
        now += pause;
        const attempted = account === undefined ? { network } : { account, network };
        try {
          const attempt = attempts.begin(attempted);
          if (end === "undo") attempt.undo();
          else if (account !== undefined) tried.set(account, (tried.get(account) ?? 0) + 1);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
          expect((error as Fault).retryAfter).toBeGreaterThan(0);
        }
      }
      // After n pauses, at least 2^n - 1 seconds have passed.
      const most = 5 + Math.floor(Math.log2(now / 1000 + 1));
      for (const count of tried.values()) expect(count).toBeLessThanOrEqual(most);
    }),
    cases,
  );
});

test("accounts and networks without number take no more memory than ten thousand of them", () => {
  for (let i = 0; i < 50_000; i++) {
    now += 10;
    fail({ account: `a${i}`, network: `n${i}` });
  }
  // What is remembered is bounded; so the oldest are forgotten, and the newest are not.
  for (let i = 0; i < 4; i++) fail({ account: "a49999", network: "x" });
  expect(fail({ account: "a49999", network: "y" })).toBeGreaterThan(0);
  const { size } = attempts;
  expect(size).toBeLessThanOrEqual(10_000);
});
