// The same source gives the same bytes wherever it lies, and the executable with Node inside does what the small one does.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startAgent } from "../agent.ts";
import { missingCompiler, player } from "../nvml/build.ts";
import { h100, readers } from "../nvml/rig.ts";
import { type Program, programOf, top } from "../program.ts";

const name = `hmonitor-linux-${process.arch}`;
const reason = spawnSync("strip", ["--version"]).status === 0 ? undefined : "there is no strip (binutils)";
const noPlayer = missingCompiler();
const folder = mkdtempSync(join(tmpdir(), "gohm-standalone-"));

/** The sources at another place, with everything built there; as a fresh clone would, by somebody with habits of their own. */
function buildAt(place: string, umask = "022", habits: Readonly<Record<string, string>> = {}): string {
  const at = join(folder, place);
  mkdirSync(at, { recursive: true });
  for (const part of ["agent", "proto", "scripts", "package.json", "tsconfig.json", "buf.yaml", "buf.gen.yaml"]) {
    cpSync(join(top, part), join(at, part), { recursive: true });
  }
  rmSync(join(at, "proto", "gen"), { recursive: true, force: true });
  symlinkSync(join(top, "node_modules"), join(at, "node_modules"));
  const line = `umask ${umask}; exec "$0" "$1"`;
  execFileSync("sh", ["-c", line, process.execPath, join(at, "scripts", "standalone.ts")], {
    cwd: folder,
    stdio: "pipe",
    env: { ...process.env, ...habits },
  });
  return join(at, "dist");
}

const sum = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");

describe.skipIf(reason !== undefined)(`single executable${reason ? `: ${reason}` : ""}`, () => {
  let dist = "";
  let program = "";
  beforeAll(() => {
    dist = buildAt("first");
    program = join(folder, "agent of mine");
    copyFileSync(join(dist, name), program);
  });
  let running: Program | undefined;
  afterAll(async () => {
    await running?.stop("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  /** No Node, and nothing of ours, is to be found by name; options of Node from outside are not the agent's. */
  const bare = (env: Readonly<Record<string, string>>) => ({
    PATH: "/usr/bin:/bin",
    HOME: folder,
    NODE_OPTIONS: "--no-such-option",
    GOHM_ADDR: "127.0.0.1:0",
    GOHM_ALLOW: "127.0.0.0/8",
    ...env,
  });
  const begin = (args: readonly string[], env: Readonly<Record<string, string>>): Program => {
    running = programOf(spawn(program, args, { env: bare(env), stdio: ["ignore", "pipe", "pipe"] }), name);
    return running;
  };

  test("and dist/hmonitor are the same bytes when they are built again in another place, by somebody else", () => {
    const again = buildAt("second place/below", "077", { TZ: "Asia/Shanghai", LANG: "zh_CN.UTF-8", LC_ALL: "C.UTF-8" });
    for (const file of ["hmonitor", name])
      expect([file, sum(join(again, file))]).toEqual([file, sum(join(dist, file))]);
    rmSync(join(folder, "second place"), { recursive: true });
  });

  test("carries no name of the place it was built in", () => {
    expect(readFileSync(join(dist, name)).includes(folder)).toBe(false);
  });

  // 109.6 MB here are 27.5 MB as xz -6 (docs/deploy.md); packing it takes a minute, so the test looks at what is packed.
  test("has Node's symbols left out", () => {
    expect(statSync(join(dist, name)).size).toBeLessThan(115_000_000);
    expect(statSync(join(dist, "hmonitor")).size).toBeLessThan(1_200_000);
  });

  test("prints its version, and refuses what is no command, as the small one does", () => {
    const small = (args: string[]) =>
      spawnSync(process.execPath, [join(dist, "hmonitor"), ...args], { encoding: "utf8" });
    for (const args of [["--version"], ["--help"], ["captur"]]) {
      const { status, stdout, stderr } = spawnSync(program, args, { env: bare({}), encoding: "utf8" });
      const other = small(args);
      expect({ status, stdout, stderr }).toEqual({ status: other.status, stdout: other.stdout, stderr: other.stderr });
    }
  });

  test.skipIf(noPlayer !== undefined)(
    `reads eight GPUs by a reader process that has its own flags, and leaves none behind${noPlayer ? `: ${noPlayer}` : ""}`,
    async () => {
      const env = { GOHM_ROOT: h100, GOHM_NVML: player(), GOHM_PLAYER: h100 };
      const agent = await startAgent({}, () => begin([], env));
      await agent.program.line(/^GPUs: 8 × NVIDIA H100 80GB HBM3$/m);
      expect((await agent.info()).gpus).toHaveLength(8);
      const [reader = 0] = readers(agent.program.child.pid);
      const threads = (pid?: number) =>
        Number(/Threads:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
      // Among its flags is --v8-pool-size=0.
      expect(threads(reader)).toBeLessThan(threads(agent.program.child.pid));
      await agent.program.stop("SIGKILL");
      await vi.waitFor(() => expect(existsSync(`/proc/${reader}`)).toBe(false), { timeout: 20_000, interval: 50 });
    },
  );
});
