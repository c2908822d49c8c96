// kill -9 at random moments: no change of the book that was confirmed is lost, and none is there in part.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { top } from "../program.ts";

const lives = Number(process.env.GOHM_TEST_KILLS ?? 100);
const seed = Number(process.env.GOHM_TEST_SEED ?? Date.now() % 1_000_000);
/** One life lasts up to this long from its first line on. Milliseconds. */
const longestMs = 60;

let folder: string;
let writer: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-kill-"));
  // Beside the sources, since it looks for better-sqlite3 from there.
  writer = join(top, "dist", `book-writer-${process.pid}.mjs`);
  await build({
    entryPoints: [join(top, "test/fault/book-writer.ts")],
    outfile: writer,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "error",
  });
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(writer, { force: true });
});

/** What a life printed up to the moment it was killed. @param early kills it while it opens the file */
async function live(number: number, ms: number, early: boolean): Promise<string[]> {
  const child = spawn(process.execPath, [writer, folder, String(number)], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  let killed = early ? setTimeout(() => child.kill("SIGKILL"), 60 + ms) : undefined;
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
    killed ??= setTimeout(() => child.kill("SIGKILL"), ms);
  });
  await once(child, "close");
  clearTimeout(killed);
  // A line that was cut short says nothing.
  return text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
}

test(`${lives} kills lose no change of the book that was confirmed (seed ${seed})`, { timeout: 600_000 }, async () => {
  let state = seed + 1;
  const random = (below: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  let verified = 0;
  for (let i = 0; i < lives; i++) {
    const lines = await live(i, random(longestMs), random(4) === 0);
    const safe = lines.filter((line) => line.startsWith("safe ")).map((line) => line.slice("safe ".length));
    if (safe.length > 0) appendFileSync(join(folder, "safe.txt"), `${safe.join("\n")}\n`);
    verified += Number(lines.find((line) => line.startsWith("verified "))?.slice("verified ".length) ?? 0);
    expect(
      lines.filter((line) => /^(lost|wrong|log|notice)/.test(line)),
      `life ${i}, seed ${seed}`,
    ).toEqual([]);
  }
  expect(verified).toBeGreaterThan(lives);
  expect(readdirSync(folder).filter((name) => name.includes("damaged"))).toEqual([]);
});
