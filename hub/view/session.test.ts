import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cases } from "../../test/cases.ts";
import { day, start } from "../../test/door.ts";
import { better, right, type Sent, SignInScene } from "../../test/sign-in.ts";
import { hashOf, newSecret } from "../secret.ts";

let scene: SignInScene;

beforeEach(async () => {
  scene = new SignInScene();
  await scene.open();
});

afterEach(() => scene.close());

test("signing in begins a session that only the browser reads, and that says who it is", async () => {
  scene.account("Alice");
  // How many machines wait is for administrators alone.
  expect(await scene.me()).toEqual({
    kind: "anonymous",
    name: null,
    rights: ["open", "read"],
    session: false,
    encrypted: false,
    accounts: true,
  });
  const answer = await scene.signIn("alice");
  expect([answer.status, answer.body]).toEqual([200, { name: "Alice", role: "administrator" }]);
  expect(answer.headers.get("set-cookie")).toMatch(
    /^gohm_session_http=[A-Za-z0-9_-]{43}; Max-Age=7776000; Path=\/; HttpOnly; SameSite=Lax$/,
  );
  expect(await scene.me(answer.cookie)).toEqual({
    ...{ kind: "administrator", name: "Alice", rights: ["open", "read", "admin"], session: true },
    ...{ way: "password", users: ["Alice"] },
    ...{ encrypted: false, accounts: true, waiting: 0, url: "http://hub.lab:5000" },
  });
  expect(scene.book.account("alice")?.used).toBe(scene.now);
  expect(scene.entries()).toEqual(["administrator Alice: session.create Alice done"]);
  expect(scene.book.audit({ limit: 1 })[0]).toMatchObject({ origin: "10.0.0.7" });
});

test("a wrong password, a wrong name and an account without a password are refused in the same words, and neither is recorded", async () => {
  scene.account("alice");
  scene.book.write((writer) => writer.addAccount({ name: "linked", role: "viewer", created: scene.now }, undefined));
  // The second one has its password in the wrong place.
  const answers = await Promise.all([
    scene.signIn("alice", better),
    scene.signIn(right, "alice"),
    scene.signIn("linked", better),
  ]);
  for (const { status, body, cookie } of answers) {
    expect([status, cookie, body]).toEqual([
      401,
      undefined,
      { error: { code: "sign_in_refused", message: "There is no account with this name and password." } },
    ]);
  }
  expect(scene.entries().sort()).toEqual([
    "anonymous: session.create  refused",
    "anonymous: session.create alice refused",
    "anonymous: session.create linked refused",
  ]);
  const all = JSON.stringify([scene.book.audit({ limit: 100 }), scene.lines]);
  for (const secret of [right, better]) expect(all).not.toContain(secret);
});

test("a session that somebody planted before is not the one after signing in, and ends", async () => {
  scene.account("alice");
  scene.account("mallory", "viewer");
  const planted = await scene.signedIn("mallory");
  const fixed = newSecret();
  for (const cookie of [planted, fixed]) {
    const { cookie: begun = "" } = await scene.signIn("alice", right, { cookie });
    expect(begun).not.toBe(cookie);
    expect(await scene.me(begun)).toMatchObject({ name: "alice" });
    expect(await scene.me(cookie)).toMatchObject({ kind: "anonymous" });
  }
});

test("sign-ins at the same time have a session each, and each ends alone", async () => {
  scene.account("alice");
  const begun = await Promise.all(
    ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"].map((address) => scene.signedIn("alice", { address })),
  );
  expect(new Set(begun).size).toBe(4);
  const [one = "", other = ""] = begun;
  const { cookie, body } = await scene.ask("/api/v1/session", { method: "DELETE", cookie: one });
  expect([cookie, body]).toEqual(["", { ok: true }]);
  expect([(await scene.me(one)).kind, (await scene.me(other)).kind]).toEqual(["anonymous", "administrator"]);
  expect((await scene.ask("/api/v1/sessions", { method: "DELETE", cookie: other })).cookie).toBe("");
  for (const each of begun) expect((await scene.me(each)).kind).toBe("anonymous");
  // Without a session there is nothing to end.
  expect((await scene.ask("/api/v1/session", { method: "DELETE" })).status).toBe(200);
  expect((await scene.ask("/api/v1/sessions", { method: "DELETE", cookie: one })).status).toBe(401);
});

