// A client in another language, made from the first GOHM's five messages alone, against the real agent and hub.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Program, start, top } from "../program.ts";

const python = "/usr/bin/python3";
const able =
  existsSync("/usr/lib/python3/dist-packages/grpc") && existsSync("/usr/lib/python3/dist-packages/grpc_tools");

type Answer = Readonly<Record<string, unknown>>;

async function client(what: string, address: string, ...rest: string[]): Promise<Answer> {
  const args = [join(top, "test/wire/client.py"), join(top, "test/wire/first"), what, address, ...rest];
  const { stdout } = await promisify(execFile)(python, args, { timeout: 60_000 });
  return JSON.parse(stdout) as Answer;
}

describe.skipIf(!able)("a Python client of the first GOHM (python3-grpcio, python3-grpc-tools)", () => {
  const folder = mkdtempSync(join(tmpdir(), "gohm-python-"));
  const running: Program[] = [];
  let agent = "";
  let history = "";
  let page = "";

  beforeAll(async () => {
    const host = start("hmonitor", [], { GOHM_ADDR: "127.0.0.1:0", GOHM_ALLOW: "127.0.0.1/8" });
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

  test("reads the machine's name and disks from the agent", async () => {
    const info = await client("info", agent);
    expect(info.hostname).toBe(hostname());
    expect(info.disks).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          mount: "/",
          used: expect.stringMatching(/^\d+$/),
          total: expect.stringMatching(/^\d+$/),
        }),
      ]),
    );
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

  test("asks from a time on and gets only what is at or after it", async () => {
    const { t } = (await client("history", history, "local", "memory_used", "0")) as { t: string[] };
    const [, second = ""] = t;
    const { t: later } = (await client("history", history, "local", "memory_used", second)) as { t: string[] };
    expect(later[0]).toBe(second);
  });

  test("is told NOT_FOUND for a stranger and INVALID_ARGUMENT with the allowed types for a bad type", async () => {
    expect(await client("history", history, "stranger_0", "util", "0")).toMatchObject({ code: "NOT_FOUND" });
    const bad = await client("history", history, "local", "colour", "0");
    expect(bad).toMatchObject({ code: "INVALID_ARGUMENT", details: expect.stringContaining("memory_used") });
  });

  test("GET /pk and GET /hist answer as they did", async () => {
    const pk = await fetch(`${page}/pk`);
    expect(pk.status).toBe(200);
    expect(await pk.text()).toMatch(/^[A-Za-z0-9+/=]*$/);
    const hist = await fetch(`${page}/hist`);
    expect(await hist.json()).toEqual(expect.any(Object));
  });
});
