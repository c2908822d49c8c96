// Whoever finds a backup of the hub: what it has of passwords, sessions, links and tokens lets nobody in.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addAdministrator } from "../door.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { runGohm } from "../system/gohm.ts";

const password = "correct horse battery";

let at: HubFolder;
let hub: RunningHub;

beforeAll(async () => {
  at = hubFolder();
  at.write({ servers: {}, auth: { read: "login" }, push: { secret: "secret of the lab" } });
  await addAdministrator(at, "alice", password);
  hub = await startHub(at);
});

afterAll(async () => {
  await hub?.stop();
  at.remove();
});

const gohm = (...args: readonly string[]): string => runGohm(args, { GOHM_DATA: at.data }).stdout;
const post = (path: string, body: object): Promise<Response> => {
  const headers = { Origin: hub.url, "Content-Type": "application/json" };
  return fetch(`${hub.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
};

test("no password, session, link or token is in a backup, and what is there instead of them lets nobody in", async () => {
  const signedIn = await post("/api/v1/session", { name: "alice", password });
  const [, session = ""] = /=([\w-]{43});/.exec(signedIn.headers.get("set-cookie") ?? "") ?? [];
  const [, link = ""] = /#\/link\/([\w-]{43})/.exec(gohm("account", "link", "bob")) ?? [];
  const token = gohm("token", "create", "robot", "--scope", "admin").trim();
  const registered = await post("/api/monitoring/register", {
    ...{ hostname: "gpu7", capabilities: {}, secret: "secret of the lab" },
  });
  const node = ((await registered.json()) as { token: string }).token;
  const [, inToken = ""] = /^gohm_([\w-]{43})$/.exec(token) ?? [];
  for (const one of [session, link, inToken, node]) expect(one).toMatch(/^[\w-]{43}$/);

  const copy = join(at.folder, "copy/");
  gohm("backup", copy);
  const files = readdirSync(copy).map((name) => readFileSync(join(copy, name)));
  expect(files.length).toBeGreaterThan(1);
  for (const secret of [password, "secret of the lab", session, link, inToken, node]) {
    for (const form of [Buffer.from(secret), Buffer.from(secret, "base64url")]) {
      expect(files.filter((file) => file.includes(form))).toEqual([]);
    }
  }

  const book = new DatabaseSync(join(copy, "gohm.db"), { readOnly: true });
  const tables = book.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all() as { name: string }[];
  const hashes = tables.flatMap(({ name }) =>
    book
      .prepare(`SELECT * FROM "${name}"`)
      .all()
      .flatMap((row) => Object.values(row).filter((value) => value instanceof Uint8Array && value.length === 32)),
  );
  book.close();
  expect(hashes.length).toBeGreaterThanOrEqual(4);
  for (const hash of hashes as Uint8Array[]) {
    for (const form of ["base64url", "hex"] as const) {
      const shown = Buffer.from(hash).toString(form);
      const me = (headers: Record<string, string>) => fetch(`${hub.url}/api/v1/me`, { headers });
      for (const bearer of [shown, `gohm_${shown}`]) {
        expect((await me({ Authorization: `Bearer ${bearer}` })).status).toBe(401);
      }
      expect(await (await me({ Cookie: `gohm_session_http=${shown}` })).json()).toMatchObject({ kind: "anonymous" });
    }
  }
  // The true ones do.
  const me = await fetch(`${hub.url}/api/v1/me`, { headers: { Authorization: `Bearer ${token}` } });
  expect(await me.json()).toMatchObject({ kind: "administrator" });
});
