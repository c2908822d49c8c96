// hmonitor --server: the built program against a portal over loopback, on this machine and on one with eight GPUs.
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { cpus, hostname, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { missingCompiler, player } from "../nvml/build.ts";
import { h100, readers } from "../nvml/rig.ts";
import { json, TestPortal } from "../portal.ts";
import { type Program, start, top } from "../program.ts";

const able = spawnSync("openssl", ["version"]).status === 0;
const patience = { timeout: 20_000, interval: 20 };

let portal: TestPortal;
let folder: string;
let file: string;
let program: Program | undefined;

beforeEach(async () => {
  portal = new TestPortal();
  await portal.up();
  folder = mkdtempSync(join(tmpdir(), "agent-push-"));
  file = join(folder, "own", "push.json");
});

afterEach(async () => {
  await program?.stop("SIGKILL");
  program = undefined;
  await portal.down();
  rmSync(folder, { recursive: true, force: true });
});

function report(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Program {
  program = start("hmonitor", ["--server", portal.url, "--config", file, "--nogpu", ...args], env);
  return program;
}

const reports = (count: number) =>
  vi.waitFor(() => expect(portal.reports.length).toBeGreaterThanOrEqual(count), patience);

/** The status at which a service manager is to leave it alone, as the units of systemd have it. */
const rejected = Number(
  /^RestartPreventExitStatus=(\d+)$/m.exec(readFileSync(join(top, "deploy/systemd/hmonitor.service"), "utf8"))?.[1],
);

/** Ends by itself; returns what it said. */
async function ends(running: Program, status: number): Promise<string> {
  if (running.child.exitCode === null) await once(running.child, "close");
  expect(running.child.exitCode).toBe(status);
  return running.output();
}

test("registers once, stores its token privately, reports, and uses that token after a restart", async () => {
  const first = report(["--hostname", "node1"]);
  await reports(2);
  expect(await first.stop()).toBe(0);
  expect(portal.wrong).toEqual([]);
  const kept = { token: portal.nodes.get("node1"), server: portal.url };
  expect(readFileSync(file, "utf8")).toBe(`${JSON.stringify(kept, null, 2)}\n`);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(first.output()).toContain(`push: registered with ${portal.url} as node1 (pending)`);
  expect(first.output()).not.toContain(portal.nodes.get("node1"));

  const before = portal.reports.length;
  report(["--hostname", "node1"]);
  await reports(before + 1);
  expect(portal.capabilities).toHaveLength(1);
});

test("reports the values of the machine's own tools, in the portal's units", async () => {
  const running = report();
  await reports(2);
  expect(await running.stop()).toBe(0);
  const [first, told] = portal.plain;
  // Nothing was counted before the first report, which waits for nothing.
  expect(first).toMatchObject({
    cpuUsagePct: null,
    networkRxMbps: 0,
    networkTxMbps: 0,
    uptimeSeconds: expect.any(Number),
  });
  expect(Object.keys(told ?? {})).toEqual(
    ["hostname", "ip", "cpuUsagePct", "cpuCores", "memoryUsedGB", "memoryTotalGB", "gpus", "disks", "nics"].concat([
      "networkRxMbps",
      "networkTxMbps",
      "uptimeSeconds",
      "processCount",
      "loadAvg",
    ]),
  );
  expect(told).toMatchObject({
    hostname: hostname(),
    memoryTotalGB: Math.round((totalmem() / 1024 ** 3) * 10) / 10,
    cpuUsagePct: expect.any(Number),
    cpuCores: cpus().length,
    memoryUsedGB: expect.any(Number),
    networkRxMbps: expect.any(Number),
    uptimeSeconds: expect.any(Number),
    processCount: expect.any(Number),
    loadAvg: [expect.any(Number), expect.any(Number), expect.any(Number)],
    gpus: [],
  });
  expect(portal.capabilities[0]).toMatchObject({ memoryTotalGB: told?.memoryTotalGB, cpuCores: told?.cpuCores });
});

test("a new selection of the administrator applies from the next report", async () => {
  report();
  await reports(1);
  const nics = portal.plain[0]?.nics;
  portal.config = { ...portal.config, nicNames: [], diskMounts: ["/nowhere"] };
  portal.version = 1;
  await vi.waitFor(() => expect(portal.plain.at(-1)).toMatchObject({ nics: [], disks: [] }), patience);
  expect(portal.configs).toBe(2);
  portal.config = { ...portal.config, nicNames: null };
  portal.version = 2;
  await vi.waitFor(() => expect(portal.plain.at(-1)?.nics).toHaveLength((nics as unknown[]).length), patience);
  expect(portal.plain.at(-1)).toMatchObject({ processCount: expect.any(Number) });
});

test("a name that is registered already stops the agent, with what to do", async () => {
  portal.nodes.set("node1", "somebody else's");
  const text = await ends(report(["--hostname", "node1"]), rejected);
  expect(text).toContain(`${portal.url} knows a node "node1" already`);
  expect(text).toContain(`delete ${file} if it is there, and start again`);
  expect(existsSync(file)).toBe(false);
});

test("a portal that wants a secret gets it, and no other does", async () => {
  portal.secret = "open sesame";
  for (const [args, text] of [
    [[], "none is given. Ask the hub's administrator for it"],
    [["--secret", "wrong"], "start again. It says: Invalid registration secret"],
  ] as const) {
    expect(await ends(report(args), rejected)).toContain(text);
  }
  const secret = join(folder, "secret");
  writeFileSync(secret, "open sesame\n", { mode: 0o644 });
  const running = report(["--debug"], { GOHM_SECRET_FILE: secret });
  await reports(1);
  expect(await running.stop()).toBe(0);
  expect(running.output()).toContain(
    `Every user of this machine can read the secret in ${secret}: chmod o-rwx ${secret}`,
  );
  expect(running.output()).not.toContain("sesame");
  expect(readFileSync(file, "utf8")).not.toContain("sesame");
});

test("a token that the portal does not know stops the agent, with what to do, at the start and later", async () => {
  mkdirSync(join(folder, "own"));
  writeFileSync(file, JSON.stringify({ token: "stale", server: portal.url }));
  chmodSync(file, 0o600);
  expect(await ends(report(), rejected)).toContain(
    `rejects the token in ${file}, as after an administrator deleted this machine or reset its token. To register it again`,
  );
  rmSync(file);
  const running = report();
  await reports(1);
  portal.nodes.clear();
  expect(await ends(running, rejected)).toContain(`delete ${file}, and start again`);
});

test.each([
  ["nothing but half an object", '{"token": "a"', "must be {"],
  ["the token of another hub", '{"token": "a", "server": "http://other:1"}', "is for http://other:1, not for"],
])("a token file with %s stops the agent before it sends a request", async (_, text, message) => {
  mkdirSync(join(folder, "own"));
  writeFileSync(file, text);
  expect(await ends(report(), 1)).toContain(message);
  expect(portal.configs).toBe(0);
});

type Response = Parameters<typeof json>[0];

test("a portal that answers with garbage, too much, errors or a redirect is retried until it does not", async () => {
  const at = (path: "register" | "report", ...bad: ((response: Response) => void)[]): void => {
    portal.faults[path] = (_request, response) => {
      bad.shift()?.(response);
      if (bad.length === 0) portal.faults[path] = undefined;
    };
  };
  at(
    "register",
    (response) => response.end("<html>welcome"),
    (response) => response.writeHead(302, { location: `${portal.url}/login` }).end(),
  );
  const running = report();
  await running.line(/its answer to the registration holds no token; trying again/);
  await running.line(/it does not register this machine: it answers with a redirect \(302\) to "http\S+\/login"/);
  await reports(1);

  at(
    "report",
    (response) => response.end("y".repeat(1_000_000)),
    (response) => json(response, 500, { detail: "out of memory" }),
  );
  await running.line(/its answer is over 262144 bytes; trying again/);
  await running.line(/it takes no report: it answers 500: out of memory; trying again/);
  await running.line(/takes reports again/);

  at("report", (response) => response.end("[]"));
  const before = portal.reports.length;
  await reports(before + 2);
  expect(portal.wrong).toEqual([]);
});

test("a configuration that cannot be used is asked for again, and nothing is reported before", async () => {
  portal.faults.config = (_request, response) => {
    portal.faults.config = undefined;
    json(response, 200, { gpuIndices: "all" });
  };
  const running = report();
  await running.line(/its configuration cannot be used: it must hold a list of numbers as gpuIndices/);
  expect(portal.reports).toHaveLength(0);
  await reports(1);
});

test("a portal that rejects null gets none", async () => {
  portal.strict = true;
  report([], { GOHM_ROOT: h100, GOHM_NVML: "/nowhere" });
  await reports(2);
  expect(JSON.stringify(portal.plain)).not.toContain("null");
});

test("while it pushes it listens nowhere, unless told to", async () => {
  const running = report();
  await reports(1);
  expect(running.output()).not.toContain("listens on");
  expect(await running.stop()).toBe(0);
  const both = report([], { GOHM_ADDR: "127.0.0.1:0" });
  await both.line(/listens on 127\.0\.0\.1:\d+/);
  const before = portal.reports.length;
  await reports(before + 1);
});

test("--debug logs each exchange, without the token", async () => {
  const running = report(["--debug", "--hostname", "node1"]);
  await running.line(/push: POST \/api\/monitoring\/register, \d+ bytes: 200 in \d+ ms/);
  await running.line(/push: GET \/api\/monitoring\/config: 200 in \d+ ms/);
  await running.line(/push: POST \/api\/monitoring\/report, \d+ bytes: 200 in \d+ ms/);
  expect(running.output()).not.toContain(portal.nodes.get("node1"));
});

test("stops at once while the portal does not answer", async () => {
  const running = report();
  await reports(1);
  const asked = new Promise((resolve) => {
    portal.faults.report = resolve;
  });
  await asked;
  expect(await running.stop()).toBe(0);
  expect(running.output()).toMatch(/^push: \d+ samples? could not be sent before the end$/m);
});

test("a hub without TLS at an https: address is reported as such, in one line of the log", async () => {
  const server = portal.url.replace("http:", "https:");
  program = start("hmonitor", ["--server", server, "--config", file, "--nogpu"], {});
  await program.line(
    /^push: https:\S+: it does not speak TLS: its address may begin with http:\/\/; trying again until it works$/m,
  );
});

test.skipIf(!able)("an https: hub is trusted by the authority that vouches for it, and by no other", async () => {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"].concat([
      "-subj",
      "/CN=hub",
      "-addext",
      "subjectAltName=IP:127.0.0.1",
      "-keyout",
      key,
      "-out",
      cert,
    ]),
    { stdio: "ignore" },
  );
  let heard = 0;
  const hub = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_request, response) => {
    heard++;
    json(response, 409, {});
  });
  hub.listen(0, "127.0.0.1");
  await once(hub, "listening");
  const url = `https://127.0.0.1:${(hub.address() as AddressInfo).port}`;
  const stranger = start("hmonitor", ["--server", url, "--config", file, "--nogpu"], {});
  await stranger.line(
    /its certificate is not from a trusted authority \(DEPTH_ZERO_SELF_SIGNED_CERT\): --server-ca names a file of further ones; trying again/,
  );
  expect(await stranger.stop()).toBe(0);
  expect(heard).toBe(0);
  const known = start("hmonitor", ["--server", url, "--config", file, "--nogpu", "--server-ca", cert], {});
  expect(await ends(known, rejected)).toContain(`${url} knows a node`);
  hub.close();
  hub.closeAllConnections();
});

