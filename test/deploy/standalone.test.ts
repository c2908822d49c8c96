// The same source gives the same bytes wherever it lies, and the executable with Node inside does what the small one does.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toJsonString } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type GPUInfo, GPUInfoSchema } from "../../proto/gen/host_pb.js";
import { foreignModules, foreignNames, missingForeign } from "../../scripts/foreign.ts";
import { startAgent } from "../agent.ts";
import { missingCompiler, player } from "../nvml/build.ts";
import { h100, readers } from "../nvml/rig.ts";
import { type Program, programOf, top } from "../program.ts";

const name = `hmonitor-linux-${process.arch}`;
const reason = spawnSync("strip", ["--version"]).status === 0 ? undefined : "there is no strip (binutils)";
const noPlayer = missingCompiler();
const folder = mkdtempSync(join(tmpdir(), "gohm-standalone-"));

const arm = "hmonitor-linux-arm64";
/** Why the executable for arm64 is not made from here. */
function missingArm(): string | undefined {
  if (process.arch !== "x64") return "this processor is not x64, and makes its own";
  const missing = missingForeign();
  if (missing.length > 0) return `${missing.join(" and ")}, which npm test fetches, not there`;
  if (spawnSync("aarch64-linux-gnu-strip", ["--version"]).status === 0) return undefined;
  return "there is no aarch64-linux-gnu-strip (binutils-aarch64-linux-gnu)";
}
const noArm = missingArm();

const qemu = "/usr/bin/qemu-aarch64-static";
/** Libraries of arm64, from Debian's libc6-arm64-cross and libstdc++6-arm64-cross. */
const armRoot = "/usr/aarch64-linux-gnu";

/**
 * Has the kernel run programs for arm64 by the emulator: those that "$@" starts, and no others, for the list of such is
 * a user namespace's own (Linux 6.7). The pattern is the head of their files (e_machine 183).
 */
const emulating = `
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf '%s' ':gohm:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:${qemu}:' >/proc/sys/fs/binfmt_misc/register
exec "$@"
`;
const emulated = (program: string, args: readonly string[]): string[] => {
  const own = ["--user", "--map-root-user", "--mount"];
  return [...own, "sh", "-ec", emulating, "sh", program, ...args];
};

function missingEmulator(): string | undefined {
  if (!existsSync(qemu)) return "there is no qemu-aarch64-static (qemu-user-static)";
  if (!existsSync(join(armRoot, "lib", "libstdc++.so.6")))
    return "there is no libstdc++ for it (libstdc++6-arm64-cross)";
  if (spawnSync("aarch64-linux-gnu-gcc", ["--version"]).status !== 0) return "there is no gcc-aarch64-linux-gnu";
  if (spawnSync("unshare", emulated("true", [])).status === 0) return undefined;
  return "this kernel has no list of emulators for a user namespace (before 6.7, or not allowed)";
}
const noEmulator = noArm ?? missingEmulator();

/** All that npm installed, and beside it what it left out for another processor. */
function linkModules(at: string): void {
  const scope = "@koromix";
  const from = join(top, "node_modules");
  mkdirSync(join(at, scope), { recursive: true });
  const entries = [...readdirSync(from), ...readdirSync(join(from, scope)).map((name) => `${scope}/${name}`)];
  for (const entry of entries) if (entry !== scope) symlinkSync(join(from, entry), join(at, entry));
  if (noArm !== undefined) return;
  for (const each of foreignNames) if (!entries.includes(each)) symlinkSync(join(foreignModules, each), join(at, each));
}

/** The sources at another place, with everything built there; as a fresh clone would, by somebody with habits of their own. */
function buildAt(place: string, umask = "022", habits: Readonly<Record<string, string>> = {}): string {
  const at = join(folder, place);
  mkdirSync(at, { recursive: true });
  const parts = ["agent", "proto", "program", "scripts", "package.json", "tsconfig.json", "buf.yaml", "buf.gen.yaml"];
  for (const part of parts) {
    cpSync(join(top, part), join(at, part), { recursive: true });
  }
  rmSync(join(at, "proto", "gen"), { recursive: true, force: true });
  linkModules(join(at, "node_modules"));
  const line = `umask ${umask}; exec "$0" "$1"`;
  execFileSync("sh", ["-c", line, process.execPath, join(at, "scripts", "standalone.ts")], {
    cwd: folder,
    stdio: "pipe",
    env: { ...process.env, ...habits },
  });
  return join(at, "dist");
}

