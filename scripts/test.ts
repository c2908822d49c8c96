// npm test: runs all checks and prints totals. Exits with status 1 if one failed.
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

/** Static checks. Each counts as one test in the totals. */
const still: readonly (readonly [what: string, command: string, ...args: string[]])[] = [
  ["format and lint", "biome", "ci", "--colors=off", "."],
  ["types", "tsc", "-p", "."],
  ["proto lint", "buf", "lint"],
  ["proto is compatible with the first GOHM", "buf", "breaking", "--against", "test/wire/first"],
  ["no unused files, exports or packages", "knip"],
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
    // No report: the test runner itself failed. This counts as one failure below.
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
console.log(`${left.length === 0 ? "ok  " : "FAIL"} no processes, mounts or temporary files are left behind`);
if (left.length === 0) passed++;
else failed++;
passed += totals?.numPassedTests ?? 0;
// A test file that cannot be loaded has no failed tests, but must count as a failure.
failed += totals === undefined ? 1 : Math.max(totals.numFailedTests, totals.numFailedTestSuites > 0 ? 1 : 0);
const skipped = totals?.numPendingTests ?? 0;
for (const { assertionResults } of totals?.testResults ?? []) {
  for (const { status, fullName } of assertionResults) {
    if (status === "pending" || status === "skipped") console.log(`skipped: ${fullName}`);
  }
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed > 0 ? 1 : 0;
