import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import type { IssuerFaults } from "../../../test/issuer.ts";
import { ProviderScene, request } from "../../../test/provider.ts";
import { SignInFailure } from "../failure.ts";
import { Provider } from "../provider.ts";

const scene = new ProviderScene();

describe("a provider that", () => {
  test("is away is asked again after a moment, and everybody who waits meanwhile is told so at once", async () => {
    await scene.issuer.close();
    const host = new URL(scene.issuer.url).host;
    const away = {
      code: "provider_away",
      text: `The hub cannot reach the sign-in service at ${host}: nothing listens there.`,
    };
    expect(await scene.refusal()).toMatchObject(away);
    await scene.use({ port: Number(new URL(scene.issuer.url).port) });
    expect(await scene.refusal()).toMatchObject(away);
    expect(scene.issuer.asked).toEqual([]);
    scene.ticks += 5001;
    expect(await scene.signIn()).toMatchObject({ name: "alice" });
  });

  test.each(["/.well-known/openid-configuration", "/token", "/keys"])(
    "sends half an answer of %s and then nothing is given up in time",
    async (path) => {
      const hurried = new Provider({ settings: () => scene.settings, log: { info() {} }, limitMs: 500 });
      scene.issuer.faults = {
        answers: { [path]: (_, response) => void response.writeHead(200, { "Content-Length": "9" }).write("{") },
      };
      const work = async (): Promise<unknown> => {
        const back = await scene.issuer.visit(await hurried.begin(request));
        return await hurried.finish(request, back.search);
      };
      expect(await scene.refusal(work())).toMatchObject({
        code: "provider_away",
        text: expect.stringContaining("no complete answer within 0.5 s"),
      });
      expect(scene.issuer.asked).toContain(path);
    },
  );

  test("keeps many waiting keeps no more waiting than sixteen", async () => {
    const stuck: ServerResponse[] = [];
    scene.issuer.faults = {
      answers: { "/.well-known/openid-configuration": (_, response) => void stuck.push(response) },
    };
    const all = Array.from({ length: 16 }, () => scene.provider.begin(request));
    expect(await scene.refusal(scene.provider.begin(request))).toMatchObject({ code: "too_many_attempts" });
    await expect.poll(() => stuck.length).toBe(1);
    for (const response of stuck) response.destroy();
    const ended = await Promise.allSettled(all);
    expect(ended.map(({ status }) => status)).toEqual(Array(16).fill("rejected"));
    scene.issuer.faults = {};
    scene.ticks += 5001;
    expect(await scene.signIn()).toMatchObject({ name: "alice" });
  });

  test("is asked by many at once is asked once for its metadata", async () => {
    await Promise.all([1, 2, 3, 4].map(() => scene.signIn()));
    expect(scene.issuer.asked.filter((path) => path.startsWith("/.well-known"))).toHaveLength(1);
    scene.ticks += 3_600_001;
    await scene.signIn();
    expect(scene.issuer.asked.filter((path) => path.startsWith("/.well-known"))).toHaveLength(2);
  });

  test("changes its keys is believed again", async () => {
    await scene.signIn();
    scene.issuer.rotate();
    scene.ticks += 3_600_001;
    expect(await scene.signIn()).toMatchObject({ name: "alice" });
  });

  test.each(["/.well-known/openid-configuration", "/token", "/keys"])("answers without end at %s", async (path) => {
    scene.issuer.faults = {
      answers: {
        [path]: (_, response) => {
          response.writeHead(200, { "Content-Type": "application/json" });
          const piece = " ".repeat(65_536);
          const more = (): void => {
            while (!response.destroyed && response.write(piece));
            if (!response.destroyed) response.once("drain", more);
          };
          more();
        },
      },
    };
    expect(await scene.refusal()).toMatchObject({ code: "provider_wrong", text: expect.stringContaining("too large") });
  });

  test("answers with a little more than a mebibyte, which it never needs", async () => {
    scene.issuer.faults = { metadata: (metadata) => ({ ...metadata, more: "x".repeat(2 ** 20) }) };
    expect((await scene.refusal()).text).toContain("its answer is too large");
    scene.ticks += 5001;
    scene.issuer.faults = { metadata: (metadata) => ({ ...metadata, more: "x".repeat(2 ** 19) }) };
    expect(await scene.signIn()).toMatchObject({ name: "alice" });
  });

  test.each(["/.well-known/openid-configuration", "/token", "/keys"])("redirects %s is not followed", async (path) => {
    scene.issuer.faults = {
      answers: {
        [path]: (_, response) => void response.writeHead(307, { Location: `${scene.issuer.url}/elsewhere` }).end(),
      },
    };
    expect((await scene.refusal()).text).toContain(`it redirects to ${scene.issuer.url}/elsewhere`);
    expect(scene.issuer.asked).not.toContain("/elsewhere");
  });

  test.each<[string, NonNullable<IssuerFaults["metadata"]>]>([
    ["token", (m) => ({ ...m, token_endpoint: "http://169.254.169.254/token" })],
    ["token, as IPv6", (m) => ({ ...m, token_endpoint: "http://[::ffff:169.254.169.254]/token" })],
    ["token, as a number", (m) => ({ ...m, token_endpoint: "http://2852039166/token" })],
    ["keys", (m) => ({ ...m, jwks_uri: "http://[fe80::1]/keys" })],
  ])("names a link-local address for its %s is not asked there", async (_, metadata) => {
    scene.issuer.faults = { metadata };
    expect((await scene.refusal()).text).toContain("which the hub never asks");
  });

  test.each<[string, NonNullable<IssuerFaults["metadata"]>, RegExp]>([
    ["no object", () => [] as never, /object/],
    ["no address for tokens", (m) => ({ ...m, token_endpoint: undefined }), /token_endpoint/],
    ["an address for tokens that is none", (m) => ({ ...m, token_endpoint: "nothing" }), /token_endpoint|URL/],
    ["a number as address for tokens", (m) => ({ ...m, token_endpoint: 5 }), /token_endpoint/],
    ["no keys", (m) => ({ ...m, jwks_uri: undefined }), /jwks_uri/],
  ])("has metadata with %s is said to be wrong", async (_, metadata, text) => {
    scene.issuer.faults = { metadata };
    expect(await scene.refusal()).toMatchObject({ code: "provider_wrong", text: expect.stringMatching(text) });
  });

  test.each<[string, string]>([
    ["a status that does not exist", "HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n"],
    ["status 204", "HTTP/1.1 204 X\r\n\r\n"],
    ["half an answer", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"],
    ["no HTTP", "SSH-2.0-OpenSSH_9\r\n"],
    ["nothing", ""],
    ["headers that are too long", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(40_000)}\r\n\r\n{}`],
  ])("answers with %s fails in words, and the hub goes on", async (_, bytes) => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(bytes));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    scene.set({ oidcIssuer: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    expect((await scene.refusal()).code).toMatch(/^provider_(away|wrong)$/);
    server.close();
  });

  test("is at plain http is refused unless the settings allow it", async () => {
    scene.set({ oidcInsecure: false });
    expect((await scene.refusal()).text).toContain("without https");
    expect(scene.issuer.asked).toEqual([]);
  });
});

test("nothing that a provider says in its answers makes the hub fail otherwise than in words", async () => {
  const value = fc.oneof(fc.jsonValue(), fc.string({ unit: "binary", maxLength: 300 }), fc.constant(undefined));
  const changes = fc.dictionary(
    fc.constantFrom("sub", "aud", "iss", "exp", "nonce", "preferred_username", "groups", "_claim_names", "azp", "nbf"),
    value,
    { minKeys: 1, maxKeys: 3 },
  );
  await fc.assert(
    fc.asyncProperty(changes, async (change) => {
      scene.issuer.faults = { claims: (claims) => ({ ...claims, ...change }) };
      try {
        const person = await scene.signIn();
        expect([typeof person.name, typeof person.subject, person.issuer]).toEqual([
          "string",
          "string",
          scene.issuer.url,
        ]);
        expect(person.groups.every((group) => typeof group === "string")).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(SignInFailure);
        expect((error as SignInFailure).message.length).toBeLessThanOrEqual(512);
      }
    }),
    { ...cases, numRuns: Math.ceil((cases.numRuns ?? 2000) / 10) },
  );
});
