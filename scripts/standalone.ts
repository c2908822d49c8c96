// npm run build:standalone: builds dist/hmonitor-linux-<arch>, the agent with Node inside (a Node single executable
// application). On the host it needs only glibc and libstdc++.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { buildAll } from "./build.ts";

const top = fileURLToPath(new URL("..", import.meta.url));
const modules = join(top, "node_modules");

/** Platforms, with the folder of koffi's native library and the prefix of their binutils. */
const platforms = {
  "linux-x64": { koffi: "linux_x64", triplet: "x86_64-linux-gnu" },
  "linux-arm64": { koffi: "linux_arm64", triplet: "aarch64-linux-gnu" },
} as const;
type Platform = keyof typeof platforms;

/** Mark by which postject finds the section for the blob (https://nodejs.org/api/single-executable-applications.html). */
const fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/** Runs a tool. Prints its output only on failure: postject warns about section names that do not matter. */
function tool(command: string, args: readonly string[], cwd: string): void {
  const { status, stderr, stdout, error } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (error !== undefined) throw new Error(`${command} could not be started: ${error.message}`);
  if (status !== 0) throw new Error(`${command} failed with status ${status}: ${(stderr || stdout).trim()}`);
}

/** Returns the reason why the executable cannot be built on this machine; undefined if it can. */
function lacking(platform: Platform): string | undefined {
  const parts = [join(`node-${platform}`, "bin", "node"), join("@koromix", `koffi-${platform}`)];
  const missing = parts.filter((part) => !existsSync(join(modules, part)));
  if (missing.length > 0) return `${missing.map((part) => `node_modules/${part}`).join(" and ")} not installed`;
  if (stripper(platform) === undefined) return "there is no strip for this platform: install binutils";
  return undefined;
}

/** Returns the name of the `strip` program for the platform's files. */
function stripper(platform: Platform): string | undefined {
  const own = platform === `linux-${process.arch}` ? ["strip"] : [];
  const names = [`${platforms[platform].triplet}-strip`, ...own];
  return names.find((name) => spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0);
}

/**
 * Builds the executable from dist/hmonitor. It is stripped before the blob is injected, because strip would remove the blob.
 * Without a code cache and with a relative path to the script the build is reproducible, and works for another processor.
 * @returns path of the executable
 */
function make(platform: Platform): string {
  const dist = join(top, "dist");
  const draft = mkdtempSync(join(dist, ".standalone-"));
  try {
    copyFileSync(join(dist, "hmonitor"), join(draft, "hmonitor"));
    const config = {
      main: "hmonitor",
      output: "blob",
      disableExperimentalSEAWarning: true,
      useSnapshot: false,
      useCodeCache: false,
      // Node's licence must be in every copy; the script contains the licences of everything else.
      assets: { "node.LICENSE": relative(draft, join(modules, `node-${platform}`, "LICENSE")) },
      // Other flags are set by agent/main.ts, or by the agent for its reader process, which "cli" allows. NODE_OPTIONS of the
      // environment are ignored.
      execArgv: ["--max-semi-space-size=1"],
      execArgvExtension: "cli",
    };
    writeFileSync(join(draft, "sea.json"), JSON.stringify(config));
    tool(process.execPath, ["--experimental-sea-config", "sea.json"], draft);
    const program = join(draft, `hmonitor-${platform}`);
    copyFileSync(join(modules, `node-${platform}`, "bin", "node"), program);
    chmodSync(program, 0o755);
    tool(stripper(platform) ?? "strip", [program], draft);
    tool(join(modules, ".bin", "postject"), [program, "NODE_SEA_BLOB", "blob", "--sentinel-fuse", fuse], draft);
    const made = join(dist, `hmonitor-${platform}`);
    renameSync(program, made);
    return made;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  await buildAll(["agent"]);
  for (const platform of Object.keys(platforms) as Platform[]) {
    const why = lacking(platform);
    if (why !== undefined) console.log(`Skipped hmonitor-${platform}: ${why}`);
    else console.log(`Built ${relative(top, make(platform))}`);
  }
}
