// The whole agent on machines with AMD and Intel GPUs: the built program, played machines, no library.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { afterAll, expect, test } from "vitest";
import { type GPUInfo, type HostInfo, HostInfoSchema, State } from "../../proto/gen/host_pb.js";
import { startAgent } from "../agent.ts";
import { top } from "../program.ts";

const at = (name: string): string => join(top, "test", "capture", name);
const mi300x = at("ubuntu24.04-x86_64__8x-mi300x__rocm-6.4");
const radeon = at("debian13-x86_64__rx-7900-xtx__integrated-beside");
const laptop = at("fedora42-x86_64__laptop__intel-and-sleeping-radeon");
const folder = mkdtempSync(join(tmpdir(), "agent-amd-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** No NVIDIA driver, whatever this machine has. */
const env = (root: string) => ({ GOHM_ROOT: root, GOHM_NVML: join(folder, "none") });

/** What does not change from one reading of a played machine to the next. */
const still = ({ gpus }: HostInfo) =>
  gpus.map(({ sampled: _, ...gpu }: GPUInfo) => ({
    ...gpu,
    procs: gpu.procs.map(({ utilization: _, ...proc }) => proc),
  }));

test("eight MI300X are served with who uses them, in less than 3 KB, without a word about NVIDIA", async () => {
  const agent = await startAgent(env(mi300x));
  await agent.program.line(/^GPUs: 8 × AMD Instinct MI300X$/m);
  const bytes = await agent.raw();
  const info = fromBinary(HostInfoSchema, bytes);
  const expected = fromJsonString(HostInfoSchema, readFileSync(join(mi300x, "expected.json"), "utf8"));
  expect(still(info)).toEqual(still(expected));
  expect(info.gpus.map(({ card }) => card)).toEqual([1, 9, 17, 25, 33, 41, 49, 57]);
  expect(info.err).toBeUndefined();
  expect(info.sources.map(({ name, state }) => [name, state]).slice(0, 2)).toEqual([
    ["nvidia", State.UNSUPPORTED],
    ["amdgpu", State.OK],
  ]);
  expect(bytes.length).toBeLessThan(3000);
  expect(await agent.stop()).toBe(0);
});

test.each([
  ["a Radeon beside integrated graphics", radeon],
  ["a laptop with a card that sleeps", laptop],
])("a capture of %s can be played back, and has no names of people or of their files", async (_, root) => {
  const dir = join(folder, basename(root));
  const args = [join(top, "dist", "hmonitor"), "capture", dir];
  const run = spawnSync(process.execPath, args, { env: { ...process.env, ...env(root) }, encoding: "utf8" });
  expect([run.status, run.stderr]).toEqual([0, ""]);
  const written = JSON.parse(readFileSync(join(dir, "capture.json"), "utf8"));
  expect(JSON.stringify(written.users)).not.toMatch(/grace|heidi/);
  const files = Object.values(written.opened).flat() as { path: string }[];
  expect(files.length).toBeGreaterThan(0);
  expect(files.filter(({ path }) => !path.startsWith("/dev/dri/"))).toEqual([]);
  const then = fromJsonString(HostInfoSchema, readFileSync(join(dir, "answer.json"), "utf8"));
  expect(then.gpus).toHaveLength(2);
  const agent = await startAgent(env(dir));
  expect(still(await agent.info())).toEqual(still(then));
  expect(await agent.stop()).toBe(0);
});
