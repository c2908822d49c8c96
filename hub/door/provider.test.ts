import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CertificateFolder, certifies } from "../../test/certificate.ts";
import { client, type IssuerFaults } from "../../test/issuer.ts";
import { ProviderScene, redirect, request } from "../../test/provider.ts";

const scene = new ProviderScene();
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-provider-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("a person signs in with PKCE, state and nonce, and is who the ID token says, signed by the provider's key", async () => {
  expect(scene.provider.name).toBe(new URL(scene.issuer.url).host);
  expect(scene.issuer.asked).toEqual([]);
  const person = await scene.signIn();
  expect(person).toMatchObject({ issuer: scene.issuer.url, subject: "1001", name: "alice", groups: ["students"] });
  expect(Object.fromEntries(scene.issuer.arrivals[0] ?? [])).toMatchObject({
    client_id: client.id,
    redirect_uri: redirect,
    response_type: "code",
    scope: "openid profile groups",
    state: request.state,
    nonce: request.nonce,
    code_challenge_method: "S256",
  });
  // The ID token says everything: userinfo is not asked for.
  expect(scene.issuer.asked).toEqual(["/.well-known/openid-configuration", "/authorize", "/token", "/keys"]);
  await scene.signIn();
  expect(scene.issuer.asked.slice(4)).toEqual(["/authorize", "/token"]);
});

test.each<[string, IssuerFaults, string, RegExp]>([
  ["signed by another key", { signature: "foreign" }, "token_signature", /not signed by its own keys/],
  ["changed after it was signed", { signature: "changed" }, "token_signature", /not signed by its own keys/],
  ["not signed, with the algorithm none", { signature: "none" }, "token_signature", /not signed by its own keys/],
  [
    "not signed, of a provider that offers that",
    { signature: "none", metadata: (m) => ({ ...m, id_token_signing_alg_values_supported: ["ES256", "none"] }) },
    "token_signature",
    /not signed by its own keys/,
  ],
  [
    "signed with the client's secret",
    { signature: "HS256", metadata: (m) => ({ ...m, id_token_signing_alg_values_supported: ["HS256"] }) },
    "provider_wrong",
    /signed by HS256, with the client's secret: give it a signing key/,
  ],
  ["for another client", { claims: (c) => ({ ...c, aud: "wiki" }) }, "token_claim", /its claim "aud"/],
  [
    "for another client and this one, from a third one",
    { claims: (c) => ({ ...c, aud: [client.id, "wiki"], azp: "wiki" }) },
    "token_claim",
    /its claim "azp"/,
  ],
  ["of an issuer that was renamed", { claims: (c) => ({ ...c, iss: "https://new.example" }) }, "token_claim", /"iss"/],
  ["for another sign-in", { claims: (c) => ({ ...c, nonce: "other" }) }, "token_claim", /its claim "nonce"/],
  ["for no sign-in", { claims: ({ nonce, ...c }) => c }, "provider_wrong", /nonce/],
  ["that has expired", { claims: (c) => ({ ...c, exp: Date.now() / 1000 - 100 }) }, "token_time", /more than 60 s/],
  ["that never expires", { claims: ({ exp, ...c }) => c }, "provider_wrong", /exp/],
  ["that is not valid yet", { claims: (c) => ({ ...c, nbf: Date.now() / 1000 + 100 }) }, "token_time", /60 s/],
  ["of everybody without a number", { claims: (c) => ({ ...c, sub: "" }) }, "provider_wrong", /"sub" is empty/],
  ["of nobody", { claims: ({ sub, ...c }) => c }, "provider_wrong", /sub/],
  ["of a person with a very long number", { claims: (c) => ({ ...c, sub: "x".repeat(256) }) }, "provider_wrong", /sub/],
  [
    "without a user name",
    { claims: ({ preferred_username, ...c }) => c, userinfo: () => ({ sub: "1001" }) },
    "name_missing",
    /"preferred_username"/,
  ],
  [
    "with a user name that is no text",
    { claims: (c) => ({ ...c, preferred_username: 5 }), userinfo: () => ({ sub: "1001" }) },
    "name_missing",
    /"preferred_username"/,
  ],
  [
    "whose groups are left out, as there are too many",
    { claims: ({ groups, ...c }) => ({ ...c, _claim_names: { groups: "src1" } }) },
    "groups_left_out",
    /too many/,
  ],
])("an ID token %s signs nobody in", async (_, faults, code, text) => {
  scene.issuer.faults = faults;
  expect(await scene.refusal()).toMatchObject({ code, text: expect.stringMatching(text) });
});

