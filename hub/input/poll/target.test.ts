import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HostInfoSchema } from "../../../proto/gen/host_pb.js";
import { systemClock } from "../../clock.ts";
import { Ingest } from "../../ingest.ts";
import { Instruments } from "../../instrument.ts";
import { Live } from "../../live.ts";
import { silent } from "../../log.ts";
import { reason } from "../../reason.ts";
import type { PollOutcome } from "./channel.ts";
import { Limiter } from "./limiter.ts";
import type { PollSettings } from "./settings.ts";
import { owners, PollTarget } from "./target.ts";

const start = 1_800_000_000_000;
let asked: number[];
let dialled: number;
let closed: number;
let outcome: () => PollOutcome;
let takes: number;
let target: PollTarget;
let live: Live;

const answer = (): PollOutcome => ({ kind: "answer", info: create(HostInfoSchema), peer: "10.0.0.1" });
const silence = (): PollOutcome => ({ kind: "timeout", reason: reason("no_answer_in_time", { deadlineMs: 5000 }) });
const lost = (): PollOutcome => ({ kind: "lost", reason: reason("not_listening", { address: "x:1" }) });

beforeEach(() => {
  instruments = new Instruments();
  vi.useFakeTimers({ now: start });
  asked = [];
  dialled = 0;
  closed = 0;
  outcome = answer;
  takes = 0;
  live = new Live(systemClock.now);
});

afterEach(() => {
  target.close();
  vi.useRealTimers();
});

let instruments: Instruments;

function go(settings: Partial<PollSettings> = {}, random = 1, intervalSec?: number): void {
  const whole = { interval: 10, deadline: 5, ...settings };
  const ingest = new Ingest({ live, history: { append: () => {}, rename: () => false }, now: systemClock.now });
  const owner = owners.settings;
  ingest.claim("a", owner, "x:1");
  target = new PollTarget({
    name: "a",
    address: "x:1",
    owner,
    intervalSec,
    context: { ingest, clock: systemClock, random: () => random, log: silent, instruments },
    limiter: new Limiter(8),
    settings: () => whole,
    dial: () => {
      dialled++;
      return {
        ask: async () => {
          asked.push(Date.now() - start);
          if (takes > 0) await new Promise((resolve) => setTimeout(resolve, takes));
          return outcome();
        },
        close: () => closed++,
      };
    },
  });
}

const seconds = (n: number) => vi.advanceTimersByTimeAsync(n * 1000);

test("a host is asked at once, then has its own place within the interval and keeps to it however long answers take", async () => {
  takes = 400;
  go({}, 0.2);
  await seconds(40);
  expect(asked).toEqual([0, 6400, 16_400, 26_400, 36_400]);
  expect(dialled).toBe(1);
});

test("an answer that took longer than the interval costs the polls that it covered, not the pace", async () => {
  go({ interval: 2, deadline: 30 });
  await seconds(3);
  takes = 5000;
  await seconds(1.5);
  takes = 0;
  await seconds(8);
  expect(asked).toEqual([0, 2000, 4000, 10_000, 12_000]);
});

test("a host that refuses is asked again after 1, 2, 4 s and then at its pace, on a new connection each time", async () => {
  outcome = lost;
  go();
  await seconds(30);
  expect(asked).toEqual([0, 1000, 3000, 7000, 15_000, 25_000]);
  expect(closed).toBe(6);
});

test("a host that is silent is asked less and less, down to once a minute", async () => {
  outcome = silence;
  go();
  await seconds(300);
  expect(asked.slice(0, 7)).toEqual([0, 1000, 3000, 7000, 15_000, 31_000, 63_000]);
  expect(asked.slice(7)).toEqual([123_000, 183_000, 243_000]);
});

test("an interval above a minute bounds the pause instead", async () => {
  outcome = silence;
  go({ interval: 600 });
  await seconds(3000);
  const pauses = asked.map((at, i) => at - (asked[i - 1] ?? 0));
  expect(Math.max(...pauses)).toBe(600_000);
});

test("a channel that missed two deadlines in a row is replaced, one that missed one is not", async () => {
  outcome = silence;
  go();
  await seconds(0.5);
  expect(dialled).toBe(1);
  outcome = answer;
  await seconds(1);
  expect([dialled, live.host("a")?.link.state]).toEqual([1, "open"]);
  outcome = silence;
  await seconds(12);
  outcome = answer;
  await seconds(10);
  expect([dialled, closed, live.host("a")?.link.state]).toEqual([2, 1, "open"]);
});

test("after a host is back it is asked at its pace, and its next failure is again followed up quickly", async () => {
  outcome = lost;
  go();
  await seconds(60);
  outcome = answer;
  await seconds(30);
  expect(live.host("a")?.link.state).toBe("open");
  outcome = lost;
  await seconds(10);
  const failed = asked.at(-1) ?? 0;
  expect(failed - (asked.at(-2) ?? 0)).toBeLessThanOrEqual(4000);
});

test("a clock that is set back an hour does not put polls off", async () => {
  go();
  await seconds(11);
  vi.setSystemTime(start - 3_600_000);
  const before = asked.length;
  await seconds(31);
  expect(asked.length - before).toBe(3);
});

test("nothing is asked once it is closed", async () => {
  go();
  await seconds(1);
  target.close();
  const before = asked.length;
  await seconds(60);
  expect(asked.length).toBe(before);
});

test("a host that has an interval of its own is asked at that, and at once when it changes", async () => {
  go({}, 1, 30);
  await seconds(100);
  expect(asked).toEqual([0, 30_000, 60_000, 90_000]);
  target.pace(5);
  await seconds(11);
  expect(asked.slice(4)).toEqual([100_000, 105_000, 110_000]);
  target.pace(undefined);
  await seconds(15);
  expect(asked.slice(7)).toEqual([111_000, 121_000]);
});

test("a poll is measured: how late it began, how long it took, how it ended, and why it failed", async () => {
  takes = 400;
  go();
  // Other work kept it from beginning.
  vi.setSystemTime(start + 2000);
  await seconds(1);
  outcome = lost;
  await seconds(10);
  const found = new Map((await instruments.families()).map(({ name, samples }) => [name, samples]));
  const of = (name: string, suffix?: string) =>
    (found.get(name) ?? []).flatMap((sample) => (sample.suffix === suffix ? [[sample.labels, sample.value]] : []));
  expect(of("gohm_polls_total")).toEqual([
    ['{result="answer"}', 1],
    ['{result="lost"}', 1],
  ]);
  expect(of("gohm_poll_failures_total")).toEqual([['{reason="not_listening"}', 1]]);
  expect([of("gohm_poll_lag_seconds", "_count"), of("gohm_poll_lag_seconds", "_sum")]).toEqual([[["", 2]], [["", 2]]]);
  expect(of("gohm_poll_duration_seconds", "_sum")).toEqual([["", 0.8]]);
});
