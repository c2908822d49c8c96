// kill -9 at random moments: each file of a report is that of one report as a whole, and none is older than the last one that
// was written.
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeReport } from "../../hub/report/folder.ts";
import { filesIn, textsOf } from "../report/input.ts";
import { numberedReport } from "../report/numbered.ts";
import { bundled, dice, live } from "./writer.ts";

const lives = Number(process.env.GOHM_TEST_KILLS ?? 12);
const seed = Number(process.env.GOHM_TEST_SEED ?? Date.now() % 1_000_000);
/** One life lasts up to this long from its first line on. Milliseconds. */
const longestMs = 60;

let folder: string;
let writer: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-kill-"));
  writer = await bundled("report-writer");
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(writer, { force: true });
});

test(`${lives} kills leave whole files only (seed ${seed})`, { timeout: 600_000 }, async () => {
  const random = dice(seed + 1);
  const path = join(folder, "gpu1", "2025-08-01");
  const aside = join(folder, ".aside");
  mkdirSync(aside);
  let next = 1;
  for (let i = 0; i < lives; i++) {
    const lines = (await live(writer, [folder, String(next)], { ms: random(longestMs) })).filter((line) => line !== "");
    expect(lines.filter((line) => !line.startsWith("safe "))).toEqual([]);
    const safe = next + lines.length - 1;
    const wanted = await Promise.all([safe, safe + 1].map((number) => textsOf(numberedReport(number), new Map())));
    const names = wanted[0]?.keys() ?? [];
    for (const name of readdirSync(path).filter((one) => one.startsWith(".partial"))) {
      rmSync(join(aside, name), { recursive: true, force: true });
      renameSync(join(path, name), join(aside, name));
    }
    const files = filesIn(path);
    // The next life finds what this one has left.
    for (const name of readdirSync(aside)) renameSync(join(aside, name), join(path, name));
    expect([...files.keys()].sort()).toEqual([...names].sort());
    for (const [name, text] of files) {
      expect([name, wanted.some((texts) => texts.get(name) === text)], `life ${i}, seed ${seed}`).toEqual([name, true]);
    }
    next = safe + 2;
  }
  await writeReport(folder, numberedReport(next), new Map());
  expect(readdirSync(path)).not.toContain(".partial");
  // What was killed before it had its name is removed half a minute later.
  for (const name of readdirSync(path)) if (name.startsWith(".partial-")) rmSync(join(path, name), { recursive: true });
  expect(filesIn(path)).toEqual(await textsOf(numberedReport(next), new Map()));
});