test.each<[string, IssuerFaults, string, RegExp]>([
  [
    "an error",
    { refusal: { error: "access_denied", error_description: "Ask IT." } },
    "provider_refused",
    /access_denied \(Ask IT\.\)/,
  ],
  ["the name of another issuer", { refusal: { code: "c", iss: "https://evil.example" } }, "provider_wrong", /"iss"/],
  [
    "no name of an issuer, though it promised one (RFC 9207)",
    { metadata: (m) => ({ ...m, authorization_response_iss_parameter_supported: true }) },
    "provider_wrong",
    /"iss"/,
  ],
  ["tokens beside the code", { refusal: { code: "c", id_token: "a.b.c" } }, "provider_wrong", /implicit/],
  [
    "a code that it does not know",
    { refusal: { code: "unknown" } },
    "code_refused",
    /invalid_grant \(this code is not valid\)/,
  ],
])("a provider that sends a person back with %s signs nobody in", async (_, faults, code, text) => {
  scene.issuer.faults = faults;
  expect(await scene.refusal()).toMatchObject({ code, text: expect.stringMatching(text) });
});

test("state, nonce, verifier and address of the callback must be those of the beginning", async () => {
  for (const [more, code] of [
    [{ state: "other" }, "provider_wrong"],
    [{ nonce: "other" }, "token_claim"],
    [{ verifier: "w".repeat(43) }, "code_refused"],
    [{ redirect: "http://evil.example/callback" }, "code_refused"],
  ] as const) {
    expect(await scene.refusal(scene.signIn(more))).toMatchObject({ code });
  }
});

test("a code is good for one sign-in", async () => {
  const back = await scene.issuer.visit(await scene.provider.begin(request));
  await scene.provider.finish(request, back.search);
  expect(await scene.refusal(scene.provider.finish(request, back.search))).toMatchObject({ code: "code_refused" });
});

test("clocks that differ by less than the tolerance do no harm", async () => {
  scene.set({ oidcClockTolerance: 120 });
  scene.issuer.faults = {
    claims: (claims) => ({ ...claims, iat: Date.now() / 1000 - 400, exp: Date.now() / 1000 - 100 }),
  };
  expect(await scene.signIn()).toMatchObject({ name: "alice" });
  scene.set({ oidcClockTolerance: 60 });
  expect(await scene.refusal()).toMatchObject({ code: "token_time" });
});

test.each([
  ["openid profile groups", undefined, "openid profile groups"],
  ["openid profile groups", ["openid", "email", "profile"], "openid profile"],
  ["openid profile groups", ["openid", "groups"], "openid groups"],
  ["openid groups roles", ["openid"], "openid groups roles"],
])("of the scopes %j of the settings, a provider that lists %j is asked for %j", async (oidcScopes, listed, asked) => {
  scene.set({ oidcScopes });
  scene.issuer.faults = { metadata: (metadata) => ({ ...metadata, scopes_supported: listed }) };
  await scene.signIn();
  expect(scene.issuer.arrivals[0]?.get("scope")).toBe(asked);
});

describe("groups", () => {
  test.each<[string, object, readonly string[]]>([
    ["a list", { groups: ["a", "b"] }, ["a", "b"]],
    ["one text", { groups: "a" }, ["a"]],
    ["a list with something else in it", { groups: ["a", 5, null, { b: 1 }] }, ["a"]],
    ["something else", { groups: { a: true } }, []],
    ["nothing", {}, []],
  ])("are %s", async (_, claims, groups) => {
    scene.issuer.person = { sub: "1001", preferred_username: "alice", ...claims };
    expect((await scene.signIn()).groups).toEqual(groups);
  });

  test("may be in a claim within another one, as the roles of Keycloak are", async () => {
    scene.set({ oidcGroupsClaim: "realm_access.roles" });
    scene.issuer.person = { ...scene.issuer.person, realm_access: { roles: ["admins"] } };
    expect((await scene.signIn()).groups).toEqual(["admins"]);
  });

  test("that the ID token does not have are asked of userinfo, where it matters who is in them", async () => {
    scene.issuer.onlyUserinfo = ["groups"];
    expect((await scene.signIn()).groups).toEqual(["students"]);
    scene.set({ oidcAdminGroups: [] });
    const before = scene.issuer.asked.length;
    expect((await scene.signIn()).groups).toEqual([]);
    expect(scene.issuer.asked.slice(before)).not.toContain("/userinfo");
  });

  test("of somebody else's userinfo are nobody's", async () => {
    scene.issuer.onlyUserinfo = ["groups"];
    scene.issuer.faults = { userinfo: (claims) => ({ ...claims, sub: "1", groups: ["admins"] }) };
    expect(await scene.refusal()).toMatchObject({ code: "provider_wrong", text: expect.stringContaining("sub") });
  });

  test("that userinfo does not tell are not none", async () => {
    scene.issuer.onlyUserinfo = ["groups"];
    for (const status of [401, 500]) {
      scene.issuer.faults = {
        answers: {
          "/userinfo": (_, response) => void response.writeHead(status, { "WWW-Authenticate": "Bearer" }).end("{}"),
        },
      };
      expect(await scene.refusal()).toMatchObject({ code: "provider_wrong" });
    }
  });
});

