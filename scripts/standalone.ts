// npm run build:standalone: dist/hmonitor-linux-<arch>, the agent with Node inside. Needs nothing on the host but glibc and libstdc++.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { buildAll } from "./build.ts";

const top = fileURLToPath(new URL("..", import.meta.url));
const modules = join(top, "node_modules");

/** What a platform's executable is made from, and the prefix its binutils have. */
const platforms = {
  "linux-x64": { koffi: "linux_x64", triplet: "x86_64-linux-gnu" },
  "linux-arm64": { koffi: "linux_arm64", triplet: "aarch64-linux-gnu" },
} as const;
type Platform = keyof typeof platforms;

/** Where postject finds the place that Node keeps for a blob; the value that Node's documentation of single executables gives. */
const fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/** Runs a tool and shows what it said only when it failed: postject warns of section names it need not know. */
function tool(command: string, args: readonly string[], cwd: string): void {
  const { status, stderr, stdout, error } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (error !== undefined) throw new Error(`${command} could not be started: ${error.message}`);
  if (status !== 0) throw new Error(`${command} failed with status ${status}: ${(stderr || stdout).trim()}`);
}

/** Why an executable for the platform cannot be made here; undefined when it can. */
function lacking(platform: Platform): string | undefined {
  const parts = [join(`node-${platform}`, "bin", "node"), join("@koromix", `koffi-${platform}`)];
  const missing = parts.filter((part) => !existsSync(join(modules, part)));
  if (missing.length > 0) return `${missing.map((part) => `node_modules/${part}`).join(" and ")} not installed`;
  if (stripper(platform) === undefined) return "no strip for it: install binutils";
  return undefined;
}

/** The strip of binutils that knows the platform's files. */
function stripper(platform: Platform): string | undefined {
  const own = platform === `linux-${process.arch}` ? ["strip"] : [];
  const names = [`${platforms[platform].triplet}-strip`, ...own];
  return names.find((name) => spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0);
}

/**
 * Makes the executable from dist/hmonitor. Stripped before the blob goes in: afterwards strip would drop it. No code cache
 * and a relative path to the script: the same source gives the same bytes wherever it lies, and for a foreign processor.
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
      // Node's licence goes wherever Node goes; the script carries those of everything else.
      assets: { "node.LICENSE": relative(draft, join(modules, `node-${platform}`, "LICENSE")) },
      // The rest of the agent's flags are set by agent/main.ts, or by the agent for its own reader process, which
      // "cli" lets it do; NODE_OPTIONS of whoever starts the agent are none of its business.
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
    if (why !== undefined) console.log(`skipped hmonitor-${platform}: ${why}`);
    else console.log(`made ${relative(top, make(platform))}`);
  }
}
