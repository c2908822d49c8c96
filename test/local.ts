// A whole hub in this process: HTTP on loopback, history and book in a temporary folder, and an administrator who uses REST.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BookReader, HostConfig, NodeRecord, Scope } from "../hub/book/book.ts";
import { systemClock } from "../hub/clock.ts";
import type { Desk } from "../hub/desk.ts";
import { type Hub, start } from "../hub/hub.ts";
import { parts } from "../hub/parts.ts";
import { adminRoutes } from "../hub/route/admin.ts";
import { type Call, call } from "../hub/route/route.ts";
import { hashOf, newSecret } from "../hub/secret.ts";
import { settle } from "../hub/settings.ts";
import type { Task } from "../hub/task/task.ts";
import type { HubView } from "../hub/view/view.ts";
import { listening } from "./store.ts";

export interface LocalHub {
  readonly url: string;
  /** The header Authorization of an administrator. */
  readonly authorization: string;
  readonly folder: string;
  readonly live: Hub["live"];
  readonly view: HubView;
  readonly book: BookReader;
  readonly log: ReturnType<typeof listening>;
  /** @throws Error if it is not registered */
  node(hostname: string): NodeRecord;
  /** What an administrator does. @throws Error if the hub refuses it */
  approve(hostname: string): Promise<void>;
  reset(hostname: string): Promise<void>;
  remove(hostname: string): Promise<void>;
  configure(host: string, config: Partial<HostConfig>): Promise<void>;
  /** Makes a token of the API. @returns its secret */
  token(name: string, scope: Scope): Promise<string>;
  /** Makes an enrolment token. @returns its secret */
  enrolment(name: string): Promise<string>;
  close(): Promise<void>;
}

/** @param file content of the settings file */
export async function localHub(file: object): Promise<LocalHub> {
  const folder = mkdtempSync(join(tmpdir(), "gohm-push-"));
  const log = listening();
  let view: HubView | undefined;
  let desk: Pick<Desk, "do"> | undefined;
  const clerk: Task = {
    name: "clerk",
    table: {},
    async open(context) {
      view = context.view;
      desk = context.desk;
      return { change: () => {}, close: () => {} };
    },
  };
  const flags = { data: join(folder, "data"), "hub-addr": "127.0.0.1:0", "history-addr": "127.0.0.1:0" };
  const settings = settle({ flags, env: {} }, () => JSON.stringify({ servers: {}, ...file }));
  const options = { settings, clock: systemClock, random: Math.random, log, version: "1", web: folder };
  const hub = await start(options, { ...parts, tasks: [...parts.tasks, clerk] });
  if (view === undefined || desk === undefined) throw new Error("the hub did not open the test's task");
  const { book } = view;
  const url = `http://127.0.0.1:${hub.port}`;
  const secret = newSecret();
  const token = { name: "test", scope: "admin", created: Date.now(), creator: "test", expires: undefined } as const;
  desk.do(
    { kind: "owner", origin: "test" },
    { name: "token.create", needs: "admin", target: "test", write: (writer) => writer.addToken(hashOf(secret), token) },
  );
  const authorization = `Bearer ${secret}`;
  const ask = async ({ method, path, headers, body }: Call): Promise<unknown> => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { ...headers, authorization },
      ...(body === undefined ? {} : { body }),
    });
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const made = async (name: string, scope: Scope): Promise<string> => {
    const answer = await ask(call(adminRoutes.addToken, {}, { name, scope }));
    return (answer as { secret: string }).secret;
  };
  return {
    ...{ url, authorization },
    ...{ folder, live: hub.live, view, book, log },
    node(hostname) {
      const found = book.node(hostname);
      if (found === undefined) throw new Error(`${hostname} is not registered`);
      return found;
    },
    async approve(name) {
      await ask(call(adminRoutes.approveNode, { name }));
    },
    async reset(name) {
      await ask(call(adminRoutes.resetNode, { name }));
    },
    async remove(name) {
      await ask(call(adminRoutes.deleteNode, { name }));
    },
    async configure(name, config) {
      await ask(call(adminRoutes.configureNode, { name }, config));
    },
    token: made,
    enrolment: (name) => made(name, "enroll"),
    async close() {
      await hub.close();
      rmSync(folder, { recursive: true });
    },
  };
}
