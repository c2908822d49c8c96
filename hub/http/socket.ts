import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
} from "node:fs";
import { open, rm } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileSize } from "../../proto/quantity.ts";
import type { Clock } from "../clock.ts";
import type { CopySource } from "../database/database.ts";
import { asFault, Fault } from "../fault.ts";
import type { Log } from "../log.ts";

/** Path of the request for a copy of the history; those of the other databases are below it. */
export const backupPath = "/backup";
/** Milliseconds between two signs of life while an answer is being made. */
const alive = 5000;
/** The kernel takes no longer path of a socket: sun_path, with the zero that ends it. Bytes. */
const longest = 107;

/** Between two attempts to open the socket. Milliseconds. */
const retryMs = 30_000;

export interface Controlled {
  /** The data folder. */
  readonly folder: string;
  /** By name. */
  readonly databases: Readonly<Record<string, CopySource>>;
  readonly clock: Clock;
  readonly log: Log;
}

/** A path for a Unix socket, which must be let go once it was bound or connected to. */
export interface Address {
  readonly path: string;
  release(): void;
}

const roomOf = (folder: string): string => join(resolve(folder), "control");

/**
 * Where the hub of a data folder takes what only its own user may ask: a socket in a folder that nobody else can enter.
 * @throws Error of the file system
 */
export function addressOf(folder: string): Address {
  const path = join(roomOf(folder), "socket");
  if (Buffer.byteLength(path) <= longest) return { path, release: () => {} };
  // The same place by a shorter name.
  const held = openSync(roomOf(folder), "r");
  return { path: `/proc/self/fd/${held}/socket`, release: () => closeSync(held) };
}

/**
 * The lock on the database does not tell of a hub under which that file was deleted: its socket does.
 * @throws Fault data_folder_busy
 */
export async function checkAlone(folder: string): Promise<void> {
  if (!(await answers(folder))) return;
  throw new Fault(
    "data_folder_busy",
    `Another hub is using the data folder ${resolve(folder)} (GOHM_DATA); end it or set GOHM_DATA to another folder`,
  );
}

async function answers(folder: string): Promise<boolean> {
  try {
    const address = addressOf(folder);
    return await new Promise((done) => {
      const socket = connect(address.path);
      socket.once("connect", () => done(true)).once("error", () => done(false));
      socket.once("connect", () => socket.destroy()).once("close", () => address.release());
    });
  } catch {
    return false; // there is no such folder yet
  }
}

/**
 * Opens that socket. Where that fails (a full disk, a file system without sockets) the hub runs without it, says so, and
 * tries again. The data folder belongs to this hub alone by then, so what an earlier one left behind may go.
 */
export async function openControl(to: Controlled): Promise<{ close(): Promise<void> }> {
  const busy = new Set<CopySource>();
  const server = createServer((request, response) => {
    const database = databaseAt(request.url ?? "", to.databases);
    if (database === undefined) {
      return refuse(response, new Fault("page_unknown", "There is nothing at this path."), 404);
    }
    if (request.method !== "GET") {
      response.setHeader("Allow", "GET");
      return refuse(response, new Fault("method_refused", `A backup is taken by GET, not by ${request.method}.`), 405);
    }
    if (busy.has(database))
      return refuse(response, new Fault("backup_failed", "Another backup is under way; try again after it."));
    busy.add(database);
    serve(to, database, response)
      .catch((error: unknown) => {
        const fault = asFault(error);
        if ((error as NodeJS.ErrnoException).code === "ERR_STREAM_PREMATURE_CLOSE") {
          return to.log.info("whoever asked for a backup went away before it was sent");
        }
        if (fault.code === "internal") to.log.error(`a backup failed: ${String((error as Error).stack)}`);
        refuse(response, fault);
      })
      .finally(() => busy.delete(database));
  });
  let address: Address | undefined;
  let cancel = (): void => {};
  let warned = false;
  const attempt = async (): Promise<void> => {
    try {
      clear(roomOf(to.folder));
      address = addressOf(to.folder);
      await bound(server, address.path);
      if (warned) to.log.info("gohm backup works again");
    } catch (error) {
      address?.release();
      address = undefined;
      if (!warned) to.log.warn(`gohm backup does not work at the moment: ${(error as Error).message}`);
      warned = true;
      cancel = to.clock.after(retryMs, () => void attempt());
    }
  };
  await attempt();
  return {
    close: () =>
      new Promise((done) => {
        cancel();
        server.close(() => {
          address?.release();
          done();
        });
        server.closeAllConnections();
      }),
  };
}

/** The database that a path names. */
function databaseAt(path: string, databases: Controlled["databases"]): CopySource | undefined {
  if (path === backupPath) return databases.history;
  const name = path.startsWith(`${backupPath}/`) ? path.slice(backupPath.length + 1) : "";
  return Object.hasOwn(databases, name) ? databases[name] : undefined;
}

function bound(server: Server, path: string): Promise<void> {
  return new Promise((done, fail) => {
    server.once("error", fail).listen(path, () => {
      server.off("error", fail);
      done();
    });
  });
}

/** An empty folder that only this user can enter. @throws Error of the file system */
function clear(room: string): void {
  mkdirSync(room, { recursive: true, mode: 0o700 });
  if (!lstatSync(room).isDirectory()) throw new Error(`${room} is no folder`);
  chmodSync(room, 0o700);
  for (const name of readdirSync(room)) rmSync(join(room, name), { force: true, recursive: true });
}

async function serve(to: Controlled, database: CopySource, response: ServerResponse): Promise<void> {
  const timer = setInterval(() => response.writeProcessing(), alive);
  try {
    await sendBackup(to, database, response);
  } finally {
    clearInterval(timer);
  }
}

/** The whole copy stands in the data folder for a while: what is sent must not change while it is sent. */
async function sendBackup({ folder, log }: Controlled, database: CopySource, response: ServerResponse): Promise<void> {
  const { bavail, bsize } = statfsSync(folder);
  const [free, wanted] = [bavail * bsize, database.bytes() * 1.1];
  if (free < wanted) {
    throw new Fault(
      "backup_failed",
      `The copy needs ${fileSize(wanted)} in ${resolve(folder)} until it is sent, and ${fileSize(free)} are free there; make room, or stop the hub and copy the folder.`,
    );
  }
  const room = mkdtempSync(join(roomOf(folder), "copy-"));
  try {
    const path = join(room, "copy");
    await database.backup(path);
    const file = await open(path, "r");
    // Gone with its last reader, whatever happens to this process.
    await rm(room, { force: true, recursive: true });
    const { size } = await file.stat();
    response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": size });
    await pipeline(file.createReadStream(), response);
    log.info(`a backup of ${fileSize(size)} was taken`);
  } finally {
    // With whatever the engine left beside a copy that failed half-way.
    rmSync(room, { force: true, recursive: true });
  }
}

function refuse(response: ServerResponse, { code, message }: Fault, status = 500): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify({ error: { code, message } }));
}
