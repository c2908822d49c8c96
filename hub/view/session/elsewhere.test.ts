import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { hub, path, SignInScene, start, Visitor } from "../../../test/visitor.ts";

const hour = 3_600_000;

const scene = new SignInScene();

const alice = (): object => ({ sub: "1001", preferred_username: "alice" });

test("a person signs in at the provider, has an account from then on, and is back at the page where they were", async () => {
  const browser = new Visitor(scene);
  expect(await browser.me()).toMatchObject({ accounts: false, provider: new URL(scene.issuer.url).host });
  expect(await browser.signIn("#/host/gpu%201")).toBe("../../../../#/host/gpu%201");
  expect(scene.issuer.arrivals[0]?.get("redirect_uri")).toBe(`${hub}${path}/callback`);
  expect(await browser.me()).toMatchObject({
    kind: "viewer",
    name: "alice",
    external: true,
    session: true,
  });
  const [account] = scene.book.accounts();
  expect(account).toMatchObject({
    name: "alice",
    role: "viewer",
    hasPassword: false,
    external: { issuer: scene.issuer.url, subject: "1001" },
    used: start,
  });
  expect(scene.book.sessionList(account?.id ?? 0, scene.now)).toMatchObject([{ way: "oidc", origin: "10.0.0.7" }]);
  // Nothing of the sign-in stays but the session.
  expect([...browser.cookies.keys()]).toEqual(["gohm_session_http"]);
  expect(scene.entries()).toEqual([
    `viewer alice: account.create alice {"role":"viewer","issuer":"${scene.issuer.url}"} done`,
    `viewer alice: session.create alice {"issuer":"${scene.issuer.url}"} done`,
  ]);
  await browser.signIn();
  expect(scene.book.accounts()).toHaveLength(1);
});

describe("the address to return to", () => {
  test.each(["#/", "#/host/a?b=c", "#/reports/n/2026-01-01"])("may be %s", async (to) => {
    expect(await new Visitor(scene).signIn(to)).toBe(`../../../../${to}`);
  });

  test.each([
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "#//\r\nSet-Cookie: a=b",
    "#",
    "javascript:alert(1)",
    `#/${"x".repeat(256)}`,
    "#/sign-in/q8f3nZ0eWmB5rT1xK7cV2y",
    "#/link/q8f3nZ0eWmB5rT1xK7cV2yL4uH6jP9sD0aG3fE5iN8o",
    "",
  ])("is never %s", async (to) => {
    expect(await new Visitor(scene).signIn(to)).toBe("../../../../#/");
  });
});

describe("a sign-in is completed", () => {
  const expired = { code: "expired" };

  test("only in the browser that began it", async () => {
    const [mine, yours] = [new Visitor(scene), new Visitor(scene)];
    const back = await mine.leave();
    const stolen = await yours.ask(back.href);
    expect(await yours.failure(stolen.headers.get("location") ?? "")).toMatchObject(expired);
    expect(stolen.headers.getSetCookie()).toEqual([]);
    // Not even if that one has begun one of its own: what is bound together is one state and one browser.
    await yours.leave();
    expect(await yours.failure(await yours.led(back.href))).toMatchObject(expired);
    expect(scene.book.accounts()).toEqual([]);
    expect(scene.issuer.asked).not.toContain("/token");
    expect(await mine.led(back.href)).toBe("../../../../#/");
  });

  test("once, even if the provider gives its code out again and the browser has its cookie back", async () => {
    scene.issuer.faults = { replays: true };
    const browser = new Visitor(scene);
    const back = await browser.leave();
    const cookies = new Map(browser.cookies);
    await browser.ask(back.href);
    const thief = new Visitor(scene);
    for (const [name, value] of cookies) thief.cookies.set(name, value);
    expect(await thief.failure(await thief.led(back.href))).toMatchObject(expired);
    expect(thief.cookies.has("gohm_session_http")).toBe(false);
  });

  test("within half an hour", async () => {
    const browser = new Visitor(scene);
    const [late, early] = [await browser.leave(), await new Visitor(scene).leave()];
    expect(early.href).not.toBe(late.href);
    scene.ticks += 30 * 60_000 + 1;
    expect(await browser.failure(await browser.led(late.href))).toMatchObject(expired);
  });

  test("of several tabs of a browser, each", async () => {
    const browser = new Visitor(scene);
    const tabs = [await browser.leave("#/a"), await browser.leave("#/b"), await browser.leave("#/c")];
    for (const [i, page] of [
      [1, "#/b"],
      [0, "#/a"],
      [2, "#/c"],
    ] as const) {
      expect(await browser.led(tabs[i]?.href ?? "")).toBe(`../../../../${page}`);
    }
  });

  test("by this start of the hub", async () => {
    const browser = new Visitor(scene);
    const back = await browser.leave();
    await scene.restart();
    expect(await browser.failure(await browser.led(back.href))).toMatchObject(expired);
  });

  test("with a session of its own: one that was planted before is worth nothing", async () => {
    scene.book.write((writer) => writer.addAccount({ name: "mallory", role: "viewer", created: scene.now }, undefined));
    scene.issuer.person = { sub: "2", preferred_username: "trudy" };
    const attacker = new Visitor(scene);
    await attacker.signIn();
    const planted = attacker.cookies.get("gohm_session_http") ?? "";
    scene.issuer.person = alice() as Record<string, unknown>;
    const browser = new Visitor(scene);
    browser.cookies.set("gohm_session_http", planted);
    await browser.signIn();
    expect(browser.cookies.get("gohm_session_http")).not.toBe(planted);
    expect((await browser.me()).name).toBe("alice");
    expect((await attacker.me()).name).toBeNull();
  });

  test("by GET only: a program that looks at links completes nothing", async () => {
    const browser = new Visitor(scene);
    const back = await browser.leave();
    expect((await browser.ask(back.href, { method: "HEAD" })).status).toBe(405);
    expect((await browser.ask(path, { method: "HEAD" })).status).toBe(405);
    expect(await browser.led(back.href)).toBe("../../../../#/");
  });

  test("for no cookie and no state that somebody makes up", async () => {
    const value = fc.oneof(
      fc.string({ unit: "grapheme-ascii", maxLength: 200 }),
      fc.tuple(fc.base64String(), fc.base64String()).map((parts) => parts.join(".")),
      fc.json().map((json) => `${Buffer.from(json).toString("base64url")}.${"A".repeat(43)}`),
    );
    const genuine = await new Visitor(scene).leave();
    const state = genuine.searchParams.get("state") ?? "";
    await fc.assert(
      fc.asyncProperty(value, fc.oneof(value, fc.constant(state)), async (cookie, asked) => {
        const browser = new Visitor(scene);
        browser.cookies.set("gohm_sign_in_http", cookie.replaceAll(/[^\x21-\x7e]|[;=]/g, ""));
        const answer = await browser.ask(`${path}/callback?code=x&state=${encodeURIComponent(asked)}`);
        expect([answer.status, answer.headers.getSetCookie()]).toEqual([302, []]);
      }),
      cases,
    );
    expect(scene.book.accounts()).toEqual([]);
    expect(scene.issuer.asked).not.toContain("/token");
  });
});

