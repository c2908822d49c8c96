import { afterEach, beforeEach, expect, test } from "vitest";
import { AdminScene, alice, refusalOf } from "../../../test/admin.ts";
import { scopes, sessionId } from "../../book/book.ts";
import { adminRoutes as routes } from "../../route/admin.ts";
import type { Route } from "../../route/route.ts";
import { hashOf } from "../../secret.ts";
import type { Actor } from "../../who.ts";

let scene: AdminScene;

beforeEach(async () => {
  scene = new AdminScene({ gpu1: "127.0.0.1:9" });
  await scene.open();
});

afterEach(() => scene.close());

const create = (body: object) => scene.ask(routes.addToken, {}, body);

test.each(scopes)("a token of the scope %s is shown once, and kept as the SHA-256 of all of it", async (scope) => {
  const { value } = await create({ name: "grafana", scope });
  expect(value.secret).toMatch(/^gohm_[\w-]{43}$/);
  expect(value.token).toEqual({
    ...{ id: 1, name: "grafana", scope, created: scene.now, creator: "administrator alice" },
    ...{ expires: null, used: null },
  });
  expect(scene.book.token(hashOf(value.secret))).toMatchObject({ name: "grafana", scope });
  expect((await scene.ask(routes.tokens, {})).value).toEqual({ tokens: [value.token] });
  expect(JSON.stringify(scene.audit())).not.toContain(value.secret.slice(5, 20));
});

test("two tokens are never the same, nor have they one name", async () => {
  const [a, b] = [await create({ name: "a", scope: "read" }), await create({ name: "b", scope: "read" })];
  expect(a.value.secret).not.toBe(b.value.secret);
  const { status, value } = await create({ name: "a", scope: "push" });
  expect([status, value.error.code]).toEqual([409, "name_taken"]);
});

test("a token that another token creates says so", async () => {
  scene.who = { ...alice, name: "ci", credential: "token" };
  expect((await create({ name: "a", scope: "read" })).value.token.creator).toBe("token ci");
});

test("a token expires after its days", async () => {
  expect((await create({ name: "a", scope: "read", days: 30 })).value.token.expires).toBe(scene.now + 30 * 86_400_000);
  expect((await create({ name: "b", scope: "read", days: null })).value.token.expires).toBeNull();
});

test.each([
  [{ name: "a" }, "scope"],
  [{ name: "a", scope: "owner" }, "scope"],
  [{ name: "a", scope: "read", days: 0 }, "days"],
  [{ name: "a", scope: "read", days: 1.5 }, "days"],
  [{ name: "a", scope: "read", days: 3651 }, "days"],
  [{ name: "a\u0000", scope: "read" }, "name"],
])("a token of %j is refused for its %s", async (body, field) => {
  const { status, value } = await create(body);
  expect([status, value.error.message]).toEqual([400, expect.stringContaining(refusalOf(body, field))]);
  expect(scene.book.tokens()).toEqual([]);
});

test("a token that is revoked is gone at once, and one that does not exist is 404", async () => {
  const { value } = await create({ name: "a/b", scope: "read" });
  expect((await scene.ask(routes.revokeToken, { name: "a/b" })).value).toEqual({ ok: true });
  expect(scene.book.token(hashOf(value.secret))).toBeUndefined();
  const again = await scene.ask(routes.revokeToken, { name: "a/b" });
  expect([again.status, again.value.error.code]).toEqual([404, "token_unknown"]);
});

/** A change by each route that makes one, with its action and target. */
const changes: readonly (readonly [keyof typeof routes, object, unknown, string, string])[] = [
  ["addServer", {}, { name: "new", address: "127.0.0.1:1" }, "node.add", "new"],
  ["changeNode", { name: "gpu1" }, { shown: "Blue" }, "node.change", "gpu1"],
  ["configureNode", { name: "gpu1" }, { gpuIndices: [0] }, "node.configure", "gpu1"],
  ["approveNode", { name: "pushing" }, undefined, "node.approve", "pushing"],
  ["resetNode", { name: "pushing" }, undefined, "node.reset", "pushing"],
  ["deleteNode", { name: "pushing" }, undefined, "node.delete", "pushing"],
  ["addAccount", {}, { name: "bob", role: "administrator" }, "account.create", "bob"],
  ["addAccount", {}, { name: "carol", role: "administrator" }, "account.create", "carol"],
  ["endAccountSession", { name: "carol", id: sessionId(hashOf("carol's browser")) }, undefined, "session.end", "carol"],
  ["endAccountSessions", { name: "carol" }, undefined, "session.end-all", "carol"],
  ["changeAccount", { name: "bob" }, { role: "viewer" }, "account.change", "bob"],
  ["addLink", {}, { name: "bob" }, "link.create", "bob"],
  ["deleteAccount", { name: "bob" }, undefined, "account.delete", "bob"],
  ["addToken", {}, { name: "t", scope: "read" }, "token.create", "t"],
  ["revokeToken", { name: "t" }, undefined, "token.revoke", "t"],
];

