// Every check there is: `npm test`. Ends with the totals; exits 1 when one failed.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildAll } from "./build.ts";
import { ensureForeign } from "./foreign.ts";
import { ensurePackages } from "./packages.ts";
import { Remains } from "./remains.ts";

const top = fileURLToPath(new URL("..", import.meta.url));
const cache = join(top, "test", ".cache");
const env = { ...process.env, PATH: `${join(top, "node_modules", ".bin")}:${process.env.PATH ?? ""}` };

function run(command: string, args: readonly string[], more: Readonly<Record<string, string>> = {}): boolean {
  const all = { ...env, ...more };
  return spawnSync(command, args, { cwd: top, stdio: ["ignore", "inherit", "inherit"], env: all }).status === 0;
}

/** Checks that read the source without running it; each counts as one test in the totals. */
const still: readonly (readonly [what: string, command: string, ...args: string[]])[] = [
  ["format and lint", "biome", "ci", "--colors=off", "."],
  ["types", "tsc", "-p", "."],
  ["proto lint", "buf", "lint"],
  ["proto keeps the first GOHM's wire", "buf", "breaking", "--against", "test/wire/first"],
  ["nothing unused", "knip"],
  ["nothing unused in the programs", "knip", "--production"],
];

interface Totals {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numFailedTestSuites: number;
  readonly testResults: readonly { assertionResults: readonly { status: string; fullName: string }[] }[];
}

function vitest(more: Readonly<Record<string, string>>): Totals | undefined {
  const report = join(cache, "report.json");
  rmSync(report, { force: true });
  run("vitest", ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`], more);
  try {
    return JSON.parse(readFileSync(report, "utf8")) as Totals;
  } catch {
    // No report: the runner itself broke, which counts as one failure below.
    return undefined;
  }
}

mkdirSync(cache, { recursive: true });
ensurePackages();
ensureForeign();
await buildAll();
let passed = 0;
let failed = 0;
for (const [what, command, ...args] of still) {
  const good = run(command, args);
  console.log(`${good ? "ok  " : "FAIL"} ${what}`);
  if (good) passed++;
  else failed++;
}
const remains = new Remains();
const totals = vitest(remains.env);
const left = await remains.clear();
for (const what of left) console.log(`left behind: ${what}`);
console.log(`${left.length === 0 ? "ok  " : "FAIL"} nothing is left running, mounted or in temporary folders`);
if (left.length === 0) passed++;
else failed++;
passed += totals?.numPassedTests ?? 0;
// A file that cannot even be loaded fails no single test, yet it must not pass.
failed += totals === undefined ? 1 : Math.max(totals.numFailedTests, totals.numFailedTestSuites > 0 ? 1 : 0);
const skipped = totals?.numPendingTests ?? 0;
for (const { assertionResults } of totals?.testResults ?? []) {
  for (const { status, fullName } of assertionResults) {
    if (status === "pending" || status === "skipped") console.log(`skipped: ${fullName}`);
  }
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed > 0 ? 1 : 0;
