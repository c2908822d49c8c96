// kill -9 at random moments: the settings file and the audit log never differ, and no change that was confirmed is lost.
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hubFolder, startHub } from "../hub.ts";
import { bundled, dice, live } from "./writer.ts";

const lives = Number(process.env.GOHM_TEST_KILLS ?? 12);
const seed = Number(process.env.GOHM_TEST_SEED ?? Date.now() % 1_000_000);
/** One life lasts up to this long from its first line on. Milliseconds. */
const longestMs = 60;

let folder: string;
let writer: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-kill-"));
  mkdirSync(join(folder, "settings"));
  writer = await bundled("settings-writer");
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(writer, { force: true });
});

test(`${lives} kills leave no change without its entry, and no entry without its change (seed ${seed})`, {
  timeout: 600_000,
}, async () => {
  const random = dice(seed + 1);
  let verified = 0;
  for (let i = 0; i < lives; i++) {
    const lines = await live(writer, [folder], { ms: random(longestMs) });
    const [safe] = lines.filter((line) => line.startsWith("safe ")).slice(-1);
    if (safe !== undefined) writeFileSync(join(folder, "safe.txt"), `${safe.slice("safe ".length)}\n`);
    else {
      const [only] = lines.filter((line) => line.startsWith("verified "));
      if (only !== undefined) writeFileSync(join(folder, "safe.txt"), `${only.slice("verified ".length)}\n`);
    }
    verified += Number(lines.some((line) => line.startsWith("verified ")));
    expect(
      lines.filter((line) => /^(lost|wrong|log|notice|error)/.test(line)),
      `life ${i}, seed ${seed}`,
    ).toEqual([]);
  }
  expect(verified).toBe(lives);
});

test("a hub that starts after a crash undoes an edit that its audit log does not have, and polls what was there before", async () => {
  const at = hubFolder();
  const [before, after] = ["before", "after"].map((name) => JSON.stringify({ servers: { [name]: "127.0.0.1:1" } }));
  const print = createHash("sha256")
    .update(after ?? "")
    .digest("hex")
    .slice(0, 16);
  at.write(after ?? "");
  writeFileSync(join(at.folder, `.settings.json.gohm-5-${print}`), before ?? "");
  const hub = await startHub(at);
  try {
    const answer = (await (await fetch(`${hub.url}/api/health`)).json()) as { silent: string[] };
    expect(answer.silent).toEqual(["before"]);
    expect(readFileSync(at.settings, "utf8")).toBe(before);
    expect(readdirSync(at.folder).sort()).toEqual(["data", "settings.json"]);
  } finally {
    await hub.stop();
    at.remove();
  }
});
