// dist/gohm, and what the other commands of a checkout are called.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { top } from "../program.ts";

const folder = mkdtempSync(join(tmpdir(), "gohm-launcher-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const launcher = join(top, "dist", "gohm");
const { version } = JSON.parse(readFileSync(join(top, "package.json"), "utf8")) as { version: string };

/** Runs the launcher as if this Node had another version. */
function as(node: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const pretend = join(folder, "pretend.cjs");
  const versions = `{ ...process.versions, node: "${node}" }`;
  writeFileSync(
    pretend,
    `Object.defineProperties(process, { version: { value: "v${node}" }, versions: { value: ${versions} } });`,
  );
  return spawnSync(process.execPath, ["--require", pretend, launcher, ...args], { encoding: "utf8" });
}

test.each(["10.24.1", "20.20.2", "22.18.9"])(
  "gohm on Node %s says which Node it needs and ends with status 1",
  (node) => {
    const { status, stdout, stderr } = as(node, "--version");
    expect(stdout).toBe("");
    expect(stderr).toBe(
      `gohm: needs Node 22.19 or later, and ${process.execPath} is v${node}. ` +
        "Install a newer Node; in a folder where `npm ci` ran, `npx gohm` finds the right one.\n",
    );
    expect(status).toBe(1);
  },
);

test.each(["22.19.0", "23.0.0", "24.21.0"])("gohm on Node %s runs", (node) => {
  expect(as(node, "--version")).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: "" });
});

test("the documentation names the same oldest Node", () => {
  expect(readFileSync(join(top, "docs", "architecture.md"), "utf8")).toContain(
    "`dist/gohm.mjs` requires Node ≥ 22.19;",
  );
});

test("gohm passes on its arguments and exit status, from any working directory", () => {
  const { status, stderr } = spawnSync(process.execPath, [launcher, "backup"], { encoding: "utf8", cwd: "/" });
  expect(stderr).toContain("gohm backup wants one file");
  expect(status).toBe(1);
});

const system = ["/usr/local/bin", "/usr/bin", "/bin"].find((at) => existsSync(join(at, "npx")));

describe.skipIf(system === undefined)("with npm's own Node", () => {
  test.each([
    ["gohm", version],
    ["hmonitor", `hmonitor ${version}`],
  ])("npx %s runs the built program", (name, said) => {
    const npx = join(system ?? "", "npx");
    // With the machine's Node before all else, as in a shell that knows nothing of this folder.
    const { stdout, status } = spawnSync(npx, [name, "--version"], {
      cwd: top,
      encoding: "utf8",
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: folder, npm_config_offline: "true" },
    });
    expect(stdout.trim()).toBe(said);
    expect(status).toBe(0);
  });
});
