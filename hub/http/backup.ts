import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context } from "hono";
import { fileSize } from "../../proto/quantity.ts";
import type { CopySource } from "../database/database.ts";
import type { DatabaseSources } from "../databases.ts";
import { asFault, Fault } from "../fault.ts";
import type { Log } from "../log.ts";
import { backupRoutes } from "../route/backup.ts";
import { type Served, serve } from "../route/handler.ts";
import { controlFolder } from "./socket.ts";

/** Milliseconds between two signs of life (status 102) while a copy is made. */
const aliveMs = 5000;

export interface BackupRouteOptions {
  /** The data folder. */
  readonly data: string;
  readonly sources: DatabaseSources;
  readonly log: Log;
}

/** Serves copies of the databases, one of each at a time. */
export function backup(options: BackupRouteOptions): Served {
  const busy = new Set<CopySource>();
  const answer = async (
    name: keyof DatabaseSources,
    outgoing: ServerResponse,
    elsewhere: () => Response,
  ): Promise<Response> => {
    const database = options.sources[name];
    if (database === undefined) return elsewhere();
    if (busy.has(database)) throw new Fault("backup_failed", "Another backup is under way; try again after it.");
    busy.add(database);
    const timer = setInterval(() => outgoing.writeProcessing(), aliveMs);
    try {
      await send(options, database, outgoing, () => clearInterval(timer));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ERR_STREAM_PREMATURE_CLOSE") {
        options.log.info("a client disconnected before its backup was sent");
      } else {
        if (!outgoing.headersSent) throw error;
        if (asFault(error).code === "internal") options.log.error(`a backup failed: ${String((error as Error).stack)}`);
        // The status is sent already: only a cut connection shows that the copy is incomplete.
        outgoing.destroy();
      }
    } finally {
      clearInterval(timer);
      busy.delete(database);
    }
    return RESPONSE_ALREADY_SENT;
  };
  const outgoingOf = (c: Context): ServerResponse => (c.env as HttpBindings).outgoing as ServerResponse;
  return serve(backupRoutes, {
    backup: ({ c }) =>
      answer("history", outgoingOf(c), () => {
        throw new Fault("backup_failed", "This hub's history is kept by another server; make a copy of it there.");
      }),
    databaseBackup: ({ c, given: { database } }) => {
      if (!isName(database, options.sources)) throw new Fault("page_unknown", "There is nothing at this path.");
      return answer(database, outgoingOf(c), () => new Response(null, { status: 204 }));
    },
  });
}

const isName = (name: string, sources: DatabaseSources): name is keyof DatabaseSources => Object.hasOwn(sources, name);

/**
 * Copies a database into the data folder, so that it does not change while it is sent, and sends the copy.
 * @param made called before the first byte is sent
 */
async function send(
  { data, log }: BackupRouteOptions,
  database: CopySource,
  outgoing: ServerResponse,
  made: () => void,
): Promise<void> {
  const { bavail, bsize } = statfsSync(data);
  const [free, wanted] = [bavail * bsize, database.bytes() * 1.1];
  if (free < wanted) {
    throw new Fault(
      "backup_failed",
      `The copy needs ${fileSize(wanted)} in ${resolve(data)} until it is sent, and ${fileSize(free)} are free there; make room, or stop the hub and copy the folder.`,
    );
  }
  const folder = mkdtempSync(join(controlFolder(data), "copy-"));
  try {
    const path = join(folder, "copy");
    await database.backup(path);
    made();
    const file = await open(path, "r");
    // The content lasts until the file is closed, however this process ends.
    await rm(folder, { force: true, recursive: true });
    const { size } = await file.stat();
    outgoing.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": size });
    await pipeline(file.createReadStream(), outgoing);
    log.info(`sent a backup of ${fileSize(size)}`);
  } finally {
    // Also removes what a failed copy left.
    rmSync(folder, { force: true, recursive: true });
  }
}