test("a person sees in which browsers they are signed in, which one this is, and ends one: nobody else's", async () => {
  for (const name of ["alice", "bob"]) scene.account(name);
  const agent = "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0";
  const old = await scene.signedIn("alice", { address: "10.0.0.1", headers: { "user-agent": agent } });
  scene.now += 60_000;
  const cookie = (await scene.follow(scene.link("bob"))).cookie ?? "";
  const others = (await scene.ask("/api/v1/sessions", { cookie })).body.sessions;
  expect(others).toMatchObject([{ way: "link", agent: "", current: true }]);
  const own = await scene.signedIn("alice");
  const list = (held: string) => scene.ask("/api/v1/sessions", { cookie: held });
  const end = (id: string, held: string) => scene.ask(`/api/v1/sessions/${id}`, { method: "DELETE", cookie: held });
  const { body } = await list(own);
  const times = { created: start, used: start, expires: start + 30 * day };
  const id = expect.stringMatching(/^[\w-]{16}$/);
  expect(body.sessions).toEqual([
    expect.objectContaining({ created: scene.now, origin: "10.0.0.7", current: true }),
    { ...times, id, origin: "10.0.0.1", way: "password", agent, current: false },
  ]);
  // Nothing of a secret is in the list.
  expect(JSON.stringify(body)).not.toMatch(new RegExp([own, old].map((one) => one.slice(0, 12)).join("|")));
  const [mine, earlier] = body.sessions;
  for (const wrong of [others[0].id, "AAAAAAAAAAAAAAAA", "x", "..%2F", encodeURIComponent(old)]) {
    expect((await end(wrong, own)).body.error.code).toBe("session_unknown");
  }
  expect([(await end(earlier.id, own)).cookie, (await scene.me(old)).kind]).toEqual([undefined, "anonymous"]);
  expect((await scene.me(cookie)).name).toBe("bob");
  expect(scene.entries()[0]).toBe("administrator alice: session.end alice done");
  // One's own also takes the browser's cookie.
  expect([(await end(mine.id, own)).cookie, (await list(own)).status, (await end(mine.id, own)).status]).toEqual([
    "",
    401,
    401,
  ]);
});

test("only the hub's own page sees and ends sessions, and a token has none", async () => {
  scene.account("alice");
  const cookie = await scene.signedIn("alice");
  const [{ id }] = (await scene.ask("/api/v1/sessions", { cookie })).body.sessions;
  const foreign = { origin: "https://evil.example" };
  expect((await scene.ask(`/api/v1/sessions/${id}`, { method: "DELETE", cookie, headers: foreign })).status).toBe(403);
  const token = newSecret();
  const row = { name: "ci", scope: "admin", created: scene.now, creator: "x", expires: undefined } as const;
  scene.book.write((writer) => writer.addToken(hashOf(token), row));
  const bearer = { authorization: `Bearer ${token}` };
  expect((await scene.ask("/api/v1/sessions", { cookie, headers: bearer })).status).toBe(401);
  const answer = (await scene.ask("/api/v1/me", { headers: bearer })).body;
  expect([answer.name, answer.way, answer.users]).toEqual(["ci", undefined, undefined]);
});

test.each([
  ["alice", ["alice"]],
  ["alice@lab.example", ["alice@lab.example", "alice"]],
  ["LAB\\alice", ["LAB\\alice", "alice"]],
  ["@alice", ["@alice"]],
])("the account %s is of the user %j of the machines", async (name, users) => {
  scene.account(name);
  expect((await scene.me(await scene.signedIn(name))).users).toEqual(users);
});

test("a new password takes the old one, ends all other sessions and links, and goes on with a new session", async () => {
  scene.account("alice");
  const [cookie, other, pending] = [await scene.signedIn("alice"), await scene.signedIn("alice"), scene.link("alice")];
  const change = (body: object, more: Sent = {}) =>
    scene.ask("/api/v1/me/password", { method: "PUT", body, cookie, ...more });
  expect((await change({ old: better, new: better })).body.error.code).toBe("sign_in_refused");
  expect((await change({ old: right, new: "short" })).body.error.code).toBe("password_weak");
  expect((await change({ old: right, new: better }, { cookie: newSecret() })).status).toBe(401);
  expect((await scene.me(other)).kind).toBe("administrator");
  const { status, cookie: begun = "" } = await change({ old: right, new: better });
  expect(status).toBe(200);
  expect([(await scene.me(begun)).name, (await scene.me(cookie)).kind, (await scene.me(other)).kind]).toEqual([
    "alice",
    "anonymous",
    "anonymous",
  ]);
  expect([(await scene.signIn("alice", right)).status, (await scene.signIn("alice", better)).status]).toEqual([
    401, 200,
  ]);
  expect((await scene.follow(pending)).status).toBe(404);
});

