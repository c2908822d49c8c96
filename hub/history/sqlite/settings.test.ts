import { expect, test } from "vitest";
import { valuesOf } from "../../../program/part.ts";
import { notes, type Settings, settle } from "../../settings.ts";
import * as sqlite from "./settings.ts";

const settled = (text: string | undefined, env: Record<string, string> = {}): Settings =>
  settle({ flags: {}, env }, () => text);
const kept = (settings: Settings) => sqlite.retention(valuesOf(sqlite.table, settings.byName));
const maxSize = (settings: Settings) => sqlite.maxSize(valuesOf(sqlite.table, settings.byName));

test("history is kept for as long and as large as the settings say, from whichever source they come", () => {
  const day = 86_400_000;
  const forever = Number.POSITIVE_INFINITY;
  const defaults = settled(undefined);
  expect(kept(defaults)).toEqual({ raw: 30 * day, fiveMinutes: 365 * day, hour: forever, day: forever });
  expect([maxSize(defaults), notes(defaults)]).toEqual([forever, []]);
  const file = '{"history": {"retention": {"raw": "36h", "5m": "26w", "1h": "5y"}, "max_size": "1.5 GiB"}}';
  const given = settled(file, { GOHM_HISTORY_RETENTION_5M: "90d" });
  expect(kept(given)).toEqual({ raw: 1.5 * day, fiveMinutes: 90 * day, hour: 5 * 365 * day, day: forever });
  expect(maxSize(given)).toBe(1.5 * 2 ** 30);
});

test("the old setting for days still works, and a note says what replaces it", () => {
  const old = settled('{"history": {"keep_days": 20}}');
  expect(kept(old).raw).toBe(20 * 86_400_000);
  expect(notes(old)).toEqual([expect.stringContaining('{"retention": {"raw": "20d"}}')]);
});
