import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { hostPort } from "../../proto/setting.ts";
import { asFault, type Code, Fault } from "../fault.ts";
import type { Log } from "../log.ts";
import { limitConnections } from "./http/connections.ts";
import type { Open } from "./view.ts";

/** HTTP status of each fault. */
export const statusOf: Readonly<Record<Code, number>> = {
  host_unknown: 404,
  device_unknown: 404,
  metric_unknown: 400,
  bad_request: 400,
  page_unknown: 404,
  setting_bad: 500,
  data_folder_unusable: 500,
  data_folder_busy: 500,
  data_newer: 500,
  sample_bad: 400,
  history_unwritable: 503,
  backup_failed: 500,
  port_in_use: 500,
  address_unusable: 500,
  internal: 500,
};

/** What every answer says: browsers take it for what it says it is, and tell nobody where they came from. */
const always = [
  ["X-Content-Type-Options", "nosniff"],
  ["Referrer-Policy", "no-referrer"],
] as const;

/** The HTTP server of all views that have paths. */
export interface Web {
  /** Where it listens, port filled in. */
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/** One application out of the paths of all views; what goes wrong is answered as JSON `{error: {code, message}}`. */
export function application(views: readonly Open[], log: Log): Hono {
  const app = new Hono();
  for (const view of views) view.routes?.(app);
  app.notFound(() => refusal(new Fault("page_unknown", "There is nothing at this path.")));
  app.onError((error) => {
    const fault = asFault(error);
    if (fault.code === "internal") log.error(`a request failed: ${error.stack ?? error.message}`);
    return refusal(fault);
  });
  return app;
}

function refusal(fault: Fault): Response {
  return Response.json({ error: { code: fault.code, message: fault.message } }, { status: statusOf[fault.code] });
}

/**
 * Listens at `address` ("host:port"; port 0 takes any).
 * @throws Fault port_in_use, address_unusable
 */
export async function listen(app: Hono, address: string, log: Log): Promise<Web> {
  const { host, port } = hostPort(address);
  // Puts its own Response in the place of Node's: that one makes a stream of every body and reads it back, which takes
  // as long as fetching a day of history does.
  const respond = getRequestListener(app.fetch);
  const server = createServer((incoming, outgoing) => {
    for (const [name, value] of always) outgoing.setHeader(name, value);
    void respond(incoming, outgoing);
  });
  limitConnections(server, log);
  // A client that sends its headers a byte a minute holds a connection no longer than this.
  server.headersTimeout = 15_000;
  server.requestTimeout = 30_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(cannotListen(error, address)));
    server.listen({ host, port }, resolve);
  });
  return { host, port: (server.address() as AddressInfo).port, close: () => shut(server) };
}

function cannotListen(error: NodeJS.ErrnoException, address: string): Fault {
  if (error.code === "EADDRINUSE") {
    return new Fault(
      "port_in_use",
      `Cannot listen on ${address} (GOHM_HUB_ADDR): another program, perhaps another hub, listens there already; end it or set GOHM_HUB_ADDR to another address`,
    );
  }
  return new Fault(
    "address_unusable",
    `Cannot listen on ${address} (GOHM_HUB_ADDR): ${error.message}; set GOHM_HUB_ADDR to an address of this machine and a free port`,
  );
}

function shut(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