test("a password that was changed while it was compared is not accepted any more", async () => {
  scene.account("alice");
  const passwordOf = scene.book.passwordOf.bind(scene.book);
  let reads = 0;
  scene.book.passwordOf = (name) => {
    const found = passwordOf(name);
    if (++reads === 1)
      scene.book.write((writer) => writer.changeAccount(writer.account(name)?.id ?? 0, { password: undefined }));
    return found;
  };
  expect((await scene.signIn("alice")).status).toBe(401);
  expect(reads).toBe(2);
});

test("two changes of a password at the same time: one is made, and the other one's session has ended", async () => {
  scene.account("alice");
  const cookie = await scene.signedIn("alice");
  const change = (next: string) =>
    scene.ask("/api/v1/me/password", { method: "PUT", body: { old: right, new: next }, cookie });
  const answers = await Promise.all([change("first first 1st"), change("second second 2nd")]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 401]);
});

test("a link makes an account with a password once: it does not work again, nor twice at the same time", async () => {
  const secret = scene.link("admin");
  expect((await scene.post("/api/v1/session/link/read", { token: secret })).body).toEqual({
    name: "admin",
    role: "administrator",
  });
  expect((await scene.follow(secret, "short")).body.error.code).toBe("password_weak");
  expect((await scene.follow(secret, "Administrator")).body.error.code).toBe("password_weak");
  const answers = await Promise.all([scene.follow(secret), scene.follow(secret), scene.follow(secret)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 404, 404]);
  const begun = answers.find(({ status }) => status === 200)?.cookie;
  expect(await scene.me(begun)).toMatchObject({ kind: "administrator", name: "admin" });
  expect((await scene.follow(secret)).body.error.code).toBe("link_unknown");
  expect((await scene.post("/api/v1/session/link/read", { token: secret })).status).toBe(404);
  expect((await scene.signIn("admin", better)).status).toBe(200);
  expect(
    scene.book.audit({ limit: 100 }).filter(({ action, result }) => action === "link.follow" && result === "done"),
  ).toMatchObject([{ actor: "administrator admin", target: "admin", details: { created: true } }]);
  expect(JSON.stringify([scene.book.audit({ limit: 100 }), scene.lines])).not.toContain(secret);
});

test("a link to an account that exists sets its password and ends its sessions, and gives it no other right", async () => {
  scene.account("bob", "viewer");
  const before = await scene.signedIn("bob");
  const [secret, second] = [scene.link("bob", "administrator"), scene.link("bob", "administrator")];
  expect((await scene.post("/api/v1/session/link/read", { token: secret })).body).toEqual({
    name: "bob",
    role: "viewer",
  });
  const { body, cookie } = await scene.follow(secret);
  expect(body).toEqual({ name: "bob", role: "viewer" });
  expect([(await scene.me(cookie)).kind, (await scene.me(before)).kind]).toEqual(["viewer", "anonymous"]);
  expect((await scene.follow(second)).status).toBe(404);
});

test("a link ends after a day", async () => {
  const secret = scene.link("admin");
  scene.now += day;
  expect((await scene.follow(secret)).body.error.code).toBe("link_unknown");
});

test("after five wrong passwords the next attempt has to wait, at whichever address, and then the right one is accepted", async () => {
  scene.account("alice");
  const tries = await Promise.all(
    Array.from({ length: 12 }, (_, i) => scene.signIn("Alice", "wrong", { address: `10.0.0.${i}` })),
  );
  expect(tries.filter(({ status }) => status === 401)).toHaveLength(5);
  const refused = tries.filter(({ status }) => status === 429);
  expect(refused).toHaveLength(7);
  expect(refused[0]?.headers.get("retry-after")).toBe("1");
  expect(refused[0]?.body.error).toEqual({
    code: "too_many_attempts",
    message: "Too many attempts to sign in: try again in 1 s.",
  });
  // The hub's own clock may be set.
  scene.now += day;
  expect((await scene.signIn("alice")).status).toBe(429);
  scene.ticks += 1000;
  expect((await scene.signIn("alice")).status).toBe(200);
});

test("where people signed in before a start of the hub, others cannot keep them from signing in", async () => {
  scene.account("alice");
  await scene.signedIn("alice", { address: "10.0.0.7" });
  await scene.open();
  for (let i = 0; i < 12; i++) await scene.signIn("alice", "wrong", { address: `10.1.0.${i}` });
  expect((await scene.signIn("alice", right, { address: "10.2.0.1" })).status).toBe(429);
  expect((await scene.signIn("alice", right, { address: "10.0.0.7" })).status).toBe(200);
});

