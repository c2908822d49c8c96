// The right to write the report of a node and day, which one program has at a time: the hub and a command of cron, also in
// other containers and on other machines with the same folder.
import { randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import { chmod, type FileHandle, mkdir, open, readdir, readFile, rename, rm, rmdir } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { codeOf, partialFolder, statOf } from "../place.ts";
import { directory, give } from "./rights.ts";

/** A program that cannot be asked, and has not made a file for so long, is gone. Milliseconds. */
const goneMs = 30_000;
/** Milliseconds between two looks whether another program is done, and until it counts as one without end. */
const waitMs = 50;
const longestMs = 60_000;
/** Most bytes of a socket's path: the kernel's sun_path, without the zero that ends it. */
const longestPath = 107;

/** Name of the socket on which a program listens until it is done, or the kernel ends it. */
const alive = "alive";

/** The right to write a report. */
export interface Lock {
  /** A folder of this program alone, in which files are made. */
  readonly path: string;
  /** False if another program took this one for gone, and the right from it. */
  isHeld(): Promise<boolean>;
  release(): Promise<void>;
}

/**
 * Takes the right to write a report, and waits while another program has it. That one is asked by its socket, so that a program
 * that was killed is not waited for; where that is not possible, the time of its last file counts.
 *
 * `.partial` has one folder, of the program with the right, and of a name that no other has. It is made elsewhere and renamed:
 * the kernel replaces no folder that has something in it. Who removes one that is gone cannot remove what another has made
 * since, however many find it at once.
 * @param day folder @param owner whose owner and rights folders get
 * @throws Error of the file system; Error if the other program does not end
 */
export async function takeLock(day: string, owner: Stats): Promise<Lock> {
  const part = join(day, partialFolder);
  for (let waited = 0; ; ) {
    if (await isFreed(part)) {
      const lock = await begin(day, owner);
      if (lock !== undefined) return lock;
      continue;
    }
    if (waited >= longestMs) throw new Error(`${part}: another program writes this report without end`);
    await setTimeout(waitMs);
    waited += waitMs;
  }
}

/** Codes of a rename if there is something already; if this program was stopped for long, and another removed its folder. */
const taken = ["EEXIST", "ENOTEMPTY", "ENOTDIR", "ENOENT"];

/** @returns undefined if another program was faster */
async function begin(day: string, owner: Stats): Promise<Lock | undefined> {
  const part = join(day, partialFolder);
  const id = randomBytes(8).toString("hex");
  const staging = `${part}-${id}`;
  await mkdir(staging, { mode: 0o700 });
  let socket: Socket | undefined;
  try {
    // That the hub can remove what a command of root left.
    await give(staging, owner);
    const first = join(staging, id);
    await mkdir(first, { mode: 0o700 });
    await give(first, owner);
    const own = await kernelId();
    socket = own === undefined ? undefined : await listen(first);
    const name = socket === undefined ? id : `${own}-${id}`;
    await rename(first, join(staging, name));
    await rename(staging, part);
    await tidy(day);
    return new HeldLock(part, join(part, name), socket);
  } catch (error) {
    await socket?.close();
    await remove(staging);
    if (taken.includes(codeOf(error) ?? "")) return undefined;
    throw error;
  }
}

/** Removes what programs that were killed had not renamed yet. */
async function tidy(day: string): Promise<void> {
  for (const name of await readdir(day)) if (name.startsWith(`${partialFolder}-`)) await isFreed(join(day, name));
}

class HeldLock implements Lock {
  readonly path: string;
  readonly #part: string;
  readonly #socket: Socket | undefined;

  constructor(part: string, path: string, socket: Socket | undefined) {
    this.#part = part;
    this.path = path;
    this.#socket = socket;
  }

  async isHeld(): Promise<boolean> {
    return (await statOf(this.path)) !== undefined;
  }

  async release(): Promise<void> {
    try {
      await remove(this.path);
      await removeEmpty(this.#part);
    } finally {
      await this.#socket?.close();
    }
  }
}

const remove = async (path: string): Promise<void> => await rm(path, { recursive: true, force: true });

/** Removes the folder of all programs, unless one has the right: the kernel does not remove a folder with something in it. */
async function removeEmpty(part: string): Promise<void> {
  await rmdir(part).catch((error: unknown) => {
    if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes(codeOf(error) ?? "")) throw error;
  });
}

/** Removes what programs have left that are gone. @returns false if another one has the right */
async function isFreed(part: string): Promise<boolean> {
  const there = await statOf(part);
  if (there === undefined) return true;
  if (!there.isDirectory()) {
    await remove(part);
    return true;
  }
  const names = await readdir(part).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  });
  for (const name of names) if (!(await isGone(part, there, name))) return false;
  for (const name of names) await remove(join(part, name));
  await removeEmpty(part);
  return true;
}

