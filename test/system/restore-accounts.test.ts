// What people and machines find of a hub that was restored: their passwords, sessions, links, tokens and hosts.
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { start } from "../program.ts";

const [right, better] = ["correct horse battery", "staple staple staple!"];

let out = "";
let folders: HubFolder[] = [];
let hub: RunningHub | undefined;

beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), "gohm-restore-accounts-"));
});

afterEach(async () => {
  await hub?.stop();
  hub = undefined;
  for (const at of folders) at.remove();
  folders = [];
  rmSync(out, { recursive: true });
});

/** A folder for a hub without servers. */
function place(): HubFolder {
  const at = hubFolder();
  folders.push(at);
  at.write({ servers: {}, auth: { read: "login" } });
  return at;
}

/** Starts the hub of a folder, in place of the one that runs. */
async function run(at: HubFolder): Promise<void> {
  await hub?.stop();
  hub = await startHub(at);
}

async function gohm(at: HubFolder, ...words: string[]): Promise<{ status: unknown; output: string }> {
  const program = start("gohm.mjs", words, { GOHM_DATA: at.data });
  const [status] = await once(program.child, "close");
  return { status, output: program.output() };
}

interface Answered {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of many routes
  readonly body: any;
  /** The header Cookie for the session that it begins. */
  readonly session: string;
}

type Credential = { readonly Cookie: string } | { readonly Authorization: string };

