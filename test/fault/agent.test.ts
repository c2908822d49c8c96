// What the world does to an agent, and what it does then.
import { type ChildProcessByStdio, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { rpcLimits } from "../../program/connections.ts";
import { State } from "../../proto/gen/host_pb.js";
import { type Agent, startAgent } from "../agent.ts";
import { programOf, top } from "../program.ts";

const patience = { timeout: 30_000 };
const file = join(top, "dist", "hmonitor");
const run = (args: string[], env: Record<string, string> = {}) =>
  spawnSync(process.execPath, [file, ...args], {
    encoding: "utf8",
    timeout: 20_000,
    env: { PATH: process.env.PATH, GOHM_ADDR: "127.0.0.1:0", ...env },
  });

test.each([
  ["GOHM_ALLOW", "banana", /^Cannot read setting "allow" \(GOHM_ALLOW\): .*"banana" is not one\n$/],
  ["GOHM_ALLOW", "127.0.0.1,10.0.0.0/33", /"10\.0\.0\.0\/33" is not one\n$/],
  ["GOHM_ADDR", "9203", /^Cannot read setting "addr" \(GOHM_ADDR\): .*current value is "9203"\n$/],
  ["GOHM_ADDR", "203.0.113.9:9203", /^Cannot listen on 203\.0\.113\.9:9203 \(GOHM_ADDR\): this machine does not have/],
  [
    "GOHM_ROOT",
    "/no/such/folder",
    /^Cannot read setting "root" \(GOHM_ROOT\): there is no directory "\/no\/such\/folder"\n$/,
  ],
])("%s=%s prevents the start, with one sentence and status 1", (name, value, message) => {
  const { status, stderr, stdout } = run([], { [name]: value });
  expect(stderr).toMatch(message);
  expect(stdout).toBe("");
  expect(status).toBe(1);
});

test("a port in use prevents the start, with one sentence that names it", async () => {
  const other = createServer();
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const child = spawn(process.execPath, [file], { env: { ...process.env, GOHM_ADDR: `127.0.0.1:${port}` } });
  let text = "";
  child.stderr.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  const [status] = await once(child, "close");
  other.close();
  expect(status).toBe(1);
  expect(text).toContain(`Cannot listen on 127.0.0.1:${port} (GOHM_ADDR): another program uses that port`);
});

test.each([
  [["--alow", "::1"], "There is no option --alow: did you mean --allow?"],
  [["captur", "x"], 'There is no command "captur": did you mean "capture"?'],
  [["capture"], "capture needs the folder to write"],
  [["info", "x"], '"x" is one word too many'],
])("%j is refused with status 2 and a suggestion", (args, message) => {
  const { status, stderr } = run(args);
  expect(stderr).toBe(`${message}\nhmonitor --help lists what there is.\n`);
  expect(status).toBe(2);
});

describe("an agent that allows 127.0.0.2 only", () => {
  let agent: Agent;
  beforeAll(async () => {
    agent = await startAgent({ GOHM_ALLOW: "127.0.0.2" });
  });
  afterAll(() => agent.stop());

  const dial = (localAddress: string): Socket => connect({ port: agent.port, host: "127.0.0.1", localAddress });

  test("resets another peer before it sends a byte, and logs it once", async () => {
    for (let i = 0; i < 3; i++) {
      const socket = dial("127.0.0.3");
      const [error] = await once(socket, "error");
      expect(error.code).toBe("ECONNRESET");
      expect(socket.bytesRead).toBe(0);
    }
    await agent.program.line(/^Reject: 127\.0\.0\.3$/m);
    expect(agent.program.output().match(/Reject/g)).toHaveLength(1);
  });

  test("speaks HTTP/2 with the one it allows", async () => {
    const socket = dial("127.0.0.2");
    const [bytes] = await once(socket, "data");
    // A SETTINGS frame: type 4 on stream 0.
    expect(bytes[3]).toBe(4);
    socket.destroy();
  });
});

describe("an agent with misbehaving clients", () => {
  let agent: Agent;
  beforeAll(async () => {
    agent = await startAgent();
  });
  afterAll(() => agent.stop());

  const served = async (): Promise<boolean> => (await agent.info()).hostname !== undefined;

  test.each([
    ["an HTTP/1 request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["noise", Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 251))],
    ["a preface and a frame that is too long", `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${"\xff".repeat(64)}`],
  ])("%s is disconnected, the others are served", async (_, bytes) => {
    const socket = connect(agent.port, "127.0.0.1");
    socket.on("error", () => undefined); // being reset is as good as being closed
    socket.resume();
    socket.write(bytes);
    await once(socket, "close");
    expect(await served()).toBe(true);
  });

  test("silent clients delay nobody, are refused beyond the limit of one address, and are disconnected after ten seconds", async () => {
    // A hub that is connected already, as it is between two polls.
    expect(await served()).toBe(true);
    const silent = Array.from({ length: 600 }, () => connect(agent.port, "127.0.0.1"));
    let ended = 0;
    for (const socket of silent)
      socket
        .on("error", () => undefined)
        .resume()
        .once("close", () => ended++);
    expect(await served()).toBe(true);
    let most = 0;
    await vi.waitUntil(() => {
      most = Math.max(most, readdirSync(`/proc/${agent.program.child.pid}/fd`).length);
      return ended === silent.length;
    }, patience);
    // Descriptors of its own it has a few dozen.
    expect(most).toBeGreaterThan(rpcLimits.perAddress);
    expect(most).toBeLessThan(rpcLimits.perAddress + 60);
    // The hub's own connection stays, and a new one finds a place again.
    expect(await served()).toBe(true);
    const other = new grpc.Client(`127.0.0.1:${agent.port}`, grpc.credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
    await new Promise<void>((resolve, reject) => {
      other.waitForReady(Date.now() + 20_000, (error) => (error ? reject(error) : resolve()));
    });
    other.close();
  });

  test("a malformed request is refused, and so is one that is too long", async () => {
    await expect(agent.raw(undefined, Uint8Array.of(0xff, 0xff))).rejects.toMatchObject({ code: grpc.status.INTERNAL });
    await expect(agent.raw(undefined, new Uint8Array(65 * 1024))).rejects.toMatchObject({
      code: grpc.status.RESOURCE_EXHAUSTED,
    });
    expect(await served()).toBe(true);
  });

  test("a method that does not exist is refused by name", async () => {
    await expect(agent.raw("/gpu.HostMonitor/Reboot")).rejects.toMatchObject({ code: grpc.status.UNIMPLEMENTED });
  });

  test("a client that leaves in the middle of a call affects no other", async () => {
    const client = new grpc.Client(`127.0.0.1:${agent.port}`, grpc.credentials.createInsecure());
    const same = (bytes: Buffer): Buffer => bytes;
    const left = new Promise((resolve) => {
      client.makeUnaryRequest("/gpu.HostMonitor/GetInfo", same, same, Buffer.alloc(0), resolve).cancel();
    });
    expect(await left).toMatchObject({ code: grpc.status.CANCELLED });
    client.close();
    expect(await served()).toBe(true);
  });
});

/** Why no hung mount can be made here, or undefined. */
function lacking(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  try {
    accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
  } catch {
    return "needs /dev/fuse";
  }
  return spawnSync("gcc", ["--version"]).status === 0 ? undefined : "needs gcc";
}

const why = lacking();

describe.skipIf(why !== undefined)(`a mount whose server never answers${why ? ` (${why})` : ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "hang-"));
  let agent: Agent;
  let child: ChildProcessByStdio<null, Readable, Readable>;

  beforeAll(async () => {
    const hang = join(folder, "hang");
    execFileSync("gcc", ["-Wall", "-Werror", "-O1", "-o", hang, join(top, "test", "fault", "hang.c")]);
    mkdirSync(join(folder, "mnt"));
    agent = await startAgent({}, () => {
      child = spawn(hang, [join(folder, "mnt"), process.execPath, file], {
        env: { PATH: process.env.PATH, GOHM_ADDR: "127.0.0.1:0", GOHM_READ_DEADLINE: "1" },
        stdio: ["ignore", "pipe", "pipe"],
      });
      return programOf(child, hang);
    });
  });
  afterAll(async () => {
    await agent.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("is shown as hung without numbers, and everything else is there", async () => {
    const { disks, sources, memory } = await agent.info();
    const hung = disks.filter(({ fstype }) => fstype === "fuse.hang");
    expect(hung).toMatchObject([{ device: "server:/dead", mount: join(folder, "mnt"), state: State.HUNG }]);
    expect(hung[0]?.total).toBeUndefined();
    expect(disks.find(({ mount }) => mount === "/")?.state).toBe(State.OK);
    expect(memory?.total).toBeDefined();
    expect(sources.find(({ name }) => name === "disk")?.state).toBe(State.OK);
  });

  test("blocks one process at most, however often it is polled", async () => {
    for (let i = 0; i < 5; i++) await agent.info();
    const children = readdirSync("/proc").filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/stat`, "utf8").includes("(stat) ") && parent(String(parent(pid))) === child.pid
        );
      } catch {
        return false; // ended meanwhile
      }
    });
    // Asked by a shell, which stands between.
    expect(children.length).toBeLessThanOrEqual(1);
  });

  test("does not keep the agent from stopping", async () => {
    expect(await agent.program.stop()).toBe(0);
  });
});

const parent = (pid: string): number => Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[1]);
