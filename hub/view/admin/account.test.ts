import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AdminScene, alice, refusalOf } from "../../../test/admin.ts";
import { verifyPassword } from "../../password.ts";
import { adminRoutes as routes } from "../../route/admin.ts";
import { hashOf } from "../../secret.ts";

let scene: AdminScene;

beforeEach(async () => {
  scene = new AdminScene();
  await scene.open();
});

afterEach(() => scene.close());

const password = "correct horse 电池";
const day = 86_400_000;

/** Puts an account into the book, without the cost of a hash. */
function account(name: string, role: "administrator" | "viewer", phc: string | undefined = "x"): void {
  scene.book.write((book) => book.addAccount({ name, role, created: scene.now }, phc));
}

/** Signs an account in. @returns the hash of its session */
function signIn(name: string): Uint8Array {
  const hash = hashOf(`session of ${name}`);
  const id = scene.book.account(name)?.id ?? 0;
  const session = { created: scene.now, used: scene.now, expires: scene.now + day, origin: "10.0.0.8" };
  scene.book.write((book) => book.addSession(hash, session, id));
  return hash;
}

/** The secret of a link. */
const secretIn = (path: string): string => path.replace("#/link/", "");

describe("an account", () => {
  test("is created with a password, of which only a hash is kept", async () => {
    const { status, value } = await scene.ask(routes.addAccount, {}, { name: " alice ", role: "viewer", password });
    const made = {
      name: "alice",
      role: "viewer",
      hasPassword: true,
      external: null,
      created: scene.now,
      used: null,
      sessions: 0,
    };
    expect([status, value]).toEqual([200, { account: made, link: null }]);
    const phc = scene.book.passwordOf("alice") ?? "";
    expect(phc).toMatch(/^\$scrypt\$ln=1[5-9],/);
    expect(await verifyPassword(password, phc)).toBe(true);
    expect((await scene.ask(routes.accounts, {})).value).toEqual({ accounts: [made] });
  });

  test("is created without one, with a link that is valid for a day", async () => {
    const { value } = await scene.ask(routes.addAccount, {}, { name: "bob", role: "administrator" });
    expect(value.account.hasPassword).toBe(false);
    expect(value.link).toEqual({
      path: expect.stringMatching(/^#\/link\/[\w-]{43}$/),
      url: `http://hub.lab:5000/${value.link.path}`,
      expires: scene.now + day,
    });
    const link = scene.book.link(hashOf(secretIn(value.link.path)));
    expect(link).toMatchObject({ name: "bob", role: "administrator" });
  });

  test.each(["alice", "ALICE", "Ａlice"])("has a name that no other one has: %s", async (name) => {
    account("Alice", "viewer");
    const { status, value } = await scene.ask(routes.addAccount, {}, { name, role: "viewer" });
    expect([status, value.error.code]).toEqual([409, "name_taken"]);
  });

  test.each([
    [{ role: "viewer" }, "name"],
    [{ name: "bob" }, "role"],
    [{ name: "bob", role: "owner" }, "role"],
    [{ name: "b\u200bob", role: "viewer" }, "name"],
    [{ name: "", role: "viewer" }, "name"],
    [{ name: "bob", role: "viewer", password: 5 }, "password"],
    [{ name: "bob", role: "viewer", password: "x".repeat(1025) }, "password"],
  ])("of %j is refused for its %s", async (body, field) => {
    const { status, value } = await scene.ask(routes.addAccount, {}, body);
    expect([status, value.error.message]).toEqual([400, expect.stringContaining(refusalOf(body, field))]);
    expect(scene.book.accounts()).toEqual([]);
  });

  test("with a weak password is neither created nor changed", async () => {
    account("bob", "viewer");
    for (const weak of ["short", "1234567890", ""]) {
      const made = await scene.ask(routes.addAccount, {}, { name: "alice", role: "viewer", password: weak });
      const changed = await scene.ask(routes.changeAccount, { name: "bob" }, { password: weak });
      expect([made.value.error.code, changed.value.error.code]).toEqual(["password_weak", "password_weak"]);
    }
    expect([scene.book.accounts().length, scene.book.passwordOf("bob")]).toEqual([1, "x"]);
  });

  test("that gets a new password loses its sessions and links, others keep theirs", async () => {
    account("alice", "administrator");
    account("bob", "viewer");
    const [ended, kept] = [signIn("bob"), signIn("alice")];
    const { value } = await scene.ask(routes.addLink, {}, { name: "bob" });
    expect((await scene.ask(routes.accounts, {})).value.accounts[1]).toMatchObject({ name: "bob", sessions: 1 });
    const changed = await scene.ask(routes.changeAccount, { name: "BOB" }, { password });
    expect(changed.value).toMatchObject({ name: "bob", sessions: 0 });
    expect([scene.book.session(ended), scene.book.session(kept)?.account.name]).toEqual([undefined, "alice"]);
    expect(scene.book.link(hashOf(secretIn(value.path)))).toBeUndefined();
    expect(await verifyPassword(password, scene.book.passwordOf("bob"))).toBe(true);
  });

  test("that gets another role keeps its sessions with it, and no link gives the old one back", async () => {
    account("alice", "administrator");
    account("bob", "administrator");
    const session = signIn("bob");
    const { value } = await scene.ask(routes.addLink, {}, { name: "bob" });
    await scene.ask(routes.changeAccount, { name: "bob" }, { role: "viewer" });
    expect(scene.book.session(session)?.account.role).toBe("viewer");
    expect(scene.book.link(hashOf(secretIn(value.path)))).toBeUndefined();
  });

  test("that is deleted cannot come back by a link or a session", async () => {
    account("alice", "administrator");
    account("bob", "administrator");
    const session = signIn("bob");
    const { value } = await scene.ask(routes.addLink, {}, { name: "bob" });
    expect((await scene.ask(routes.deleteAccount, { name: "Bob" })).value).toEqual({ ok: true });
    expect([scene.book.account("bob"), scene.book.session(session)]).toEqual([undefined, undefined]);
    expect(scene.book.link(hashOf(secretIn(value.path)))).toBeUndefined();
  });

  test("that does not exist is 404", async () => {
    const changed = await scene.ask(routes.changeAccount, { name: "nobody" }, { role: "viewer" });
    const deleted = await scene.ask(routes.deleteAccount, { name: "nobody" });
    for (const { status, value } of [changed, deleted]) {
      expect([status, value.error]).toEqual([
        404,
        { code: "account_unknown", message: 'There is no account "nobody".' },
      ]);
    }
  });

  test("that is deleted while its new password is hashed is not written again", async () => {
    account("alice", "administrator");
    account("bob", "viewer");
    const changing = scene.ask(routes.changeAccount, { name: "bob" }, { password });
    await scene.ask(routes.deleteAccount, { name: "bob" });
    expect((await changing).value.error.code).toBe("account_unknown");
    expect(scene.book.account("bob")).toBeUndefined();
  });
});

describe("the last administrator", () => {
  const demote = (name: string) => scene.ask(routes.changeAccount, { name }, { role: "viewer" });
  const remove = (name: string) => scene.ask(routes.deleteAccount, { name });

  test("can be neither deleted nor demoted", async () => {
    account("alice", "administrator");
    account("bob", "viewer");
    for (const { status, value } of [await demote("alice"), await remove("ALICE")]) {
      expect([status, value.error]).toEqual([
        409,
        { code: "last_administrator", message: '"alice" is the last administrator: make another account one first.' },
      ]);
    }
    expect(scene.book.account("alice")?.role).toBe("administrator");
    expect((await scene.ask(routes.changeAccount, { name: "alice" }, { role: "administrator" })).status).toBe(200);
  });

  test("is the last one that can sign in: one whose link nobody followed does not count", async () => {
    account("alice", "administrator");
    await scene.ask(routes.addAccount, {}, { name: "bob", role: "administrator" });
    expect((await remove("alice")).value.error.message).toBe(
      '"alice" is the last administrator with a password: another one must sign in by its link first.',
    );
    expect((await remove("bob")).status).toBe(200);
  });

  test("is never removed, however many administrators remove one another at once", async () => {
    const names = Array.from({ length: 12 }, (_, i) => `a${i}`);
    for (const name of names) account(name, "administrator");
    const all = await Promise.all(names.map((name, i) => (i % 2 ? remove(name) : demote(name))));
    expect(all.filter(({ status }) => status === 409)).toHaveLength(1);
    expect(scene.book.accounts().filter(({ role }) => role === "administrator")).toHaveLength(1);
  });
});

describe("a link", () => {
  test("without a name is for the only administrator, or for a first one", async () => {
    expect((await scene.ask(routes.addLink, {}, {})).value.name).toBe("admin");
    expect(scene.book.accounts()).toEqual([]);
    account("Admin", "viewer");
    expect((await scene.ask(routes.addLink, {}, {})).value.name).toBe("admin2");
    account("alice", "administrator");
    expect((await scene.ask(routes.addLink, {}, {})).value.name).toBe("alice");
    account("bob", "administrator");
    expect((await scene.ask(routes.addLink, {}, {})).value.error).toEqual({
      code: "bad_request",
      message: "There are 2 administrators: name the account that the link is for.",
    });
  });

  test("gives a viewer no other role", async () => {
    account("Bob", "viewer");
    const { value } = await scene.ask(routes.addLink, {}, { name: "bob" });
    expect(scene.book.link(hashOf(secretIn(value.path)))).toMatchObject({ name: "Bob", role: "viewer" });
  });

  test("ends when a newer one of its account is made", async () => {
    const [first, second] = [await scene.ask(routes.addLink, {}, {}), await scene.ask(routes.addLink, {}, {})];
    expect(scene.book.link(hashOf(secretIn(first.value.path)))).toBeUndefined();
    expect(scene.book.link(hashOf(secretIn(second.value.path)))).toBeDefined();
  });
});

test("no secret of an account is in the audit log", async () => {
  await scene.ask(routes.addAccount, {}, { name: "alice", role: "administrator", password });
  const made = await scene.ask(routes.addAccount, {}, { name: "bob", role: "viewer" });
  await scene.ask(routes.changeAccount, { name: "bob" }, { password });
  const link = await scene.ask(routes.addLink, {}, { name: "bob" });
  const log = JSON.stringify(scene.audit());
  for (const secret of [password, secretIn(made.value.link.path), secretIn(link.value.path), "scrypt"]) {
    expect(log).not.toContain(secret);
  }
  expect(scene.audit().map(({ action, target, actor }) => [action, target, actor])).toEqual([
    ["link.create", "bob", "administrator alice"],
    ["account.change", "bob", "administrator alice"],
    ["account.create", "bob", "administrator alice"],
    ["account.create", "alice", "administrator alice"],
  ]);
  expect(alice.origin).toBe(scene.audit()[0]?.origin);
});