test("guesses at links are slowed down, and any number of them leaves few entries", async () => {
  const answers: number[] = [];
  for (let i = 0; i < 100; i++) answers.push((await scene.follow(newSecret())).status);
  expect(answers.slice(0, 20)).toEqual(Array(20).fill(404));
  expect(new Set(answers.slice(20))).toEqual(new Set([429]));
  expect(scene.entries().length).toBeLessThanOrEqual(10);
});

test("clients of a proxy on this machine are told apart, and nobody else can say who they are", async () => {
  const guess = async (address: string, forwarded: string) =>
    (await scene.follow(newSecret(), better, { address, headers: { "x-forwarded-for": forwarded } })).status;
  for (let i = 0; i < 30; i++) await guess("127.0.0.1", `10.9.9.9, 10.0.0.1`);
  expect(await guess("127.0.0.1", "10.0.0.1")).toBe(429);
  expect(await guess("127.0.0.1", "10.0.0.1, 10.0.0.2")).toBe(404);
  for (let i = 0; i < 30; i++) await guess("10.0.0.3", `10.1.0.${i}`);
  expect(await guess("10.0.0.3", "10.1.1.1")).toBe(429);
});

const own = { origin: "http://hub:5000" };
test.each([
  ["another site's page", { origin: "https://evil.example" }, 403],
  ["another site's form", { origin: "null" }, 403],
  ["another site, says the browser", { ...own, "sec-fetch-site": "cross-site" }, 403],
  ["another port's page", { origin: "http://hub:3000" }, 403],
  ["the hub's page", own, 200],
  ["the hub's page, says the browser", { ...own, "sec-fetch-site": "same-origin" }, 200],
])("%s (%j) signs people in and out: status %d", async (_, headers, status) => {
  scene.account("alice");
  const cookie = await scene.signedIn("alice");
  expect((await scene.signIn("alice", right, { headers })).status).toBe(status);
  expect((await scene.follow(scene.link("alice"), better, { headers })).status).toBe(status);
  const again = status === 200 ? ((await scene.signIn("alice", better)).cookie ?? "") : cookie;
  for (const path of ["/api/v1/session", "/api/v1/sessions"]) {
    expect((await scene.ask(path, { method: "DELETE", cookie: again, headers })).status).toBe(
      status === 200 && path === "/api/v1/sessions" ? 401 : status,
    );
  }
  expect((await scene.me(again)).session).toBe(status !== 200);
});

test("where reading needs an account, everyone else is asked to sign in, and is told no names of hosts", async () => {
  scene.read = "login";
  scene.account("bob", "viewer");
  for (const path of ["/pk", "/hist", "/api/history?host=a&metric=load1", "/api/fleet/history?metric=load1"]) {
    expect((await scene.ask(path)).body.error.code).toBe("sign_in_needed");
  }
  expect((await scene.me()).rights).toEqual(["open"]);
  const cookie = await scene.signedIn("bob");
  expect((await scene.ask("/hist", { cookie })).status).toBe(200);
});

test("while the disk fails, everyone reads as before, and whoever was signed in, too", async () => {
  scene.account("alice");
  const cookie = await scene.signedIn("alice");
  scene.book.close();
  expect((await scene.ask("/hist", { cookie })).status).toBe(200);
  expect((await scene.signIn("alice")).body.error.code).toBe("book_unusable");
  scene.read = "login";
  expect((await scene.ask("/hist", { cookie })).body.error.code).toBe("book_unusable");
});

test("nothing that is sent to the sign-in crashes it or lets anybody in", async () => {
  scene.account("alice");
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.string({ maxLength: 200 }),
    fc.constant("alice"),
  );
  const value = fc.oneof(
    text,
    fc.integer(),
    fc.constant(null),
    fc.array(text, { maxLength: 3 }),
    fc.object({ maxDepth: 2 }),
  );
  const body = fc.oneof(
    fc.record({ token: value, password: value }, { requiredKeys: [] }),
    fc.record({ name: value, old: value, new: value }),
    value,
  );
  const paths = ["/api/v1/session", "/api/v1/session/link", "/api/v1/session/link/read"];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), body, fc.ipV4(), async (path, sent, address) => {
      const answer = await scene.post(path, sent, { address });
      expect([400, 401, 404, 429]).toContain(answer.status);
      expect(answer.cookie).toBeUndefined();
    }),
    cases,
  );
  expect(scene.lines).toEqual([]);
});
