// kill -9 at random moments: no change of the book that was confirmed is lost, and none is there in part.
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundled, dice, live } from "./writer.ts";

const lives = Number(process.env.GOHM_TEST_KILLS ?? 100);
const seed = Number(process.env.GOHM_TEST_SEED ?? Date.now() % 1_000_000);
/** One life lasts up to this long from its first line on. Milliseconds. */
const longestMs = 60;

let folder: string;
let writer: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-kill-"));
  writer = await bundled("book-writer");
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(writer, { force: true });
});

test(`${lives} kills lose no change of the book that was confirmed (seed ${seed})`, { timeout: 600_000 }, async () => {
  const random = dice(seed + 1);
  let verified = 0;
  for (let i = 0; i < lives; i++) {
    const ms = random(longestMs);
    // Some are killed while they open the file.
    const early = random(4) === 0 ? 60 + ms : undefined;
    const lines = await live(writer, [folder, String(i)], { ms, early });
    const safe = lines.filter((line) => line.startsWith("safe ")).map((line) => line.slice("safe ".length));
    if (safe.length > 0) appendFileSync(join(folder, "safe.txt"), `${safe.join("\n")}\n`);
    verified += Number(lines.find((line) => line.startsWith("verified "))?.slice("verified ".length) ?? 0);
    expect(
      lines.filter((line) => /^(lost|wrong|log|notice|error)/.test(line)),
      `life ${i}, seed ${seed}`,
    ).toEqual([]);
  }
  expect(verified).toBeGreaterThan(lives);
  expect(readdirSync(folder).filter((name) => name.includes("damaged"))).toEqual([]);
});
