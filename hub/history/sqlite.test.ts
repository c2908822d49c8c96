import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { load } from "../../program/setting.ts";
import { gpu, poll } from "../../test/store.ts";
import { systemClock } from "../clock.ts";
import { silent } from "../log.ts";
import { sqlite } from "./sqlite.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-engine-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const values = (file: object) => load(sqlite.table, { flags: {}, env: {}, file });
const open = (at: string) =>
  sqlite.open(
    { folder: at, clock: systemClock, log: silent, notice: () => {} },
    values({ history: { keep_days: 40 } }),
  );

test("samples are kept as long as the settings say, at the start and after they have changed", async () => {
  const engine = await open(folder);
  try {
    expect(engine.retentionMs()).toBe(40 * 86_400_000);
    engine.change(values({ history: { retention: { raw: "forever" } } }));
    expect(engine.retentionMs()).toBe(Number.POSITIVE_INFINITY);
  } finally {
    engine.store.close();
  }
});

test("a folder without history is not copied; of one with history, the copy is a history that holds the same", async () => {
  const path = join(folder, "to", "history.db");
  mkdirSync(dirname(path));
  const options = { folder, path, clock: systemClock, log: silent };
  expect(await sqlite.copy(options)).toBe(false);
  const first = await open(folder);
  first.store.append(poll(Date.now(), gpu({ gpu_temperature: 50 })));
  const known = await first.store.known();
  first.store.close();
  expect(await sqlite.copy(options)).toBe(true);
  const second = await open(dirname(path));
  try {
    expect([known.length, await second.store.known()]).toEqual([1, known]);
  } finally {
    second.store.close();
  }
});