async function isGone(part: string, partStats: Stats, name: string): Promise<boolean> {
  const path = join(part, name);
  const [, its] = /^([0-9a-f]{32})-[0-9a-f]{16}$/.exec(name) ?? [];
  if (its !== undefined && its === (await kernelId())) {
    const answer = await ask(path);
    if (answer !== undefined) return answer === "gone";
  }
  const own = await statOf(path);
  // Of what is none of these folders, the time of the folder that it is in.
  const { mtimeMs } = own?.isDirectory() ? own : partStats;
  // A time in the future is that of another clock.
  return own === undefined || Math.abs(Date.now() - mtimeMs) > goneMs;
}

/** Identifies the kernel, on which sockets are asked: containers have that of their machine. */
function kernelId(): Promise<string | undefined> {
  kernel ??= readFile("/proc/sys/kernel/random/boot_id", "utf8").then(
    (text) => /^[0-9a-f]{32}$/.exec(text.trim().replaceAll("-", ""))?.[0],
    () => undefined,
  );
  return kernel;
}

let kernel: Promise<string | undefined> | undefined;

interface SocketPath {
  readonly path: string;
  readonly close: () => Promise<void>;
}

/** A path of a folder's socket. @throws Error of the file system */
async function socketIn(folder: string): Promise<SocketPath> {
  const path = join(folder, alive);
  if (Buffer.byteLength(path) <= longestPath) return { path, close: async () => {} };
  const handle: FileHandle = await open(folder, directory);
  return { path: `/proc/self/fd/${handle.fd}/${alive}`, close: () => handle.close() };
}

interface Socket {
  close(): Promise<void>;
}

/** Listens in a folder. @returns undefined if its file system has no sockets @throws Error if the folder is not there */
async function listen(folder: string): Promise<Socket | undefined> {
  const { path, close } = await socketIn(folder);
  const server: Server = createServer((connection) => connection.destroy());
  const closeAll = async (): Promise<void> => {
    if (server.listening) await new Promise((done) => server.close(done));
    await close();
  };
  try {
    await new Promise<void>((done, fail) => {
      server.once("error", fail);
      server.listen(path, done);
    });
    // Its folder is closed to others already: the hub asks a command of root, too.
    await chmod(path, 0o666);
    return { close: closeAll };
  } catch {
    await closeAll();
    return undefined;
  }
}

/** Asks the program of a folder. @returns undefined if that cannot be told */
async function ask(folder: string): Promise<"here" | "gone" | undefined> {
  try {
    const { path, close } = await socketIn(folder);
    try {
      return await new Promise((done) => {
        const socket = connect(path);
        socket.once("connect", () => {
          socket.destroy();
          done("here");
        });
        // No program listens on it any more, on the kernel on which it did.
        socket.once("error", (error) => done(codeOf(error) === "ECONNREFUSED" ? "gone" : undefined));
      });
    } finally {
      await close();
    }
  } catch {
    return undefined; // removed meanwhile, or not to be entered: its time tells
  }
}
