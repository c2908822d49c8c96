import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  stat,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { takeLock } from "./lock.ts";

/** Called instead of each wait for another program. */
const paused = vi.hoisted(() => ({ at: (): void => {}, hasSockets: true }));
vi.mock("node:timers/promises", async (original) => ({
  ...(await original<typeof import("node:timers/promises")>()),
  setTimeout: async () => {
    paused.at();
    // As long as any access to files: on a busy machine, those of the program that is waited for take long, too.
    await new Promise((done) => stat(tmpdir(), done));
  },
}));
vi.mock("node:net", async (original) => {
  const net = await original<typeof import("node:net")>();
  const createServer: typeof net.createServer = (...given: unknown[]) => {
    const server = net.createServer(...(given as []));
    if (!paused.hasSockets) {
      server.listen = () => {
        server.emit("error", new Error("listen EPERM"));
        return server;
      };
    }
    return server;
  };
  return { ...net, createServer };
});

const boot = existsSync("/proc/sys/kernel/random/boot_id")
  ? readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim().replaceAll("-", "")
  : "";
const [own, other] = ["0".repeat(16), "f".repeat(32)];

let folder: string;
let day: string;
let part: string;
let children: ChildProcess[];
let waits: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-lock-"));
  day = folder;
  part = join(day, ".partial");
  children = [];
  waits = 0;
  paused.hasSockets = true;
  paused.at = () => {
    if (++waits > 20_000) throw new Error("it waits without end");
  };
});

afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const take = () => takeLock(day, statSync(day));
const age = (path: string, seconds: number): void =>
  utimesSync(path, Date.now() / 1000 - seconds, Date.now() / 1000 - seconds);

/** Makes the folder of a program, with a file in it. */
function left(name: string): string {
  const path = join(part, name);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "gpu0_2025-08-01.csv"), "half");
  return path;
}

// By a name, as the path of a socket may not be as long as that of a folder.
const listening = `require("node:net").createServer().listen("alive", () => console.log("on"))`;

/** Lets another program listen in a folder. @param how command before that of Node */
async function listenIn(path: string, ...how: string[]): Promise<ChildProcess> {
  const [command = "", ...args] = [...how, process.execPath, "-e", listening];
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"], cwd: path });
  children.push(child);
  const ended = once(child, "exit").then(([code]) => Promise.reject(new Error(`it ended with ${String(code)}`)));
  ended.catch(() => {});
  await Promise.race([once(child.stdout, "data"), ended]);
  return child;
}

async function killed(path: string, ...how: string[]): Promise<void> {
  const child = await listenIn(path, ...how);
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

test("the folder is one of its own, and nothing is there afterwards", async () => {
  const lock = await take();
  expect([readdirSync(part), statSync(lock.path).mode & 0o777, await lock.isHeld()]).toEqual([
    [lock.path.slice(part.length + 1)],
    0o700,
    true,
  ]);
  writeFileSync(join(lock.path, "file"), "");
  await lock.release();
  expect([readdirSync(day), await lock.isHeld(), waits]).toEqual([[], false, 0]);
});

describe.skipIf(boot === "")("a program on the same kernel", () => {
  test("that was killed is not waited for", async () => {
    await killed(left(`${boot}-${own}`));
    // One that was killed before it had the right.
    mkdirSync(`${part}-${own}`);
    renameSync(left(`${boot}-${"1".repeat(16)}`), join(`${part}-${own}`, `${boot}-${"1".repeat(16)}`));
    await killed(join(`${part}-${own}`, `${boot}-${"1".repeat(16)}`));
    const lock = await take();
    expect([readdirSync(part), readdirSync(day), waits]).toEqual([[lock.path.slice(part.length + 1)], [".partial"], 0]);
    await lock.release();
  });

  test("that runs is waited for, whatever the time of its folder, and not without end", async () => {
    const path = left(`${boot}-${own}`);
    age(path, 3600);
    await listenIn(path);
    await expect(take()).rejects.toThrow(/\.partial: another program writes this report without end$/);
    expect([waits, readdirSync(part)]).toEqual([1200, [`${boot}-${own}`]]);
  });

  test("is told apart in a path of any length", async () => {
    day = join(day, "x".repeat(120));
    part = join(day, ".partial");
    mkdirSync(day);
    const lock = await take();
    const second = take();
    while (waits < 20) await new Promise((done) => setImmediate(done));
    await lock.release();
    await (await second).release();
    expect(readdirSync(day)).toEqual([]);
  });

  const canUnshare = spawnSync("unshare", ["--pid", "--fork", "true"]).status === 0;
  test.skipIf(!canUnshare)(
    "is asked also in another container, where processes have other numbers (unshare)",
    async () => {
      const path = left(`${boot}-${own}`);
      const child = await listenIn(path, "unshare", "--pid", "--net", "--fork", "--kill-child");
      age(path, 3600);
      paused.at = () => {
        if (++waits === 5) child.kill("SIGKILL");
        if (waits > 20_000) throw new Error("it waits without end");
      };
      await (await take()).release();
      expect(waits).toBeGreaterThanOrEqual(5);
    },
  );
});

describe("a program that cannot be asked", () => {
  test.each([
    ["on another machine", `${other}-${own}`, 29, 31],
    ["on a file system without sockets", own, 29, 31],
  ])("%s is gone by the time of its last file", async (_, name, here, gone) => {
    const path = left(name);
    age(path, here);
    paused.at = () => {
      if (++waits === 3) age(path, gone);
      if (waits > 20) throw new Error("it waits without end");
    };
    await (await take()).release();
    expect([waits, readdirSync(day)]).toEqual([3, []]);
  });

  test("and writes beside this one keeps the right as long as it writes, and no longer", async () => {
    paused.hasSockets = false;
    const first = await take();
    expect(first.path).toMatch(/\.partial\/[0-9a-f]{16}$/);
    paused.at = () => {
      if (++waits === 5) void first.release();
      if (waits > 20_000) throw new Error("it waits without end");
    };
    await (await take()).release();
    expect([waits >= 5, readdirSync(day)]).toEqual([true, []]);
  });
});

test("what is none of a program's folders is gone with the time of the folder that it is in", async () => {
  mkdirSync(part);
  writeFileSync(join(part, "half.csv"), "");
  age(part, 31);
  await (await take()).release();
  mkdirSync(part);
  await (await take()).release();
  writeFileSync(part, "a file");
  await (await take()).release();
  expect([readdirSync(day), waits]).toEqual([[], 0]);
});

test.each(["killed", "empty", "old", "none"])(
  "of many programs that find what another has left (%s) one at a time has the right",
  async (what) => {
    if (what === "killed" && boot !== "") await killed(left(`${boot}-${own}`));
    if (what === "old") age(left(own), 31);
    if (what === "empty") mkdirSync(part);
    let inside = 0;
    let most = 0;
    const use = async (number: number): Promise<void> => {
      for (let i = 0; i < 4; i++) {
        const lock = await take();
        most = Math.max(most, ++inside);
        for (let turns = 0; turns < (number + i) % 4; turns++) await new Promise((done) => setImmediate(done));
        expect(await lock.isHeld()).toBe(true);
        inside--;
        await lock.release();
      }
    };
    await Promise.all(Array.from({ length: 4 }, (_, number) => use(number)));
    expect([most, inside, readdirSync(day)]).toEqual([1, 0, []]);
  },
);

test("a folder that cannot be made is an error", async () => {
  rmSync(day, { recursive: true });
  await expect(takeLock(day, statSync(tmpdir()))).rejects.toMatchObject({ code: "ENOENT" });
});
