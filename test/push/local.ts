// A whole hub in this process: HTTP on loopback, history and book in a temporary folder, and a desk that tests use as administrators.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BookReader, type BookWriter, everything, type HostConfig, type NodeRecord } from "../../hub/book/book.ts";
import { systemClock } from "../../hub/clock.ts";
import type { Desk } from "../../hub/desk.ts";
import { type Hub, start } from "../../hub/hub.ts";
import { parts } from "../../hub/parts.ts";
import { hashOf, newSecret } from "../../hub/secret.ts";
import { settle } from "../../hub/settings.ts";
import type { Task } from "../../hub/task/task.ts";
import type { HubView } from "../../hub/view/view.ts";
import { listening } from "../store.ts";

export interface LocalHub {
  readonly url: string;
  readonly folder: string;
  readonly live: Hub["live"];
  readonly view: HubView;
  readonly book: BookReader;
  readonly log: ReturnType<typeof listening>;
  node(hostname: string): NodeRecord;
  approve(hostname: string): void;
  reset(hostname: string): void;
  remove(hostname: string): void;
  /** Makes an enrolment token. @returns its secret */
  enrolment(name: string): string;
  configure(host: string, config: Partial<HostConfig>): void;
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
  const office = desk;
  const act = (target: string, write: (book: BookWriter) => unknown): void =>
    void office.do(
      { kind: "administrator", name: "alice", origin: "127.0.0.1" },
      { name: "test.change", needs: "admin", target, write },
    );
  const node = (hostname: string): NodeRecord => {
    const found = book.node(hostname);
    if (found === undefined) throw new Error(`${hostname} is not registered`);
    return found;
  };
  return {
    url: `http://127.0.0.1:${hub.port}`,
    ...{ folder, live: hub.live, view, book, log, node },
    approve: (hostname) => act(hostname, (writer) => writer.changeNode(node(hostname).id, { state: "approved" })),
    reset: (hostname) =>
      act(hostname, (writer) => writer.changeNode(node(hostname).id, { token: undefined, reset: true })),
    remove: (hostname) => act(hostname, (writer) => writer.removeNode(node(hostname).id)),
    enrolment(name) {
      const secret = newSecret();
      const token = {
        name,
        scope: "enroll",
        created: Date.now(),
        creator: "administrator alice",
        expires: undefined,
      } as const;
      act(name, (writer) => writer.addToken(hashOf(secret), token));
      return secret;
    },
    configure: (host, config) =>
      act(host, (writer) => writer.changeHost(host, { config: { ...everything, ...config } })),
    async close() {
      await hub.close();
      rmSync(folder, { recursive: true });
    },
  };
}
