// hmonitor --logger-config against a played server of NVIDIA GPU Metrics Logger.
import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CertificateFolder, certifies } from "../certificate.ts";
import { hubFolder, startHub } from "../hub.ts";
import { missingCompiler, player } from "../nvml/build.ts";
import { h100 } from "../nvml/rig.ts";
import { type Program, programOf, start, top } from "../program.ts";

const python = "/usr/bin/python3";
const able = existsSync(python) && missingCompiler() === undefined;

type Stored = Readonly<Record<string, unknown>>;

/** A played server: its port, and the records that it has written to its file. */
class LoggerServer {
  readonly port: number;
  readonly program: Program;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;

  private constructor(child: ChildProcessByStdio<Writable, Readable, Readable>, program: Program, port: number) {
    this.#child = child;
    this.program = program;
    this.port = port;
  }

  static async start(file: string, generation = "2", port = 0): Promise<LoggerServer> {
    const args = [join(top, "test/push/logger_server.py"), String(port), file, generation];
    const child = spawn(python, args, { stdio: ["pipe", "pipe", "pipe"] });
    child.stdin.on("error", () => undefined); // it was killed
    const program = programOf(child, "logger_server.py");
    const [, listening] = await program.line(/^listening (\d+)$/m);
    return new LoggerServer(child, program, Number(listening));
  }

  async mode(words: string): Promise<void> {
    const before = this.program.output().length;
    this.#child.stdin.write(`${words}\n`);
    await expect.poll(() => this.program.output().slice(before), patience).toContain(`mode ${words}`);
  }
}

const patience = { timeout: 30_000, interval: 20 };

let folder: string;
let server: LoggerServer | undefined;
let agent: Program | undefined;
const file = (): string => join(folder, "records.jsonl");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "logger-"));
});

afterEach(async () => {
  await agent?.stop("SIGKILL");
  await server?.program.stop("SIGKILL");
  [agent, server] = [undefined, undefined];
  rmSync(folder, { recursive: true, force: true });
});

const stored = (): Stored[] =>
  existsSync(file())
    ? readFileSync(file(), "utf8")
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Stored)
    : [];

interface Ini {
  readonly host?: string;
  readonly port?: number;
  /** Seconds between two readings. */
  readonly interval?: number;
  /** Further lines, by section. */
  readonly more?: Readonly<Record<string, string>>;
}

function ini({ host = "http://127.0.0.1", port = server?.port ?? 1, interval = 0.1, more = {} }: Ini = {}) {
  const path = join(folder, "client_config.ini");
  const sections: Readonly<Record<string, string>> = {
    AUTHENTICATION: "client_name = gpu-client-001",
    MONITORING: `interval_seconds = ${interval}`,
    SERVER: `server_host = ${host}\nserver_port = ${port}\napi_endpoint = /api/receive-data`,
    NETWORK: "batch_size = 10\nretry_delay = 0.1\nretry_backoff = 1.0",
    GPU_METRICS: "include_power = true",
    LOGGING: "log_level = INFO",
  };
  const text = Object.entries(sections).map(([name, own]) => `[${name}]\r\n${own}\r\n${more[name] ?? ""}\r\n`);
  writeFileSync(path, `\uFEFF${text.join("")}`);
  return path;
}

