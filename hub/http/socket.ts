// The control socket: the hub's HTTP interface for its own user, in a folder that only this user can enter.
import { chmodSync, closeSync, lstatSync, openSync, readdirSync, rmSync } from "node:fs";
import { type ClientRequest, request, type Server } from "node:http";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import type { Hono } from "hono";
import { makeFoldersSync } from "../../program/folder.ts";
import type { Clock } from "../clock.ts";
import { Fault } from "../fault.ts";
import type { Log } from "../log.ts";
import type { Call } from "../route/route.ts";
import { serverOf, shut } from "./server.ts";

/** Most bytes of a Unix socket's path: the kernel's sun_path, without the zero that ends it. */
const longestPath = 107;

/** Milliseconds between two attempts to open the socket. */
const retryMs = 30_000;

/** A path for a Unix socket; release it once the socket is bound or connected. Further releases do nothing. */
export interface SocketPath {
  readonly path: string;
  readonly release: () => void;
}

/** The folder of the control socket in a data folder. */
export const controlFolder = (data: string): string => join(resolve(data), "control");

/**
 * The address of the control socket of a data folder.
 * @throws Error of the file system
 */
export function socketPathOf(data: string): SocketPath {
  const path = join(controlFolder(data), "socket");
  if (Buffer.byteLength(path) <= longestPath) return { path, release: () => {} };
  // A shorter path to the same folder.
  const folder = openSync(controlFolder(data), "r");
  let isOpen = true;
  const release = (): void => {
    if (isOpen) closeSync(folder);
    isOpen = false;
  };
  return { path: `/proc/self/fd/${folder}/socket`, release };
}

/**
 * Creates a request to the hub that runs on a data folder. Its body is the caller's to send.
 * @throws Error of the file system
 */
export function requestOn(data: string, { method, path, headers }: Omit<Call, "body">): ClientRequest {
  const address = socketPathOf(data);
  // The path of a URL makes the name in the request "localhost", to which every hub answers.
  const sent = request({ socketPath: address.path, method, path, headers, agent: false });
  return sent.once("response", address.release).once("close", address.release);
}

/**
 * Checks that no hub answers on the control socket: the lock of the database is free if its file was deleted under a
 * running hub.
 * @throws Fault data_folder_busy
 */
export async function checkAlone(data: string): Promise<void> {
  if (!(await answers(data))) return;
  throw new Fault(
    "data_folder_busy",
    `Another hub is using the data folder ${resolve(data)} (--data, GOHM_DATA); end it or name another folder`,
  );
}

async function answers(data: string): Promise<boolean> {
  try {
    const address = socketPathOf(data);
    return await new Promise((done) => {
      const socket = connect(address.path);
      socket.once("connect", () => done(true)).once("error", () => done(false));
      socket.once("connect", () => socket.destroy()).once("close", () => address.release());
    });
  } catch {
    return false; // there is no such folder yet
  }
}

export interface SocketOptions {
  /** The data folder. It belongs to this hub alone, so the content of the control folder is removed. */
  readonly data: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Serves an application on the control socket. Where the socket cannot be opened (a full disk, a file system without
 * sockets) the hub runs without it, logs it, and tries again.
 */
export async function openSocket(app: Hono, { data, clock, log }: SocketOptions): Promise<{ close(): Promise<void> }> {
  const server = serverOf(app, {});
  let address: SocketPath | undefined;
  let cancel = (): void => {};
  let warned = false;
  const attempt = async (): Promise<void> => {
    try {
      clear(controlFolder(data));
      address = socketPathOf(data);
      await bound(server, address.path);
      if (warned) log.info("gohm commands on this machine can reach the hub again");
    } catch (error) {
      address?.release();
      address = undefined;
      if (!warned)
        log.warn(
          `gohm commands on this machine (backup, status, account and others) cannot reach the hub: ${(error as Error).message}`,
        );
      warned = true;
      cancel = clock.after(retryMs, () => void attempt());
    }
  };
  await attempt();
  return {
    async close() {
      cancel();
      await shut(server);
      address?.release();
    },
  };
}

function bound(server: Server, path: string): Promise<void> {
  return new Promise((done, fail) => {
    server.once("error", fail).listen(path, () => {
      server.off("error", fail);
      done();
    });
  });
}

/** Makes an empty folder that only this user can enter. @throws Error of the file system */
function clear(folder: string): void {
  makeFoldersSync(folder, 0o700);
  if (!lstatSync(folder).isDirectory()) throw new Error(`${folder} is not a directory`);
  chmodSync(folder, 0o700);
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { force: true, recursive: true });
}