/** Times are each reading's own. */
const undated = (gpu: GPUInfo): unknown =>
  JSON.parse(toJsonString(GPUInfoSchema, gpu), (key, value: unknown) => (key === "sampled" ? undefined : value));

const sum = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");

describe.skipIf(reason !== undefined)(`single executable${reason ? `: ${reason}` : ""}`, () => {
  let dist = "";
  let again = "";
  let program = "";
  beforeAll(() => {
    dist = buildAt("first");
    again = buildAt("second place/below", "077", { TZ: "Asia/Shanghai", LANG: "zh_CN.UTF-8", LC_ALL: "C.UTF-8" });
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

  const same = (file: string): void => expect([file, sum(join(again, file))]).toEqual([file, sum(join(dist, file))]);
  test("and dist/hmonitor are the same bytes when built again in another folder and environment", () => {
    same("hmonitor");
    same(name);
  });

  test("does not contain the path of its build folder", () => {
    expect(readFileSync(join(dist, name)).includes(folder)).toBe(false);
  });

  test("contains the licences of all that is in it, Node's included", () => {
    const bytes = readFileSync(join(dist, name));
    expect(bytes.includes(readFileSync(join(dist, "hmonitor.licenses.txt")).subarray(0, 2000))).toBe(true);
    expect(bytes.includes(readFileSync(join(top, "node_modules", `node-linux-${process.arch}`, "LICENSE")))).toBe(true);
  });

  // 109.6 MB here are 27.5 MB as xz -6 (docs/deploy.md); packing it takes a minute, so the test looks at what is packed.
  test("is stripped of Node's symbols", () => {
    expect(statSync(join(dist, name)).size).toBeLessThan(115_000_000);
    expect(statSync(join(dist, "hmonitor")).size).toBeLessThan(1_200_000);
  });

  test("prints its version, and refuses an unknown command, as dist/hmonitor does", () => {
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

  describe.skipIf(noArm !== undefined)(`for arm64${noArm ? `: ${noArm}` : ""}`, () => {
    test("is the same bytes when built again, stripped of Node's symbols, without the path of its build folder", () => {
      same(arm);
      expect(statSync(join(dist, arm)).size).toBeLessThan(110_000_000);
      expect(readFileSync(join(dist, arm)).includes(folder)).toBe(false);
    });

    describe.skipIf(noEmulator !== undefined)(`in an emulator${noEmulator ? `: ${noEmulator}` : ""}`, () => {
      /** The emulator is slow: what a read may take, too. */
      const env = { QEMU_LD_PREFIX: armRoot, GOHM_READ_DEADLINE: "60" };

      test.each([["--version"], ["--help"]])("answers %s as the small one does", (option) => {
        const line = emulated(join(dist, arm), [option]);
        const { status, stdout, stderr } = spawnSync("unshare", line, { env: bare(env), encoding: "utf8" });
        const small = spawnSync(process.execPath, [join(dist, "hmonitor"), option], { encoding: "utf8" });
        expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: small.stdout, stderr: "" });
      });

      test("answers over gRPC, with eight GPUs by a reader process, as the one for x64 does", async () => {
        const played = { GOHM_ROOT: h100, GOHM_PLAYER: h100 };
        const library = player({ compiler: "aarch64-linux-gnu-gcc" });
        const emulator = { ...env, ...played, GOHM_NVML: library };
        const agent = await startAgent({}, () => {
          const line = emulated(join(dist, arm), []);
          running = programOf(spawn("unshare", line, { env: bare(emulator), stdio: ["ignore", "pipe", "pipe"] }), arm);
          return running;
        });
        const there = await agent.info();
        await agent.stop();
        const own = await startAgent({}, () => begin([], { ...played, GOHM_NVML: player() }));
        const here = await own.info();
        await own.stop();
        expect(there.gpus.map(({ name }) => name)).toEqual(Array(8).fill("NVIDIA H100 80GB HBM3"));
        expect(there.gpus.map(undated)).toEqual(here.gpus.map(undated));
      });
    });
  });
});
