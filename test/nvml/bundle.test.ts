// The one file that is handed out: its own native part, its own reader process, and what becomes of both.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Program, start, top } from "../program.ts";
import { missingCompiler, player } from "./build.ts";
import { readers, rtx4090 } from "./rig.ts";

const reason = existsSync(join(top, "dist", "hmonitor")) ? missingCompiler() : "dist/hmonitor is not built";
const patience = { timeout: 20_000, interval: 50 };
const uid = process.getuid?.() ?? 0;
/** Whether a test may mount something where nobody else sees it. */
const mounts = spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/tmp"]).status === 0;

let folder = "";
let control = "";
let running: Program[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-bundle-"));
  control = join(folder, "control");
});
afterEach(async () => {
  for (const program of running) await program.stop("SIGKILL");
  running = [];
  rmSync(folder, { recursive: true, force: true });
});

const env = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  GOHM_ADDR: "127.0.0.1:0",
  GOHM_ALLOW: "127.0.0.1/8",
  GOHM_ROOT: rtx4090,
  GOHM_NVML: player(),
  GOHM_PLAYER: rtx4090,
  GOHM_PLAYER_CONTROL: control,
  HOME: folder,
  XDG_CACHE_HOME: "",
  TMPDIR: folder,
  ...more,
});

async function info(more?: Readonly<Record<string, string>>): Promise<{ gpus?: { name: string }[]; err?: string }> {
  const program = start("hmonitor", ["info"], env(more));
  running.push(program);
  await vi.waitFor(() => expect(program.child.exitCode).toBe(0), patience);
  return JSON.parse(program.output()) as { gpus?: { name: string }[]; err?: string };
}

async function serve(): Promise<{ program: Program; reader: number }> {
  const program = start("hmonitor", [], env());
  running.push(program);
  await program.line(/GPUs: 2/);
  const [reader = 0] = readers(program.child.pid);
  expect(reader).toBeGreaterThan(0);
  return { program, reader };
}

const alive = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false; // gone
  }
};

describe.skipIf(reason !== undefined)(`bundle${reason ? `: ${reason}` : ""}`, () => {
  test("reads GPUs, and keeps its native library in the user's cache", async () => {
    expect((await info()).gpus).toHaveLength(2);
    expect(readdirSync(join(folder, ".cache", `hmonitor-${uid}`))).toHaveLength(1);
  });

  test("reads GPUs without a home, and with one that cannot be written", async () => {
    expect((await info({ HOME: "" })).gpus).toHaveLength(2);
    expect((await info({ HOME: "/proc/nowhere" })).gpus).toHaveLength(2);
  });

  test("reads GPUs though its native library was corrupted", async () => {
    await info();
    const place = join(folder, ".cache", `hmonitor-${uid}`);
    const [name = ""] = readdirSync(place);
    chmodSync(join(place, name), 0o700);
    writeFileSync(join(place, name), "garbage");
    expect((await info()).gpus).toHaveLength(2);
  });

  test.skipIf(!mounts)("reads GPUs when the user's cache is on a mount that forbids execution", () => {
    const script = `mount -t tmpfs -o noexec,mode=700 none "$HOME" && exec "${process.execPath}" "${join(top, "dist", "hmonitor")}" info`;
    // A mount namespace of its own: nothing of it is left behind.
    const { stdout, stderr } = spawnSync("unshare", ["-m", "sh", "-c", script], {
      env: { ...process.env, ...env() },
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect((JSON.parse(stdout) as { gpus: unknown[] }).gpus).toHaveLength(2);
  });

  test("leaves no reader when it is stopped, or killed", async () => {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const { program, reader } = await serve();
      await program.stop(signal);
      await vi.waitFor(() => expect(alive(reader)).toBe(false), patience);
    }
  });

  test("leaves no reader that hangs in the driver when it is killed", async () => {
    writeFileSync(control, "");
    const { program, reader } = await serve();
    writeFileSync(control, "nvmlDeviceGetPowerUsage * : hang\n");
    const polling = start("hmonitor", ["info"], env());
    running.push(polling);
    // The reader of this second agent hangs; it is killed with its agent before any deadline passes.
    const hung = await vi.waitFor(() => {
      const [found] = readers(polling.child.pid);
      expect(found).toBeDefined();
      const call = readFileSync(`/proc/${found}/wchan`, "utf8");
      const stuck = call.includes("pause") || readFileSync(`/proc/${found}/syscall`, "utf8").startsWith("34 ");
      expect(stuck).toBe(true);
      return found ?? 0;
    }, patience);
    await polling.stop("SIGKILL");
    await vi.waitFor(() => expect(alive(hung)).toBe(false), patience);
    expect(alive(reader)).toBe(true);
    await program.stop();
  });

  test("runs from any folder, under any name", async () => {
    const copy = join(folder, "agent of mine");
    copyFileSync(join(top, "dist", "hmonitor"), copy);
    const { stdout } = spawnSync(process.execPath, [copy, "info"], {
      env: { ...process.env, ...env() },
      encoding: "utf8",
      cwd: "/",
    });
    expect((JSON.parse(stdout) as { gpus: unknown[] }).gpus).toHaveLength(2);
  });

  test("without a driver says so, starts nothing, and makes no device file", async () => {
    const { gpus, err } = await info({ GOHM_NVML: "", GOHM_ROOT: folder });
    expect(gpus).toBeUndefined();
    expect(err).toBe("NVML: no NVIDIA driver is loaded");
  });
});