async function ask(method: string, path: string, by?: Credential, body?: unknown): Promise<Answered> {
  const url = hub?.url ?? "";
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { Origin: url, ...by, ...(body !== undefined && { "Content-Type": "application/json" }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const [session = ""] = answer.headers.getSetCookie()[0]?.split(";") ?? [];
  return { status: answer.status, body: await answer.json(), session };
}

const signIn = (name: string, password: string) => ask("POST", "/api/v1/session", undefined, { name, password });
const signedIn = async (name: string, password: string): Promise<Credential> => ({
  Cookie: (await signIn(name, password)).session,
});
const me = async (by: Credential): Promise<unknown> => (await ask("GET", "/api/v1/me", by)).body.name;
const admin = (by: Credential, method: string, path: string, body?: unknown) =>
  ask(method, `/api/v1/admin/${path}`, by, body);
const follow = (link: string, password: string) =>
  ask("POST", "/api/v1/session/link", undefined, { token: /#\/link\/([\w-]+)/.exec(link)?.[1] ?? "", password });
const register = (hostname: string) =>
  ask("POST", "/api/monitoring/register", undefined, { hostname, capabilities: {} });
const report = (token: Credential, hostname: string, load: number) =>
  ask("POST", "/api/monitoring/report", token, { hostname, cpuUsagePct: load });
const bearer = (secret: unknown): Credential => ({ Authorization: `Bearer ${secret}` });

/** Registers and approves a machine, which reports once. @returns its token */
async function machine(by: Credential, hostname: string, load: number): Promise<Credential> {
  const token = bearer((await register(hostname)).body.token);
  expect((await admin(by, "POST", `nodes/${hostname}/approve`)).status).toBe(200);
  expect((await report(token, hostname, load)).status).toBe(200);
  return token;
}

/** Loads of a host that the history has; undefined if it does not know the host. */
async function loads(by: Credential, host: string): Promise<number[] | undefined> {
  const { status, body } = await ask("GET", `/api/history?host=${host}&metric=cpu_utilization&step=0&of=last`, by);
  return status === 200 ? body.series.flatMap(({ last }: { last: number[] }) => last) : undefined;
}

const hosts = async (by: Credential): Promise<string[]> =>
  (await admin(by, "GET", "nodes")).body.nodes.map(({ name, shown, state }: Record<string, string>) =>
    [name, shown, state].join(" "),
  );

/** A hub with an administrator. @returns its session */
async function begun(at: HubFolder, name: string): Promise<Credential> {
  await run(at);
  const { output } = await gohm(at, "account", "link", name);
  const { status, session } = await follow(output, right);
  expect(status).toBe(200);
  return { Cookie: session };
}

test("people and machines find a restored hub as it was at its backup, and what was revoked since is valid again", async () => {
  const at = place();
  const ada = await begun(at, "ada");
  await admin(ada, "POST", "accounts", { name: "bob", role: "viewer", password: right });
  const bob = await signedIn("bob", right);
  const { link } = (await admin(ada, "POST", "accounts", { name: "carol", role: "viewer" })).body;
  const read = bearer((await admin(ada, "POST", "tokens", { name: "grafana", scope: "read" })).body.secret);
  const gpu7 = await machine(ada, "gpu7", 7);
  await admin(ada, "PATCH", "nodes/gpu7", { shown: "Blue", labels: { rack: "7" } });
  const { config } = (await admin(ada, "PUT", "nodes/gpu7/config", { reportIntervalSec: 9, nicNames: ["eth0"] })).body;
  await admin(ada, "POST", "servers", { name: "polled", address: "127.0.0.1:1" });
  const { entries } = (await admin(ada, "GET", "audit")).body;

  expect(await gohm(at, "backup", join(out, "copy/"))).toMatchObject({ status: 0 });
  // As a snapshot of the file system has it: what a power failure would leave, too.
  cpSync(at.data, join(out, "snapshot"), { recursive: true, filter: (path) => !path.includes("control") });

  await ask("DELETE", "/api/v1/sessions", bob);
  await admin(ada, "PATCH", "accounts/bob", { password: better });
  await admin(ada, "DELETE", "tokens/grafana");
  expect((await follow(link.url, better)).status).toBe(200);
  await admin(ada, "DELETE", "nodes/gpu7/token");
  const gpu8 = await machine(ada, "gpu8", 8);
  expect(await Promise.all([me(bob), ask("GET", "/feed/host?name=gpu8", read).then(({ status }) => status)])).toEqual([
    null,
    401,
  ]);

  for (const source of ["copy", "snapshot"]) {
    const restored = place();
    expect(await gohm(restored, "restore", join(out, source))).toMatchObject({ status: 0 });
    await run(restored);
    const answers = [await signIn("bob", right), await signIn("bob", better), await signIn("ada", right)];
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 200]);
    expect([await me(ada), await me(bob)]).toEqual(["ada", "bob"]);
    expect((await ask("GET", "/api/history?host=gpu7&metric=cpu_utilization", read)).status).toBe(200);
    expect((await report(gpu7, "gpu7", 70)).status).toBe(200);
    expect((await register("gpu7")).status).toBe(409);
    expect((await ask("GET", "/api/monitoring/config", gpu7)).body).toEqual({ ...config });
    expect((await report(gpu8, "gpu8", 80)).status).toBe(401);
    // The history's and the book's hosts are the same ones.
    expect(await hosts(ada)).toEqual(["gpu7 Blue answering", "polled polled silent"]);
    // A snapshot lacks what was not on the disk yet.
    const kept7 = source === "copy" ? [7, 70] : expect.arrayContaining([70]);
    expect([await loads(ada, "gpu7"), await loads(ada, "gpu8")]).toEqual([kept7, undefined]);
    const { status, session } = await follow(link.url, better);
    expect([status, await me({ Cookie: session })]).toEqual([200, "carol"]);
    const kept = (await admin(ada, "GET", "audit?limit=1000")).body.entries as { id: number }[];
    expect(kept.filter(({ id }) => id <= entries[0].id)).toEqual(entries);
  }
});

test("a hub with other accounts is not restored over, and once its files are away its accounts and machines are strangers", async () => {
  const at = place();
  await begun(at, "ada");
  expect(await gohm(at, "backup", join(out, "copy/"))).toMatchObject({ status: 0 });
  const other = place();
  const eve = await begun(other, "eve");
  const strange = await machine(eve, "strange", 1);
  await hub?.stop();
  expect(await gohm(other, "restore", join(out, "copy"))).toMatchObject({
    status: 1,
    output: expect.stringMatching(/Cannot restore into .* it is not empty/),
  });
  await run(other);
  expect([await me(eve), (await report(strange, "strange", 2)).status]).toEqual(["eve", 200]);
  await hub?.stop();
  rmSync(other.data, { recursive: true });
  expect(await gohm(other, "restore", join(out, "copy"))).toMatchObject({ status: 0 });
  await run(other);
  expect([await me(eve), (await signIn("eve", right)).status, (await signIn("ada", right)).status]).toEqual([
    null,
    401,
    200,
  ]);
  expect((await report(strange, "strange", 3)).status).toBe(401);
});

test("with a book that is older than the history, a machine registers again under its name and goes on in its history", async () => {
  const at = place();
  const ada = await begun(at, "ada");
  expect(await gohm(at, "backup", join(out, "copy/"))).toMatchObject({ status: 0 });
  const gpu8 = await machine(ada, "gpu8", 8);
  await machine(ada, "gpu9", 9);
  await hub?.stop();
  for (const tail of ["", "-wal", "-shm"]) rmSync(join(at.data, `gohm.db${tail}`), { force: true });
  cpSync(join(out, "copy", "gohm.db"), join(at.data, "gohm.db"));
  await run(at);
  expect(hub?.output()).not.toMatch(/ error /);
  expect([await me(ada), (await report(gpu8, "gpu8", 80)).status]).toEqual(["ada", 401]);
  expect([await loads(ada, "gpu8"), await loads(ada, "gpu9")]).toEqual([[8], [9]]);
  await machine(ada, "gpu8", 80);
  expect(await loads(ada, "gpu8")).toEqual([8, 80]);
  // Nobody can say any more whose history it is: an administrator deletes it by its name.
  expect((await admin(ada, "DELETE", "nodes/gpu9?history=true")).status).toBe(200);
  await vi.waitFor(async () => expect(await loads(ada, "gpu9")).toBeUndefined());
  expect(await hosts(ada)).toEqual(["gpu8 gpu8 answering"]);
});
