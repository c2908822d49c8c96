// kill -9 at 500 random moments: nothing that was acknowledged is lost, nothing is damaged, nothing is made up.
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundled, dice, live } from "./writer.ts";

const lives = Number(process.env.GOHM_TEST_KILLS ?? 500);
const seed = Number(process.env.GOHM_TEST_SEED ?? Date.now() % 1_000_000);
/** One life lasts up to this long from its first line on; some are over before that. Milliseconds. */
const longest = 120;
const start = Date.UTC(2026, 0, 1);

let place: string;
let writer: string;

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), "gohm-kill-"));
  writer = await bundled("history-writer");
});

afterAll(() => {
  rmSync(place, { recursive: true, force: true });
  rmSync(writer, { force: true });
});

/** Many lives in one folder, each beginning where the one before was cut off. */
async function chain(name: string, of: { lives: number; seed: number }): Promise<{ verified: number; said: string[] }> {
  const folder = join(place, name);
  const random = dice(of.seed);
  let from = start;
  let verified = 0;
  const said: string[] = [];
  for (let i = 0; i < of.lives; i++) {
    const how = random(12) === 0 ? "close" : random(6) === 0 ? "early" : "run";
    const args = [folder, String(from), String(random(1_000_000) + 1), how];
    const ms = random(longest);
    // Some are killed while they open the file.
    const early = how === "early" ? 40 + ms : undefined;
    const env = { NODE_COMPILE_CACHE: join(place, "cache") };
    const lines = await live(writer, args, { ms, early, env });
    const safe = lines.filter((line) => line.startsWith("safe ")).map((line) => line.slice("safe ".length));
    if (safe.length > 0) appendFileSync(join(folder, "safe.txt"), `${safe.join("\n")}\n`);
    for (const line of lines) if (line.startsWith("now ")) from = Math.max(from, Number(line.slice("now ".length)));
    // What was taken last may bear times of the second before it was told.
    from += 2000;
    verified += Number(lines.find((line) => line.startsWith("verified "))?.slice("verified ".length) ?? 0);
    said.push(...lines.filter((line) => /^(lost|wrong|log|trouble|error)/.test(line)));
    expect(said, `life ${i} of ${name}, seed ${seed}`).toEqual([]);
  }
  return { verified, said };
}

test(`${lives} kills lose nothing that was acknowledged (seed ${seed})`, { timeout: 600_000 }, async () => {
  const chains = ["a", "b"].map((name, i) => chain(name, { lives: lives / 2, seed: seed * 2 + i + 1 }));
  const done = await Promise.all(chains);
  for (const { verified } of done) expect(verified).toBeGreaterThan(lives * 10);
  for (const name of ["a", "b"]) {
    expect(readdirSync(join(place, name)).filter((file) => file.includes("damaged"))).toEqual([]);
  }
});
