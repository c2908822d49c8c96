import Database from "better-sqlite3";
import fc from "fast-check";
import { expect, test } from "vitest";
import { blockMs, groupKeys, groupSize, rowKey } from "../key.ts";
import type { NameTable } from "../names.ts";
import type { Rows } from "../row.ts";
import { Retention } from "./retention.ts";

const now = Date.UTC(2026, 0, 1);
const newest = Math.floor(now / blockMs);
const forever = Number.POSITIVE_INFINITY;

/** Blocks of groups of hosts: how many blocks ago, the group's number, and metrics of each of its hosts. */
const groups = fc.uniqueArray(
  fc.record({
    ago: fc.integer({ min: 2, max: 6 }),
    group: fc.integer({ min: 0, max: 3 }),
    metrics: fc.integer({ min: 0, max: 60 }),
  }),
  { selector: ({ ago, group }) => `${ago} ${group}`, maxLength: 6 },
);

test.each(["their age", "the size of the file"])(
  "samples go by %s, in steps, but never without the times of their polls",
  (by) => {
    fc.assert(
      fc.property(groups, (made) => {
        const file = new Database(":memory:");
        for (const table of ["raw", "five", "hour", "day"])
          file.exec(`CREATE TABLE ${table} (id INTEGER PRIMARY KEY, data)`);
        const put = file.prepare("INSERT INTO raw VALUES (?, zeroblob(100))");
        for (const { ago, group, metrics } of made)
          for (let metric = 0; metric <= metrics; metric++)
            for (let host = 0; host < groupSize; host++)
              put.run(rowKey(newest - ago, group * groupSize + host, metric));
        const sizes = (): Map<number, number> =>
          new Map(
            file.prepare(`SELECT id / ${groupKeys}, count(*) FROM raw GROUP BY 1`).raw().all() as [number, number][],
          );
        const whole = sizes();
        const retention = new Retention({
          file,
          names: { hosts: () => [], forget: () => {}, trim: () => {} } as unknown as NameTable,
          rows: { forget: () => {} } as Rows,
          limits: () => ({
            raw: by === "their age" ? blockMs : forever,
            five: forever,
            hour: forever,
            day: forever,
            bytes: by === "their age" ? forever : 0,
          }),
          now: () => now,
          oldest: () => newest,
          unfinished: () => [],
        });
        let steps = 0;
        while (whole.size > 0 && retention.step() && ++steps <= 10 * whole.size)
          for (const [group, count] of sizes()) expect(count).toBe(whole.get(group));
        expect(steps).toBeLessThanOrEqual(2 * whole.size);
        expect(sizes().size).toBe(0);
        file.close();
      }),
      { numRuns: 100 },
    );
  },
);
