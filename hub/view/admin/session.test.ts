import { afterEach, beforeEach, expect, test } from "vitest";
import { AdminScene } from "../../../test/admin.ts";
import { adminRoutes as routes } from "../../route/admin.ts";
import { hashOf } from "../../secret.ts";

let scene: AdminScene;

beforeEach(async () => {
  scene = new AdminScene();
  await scene.open();
});

afterEach(() => scene.close());

/** Begins a session of an account, which is created if there is none. @returns the hash of its secret */
function signIn(name: string, browser: string): Uint8Array {
  const hash = hashOf(`${name} ${browser}`);
  const times = { created: scene.now, used: scene.now, expires: scene.now + 1000 };
  scene.book.write((book) => {
    const { id } = book.account(name) ?? book.addAccount({ name, role: "viewer", created: scene.now }, "x");
    book.addSession(hash, { ...times, origin: "10.0.0.8", agent: browser }, id);
  });
  return hash;
}

const sessionsOf = async (name: string) => (await scene.ask(routes.accountSessions, { name })).value.sessions;

test("an administrator sees the sessions of an account, ends one or all, and nobody else's", async () => {
  const [one, other, kept] = [signIn("bob", "Firefox"), signIn("bob", "Chrome"), signIn("carol", "Safari")];
  const listed = await sessionsOf("BOB");
  expect(listed).toHaveLength(2);
  const found = listed.find(({ agent }: { agent: string }) => agent === "Firefox");
  expect(found).toMatchObject({ origin: "10.0.0.8", way: "password", created: scene.now, current: false });
  const ended = await scene.ask(routes.endAccountSession, { name: "bob", id: found.id });
  expect([ended.value, scene.book.session(one), scene.book.session(other)?.agent]).toEqual([
    { ok: true },
    undefined,
    "Chrome",
  ]);
  const [{ id: foreign }] = await sessionsOf("carol");
  for (const id of [found.id, foreign, "x"]) {
    const refused = await scene.ask(routes.endAccountSession, { name: "bob", id });
    expect([refused.status, refused.value.error.code]).toEqual([404, "session_unknown"]);
  }
  signIn("bob", "Edge");
  expect((await scene.ask(routes.endAccountSessions, { name: "bob" })).value).toEqual({ ok: true, ended: 2 });
  expect([await sessionsOf("bob"), scene.book.session(kept)?.account.name]).toEqual([[], "carol"]);
  const entries = scene.book.audit({ limit: 10 }).map(({ actor, action, target }) => [actor, action, target]);
  expect(entries).toEqual([
    ["administrator alice", "session.end-all", "bob"],
    ["administrator alice", "session.end", "bob"],
  ]);
});

test("sessions of an account that does not exist are none, and viewers see nobody's", async () => {
  signIn("bob", "Firefox");
  const [{ id }] = await sessionsOf("bob");
  for (const route of [routes.accountSessions, routes.endAccountSessions]) {
    expect((await scene.ask(route, { name: "nobody" })).value.error.code).toBe("account_unknown");
  }
  scene.who = { kind: "viewer", name: "bob", origin: "10.0.0.8", credential: "session" };
  for (const route of [routes.accountSessions, routes.endAccountSessions]) {
    expect((await scene.ask(route, { name: "bob" })).value.error.code).toBe("access_denied");
  }
  expect((await scene.ask(routes.endAccountSession, { name: "bob", id })).value.error.code).toBe("access_denied");
});
