// The agent as it is given to users: dist/hmonitor, asked over loopback.
import { execFileSync, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFileRegistry, fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { table } from "../../agent/settings.ts";
import { HealthCheckResponse_ServingStatus, HealthCheckResponseSchema } from "../../proto/gen/health_pb.js";
import { type HostInfo, HostInfoSchema, State } from "../../proto/gen/host_pb.js";
import { type Agent, curl, startAgent } from "../agent.ts";
import { top } from "../program.ts";

const file = join(top, "dist", "hmonitor");
const run = (args: string[], env: Record<string, string> = {}) =>
  spawnSync(process.execPath, [file, ...args], { encoding: "utf8", env: { PATH: process.env.PATH, ...env } });

/** This machine in the words of its own tools. */
const said = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: "utf8" }).trim();

describe("an agent of this machine", () => {
  let agent: Agent;
  let info: HostInfo;
  beforeAll(async () => {
    agent = await startAgent();
    info = await agent.info();
  });
  afterAll(() => agent.stop());

  test("logs at start its address, the allowed addresses, and the state of the GPUs", async () => {
    await agent.program.line(/^hmonitor \S+ listens on 127\.0\.0\.1:\d+, allows 127\.0\.0\.0\/8$/m);
    await agent.program.line(/^GPUs: /m);
  });

  test("reports the values of the machine's own tools", () => {
    expect(info.hostname).toBe(said("hostname"));
    expect(info.system?.kernel).toBe(said("uname", "-r"));
    expect(info.system?.bootId).toBe(readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
    expect(info.cpu?.threads).toBe(Number(said("getconf", "_NPROCESSORS_ONLN")));
    expect(info.memory?.total).toBe(BigInt(said("free", "-b").match(/^Mem:\s+(\d+)/m)?.[1] ?? 0));
    expect(Number(info.system?.uptime)).toBeGreaterThan(0);
    expect(info.system?.processes).toBeGreaterThan(1);
    const root = info.disks.find(({ mount }) => mount === "/");
    const [size] = said("df", "-B1", "--output=size", "/").split("\n").slice(1);
    if (root !== undefined) expect(root.total).toBe(BigInt(size ?? 0));
  });

  test("without GPUs says why, and serves everything else", () => {
    if (info.gpus.length === 0) expect(info.err).toMatch(/^NVML: /);
    expect(info.sources.map(({ name }) => name)).toEqual(["nvidia", "cpu", "memory", "disk", "net", "system"]);
    const failed = info.sources.filter(({ name, state }) => name !== "nvidia" && state !== State.OK);
    expect(failed).toEqual([]);
  });

  test("is read by a client that only has the first GOHM's messages", async () => {
    const image = execFileSync(
      join(top, "node_modules", ".bin", "buf"),
      ["build", "test/wire/first", "-o", "-#format=binpb"],
      {
        cwd: top,
      },
    );
    const set: FileDescriptorSet = fromBinary(FileDescriptorSetSchema, image);
    const first = createFileRegistry(set).getMessage("gpu.HostInfo");
    if (first === undefined) throw new Error("test/wire/first has no gpu.HostInfo");
    const old = fromBinary(first, await agent.raw()) as unknown as HostInfo;
    expect(old.hostname).toBe(info.hostname);
    expect(old.ip).toBe(info.ip ?? "");
    expect(old.id).toBe(info.ip?.split(".").at(-1) ?? "");
    expect(old.err).toBe(info.err ?? "");
    expect(old.disks.map(({ device, mount, total }) => [device, mount, total])).toEqual(
      info.disks.map(({ device, mount, total }) => [device, mount, total]),
    );
  });

  test("a client without a schema gets it by reflection, v1 and v1alpha", () => {
    const services = ["gpu.HostMonitor", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];
    for (const protocol of ["grpc-v1", "grpc-v1alpha"]) {
      expect(curl(agent.port, "", "--list-services", "--reflect-protocol", protocol).trim().split("\n")).toEqual(
        services,
      );
      const told = fromJsonString(
        HostInfoSchema,
        curl(agent.port, "/gpu.HostMonitor/GetInfo", "--reflect-protocol", protocol),
      );
      expect(told.system?.bootId).toBe(info.system?.bootId);
    }
  });

  test("reports its health, of the server and of the service", async () => {
    expect(JSON.parse(curl(agent.port, "/grpc.health.v1.Health/Check"))).toEqual({ status: "SERVING" });
    const data = JSON.stringify({ service: "gpu.HostMonitor" });
    expect(JSON.parse(curl(agent.port, "/grpc.health.v1.Health/Check", "-d", data))).toEqual({ status: "SERVING" });
    const unknown = Uint8Array.of(0x0a, 1, 0x78);
    await expect(agent.raw("/grpc.health.v1.Health/Check", unknown)).rejects.toMatchObject({
      code: grpc.status.NOT_FOUND,
    });
  });

  test("the second answer has the CPU's share and the network's rates", async () => {
    // Rates need a second between readings; the agent itself tells when it has had one.
    await expect.poll(async () => (await agent.info()).cpu?.busy, { timeout: 10_000 }).toBeDefined();
    const { nics } = await agent.info();
    for (const nic of nics) expect(nic.rxRate).toBeDefined();
  });

  test("polls that arrive together get one and the same collection", async () => {
    const answers = await Promise.all([agent.raw(), agent.raw(), agent.raw(), agent.raw()]);
    const sampled = new Set(answers.map((bytes) => fromBinary(HostInfoSchema, bytes).sampled));
    expect(sampled.size).toBeLessThan(4);
  });
});

test("a watcher of its health is notified that it stops, and the agent exits with 0", async () => {
  const agent = await startAgent();
  const client = new grpc.Client(`127.0.0.1:${agent.port}`, grpc.credentials.createInsecure());
  const path = "/grpc.health.v1.Health/Watch";
  const stream = client.makeServerStreamRequest(
    path,
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => bytes,
    Buffer.alloc(0),
  );
  const heard: number[] = [];
  stream.on("error", () => undefined); // the stream ends when the agent does
  stream.on("data", (bytes: Buffer) => heard.push(fromBinary(HealthCheckResponseSchema, bytes).status));
  const ended = once(stream, "end");
  await once(stream, "data");
  expect(await agent.stop()).toBe(0);
  await ended;
  const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;
  expect(heard).toEqual([SERVING, NOT_SERVING]);
  client.close();
});

test("Ctrl-C stops it with status 0", async () => {
  const agent = await startAgent();
  await agent.info();
  expect(await agent.program.stop("SIGINT")).toBe(0);
  await agent.stop();
});

test("an agent forked by a program ends with it", async () => {
  const child = fork(file, [], {
    env: { ...process.env, GOHM_ADDR: "127.0.0.1:0" },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  if (child.stdout === null) throw new Error("no output");
  await once(child.stdout, "data");
  const exit = once(child, "exit");
  child.disconnect();
  expect(await exit).toEqual([0, null]);
});

test("info prints one reading as JSON and nothing else", () => {
  const { stdout, status } = run(["info"]);
  expect(status).toBe(0);
  expect(fromJsonString(HostInfoSchema, stdout).hostname).toBe(said("hostname"));
});

test("the single file starts anywhere, by its shebang", () => {
  const { mode, size } = statSync(file);
  expect(mode & 0o111).toBe(0o111);
  expect(size).toBeLessThan(1.2e6);
  const { version } = JSON.parse(readFileSync(join(top, "package.json"), "utf8"));
  expect(
    execFileSync(file, ["--version"], {
      encoding: "utf8",
      env: { PATH: `${join(top, "node_modules/.bin")}:${process.env.PATH}` },
    }),
  ).toBe(`hmonitor ${version}\n`);
});

test("--help names every setting with its variable", () => {
  const { stdout, status } = run(["--help"]);
  expect(status).toBe(0);
  for (const { env: name } of Object.values(table)) {
    expect(stdout).toContain(name);
  }
});

describe("a captured machine", () => {
  const folder = mkdtempSync(join(tmpdir(), "capture-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("is played back by another agent with the same values", async () => {
    const dir = join(folder, "machine");
    expect(run(["capture", dir]).status).toBe(0);
    const then = fromJsonString(HostInfoSchema, readFileSync(join(dir, "answer.json"), "utf8"));
    const agent = await startAgent({ GOHM_ROOT: dir });
    const now = await agent.info();
    expect(await agent.stop()).toBe(0);
    for (const field of ["hostname", "ip", "id", "memory", "system"] as const) expect(now[field]).toEqual(then[field]);
    expect(now.disks.map((disk) => ({ ...disk, sampled: 0n }))).toEqual(
      then.disks.map((disk) => ({ ...disk, sampled: 0n })),
    );
  });

  test("does not overwrite an existing folder", () => {
    const { status, stderr } = run(["capture", folder]);
    expect(status).toBe(1);
    expect(stderr).toBe(`${folder} is not empty: name a folder that is, or a new one\n`);
  });
});

test("with a token, reflection and readings require it, and health does not", async () => {
  const agent = await startAgent({ GOHM_NOGPU: "true", GOHM_TOKEN: "correct horse" });
  try {
    const list = (...args: string[]): string => curl(agent.port, "", "--list-services", ...args);
    expect(() => list()).toThrow(/not authenticated|unauthenticated/i);
    expect(() => list("--reflect-header", "Authorization: Bearer correct horsf")).toThrow(
      /not authenticated|unauthenticated/i,
    );
    const shown = ["--reflect-header", "Authorization: Bearer correct horse"];
    expect(list(...shown)).toContain("gpu.HostMonitor");
    const read = (...args: string[]): string => curl(agent.port, "/gpu.HostMonitor/GetInfo", ...shown, ...args);
    expect(() => read()).toThrow(/not authenticated|unauthenticated/i);
    expect(read("-H", "Authorization: Bearer correct horse")).toContain("hostname");
    await expect(agent.raw("/grpc.health.v1.Health/Check")).resolves.toEqual(Buffer.of(8, 1));
    expect(agent.program.output()).not.toContain("correct");
  } finally {
    expect(await agent.stop()).toBe(0);
  }
});

test("no service answers an address outside the allowlist", async () => {
  const agent = await startAgent({ GOHM_NOGPU: "true", GOHM_ALLOW: "127.0.0.2" });
  try {
    const paths = ["gpu.HostMonitor/GetInfo", "grpc.health.v1.Health/Check"];
    for (const path of paths) {
      await expect(agent.raw(`/${path}`)).rejects.toMatchObject({ code: grpc.status.UNAVAILABLE });
    }
    for (const protocol of ["grpc-v1", "grpc-v1alpha"]) {
      expect(() => curl(agent.port, "", "--list-services", "--reflect-protocol", protocol)).toThrow();
    }
  } finally {
    expect(await agent.stop()).toBe(0);
  }
});
