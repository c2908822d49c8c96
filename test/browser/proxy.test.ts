// The session behind a proxy that encrypts, in a real browser: its cookie, and where the hub takes its own page for.
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { administrator } from "./administration.ts";
import { missingBrowser } from "./browser.ts";
import { Lab } from "./lab.ts";

const { name: user, password } = administrator;
const able = missingBrowser() === undefined && spawnSync("openssl", ["version"]).status === 0;

describe.skipIf(!able)("the session behind a proxy", () => {
  const lab = new Lab({ machines: {} });
  let proxy: Server;
  /** Headers that the proxy adds or replaces. */
  let added: Record<string, string> = {};

  beforeAll(async () => {
    const [key, cert] = [join(lab.at.folder, "key.pem"), join(lab.at.folder, "cert.pem")];
    const subject = ["-subj", "/CN=localhost", "-days", "2", "-keyout", key, "-out", cert];
    execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...subject], { stdio: "ignore" });
    proxy = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (incoming, outgoing) => {
      const { method = "", url = "", headers } = incoming;
      const passed = request(lab.url + url, { method, headers: { ...headers, ...added } }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      });
      passed.on("error", () => outgoing.destroy());
      incoming.pipe(passed);
      outgoing.on("close", () => passed.destroy());
    });
    await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
  });

  afterAll(() => {
    proxy?.closeAllConnections();
    proxy?.close();
  });

  test.each([
    ["says that it encrypts", { "x-forwarded-proto": "https" }, "__Host-gohm", true],
    ["says so and asks under a name of its own", { "x-forwarded-proto": "https", host: "hub" }, "__Host-gohm", true],
    ["says nothing", { host: "hub" }, "gohm_session_http", false],
  ])("where the proxy %s, people sign in and out, with the cookie that is for it", async (_, headers, name, secure) => {
    added = headers;
    const context = await lab.browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(`https://127.0.0.1:${(proxy.address() as AddressInfo).port}/`);
    const ask = (method: string, path: string, body?: object): Promise<{ status: number; body: unknown }> =>
      page.evaluate(
        async ([method, path, text]) => {
          const json = { "Content-Type": "application/json" };
          const answer = await fetch(path, { method, ...(text === undefined ? {} : { headers: json, body: text }) });
          return { status: answer.status, body: await answer.json() };
        },
        [method, path, body && JSON.stringify(body)] as const,
      );
    expect(await ask("POST", "/api/v1/session", { name: user, password })).toMatchObject({ status: 200 });
    expect(await context.cookies()).toMatchObject([{ name, path: "/", httpOnly: true, secure, sameSite: "Lax" }]);
    expect((await ask("GET", "/api/v1/me")).body).toMatchObject({ name: user, session: true });
    expect(await ask("DELETE", "/api/v1/session")).toMatchObject({ status: 200 });
    expect(await context.cookies()).toEqual([]);
    await context.close();
  });
});
