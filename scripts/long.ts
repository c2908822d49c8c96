// npm run test:long: runs the property tests of boundaries (those that take their number from test/cases.ts) with many cases.
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const top = fileURLToPath(new URL("..", import.meta.url));
const cases = "100000";
/** Milliseconds of one test. */
const limit = 3_600_000;

const files = globSync("{proto,program,agent,hub,web,scripts,test}/**/*.test.ts", { cwd: top }).filter((path) =>
  /from "[^"]*\/cases\.ts"/.test(readFileSync(join(top, path), "utf8")),
);
const { status } = spawnSync("vitest", ["run", `--testTimeout=${limit}`, ...files], {
  cwd: top,
  stdio: "inherit",
  env: {
    ...process.env,
    PATH: `${join(top, "node_modules", ".bin")}:${process.env.PATH ?? ""}`,
    GOHM_TEST_CASES: cases,
  },
});
process.exitCode = status ?? 1;
