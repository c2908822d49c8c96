// kill -9 at random moments: the settings file and the audit log never differ, and no change that was confirmed is lost.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hubFolder, startHub } from "../hub.ts";
import { top } from "../program.ts";

const lives = Number(process.env.GOHM_TEST_KILLS ?? 12);
const seed = Number(process.env.GOHM_TEST_SEED ?? Date.now() % 1_000_000);
/** One life lasts up to this long from its first line on. Milliseconds. */
const longestMs = 60;

let folder: string;
let writer: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-kill-"));
  mkdirSync(join(folder, "settings"));
  // Beside the sources, since it looks for better-sqlite3 from there.
  writer = join(top, "dist", `settings-writer-${process.pid}.mjs`);
  await build({
    entryPoints: [join(top, "test/fault/settings-writer.ts")],
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

/** What a life printed up to the moment it was killed. */
async function live(ms: number): Promise<string[]> {
  const child = spawn(process.execPath, [writer, folder], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  let killed: NodeJS.Timeout | undefined;
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
    killed ??= setTimeout(() => child.kill("SIGKILL"), ms);
  });
  await once(child, "close");
  clearTimeout(killed);
  // A line that was cut short says nothing.
  return text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
}

test(`${lives} kills leave no change without its entry, and no entry without its change (seed ${seed})`, {
  timeout: 600_000,
}, async () => {
  let state = seed + 1;
  const random = (below: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  let verified = 0;
  for (let i = 0; i < lives; i++) {
    const lines = await live(random(longestMs));
    const [safe] = lines.filter((line) => line.startsWith("safe ")).slice(-1);
    if (safe !== undefined) writeFileSync(join(folder, "safe.txt"), `${safe.slice("safe ".length)}\n`);
    else {
      const [only] = lines.filter((line) => line.startsWith("verified "));
      if (only !== undefined) writeFileSync(join(folder, "safe.txt"), `${only.slice("verified ".length)}\n`);
    }
    verified += Number(lines.some((line) => line.startsWith("verified ")));
    expect(
      lines.filter((line) => /^(lost|wrong|log|notice)/.test(line)),
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