const ask = (name: keyof typeof routes, args: object, body: unknown) => scene.ask(routes[name] as Route, args, body);

function signIn(name: string): void {
  const session = { created: scene.now, used: scene.now, expires: scene.now + 3_600_000, origin: "10.0.0.8" };
  const id = scene.book.account(name)?.id ?? 0;
  scene.book.write((book) => book.addSession(hashOf(`${name}'s browser`), session, id));
}

test("every change has one entry with who, what, when and from where", async () => {
  scene.register("pushing");
  for (const [name, args, body, action, target] of changes) {
    scene.now += 1000;
    if (name === "endAccountSession") signIn("carol");
    const before = scene.audit().length;
    expect([name, (await ask(name, args, body)).status]).toEqual([name, 200]);
    const { id: _, details: __, ...entry } = scene.book.audit({ limit: 1 })[0] ?? { id: 0, details: {} };
    expect([scene.audit().length - before, entry]).toEqual([
      1,
      { time: scene.now, actor: "administrator alice", origin: "10.0.0.7", action, target, result: "done" },
    ]);
  }
  const changing = Object.entries<Route>(routes).filter(([, { method }]) => method !== "GET");
  expect([...new Set(changes.map(([name]) => name))].sort()).toEqual(changing.map(([name]) => name).sort());
});

test.each<[Actor, number, string]>([
  [{ kind: "viewer", name: "vera", origin: "10.0.0.9", credential: "session" }, 403, "access_denied"],
  [{ kind: "reporter", name: "ci", origin: "10.0.0.9", credential: "token" }, 403, "access_denied"],
  [{ kind: "node", name: "gpu1", origin: "10.0.0.9" }, 403, "access_denied"],
  [{ kind: "anonymous", origin: "10.0.0.9" }, 401, "sign_in_needed"],
])("%j may neither change nor read anything", async (who, status, code) => {
  scene.register("pushing");
  scene.who = who;
  const before = JSON.stringify([scene.book.nodes(), scene.book.hosts(), scene.book.accounts(), scene.book.tokens()]);
  for (const [name, route] of Object.entries<Route>(routes)) {
    const [, args = route.path.includes("{name}") ? { name: "alice" } : {}, body] =
      changes.find(([changed]) => changed === name) ?? [];
    const answer = await scene.ask(route, args, body);
    expect([name, answer.status, answer.value.error.code]).toEqual([name, status, code]);
  }
  const after = JSON.stringify([scene.book.nodes(), scene.book.hosts(), scene.book.accounts(), scene.book.tokens()]);
  expect(after).toBe(before);
});

test("the audit log is filtered by actor, action, kind of action and target, and read page by page", async () => {
  for (const name of ["a", "b", "c"]) await create({ name, scope: "read" });
  await scene.ask(routes.revokeToken, { name: "a" });
  scene.who = { ...alice, name: "bob" };
  await scene.ask(routes.changeNode, { name: "gpu1" }, { shown: "Blue" });
  const targets = async (args: object) =>
    (await scene.ask(routes.audit as Route, args)).value.entries.map(
      ({ action, target }: { action: string; target: string }) => `${action} ${target}`,
    );
  expect(await targets({})).toHaveLength(5);
  expect(await targets({ actor: "administrator bob" })).toEqual(["node.change gpu1"]);
  expect(await targets({ action: "token" })).toHaveLength(4);
  expect(await targets({ action: "token.create", target: "a" })).toEqual(["token.create a"]);
  expect(await targets({ target: "nobody" })).toEqual([]);
  expect(await targets({ limit: 2 })).toEqual(["node.change gpu1", "token.revoke a"]);
  expect(await targets({ limit: 2, before: 4 })).toEqual(["token.create c", "token.create b"]);
  for (const args of [{ limit: 0 }, { limit: 1001 }, { limit: "x" }, { before: -1 }, { before: 1e300 }]) {
    const { status, value } = await scene.ask(routes.audit as Route, args);
    expect([args, status, value.error?.code]).toEqual([args, 400, "bad_request"]);
  }
});
