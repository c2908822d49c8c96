import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../test/cases.ts";
import { type RefusalCode, Refusals } from "./refusal.ts";

const start = 1_800_000_000_000;
const hour = 3_600_000;

test("a refused address has its codes with counts, its first and last time, and the names that it gave last", () => {
  let now = start;
  const refusals = new Refusals(() => now);
  refusals.count("::ffff:10.0.0.7", "bad_request", { host: "gpu7" });
  now += 1000;
  refusals.count("10.0.0.7", "sign_in_needed");
  refusals.count("10.0.0.7", "sign_in_needed", { host: "", called: "gpus.example.org:5000" });
  refusals.count("10.0.0.8", "connection_closed");
  expect(refusals.list()).toEqual([
    {
      ...{ address: "10.0.0.8", host: undefined, called: undefined, first: now, last: now },
      counts: [{ reason: "crowd", code: "connection_closed", count: 1 }],
    },
    {
      ...{ address: "10.0.0.7", host: "gpu7", called: "gpus.example.org:5000", first: start, last: now },
      counts: [
        { reason: "token", code: "sign_in_needed", count: 2 },
        { reason: "format", code: "bad_request", count: 1 },
      ],
    },
  ]);
});

test("addresses of one IPv6 network are one, and it is forgotten an hour after its last refusal, also if the clock was set back", () => {
  let now = start;
  const refusals = new Refusals(() => now);
  refusals.count("fd00:1:2:3::1", "bad_request");
  refusals.count("fd00:1:2:3::2", "bad_request");
  refusals.count("fd00:1:2:4::1", "bad_request");
  expect(refusals.list().map(({ address, counts }) => [address, counts[0]?.count])).toEqual([
    ["fd00:1:2:4::1", 1],
    ["fd00:1:2:3::2", 2],
  ]);
  now += hour - 1;
  refusals.count("fd00:1:2:3::1", "bad_request");
  now += 1;
  expect(refusals.list().map(({ address }) => address)).toEqual(["fd00:1:2:3::1"]);
  now -= 2 * hour;
  expect(refusals.list()).toEqual([]);
});

test("faults of the hub itself are not counted, nor peers that are gone", () => {
  const refusals = new Refusals(() => start);
  for (const code of ["internal", "canceled", "book_unusable", "history_unwritable"] as const) {
    refusals.count("10.0.0.7", code);
  }
  refusals.count(undefined, "bad_request");
  refusals.count("", "bad_request");
  expect(refusals.list()).toEqual([]);
});

test("names are without hidden characters, and short", () => {
  const refusals = new Refusals(() => start);
  const name = `\u001b[2J\u202e<script>\n${"数".repeat(100_000)}`;
  refusals.count(name, "bad_request", { host: name, called: name });
  const [{ address = "", host = "", called = "" } = {}] = refusals.list();
  for (const text of [address, host, called]) {
    expect(text).toMatch(/^\[2J<script>数+$/);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(64);
  }
});

/** Codes of one address in a long run, and what time passes before each. */
const step = fc.record({
  network: fc.integer({ min: 0, max: 9 }),
  code: fc.constantFrom<RefusalCode[]>("bad_request", "sign_in_needed", "busy", "connection_closed", "internal"),
  passes: fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 1000 }) },
    fc.constantFrom(hour - 1, hour, hour + 1),
  ),
});

test("whatever is refused, the most recent networks are there with their true counts, and no more than those", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 5 }), (steps, most) => {
      let now = start;
      const refusals = new Refusals(() => now, most);
      const events: { network: number; code: string; at: number }[] = [];
      for (const { network, code, passes } of steps) {
        now += passes;
        refusals.count(`10.0.0.${network}`, code);
        if (code !== "internal") events.push({ network, code, at: now });
      }
      // Worked out anew from the whole sequence, the newest first.
      const wanted: [string, Record<string, number>][] = [];
      for (const { network } of events.toReversed()) {
        const address = `10.0.0.${network}`;
        if (wanted.length === most || wanted.some(([one]) => one === address)) continue;
        const counts: Record<string, number> = {};
        let after = now;
        const others = new Set<number>();
        for (const event of events.toReversed()) {
          if (event.network !== network) {
            others.add(event.network);
            continue;
          }
          // Forgotten between this refusal and the next of the same network.
          if (after - event.at >= hour || others.size >= most) break;
          others.clear();
          after = event.at;
          counts[event.code] = (counts[event.code] ?? 0) + 1;
        }
        if (Object.keys(counts).length > 0) wanted.push([address, counts]);
      }
      const found = refusals
        .list()
        .map(({ address, counts }) => [address, Object.fromEntries(counts.map(({ code, count }) => [code, count]))]);
      expect(found).toEqual(wanted);
    }),
    cases,
  );
});