const reason = missingCompiler();

describe.skipIf(reason !== undefined)(`eight GPUs${reason ? `: ${reason}` : ""}`, () => {
  const args = () => ["--server", portal.url, "--config", file, "--hostname", "dgx"];
  const env = () => ({ GOHM_ROOT: h100, GOHM_NVML: player(), GOHM_PLAYER: h100 });
  const expected = fromJsonString(HostInfoSchema, readFileSync(join(h100, "expected.json"), "utf8"));

  test("are registered, and reported as the administrator chose", async () => {
    portal.config = { ...portal.config, gpuIndices: [2, 5] };
    program = start("hmonitor", args(), env());
    await reports(1);
    expect(portal.capabilities[0]?.gpus).toEqual(
      expected.gpus.map(({ id, name, memTotal }) => ({
        index: id,
        name,
        memoryTotalMB: Math.round(Number(memTotal) / 1024 ** 2),
      })),
    );
    const [told] = portal.plain;
    expect(told?.gpus).toEqual(
      [2, 5].map((index) => ({
        index,
        name: "NVIDIA H100 80GB HBM3",
        utilizationPct: expected.gpus[index]?.utilization,
        memoryUsedMB: Math.round(Number(expected.gpus[index]?.memUsed) / 1024 ** 2),
        memoryTotalMB: Math.round(Number(expected.gpus[index]?.memTotal) / 1024 ** 2),
        temperatureC: expected.gpus[index]?.temp,
        powerDrawW: Math.round((expected.gpus[index]?.power ?? 0) / 1000),
        powerLimitW: Math.round((expected.gpus[index]?.powerLimit ?? 0) / 1000),
      })),
    );
  });

  test("before, during and after an outage: a hub that accepts samples misses none, and each has its own time", async () => {
    portal.rich = true;
    program = start("hmonitor", [...args(), "--debug"], env());
    await reports(2);
    const read = () => portal.reports.map(({ body }) => fromBinary(HostInfoSchema, body));
    expect(portal.reports[0]?.type).toBe("application/x-protobuf; messageType=gpu.HostInfo");
    expect(read()[0]).toMatchObject({ hostname: "dgx", gpus: expect.objectContaining({ length: 8 }) });
    expect(read()[0]?.gpus.some(({ procs }) => procs.some(({ username }) => username === "alice"))).toBe(true);

    await portal.down();
    const lost = Date.now();
    // The waits before the second and the third attempt are a second and a half at least: a sample comes in meanwhile.
    await program.line(/(ECONNREFUSED[^\n]*; trying again[\s\S]*){3}/);
    const before = portal.reports.length;
    await portal.up();
    const [, kept] = await program.line(/takes reports again: (\d+) samples kept meanwhile/);
    await reports(before + Number(kept) + 1);

    const times = read().map(({ sampled }) => Number(sampled));
    expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b));
    expect(times.filter((time) => time > lost).length).toBeGreaterThan(Number(kept) - 1);
    const { pid } = program.child;
    expect(await program.stop()).toBe(0);
    expect(readers(pid)).toEqual([]);
  });
});