describe("the session", () => {
  test("ends after a day, after the time of the settings, and when there is no provider any more", async () => {
    const browser = new Visitor(scene);
    await browser.signIn();
    const name = async (): Promise<unknown> => (await browser.me()).name;
    scene.now += 24 * hour - 1;
    expect(await name()).toBe("alice");
    scene.now += 1;
    expect(await name()).toBeNull();
    scene.set({ oidcSession: 1 });
    await browser.signIn();
    scene.now += hour - 1;
    expect(await name()).toBe("alice");
    const { oidcIssuer } = scene.settings;
    scene.set({ oidcIssuer: "" });
    expect(await name()).toBeNull();
    scene.set({ oidcIssuer });
    expect(await name()).toBe("alice");
    scene.now += 1;
    expect(await name()).toBeNull();
  });

  test.each(["/api/v1/session", "/api/v1/sessions"])(
    "that a person ends by DELETE %s goes on at the provider, which leads back",
    async (where) => {
      const browser = new Visitor(scene);
      await browser.signIn();
      const { next } = await browser.json(where, { method: "DELETE" });
      const { pathname, searchParams } = new URL(next);
      expect([pathname, searchParams.get("post_logout_redirect_uri")]).toEqual(["/logout", `${hub}/`]);
      expect(searchParams.get("id_token_hint")).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
      expect((await browser.me()).name).toBeNull();
    },
  );

  test("ends at the hub if the provider is away, and where it has no such address", async () => {
    for (const away of [false, true]) {
      scene.issuer.faults = { metadata: (metadata) => ({ ...metadata, end_session_endpoint: undefined }) };
      const browser = new Visitor(scene);
      await browser.signIn();
      if (away) {
        await scene.issuer.close();
        scene.ticks += hour + 1;
      }
      expect(await browser.json("/api/v1/session", { method: "DELETE" })).toEqual({ ok: true });
      expect((await browser.me()).name).toBeNull();
    }
  });
});

