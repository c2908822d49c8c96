// kill -9 in the middle of an import: what it had taken is there, and importing the same again makes it whole.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundled, dice, live } from "./writer.ts";

const seed = Number(process.env.GOHM_TEST_SEED ?? Date.now() % 1_000_000);
/** Imports that are killed within so many milliseconds, before one that is not. */
const killed = 5;
const longest = 250;

let place: string;
let writer: string;

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), "gohm-import-"));
  writer = await bundled("import-writer");
});

afterAll(() => {
  rmSync(place, { recursive: true, force: true });
  rmSync(writer, { force: true });
});

test(`an import that was killed lost nothing that was taken, and is whole once it was repeated (seed ${seed})`, {
  timeout: 60_000,
}, async () => {
  const random = dice(seed + 1);
  let now = Date.UTC(2026, 0, 1);
  let taken = 0;
  let lines: string[] = [];
  for (let i = 0; i <= killed; i++) {
    const args = [place, String(now), String(taken), String(random(1_000_000) + 1)];
    lines = await live(writer, args, { ms: i < killed ? random(longest) : 50_000 });
    const last = (word: string): number =>
      Number(lines.findLast((line) => line.startsWith(`${word} `))?.slice(word.length + 1) ?? 0);
    now = Math.max(now, last("now"));
    taken = Math.max(taken, last("taken"));
    expect(lines.filter((line) => /^(lost|wrong|log|trouble|error)/.test(line))).toEqual([]);
  }
  expect(taken).toBeGreaterThan(60);
  expect(lines).toContain("whole");
  expect(readdirSync(place)).toEqual(["history.db"]);
});
