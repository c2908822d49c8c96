// What a real browser makes of the session's cookie on plain http, and what pages of other sites can do with it.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { BrowserContext } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { administrator } from "./administration.ts";
import { missingBrowser } from "./browser.ts";
import { Lab } from "./lab.ts";

/**
 * A name that leads to this machine in the browser, as that of a hub in a laboratory: for a browser it is not this machine, so
 * it says less of where a request comes from, and drops cookies that are for https.
 */
const plain = "gpuhub";

const { name: user, password } = administrator;

describe.skipIf(missingBrowser() !== undefined)("the session in a browser", () => {
  const lab = new Lab({
    machines: {},
    browser: [`--host-resolver-rules=MAP ${plain} 127.0.0.1, MAP elsewhere 127.0.0.1`],
  });

  describe.each(["127.0.0.1", plain])("at http://%s", (own) => {
    /** The hub's address for the browser. */
    let url = "";
    let context: BrowserContext;
    /** A page of another site, which sends a form to the hub. */
    let foreign: Server;

    beforeAll(async () => {
      url = lab.url.replace("127.0.0.1", own);
      foreign = createServer((_, answer) => {
        answer.setHeader("Content-Type", "text/html");
        answer.end(
          `<form method="post" enctype="text/plain" action="${url}/api/v1/session/link/read"><button>x</button></form>`,
        );
      });
      await new Promise<void>((done) => foreign.listen(0, "127.0.0.1", done));
    });

    afterAll(() => void foreign?.close());

    beforeEach(async () => {
      await context?.close();
      context = await lab.browser.newContext();
    });

    async function open(): Promise<
      (method: string, path: string, body?: object) => Promise<{ status: number; body: unknown }>
    > {
      const page = await context.newPage();
      await page.goto(url);
      expect(await page.evaluate(() => document.cookie)).toBe("");
      return (method, path, body) =>
        page.evaluate(
          async ([method, path, text]) => {
            const headers = text === undefined ? {} : { "Content-Type": "application/json" };
            const answer = await fetch(path, { method, headers, ...(text === undefined ? {} : { body: text }) });
            if (document.cookie !== "") throw new Error("a script can read the cookie");
            return { status: answer.status, body: await answer.json() };
          },
          [method, path, body && JSON.stringify(body)] as const,
        );
    }

    test("the page signs in, is signed in after a reload, and signs out; no script reads the cookie", async () => {
      const ask = await open();
      expect(await ask("POST", "/api/v1/session", { name: user, password: "wrong" })).toMatchObject({ status: 401 });
      expect(await context.cookies()).toEqual([]);
      expect(await ask("POST", "/api/v1/session", { name: user, password })).toMatchObject({ status: 200 });
      expect(await context.cookies()).toMatchObject([
        { name: "gohm_session_http", path: "/", httpOnly: true, secure: false, sameSite: "Lax" },
      ]);
      const again = await open();
      expect((await again("GET", "/api/v1/me")).body).toMatchObject({ name: user, session: true, encrypted: true });
      expect(await again("DELETE", "/api/v1/session")).toMatchObject({ status: 200 });
      expect(await context.cookies()).toEqual([]);
      expect((await again("GET", "/api/v1/me")).body).toMatchObject({ kind: "anonymous" });
    });

    // For a browser another port of an address is the same site: it sends the cookie.
    test.each([
      ["another port of the hub's address", own, 403, "access_denied"],
      ["another site, to which the browser gives no cookie", "elsewhere", 415, "media_type_refused"],
    ])("a form of %s changes nothing", async (_, name, status, code) => {
      const ask = await open();
      await ask("POST", "/api/v1/session", { name: user, password });
      const page = await context.newPage();
      await page.goto(`http://${name}:${(foreign.address() as AddressInfo).port}/`);
      const [answer] = await Promise.all([page.waitForResponse(/link\/read/), page.click("button")]);
      expect([answer.status(), await answer.json()]).toMatchObject([status, { error: { code } }]);
      const headers = await answer.request().allHeaders();
      expect(headers.cookie?.includes("gohm_session_http=") ?? false).toBe(status === 403);
      expect("sec-fetch-site" in headers).toBe(own !== plain);
      expect((await ask("GET", "/api/v1/me")).body).toMatchObject({ name: user, session: true });
    });

    test("a script of another origin can neither read an answer of the hub nor send a change to it", async () => {
      const ask = await open();
      await ask("POST", "/api/v1/session", { name: user, password });
      const page = await context.newPage();
      await page.goto(`http://${own}:${(foreign.address() as AddressInfo).port}/`);
      const tried = await page.evaluate(async (url) => {
        const json = { "Content-Type": "application/json" };
        const tries: RequestInit[] = [
          {},
          { method: "DELETE" },
          { method: "POST", headers: json, body: "{}" },
          { method: "GET", mode: "no-cors" },
        ];
        const results = tries.map(async (init) => {
          try {
            return (await fetch(`${url}/api/v1/session`, { credentials: "include", ...init })).type;
          } catch {
            return "refused";
          }
        });
        return Promise.all(results);
      }, url);
      expect(tried).toEqual(["refused", "refused", "refused", "refused"]);
      expect((await ask("GET", "/api/v1/me")).body).toMatchObject({ name: user, session: true });
    });
  });
});
