// `npm start` as a user runs it: the whole of it, and nothing left when it ends.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { type HubFolder, hubFolder } from "../hub.ts";
import { start, top } from "../program.ts";

interface Running {
  readonly npm: ChildProcess;
  readonly said: () => string;
  readonly ended: Promise<number | null>;
}

/** A clone in which nothing was built yet: other tests run the programs in the dist/ of this one while they are built here. */
const clone = mkdtempSync(join(tmpdir(), "hub-npm-"));
const parts = [
  "agent",
  "hub",
  "program",
  "proto",
  "scripts",
  "web",
  "package.json",
  "tsconfig.json",
  "buf.yaml",
  "buf.gen.yaml",
];

beforeAll(() => {
  for (const part of parts) cpSync(join(top, part), join(clone, part), { recursive: true });
  rmSync(join(clone, "proto", "gen"), { recursive: true, force: true });
  symlinkSync(join(top, "node_modules"), join(clone, "node_modules"));
});
afterAll(() => rmSync(clone, { recursive: true, force: true }));

let at: HubFolder;
let env: Record<string, string>;
let url = "";
let agent = 0;
const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 50_000, interval: 100 });

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}

beforeEach(async () => {
  at = hubFolder();
  agent = await freePort();
  url = `http://127.0.0.1:${await freePort()}`;
  at.write({ servers: { local: `127.0.0.1:${agent}` }, poll: { interval: 1 } });
  const clean = Object.entries(process.env).filter(([name]) => !/^(GOHM_|npm_|VITEST|NODE_)/.test(name));
  // npm runs on whatever Node the machine has, not on the one of this repository.
  const path = (process.env.PATH ?? "").split(":").filter((folder) => !folder.includes("node_modules"));
  env = {
    ...(Object.fromEntries(clean) as Record<string, string>),
    PATH: path.join(":"),
    GOHM_SETTINGS: at.settings,
    GOHM_DATA: at.data,
    GOHM_HUB_ADDR: url.slice("http://".length),
    GOHM_HISTORY_ADDR: `127.0.0.1:${await freePort()}`,
  };
});

afterEach(() => at.remove());

function npmStart(): Running {
  const npm = spawn("npm", ["start"], { cwd: clone, env, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
    });
  }
  return { npm, said: () => text, ended: once(npm, "close").then(([status]) => status as number | null) };
}

/** Processes below one, all generations. */
function below(pid: number): number[] {
  const parents = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(join("/proc", name, "stat"), "utf8");
        return [[Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])] as const];
      } catch {
        return []; // it ended while the list was read
      }
    });
  const children = parents.filter(([, parent]) => parent === pid).map(([child]) => child);
  return children.flatMap((child) => [child, ...below(child)]);
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function ready({ npm, said }: Running): Promise<number[]> {
  await until(() => expect(said()).toContain(`Open ${url} in a browser`));
  return below(npm.pid ?? 0);
}

test("one command shows this machine, a second one is told why not, and SIGTERM ends all of it with status 0", async () => {
  const running = npmStart();
  const pids = await ready(running);
  expect(pids.length).toBeGreaterThanOrEqual(3);
  await until(async () => expect(await (await fetch(`${url}/api/health`)).json()).toMatchObject({ hosts: 1, open: 1 }));
  expect((await fetch(url)).status).toBe(200);

  const second = npmStart();
  expect(await second.ended).toBe(1);
  expect(second.said()).toContain(
    `Cannot listen on ${url.slice(7)} (GOHM_HUB_ADDR): another program, perhaps GOHM itself`,
  );
  expect((await fetch(url)).status).toBe(200);

  running.npm.kill("SIGTERM");
  expect(await running.ended).toBe(0);
  await until(() => expect(pids.filter(alive)).toEqual([]));
});

test("if the hub cannot start, the agent stops too, with status 1", async () => {
  writeFileSync(join(at.folder, "file"), "");
  env = { ...env, GOHM_DATA: join(at.folder, "file", "data") };
  const running = npmStart();
  expect(await running.ended).toBe(1);
  expect(running.said()).toMatch(/Cannot use the data folder .*GOHM_DATA/);
  const probe = createServer().listen(agent, "127.0.0.1");
  await once(probe, "listening");
  probe.close();
});

test("an agent that answers there already is used, and outlives the hub", async () => {
  const own = start("hmonitor", [], { GOHM_ADDR: `127.0.0.1:${agent}` });
  await own.line(/listens on/);
  const running = npmStart();
  await ready(running);
  expect(running.said()).toContain(`Using the agent that already runs at 127.0.0.1:${agent}.`);
  running.npm.kill("SIGINT");
  expect(await running.ended).toBe(0);
  expect(own.child.exitCode).toBeNull();
  expect(await own.stop()).toBe(0);
});

test("another program at the agent's address is reported, with status 1", async () => {
  const other = createServer((socket) => socket.end("SSH-2.0\r\n").on("error", () => {})).listen(agent, "127.0.0.1");
  await once(other, "listening");
  const running = npmStart();
  expect(await running.ended).toBe(1);
  expect(running.said()).toMatch(
    /Cannot start an agent at 127\.0\.0\.1:\d+: another program is there \(.*does not speak gRPC/,
  );
  other.close();
});

test("invalid settings are reported before anything is built or started", async () => {
  at.write('{"servres": {}}');
  const running = npmStart();
  expect(await running.ended).toBe(1);
  expect(running.said()).toMatch(/Unknown setting "servres".*did you mean "servers"\?/);
  expect(running.said()).not.toContain("Building");
});

test("no program is left when npm is killed", async () => {
  const running = npmStart();
  const pids = await ready(running);
  running.npm.kill("SIGKILL");
  await until(() => expect(pids.filter(alive)).toEqual([]));
});