describe("a provider that is away", () => {
  test("is said to be away on the page, and nothing else stops", async () => {
    await scene.issuer.close();
    const browser = new Visitor(scene);
    const answer = await browser.ask(`${path}?to=${encodeURIComponent("#/host/a")}`);
    const location = answer.headers.get("location") ?? "";
    expect(location).toMatch(/^\.\.\/\.\.\/\.\.\/#/);
    const host = new URL(scene.issuer.url).host;
    expect(await browser.failure(location)).toEqual({
      code: "provider_away",
      values: { host, why: "nothing listens there" },
      text: `The hub cannot reach the sign-in service at ${host}: nothing listens there.`,
      to: "#/host/a",
    });
    expect((await browser.ask("/api/v1/me")).status).toBe(200);
    expect(scene.lines).toEqual([expect.stringContaining("nothing listens there")]);
  });

  test("is in the log once a minute, however often strangers begin to sign in", async () => {
    await scene.issuer.close();
    const line = expect.stringMatching(/^a sign-in failed: The hub cannot reach .*: nothing listens there\.$/);
    for (let i = 0; i < 50; i++) await new Visitor(scene, { address: `10.0.1.${i}` }).led(path);
    expect(scene.lines).toEqual([line]);
    scene.ticks += 60_000;
    await new Visitor(scene).led(path);
    expect(scene.lines).toEqual([
      line,
      expect.stringMatching(/nothing listens there\. \(49 more since the last time\)$/),
    ]);
  });

  test("does not lose what it cannot say: a failure is known for ten minutes", async () => {
    await scene.issuer.close();
    const browser = new Visitor(scene);
    const location = await browser.led(path);
    scene.ticks += 600_001;
    expect(await browser.failure(location)).toMatchObject({ code: "expired", to: "#/" });
    expect(await browser.json("/api/v1/session/failure/nothing")).toMatchObject({ code: "expired" });
  });
});

test("without a provider in the settings, there is nothing of it", async () => {
  scene.set({ oidcIssuer: "" });
  const browser = new Visitor(scene);
  expect(await browser.me()).not.toHaveProperty("provider");
  const location = await browser.led(path);
  expect(await browser.failure(location)).toMatchObject({ code: "not_set_up" });
});

test("a person whom the provider refuses reads its words, and the log has no code and no token", async () => {
  scene.issuer.faults = { refusal: { error: "access_denied", error_description: "You are not in <b>the</b> lab" } };
  const browser = new Visitor(scene);
  expect((await browser.fails()).text).toContain("access_denied (You are not in <b>the</b> lab)");
  scene.issuer.faults = { signature: "foreign" };
  const back = await browser.leave();
  await browser.ask(back.href);
  const log = scene.lines.join("\n");
  expect(log).toContain("not signed by its own keys");
  for (const name of ["code", "state"]) expect(log).not.toContain(back.searchParams.get(name));
});

test("a network whose sign-ins fail again and again must wait, before the provider is asked", async () => {
  scene.issuer.faults = { signature: "foreign" };
  const browser = new Visitor(scene);
  const codes: string[] = [];
  for (let i = 0; i < 22; i++) codes.push((await browser.fails()).code);
  expect(codes.filter((code) => code === "token_signature")).toHaveLength(20);
  expect(scene.issuer.asked.filter((one) => one === "/token")).toHaveLength(20);
  expect(codes.at(-1)).toBe("too_many_attempts");
  scene.issuer.faults = {};
  expect(await new Visitor(scene, { address: "10.0.0.8" }).signIn()).toBe("../../../../#/");
});

test("a provider that breaks down is no attempt of those who sign in meanwhile", async () => {
  scene.issuer.faults = { answers: { "/token": (_, response) => void response.destroy() } };
  const browser = new Visitor(scene);
  for (let i = 0; i < 22; i++) expect(await browser.fails()).toMatchObject({ code: "provider_away" });
  scene.issuer.faults = {};
  expect(await browser.signIn()).toBe("../../../../#/");
});

test("a file of the settings that cannot be read is named in the log, and not on the page", async () => {
  scene.set({ oidcSecret: "", oidcSecretFile: "/nowhere/oidc.secret" });
  expect((await new Visitor(scene).fails()).text).toBe(
    "The hub cannot use its setting auth.oidc.client_secret_file: the file cannot be read.",
  );
  expect(scene.lines.join()).toContain("/nowhere/oidc.secret");
});

describe("with hub.url", () => {
  test("the provider leads back there, whatever the hub is called in the request", async () => {
    const place = "https://gpus.lab.example";
    scene.place = `${place}/gohm/`;
    const browser = new Visitor(scene, { origin: place });
    expect(await browser.signIn("#/host/a")).toBe("../../../../#/host/a");
    expect(scene.issuer.arrivals[0]?.get("redirect_uri")).toBe(`https://gpus.lab.example/gohm${path}/callback`);
  });

  test("a browser that knows the hub by another name begins there, where its cookie will be, once", async () => {
    scene.place = "https://gpus.lab.example";
    const browser = new Visitor(scene);
    const answer = await browser.ask(`${path}?to=%23%2Fhost%2Fa`);
    expect(answer.headers.get("location")).toBe(`${scene.place}${path}?moved=true&to=%23%2Fhost%2Fa`);
    expect(answer.headers.getSetCookie()).toEqual([]);
    const again = await browser.ask(`${path}?moved=true&to=%23%2Fhost%2Fa`);
    expect(again.headers.get("location")).toContain(scene.issuer.url);
  });

  test("over https, the cookie of a sign-in is one that no other host and no plain http can set", async () => {
    scene.place = "https://gpus.lab.example";
    const browser = new Visitor(scene, { origin: scene.place });
    const answer = await browser.ask(path);
    expect(answer.headers.getSetCookie()).toEqual([
      expect.stringMatching(
        /^__Host-gohm_sign_in=[\w-]+\.[\w-]{43}; Max-Age=1800; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
      ),
    ]);
  });
});
