// A client in another language, made from the first GOHM's five messages alone, against the real agent and hub.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { HistMapSchema } from "../../proto/gen/history_pb.js";
import { missingCompiler, player } from "../nvml/build.ts";
import { h100 } from "../nvml/rig.ts";
import { type Program, start, top } from "../program.ts";

const python = "/usr/bin/python3";
const modules = "/usr/lib/python3/dist-packages";
const able = existsSync(`${modules}/grpc`) && existsSync(`${modules}/grpc_tools`) && missingCompiler() === undefined;

type PythonOutput = Readonly<Record<string, unknown>>;

async function client(what: string, address: string, ...rest: string[]): Promise<PythonOutput> {
  const args = [join(top, "test/wire/client.py"), join(top, "test/wire/first"), what, address, ...rest];
  const { stdout } = await promisify(execFile)(python, args, { timeout: 60_000 });
  return JSON.parse(stdout) as PythonOutput;
}

describe.skipIf(!able)("a Python client of the first GOHM (python3-grpcio, python3-grpc-tools, gcc)", () => {
  const folder = mkdtempSync(join(tmpdir(), "gohm-python-"));
  const running: Program[] = [];
  let agent = "";
  let history = "";
  let page = "";

  beforeAll(async () => {
    const played = { GOHM_ROOT: h100, GOHM_PLAYER: h100, GOHM_NVML: player() };
    const host = start("hmonitor", [], { GOHM_ADDR: "127.0.0.1:0", GOHM_ALLOW: "127.0.0.1/8", ...played });
    running.push(host);
    agent = `127.0.0.1:${(await host.line(/listens on 127\.0\.0\.1:(\d+)/))[1]}`;
    const settings = join(folder, "settings.json");
    writeFileSync(settings, JSON.stringify({ servers: { local: agent, gone: "127.0.0.1:1" }, poll: { interval: 1 } }));
    const hub = start("gohm.mjs", [], {
      GOHM_SETTINGS: settings,
      GOHM_DATA: join(folder, "data"),
      GOHM_HUB_ADDR: "127.0.0.1:0",
      GOHM_HISTORY_ADDR: "127.0.0.1:0",
    });
    running.push(hub);
    const [, web, grpc] = await hub.line(/hub ready: http:\/\/(127\.0\.0\.1:\d+).*gRPC on (127\.0\.0\.1:\d+)/);
    page = `http://${web}`;
    history = grpc ?? "";
  });

  afterAll(async () => {
    for (const program of running.reverse()) expect(await program.stop()).toBe(0);
    rmSync(folder, { recursive: true });
  });

  test("reads the machine's cards and their processes, disks and name from the agent", async () => {
    const info = await client("info", agent);
    const { hostname } = JSON.parse(readFileSync(join(h100, "capture.json"), "utf8")) as { hostname: string };
    expect(info.hostname).toBe(hostname);
    expect(info.err).toBeUndefined();
    const gpus = info.gpus as PythonOutput[];
    expect(gpus).toHaveLength(8);
    expect(gpus[0]).toMatchObject({
      mem_used: "79989964800",
      mem_total: "85520809984",
      utilization: 97,
      temp: 62,
      name: "NVIDIA H100 80GB HBM3",
      procs: [{ pid: 201_440, uid: 1001, username: "alice", basename: "python3", utilization: 96, mem: "79407087616" }],
    });
    expect(info.disks).toEqual(expect.arrayContaining([expect.objectContaining({ mount: "/raid" })]));
  });

  test("reads a host's history from the hub, times in nanoseconds, oldest first", async () => {
    const columns = await vi.waitUntil(
      async () => {
        const { t, v } = (await client("history", history, "local", "memory_used", "0")) as {
          t?: string[];
          v?: string[];
        };
        return t !== undefined && t.length >= 3 ? { t, v } : undefined;
      },
      { timeout: 50_000, interval: 500 },
    );
    expect(columns.v).toHaveLength(columns.t.length);
    const times = columns.t.map(BigInt);
    expect(times).toEqual([...times].sort((a, b) => (a < b ? -1 : 1)));
    const now = BigInt(Date.now()) * 1_000_000n;
    expect(times.every((t) => t <= now && t > now - 600_000_000_000n)).toBe(true);
  });

  test.each([
    ["util", 0, "97"],
    ["temp", 0, "62"],
    // 79989964800 / 85520809984 × 10000 is 9353.3, 22471901184 / 85520809984 × 10000 is 2627.7: both are cut.
    ["gpumem", 0, "9353"],
    ["gpumem", 5, "2627"],
    ["gpu_power", 0, "672310"],
  ] as const)("reads %s of card %i as %s", async (type, card, value) => {
    const { v } = (await client("history", history, `local_${card}`, type, "0")) as { v: string[] };
    expect(new Set(v)).toEqual(new Set([value]));
  });

  test("asks from a time on and gets only samples at or after it", async () => {
    const { t } = (await client("history", history, "local", "memory_used", "0")) as { t: string[] };
    const [, second = ""] = t;
    const { t: later } = (await client("history", history, "local", "memory_used", second)) as { t: string[] };
    expect(later[0]).toBe(second);
    const { t: after } = (await client("history", history, "local", "memory_used", String(BigInt(second) + 1n))) as {
      t: string[];
    };
    expect(after[0]).toBe(t[2]);
  });

  test("gets NOT_FOUND for an unknown host and card, and INVALID_ARGUMENT with the allowed types for a bad type", async () => {
    expect(await client("history", history, "stranger_0", "util", "0")).toMatchObject({ code: "NOT_FOUND" });
    const none = await client("history", history, "local_8", "util", "0");
    expect(none).toMatchObject({ code: "NOT_FOUND", details: expect.stringContaining("local_7") });
    const bad = await client("history", history, "local", "colour", "0");
    expect(bad).toMatchObject({ code: "INVALID_ARGUMENT", details: expect.stringContaining("memory_used") });
  });

  test("GET /pk and GET /hist answer as they did", async () => {
    const pk = await fetch(`${page}/pk`);
    expect(pk.status).toBe(200);
    const map = fromBinary(HistMapSchema, Buffer.from(await pk.text(), "base64"));
    expect(Object.keys(map.data).sort()).toEqual(Array.from({ length: 8 }, (_, i) => `local_${i}`));
    expect(new Set(map.data.local_0?.v)).toEqual(new Set([9353n]));
    const hist = (await (await fetch(`${page}/hist`)).json()) as Record<string, number[]>;
    expect(new Set(hist.local_0)).toEqual(new Set([9353]));
  });
});