function hmonitor(
  options: Ini = {},
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Program {
  const machine = { GOHM_ROOT: h100, GOHM_NVML: player(), GOHM_PLAYER: h100 };
  agent = start("hmonitor", ["--logger-config", ini(options), ...args], { ...machine, ...env });
  return agent;
}

/** Waits until so many readings of the machine are stored. */
const readings = (count: number): Promise<void> =>
  expect.poll(() => stored().length, patience).toBeGreaterThanOrEqual(count * 8);

const timesOf = (card: number): string[] =>
  stored().flatMap(({ gpu_id, timestamp }) => (gpu_id === card ? [String(timestamp)] : []));

describe.skipIf(!able)("hmonitor --logger-config", () => {
  test("sends the client's records in arrays, the rest at its end, and listens nowhere", async () => {
    server = await LoggerServer.start(file());
    const program = hmonitor();
    await readings(4);
    expect(await program.stop()).toBe(0);
    for (let card = 1; card < 8; card++) expect(timesOf(card)).toEqual(timesOf(0));
    expect(stored()[0]).toEqual({
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/),
      gpu_id: 0,
      gpu_name: "NVIDIA H100 80GB HBM3",
      utilization_gpu: 97,
      utilization_memory: 61,
      memory_total: 81_559,
      memory_used: 76_284,
      memory_free: 5274,
      temperature: 62,
      power_draw: 672.31,
      power_limit: 700,
      fan_speed: 0,
      client_name: "gpu-client-001",
    });
    expect(server.program.output()).toMatch(
      /^listening \d+\nGET \/health\nPOST \/api\/receive-data application\/json 16 ok -\n/,
    );
    expect(program.output()).not.toContain("listens on");
    expect(program.output()).toContain(
      `sends records to http://127.0.0.1:${server.port}/api/receive-data as gpu-client-001`,
    );
  });

  test("loses and doubles nothing while the server fails in every way, and is killed and started anew", async () => {
    server = await LoggerServer.start(file());
    const { port } = server;
    // Long enough for a busy machine: records that are stored, and answered too late, are sent again.
    const program = hmonitor({ interval: 1, more: { SERVER: "read_timeout = 4\nconnection_timeout = 1" } });
    await readings(1);
    for (const [mode, words] of [
      ["status 500", "it answers 500: played; trying again"],
      ["hang", "no answer in 5 s"],
      ["garbage", "it answers 200, which does not say that it took the records"],
      ["failure", "it answers 200: played, which does not say that it took the records"],
      [
        "redirect",
        'it answers with a redirect (307) to "http://127.0.0.1:1/api/receive-data", which is not followed: give the address it really has as server_host and server_port',
      ],
      ["refuse", "it refuses every record: it answers 422: played"],
      ["status 404", "it answers 404: played"],
    ] as const) {
      await server.mode(mode);
      await expect.poll(() => program.output(), patience).toContain(words);
    }
    await server.program.stop("SIGKILL");
    await program.line(/ECONNREFUSED/);
    server = await LoggerServer.start(file(), "2", port);
    await server.mode("long 30");
    const before = stored().length;
    await readings(before / 8 + 2);
    expect(await program.stop()).toBe(0);
    const times = timesOf(0);
    expect(times.length).toBeGreaterThan(5);
    expect(times).toEqual([...new Set(times)].toSorted());
    for (let card = 1; card < 8; card++) expect(timesOf(card)).toEqual(times);
    expect(program.output()).toContain("takes records again");
  });

  test("a card without a reading does not stop the others, at servers of either kind", async () => {
    const broken = join(folder, "machine");
    mkdirSync(broken);
    // GPU 5 has lost its sensor of power.
    const lines = readFileSync(join(h100, "nvml.txt"), "utf8").split("\n");
    const without = lines.map((line) =>
      /^nvmlDeviceGetPowerUsage 5 /.test(line) ? "nvmlDeviceGetPowerUsage 5 999" : line,
    );
    expect(without).not.toEqual(lines);
    writeFileSync(join(broken, "nvml.txt"), without.join("\n"));
    server = await LoggerServer.start(file());
    const { port } = server;
    const program = hmonitor({}, [], { GOHM_PLAYER: broken });
    await program.line(/refuses records without power_draw \(GPU 5 has none\)/);
    await readings(3);
    await server.program.stop("SIGKILL");
    await program.line(/ECONNREFUSED/);
    const before = stored().length;
    server = await LoggerServer.start(file(), "4", port);
    await program.line(/could not use \d+ of \d+ records/);
    await readings(before / 8 + 3);
    expect(await program.stop()).toBe(0);
    expect(timesOf(5)).toEqual([]);
    for (const card of [1, 2, 3, 4, 6, 7]) expect(timesOf(card)).toEqual(timesOf(0));
  });

  test("ends within seconds while the server hangs, and says what is lost", async () => {
    server = await LoggerServer.start(file());
    await server.mode("hang");
    const program = hmonitor();
    await server.program.line(/POST .* hang /);
    expect(await program.stop("SIGINT")).toBe(0);
    expect(program.output()).toMatch(/\d+ records could not be sent before the end/);
  });

  test("[LOGGING] is honoured: level, file, size, number of files, no console; the agent's own settings count first", async () => {
    server = await LoggerServer.start(file());
    const log = join(folder, "logs", "client.log");
    mkdirSync(join(folder, "logs"));
    writeFileSync(log, "x".repeat(1024 * 1024));
    const logging = `log_file = ${log}\nlog_max_size = 1\nlog_backup_count = 1\nconsole_output = no`;
    const program = hmonitor({ more: { LOGGING: logging, NETWORK: "batchsize = 3" } });
    await readings(2);
    expect(await program.stop()).toBe(0);
    expect(program.output()).toBe("");
    expect(readdirSync(join(folder, "logs")).sort()).toEqual(["client.log", "client.log.1"]);
    const text = readFileSync(log, "utf8");
    expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info hmonitor \S+ sends records to /);
    expect(text).toMatch(/warn Nothing reads these keys of .*: \[NETWORK\] batchsize \(did you mean batch_size\?\)\n/);
    expect(statSync(log).mode & 0o007).toBe(0);

    const own = join(folder, "own.log");
    const other = hmonitor({ more: { LOGGING: logging } }, ["--log-file", own, "--log-level", "debug"]);
    await readings(3);
    expect(await other.stop()).toBe(0);
    expect(readFileSync(own, "utf8")).toMatch(/debug logger: POST \/api\/receive-data, \d+ bytes: 200/);
    expect(other.output()).toContain("sends records to");
    expect(readFileSync(log, "utf8")).toBe(text);
  });

  test("a token is sent as such, a user and a password as basic authentication, and neither is in the log", async () => {
    server = await LoggerServer.start(file());
    const first = hmonitor({}, ["--debug"], { GOHM_LOGGER_TOKEN: "open-sesame" });
    await server.program.line(/POST .* Bearer open-sesame\n/);
    await first.stop();
    const second = hmonitor({ host: "http://lab:sesame@127.0.0.1" }, ["--debug"]);
    await server.program.line(new RegExp(`POST .* Basic ${Buffer.from("lab:sesame").toString("base64")}\n`));
    await second.stop();
    expect(first.output() + second.output()).not.toContain("sesame");
    expect(second.output()).toContain(`http://***@127.0.0.1:${server.port}/api/receive-data`);
  });

  test.each([
    ["a file that does not exist", undefined, /^Cannot read setting "logger\.config" \(GOHM_LOGGER_CONFIG\): ENOENT/],
    ["a wrong value", { port: 70_000 }, /^Cannot read .*client_config\.ini: \[SERVER\] server_port: must be a port/],
    [
      "a log file that cannot be written",
      { more: { LOGGING: "log_file = /proc/none/client.log" } },
      /^Cannot read \[LOGGING\] log_file in .*client_config\.ini: must be a file that can be written/,
    ],
  ] as const)("%s ends it at the start", async (_what, options, message) => {
    const path = options === undefined ? join(folder, "none.ini") : ini(options);
    agent = start("hmonitor", [], { GOHM_LOGGER_CONFIG: path, GOHM_ROOT: h100 });
    if (agent.child.exitCode === null) await once(agent.child, "close");
    expect(agent.child.exitCode).toBe(1);
    expect(agent.output()).toMatch(message);
  });

  test.skipIf(!certifies)("https: needs a trusted authority, which server.ca may name", async () => {
    const certificates = new CertificateFolder();
    const { cert, key } = certificates.make();
    const received: string[] = [];
    const secure = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
      let body = "";
      request.on("data", (piece) => {
        body += piece;
      });
      request.on("end", () => {
        if (request.method === "POST") received.push(body);
        response.end('{"success": true}');
      });
    });
    secure.listen(0, "127.0.0.1");
    await once(secure, "listening");
    const at = { host: "https://127.0.0.1", port: (secure.address() as AddressInfo).port };
    try {
      const stranger = hmonitor(at);
      await stranger.line(/its certificate is not from a trusted authority \(\w+\): --server-ca names a file/);
      await stranger.stop();
      expect(received).toEqual([]);
      const known = hmonitor(at, ["--server-ca", cert]);
      await expect.poll(() => received.length, patience).toBeGreaterThan(0);
      await known.stop();
      expect(JSON.parse(received[0] ?? "")).toHaveLength(16);
    } finally {
      secure.closeAllConnections();
      secure.close();
      certificates.remove();
    }
  });

  test("a hub takes the same records, with its token, those of an outage too, and knows the cards", async () => {
    const at = hubFolder();
    at.write({ servers: {}, push: { register: "open", logger: "token" } });
    let hub = await startHub(at);
    try {
      const { url } = hub;
      const gohm = promisify(execFile);
      const create = [join(top, "dist/gohm.mjs"), "token", "create", "logger", "--scope", "push", "--json"];
      const { stdout } = await gohm(process.execPath, create, { env: { GOHM_DATA: at.data } });
      const { secret } = JSON.parse(stdout) as { secret: string };
      const to = { port: Number(new URL(url).port), interval: 1 };
      const stranger = hmonitor(to);
      await stranger.line(/it answers 401/);
      await stranger.stop("SIGKILL");
      const program = hmonitor(to, ["--debug"], { GOHM_LOGGER_TOKEN: secret });
      await program.line(/receive-data, \d+ bytes: 200/);
      await hub.stop();
      await program.line(/(ECONNREFUSED[\s\S]*){2}/);
      hub = await startHub(at, { GOHM_HUB_ADDR: new URL(url).host });
      await program.line(/takes records again/);
      expect(await program.stop()).toBe(0);
      const answer = await fetch(`${url}/api/history?host=gpu-client-001&metric=gpu_power&step=0`);
      const { series } = (await answer.json()) as { series: { t: number[] }[] };
      expect(series).toHaveLength(8);
      for (const { t } of series) expect(t).toEqual(series[0]?.t);
      const seconds = series[0]?.t.map((ms) => ms / 1000) ?? [];
      // One in each second, while the hub was away too.
      const [first = 0, last = 0] = [seconds[0], seconds.at(-1)];
      expect(seconds.length).toBeGreaterThan(3);
      expect(seconds.length).toBeGreaterThanOrEqual(last - first - 1);
    } finally {
      await hub.stop();
      at.remove();
    }
  });
});
