// npm run release:check: what must be true before a version is released and needs the network or git, which tests must not.
// Prints one line for each check. Exit status: 0 all is well, 1 something is wrong, 2 something could not be checked.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type LockedPackage, wrongChangelog, wrongPackages } from "./licence.ts";

const top = fileURLToPath(new URL("..", import.meta.url));
const read = (name: string): string => readFileSync(join(top, name), "utf8");

/** What is wrong; undefined if it could not be found out. */
type Finding = readonly string[] | undefined;

interface Ran {
  readonly status: number | null;
  readonly out: string;
}

function run(program: string, args: readonly string[]): Ran {
  const { status, stdout } = spawnSync(program, args, { cwd: top, encoding: "utf8", timeout: 300_000 });
  return { status, out: stdout ?? "" };
}

/** What npm answers as JSON; undefined if it could not ask its registry. */
function audit(...args: string[]): Readonly<Record<string, unknown>> | undefined {
  try {
    const answer = JSON.parse(run("npm", ["audit", "--json", ...args]).out) as Record<string, unknown>;
    return "error" in answer ? undefined : answer;
  } catch {
    return undefined;
  }
}

const nameOf = ({ name, version }: { readonly name: string; readonly version?: string }): string =>
  `${name} ${version ?? ""}`;

function unsigned(): Finding {
  const answer = audit("signatures") as { invalid?: { name: string }[]; missing?: { name: string }[] } | undefined;
  if (answer?.invalid === undefined || answer.missing === undefined) return undefined;
  return [...answer.invalid, ...answer.missing].map(nameOf);
}

function vulnerable(): Finding {
  const answer = audit("--omit=dev") as { vulnerabilities?: Record<string, { severity: string }> } | undefined;
  if (answer?.vulnerabilities === undefined) return undefined;
  return Object.entries(answer.vulnerabilities).map(([name, { severity }]) => `${name}: ${severity}`);
}

const { version } = JSON.parse(read("package.json")) as { version: string };
const { packages } = JSON.parse(read("package-lock.json")) as { packages: Record<string, LockedPackage> };

const checks: Readonly<Record<string, () => Finding>> = {
  "every package has a checksum, and a licence that may be in it": () => wrongPackages(packages),
  "every package is signed by the registry it came from": unsigned,
  "no package of the programs has a known vulnerability": vulnerable,
  "the changelog has this version, and nothing that is not in it": () => wrongChangelog(read("CHANGELOG.md"), version),
  "everything is committed": () => {
    const { status, out } = run("git", ["status", "--porcelain"]);
    return status === 0 ? out.split("\n").filter((line) => line !== "") : undefined;
  },
  "this version has no tag yet": () => {
    const { status, out } = run("git", ["tag", "--list", `v${version}`]);
    return status === 0 ? out.split("\n").filter((line) => line !== "") : undefined;
  },
};

let status = 0;
for (const [what, check] of Object.entries(checks)) {
  const found = check();
  const word = found === undefined ? "not checked" : found.length === 0 ? "ok" : "WRONG";
  process.stdout.write(`${word.padEnd(12)}${what}\n`);
  for (const line of (found ?? []).slice(0, 20)) process.stdout.write(`            ${line.trim()}\n`);
  if (found !== undefined && found.length > 0) status = 1;
  else if (found === undefined && status === 0) status = 2;
}
process.exitCode = status;