describe("the client", () => {
  test.each(["client_secret_basic", "client_secret_post"] as const)(
    "proves who it is by %s, if that is what it is registered for, whatever the provider names",
    async (method) => {
      await scene.use({ method });
      await scene.signIn();
      scene.issuer.asked.length = 0;
      await scene.signIn();
      // It has learned it.
      expect(scene.issuer.asked.filter((path) => path === "/token")).toHaveLength(1);
    },
  );

  test("without a secret is a public one", async () => {
    await scene.use({ secret: "" });
    scene.set({ oidcSecret: "" });
    expect(await scene.signIn()).toMatchObject({ name: "alice" });
  });

  test("reads its secret anew each time, and says which setting is wrong without its path", async () => {
    const path = join(folder, "secret");
    scene.set({ oidcSecret: "", oidcSecretFile: path });
    const wrong = { code: "settings_wrong", text: expect.stringMatching(/auth\.oidc\.client_secret_file: .*/) };
    expect(await scene.refusal()).toMatchObject(wrong);
    expect((await scene.refusal()).text).not.toContain(folder);
    writeFileSync(path, "\n");
    expect(await scene.refusal()).toMatchObject(wrong);
    writeFileSync(path, "an old one");
    expect(await scene.refusal()).toMatchObject({
      code: "client_refused",
      text: expect.not.stringContaining("an old one"),
    });
    writeFileSync(path, `${client.secret}\n`);
    expect(await scene.signIn()).toMatchObject({ name: "alice" });
  });
});

describe("the name of the issuer", () => {
  test.each([
    [
      "has a slash at the end, as that of Authentik, and the settings do not",
      "/application/o/gohm/",
      "/application/o/gohm",
    ],
    ["has no slash at the end, and the settings do", "/realms/lab", "/realms/lab/"],
    ["is that of the whole document in the settings", "/realms/lab", "/realms/lab/.well-known/openid-configuration"],
  ])("%s", async (_, path, given) => {
    await scene.use({ path });
    scene.set({ oidcIssuer: new URL(given, scene.issuer.url).href });
    expect(await scene.signIn()).toMatchObject({ issuer: scene.issuer.url, name: "alice" });
  });

  test("is another one in its metadata: both are named", async () => {
    scene.issuer.faults = { metadata: (metadata) => ({ ...metadata, issuer: "https://id.new.example" }) };
    expect((await scene.refusal()).text).toContain(
      `its issuer is "https://id.new.example", and auth.oidc.issuer is "${scene.issuer.url}"`,
    );
  });

  test("is one for all organizations: it must be that of one", async () => {
    await scene.use({ path: "/{tenantid}/v2.0" });
    scene.set({ oidcIssuer: scene.issuer.url });
    expect((await scene.refusal()).text).toContain("it lets in people of every organization");
  });
});

describe("signing out at the provider", () => {
  test("leads back to the hub, with what the provider knows the session by", async () => {
    const { hint } = await scene.signIn();
    const address = new URL((await scene.provider.end({ back: "http://hub.lab:5000/", hint })) ?? "");
    expect([address.pathname, Object.fromEntries(address.searchParams)]).toEqual([
      "/logout",
      { post_logout_redirect_uri: "http://hub.lab:5000/", id_token_hint: hint, client_id: client.id },
    ]);
  });

  test("is left out where it has no address for that, or is away", async () => {
    scene.issuer.faults = { metadata: (metadata) => ({ ...metadata, end_session_endpoint: undefined }) };
    expect(await scene.provider.end({ back: "http://hub.lab:5000/", hint: "" })).toBeUndefined();
    await scene.issuer.close();
    scene.ticks += 3_600_001;
    expect(await scene.provider.end({ back: "http://hub.lab:5000/", hint: "" })).toBeUndefined();
  });
});

describe.skipIf(!certifies)("a provider at https (openssl)", () => {
  test("is believed if its certificate is from an authority of the settings, which are read anew", async () => {
    const made = new CertificateFolder();
    const { cert, key } = made.make();
    await scene.use({ tls: { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") } });
    scene.set({ oidcInsecure: false });
    expect((await scene.refusal()).text).toMatch(/its certificate is signed by itself \(auth\.oidc\.ca can name it\)/);
    scene.set({ oidcCa: join(folder, "gone.pem") });
    expect(await scene.refusal()).toMatchObject({
      code: "settings_wrong",
      text: expect.stringContaining("auth.oidc.ca"),
    });
    writeFileSync(join(folder, "wrong.pem"), "-----BEGIN PRIVATE KEY-----");
    scene.set({ oidcCa: join(folder, "wrong.pem") });
    expect(await scene.refusal()).toMatchObject({ code: "settings_wrong" });
    scene.set({ oidcCa: cert });
    expect(await scene.signIn()).toMatchObject({ name: "alice" });
    made.remove();
  });
});
