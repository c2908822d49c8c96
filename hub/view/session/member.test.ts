import { describe, expect, test } from "vitest";
import { SignInScene, Visitor } from "../../../test/visitor.ts";
import { newLink } from "../../secret.ts";

const scene = new SignInScene();

const alice = (): object => ({ sub: "1001", preferred_username: "alice" });

describe("the account", () => {
  const group = (...groups: string[]): void => {
    scene.issuer.person = { ...alice(), groups };
  };
  const role = async (): Promise<unknown> => {
    const browser = new Visitor(scene);
    await browser.signIn();
    return (await browser.me()).kind;
  };

  test("has the role of its groups at each sign-in", async () => {
    group("students");
    expect(await role()).toBe("viewer");
    group("students", "admins");
    expect(await role()).toBe("administrator");
    scene.issuer.person = alice() as Record<string, unknown>;
    expect(await role()).toBe("viewer");
    expect(scene.entries().filter((line) => line.includes("account.change"))).toEqual([
      `administrator alice: account.change alice {"role":"administrator","issuer":"${scene.issuer.url}"} done`,
      `viewer alice: account.change alice {"role":"viewer","issuer":"${scene.issuer.url}"} done`,
    ]);
  });

  test("is an administrator's if its name is one of auth.admins", async () => {
    scene.set({ admins: ["ALICE"] });
    expect(await role()).toBe("administrator");
  });

  test.each(["ｋａｔｅ", "\u212aate", "kate\u00a0", "ⓚate", "kate."])(
    "is not an administrator's because its name %j looks like one of auth.admins: people may choose it at a provider",
    async (name) => {
      scene.set({ admins: ["Kate"] });
      scene.issuer.person = { sub: "1002", preferred_username: name };
      expect(await role()).toBe("viewer");
    },
  );

  test("is not an administrator's because its name looked like one of auth.admins, and is now another account's", async () => {
    scene.set({ admins: ["kate"] });
    scene.book.write((writer) => writer.addAccount({ name: "bob", role: "viewer", created: scene.now }, "x"));
    for (const name of ["kate\u00a0", "bob"]) {
      scene.issuer.person = { sub: "1002", preferred_username: name };
      expect(await role()).toBe("viewer");
    }
    expect(scene.book.accounts().map(({ name }) => name)).toEqual(["bob", "kate"]);
  });

  test("is for people of some groups only, and for administrators", async () => {
    scene.set({ oidcGroups: ["gpu-users"] });
    group("students", "GPU-Users");
    const browser = new Visitor(scene);
    expect(await browser.fails("#/host/a")).toMatchObject({
      code: "not_admitted",
      text: '"alice" is in none of the groups whose members may sign in (auth.oidc.groups).',
      to: "#/host/a",
    });
    expect([scene.book.accounts(), browser.cookies.size]).toEqual([[], 0]);
    expect(scene.entries()).toEqual(['anonymous: session.create alice {"reason":"not_admitted"} refused']);
    group("gpu-users");
    expect(await role()).toBe("viewer");
    group("admins");
    expect(await role()).toBe("administrator");
    group();
    expect(await new Visitor(scene).fails()).toMatchObject({ code: "not_admitted" });
  });

  test("of the hub's own with that name is never taken over, with whatever letters it is written", async () => {
    scene.book.write((writer) => writer.addAccount({ name: "Alice", role: "administrator", created: scene.now }, "x"));
    for (const name of ["alice", "ALICE", "ａｌｉｃｅ"]) {
      scene.issuer.person = { sub: "1001", preferred_username: name };
      const browser = new Visitor(scene);
      expect(await browser.fails()).toMatchObject({ code: "name_taken", text: expect.stringContaining('"Alice"') });
      expect(browser.cookies.has("gohm_session_http")).toBe(false);
    }
    expect(scene.book.accounts()).toMatchObject([{ name: "Alice", hasPassword: true, used: undefined }]);
    expect(scene.book.accounts()[0]?.external).toBeUndefined();
  });

  test("stays that of the person when the name changes at the provider, and follows it unless it is taken", async () => {
    await role();
    scene.issuer.person = { sub: "1001", preferred_username: "alice.w" };
    expect(await role()).toBe("viewer");
    expect(scene.book.accounts()).toMatchObject([{ name: "alice.w", external: { subject: "1001" } }]);
    expect(scene.entries().at(-2)).toBe(
      `viewer alice: account.change alice.w {"before":"alice","issuer":"${scene.issuer.url}"} done`,
    );
    scene.book.write((writer) => writer.addAccount({ name: "bob", role: "administrator", created: scene.now }, "x"));
    scene.issuer.person = { sub: "1001", preferred_username: "Bob" };
    expect(await role()).toBe("viewer");
    expect(scene.book.accounts().map(({ name }) => name)).toEqual(["alice.w", "bob"]);
    // Another person with the first name is another one.
    scene.issuer.person = { sub: "1002", preferred_username: "alice" };
    await role();
    expect(scene.book.accounts().map(({ name, external }) => [name, external?.subject])).toEqual([
      ["alice", "1002"],
      ["alice.w", "1001"],
      ["bob", undefined],
    ]);
  });

  test("gets no rights by a name that another account has", async () => {
    scene.set({ admins: ["root"] });
    await role();
    scene.book.write((writer) => writer.addAccount({ name: "root", role: "administrator", created: scene.now }, "x"));
    scene.issuer.person = { sub: "1001", preferred_username: "root" };
    expect(await role()).toBe("viewer");
  });

  test("of a person with the same number at another provider is another one", async () => {
    await role();
    await scene.move();
    expect(await new Visitor(scene).fails()).toMatchObject({ code: "name_taken" });
  });

  test.each(["", " ", "a\nb", "a\u202eb", "x".repeat(65), ".."])("cannot be called %j", async (name) => {
    scene.issuer.person = { sub: "1001", preferred_username: name };
    scene.issuer.faults = { userinfo: () => ({ sub: "1001" }) };
    expect((await new Visitor(scene).fails()).code).toMatch(/^name_(bad|missing)$/);
    expect(scene.book.accounts()).toEqual([]);
  });

  test("cannot be entered by a link that was made before it was there", async () => {
    const made = newLink({ name: "Alice", role: "administrator" }, scene.now);
    scene.book.write((writer) => writer.addLink(made.hash, made.link));
    await role();
    expect(scene.book.link(made.hash)).toBeUndefined();
  });

  test("has no password, link and role of the hub's own", async () => {
    group("admins");
    const browser = new Visitor(scene);
    await browser.signIn();
    const change = (body: object) => browser.ask("/api/v1/admin/accounts/alice", { method: "PATCH", body });
    for (const answer of [
      await change({ password: "correct horse battery" }),
      await change({ role: "viewer" }),
      await browser.ask("/api/v1/admin/links", { method: "POST", body: { name: "alice" } }),
    ]) {
      expect([answer.status, (await answer.json()).error.code]).toEqual([409, "account_external"]);
    }
    expect((await browser.json("/api/v1/admin/accounts")).accounts).toMatchObject([
      { name: "alice", external: scene.issuer.url, hasPassword: false, role: "administrator" },
    ]);
    // A link without a name is for an administrator of the hub's own.
    const link = await browser.json("/api/v1/admin/links", { method: "POST", body: {} });
    expect(link.name).toBe("admin");
  });

  test("may be deleted, and is created anew at the next sign-in", async () => {
    group("admins");
    scene.book.write((writer) => writer.addAccount({ name: "root", role: "administrator", created: scene.now }, "x"));
    const browser = new Visitor(scene);
    await browser.signIn();
    const deleted = await browser.ask("/api/v1/admin/accounts/alice", { method: "DELETE" });
    expect(deleted.status).toBe(200);
    expect((await browser.me()).name).toBeNull();
    expect(await role()).toBe("administrator");
  });
});
