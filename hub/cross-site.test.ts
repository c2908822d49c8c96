// Requests of other web sites that a browser sends with the hub's cookie.
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cases } from "../test/cases.ts";
import { bytes, Door, head, host, shaped, withCookie } from "../test/door.ts";
import type { Fault } from "./fault.ts";
import { newSecret } from "./secret.ts";

const page = `http://${host}`;

let door: Door;

beforeEach(() => {
  door = new Door();
});

afterEach(() => door.close());

type Site = Readonly<Record<"origin" | "sec-fetch-site", string | undefined>>;
test.each<[string, Partial<Site>, boolean]>([
  ["the page", { origin: page, "sec-fetch-site": "same-origin" }, true],
  ["the page, where the browser does not say more", { origin: page }, true],
  ["the person", { "sec-fetch-site": "none" }, true],
  ["a page of another port", { origin: "http://hub.lab:3000", "sec-fetch-site": "same-site" }, false],
  ["a page of another port, on plain http", { origin: "http://hub.lab:3000" }, false],
  ["a page of the name alone", { origin: "http://hub.lab" }, false],
  ["a page of another site", { origin: "https://evil.example", "sec-fetch-site": "cross-site" }, false],
  ["a page of another site, on plain http", { origin: "https://evil.example" }, false],
  ["another site with the hub's name in front", { origin: "http://hub.lab:5000.evil.example" }, false],
  ["another site with the hub's name as user", { origin: "http://hub.lab:5000@evil.example" }, false],
  ["a page without an origin", { origin: "null" }, false],
  [
    "a form of the hub's own page that keeps its origin to itself",
    { origin: "null", "sec-fetch-site": "same-origin" },
    false,
  ],
  ["something that does not say where it comes from", {}, false],
  ["an address with a path", { origin: `${page}/` }, false],
  ["a file", { origin: "file://hub.lab:5000" }, false],
])("a change with a cookie from %s (%j) is allowed: %s", (_, headers, allowed) => {
  const secret = door.signIn("alice", "administrator");
  const change = () => door.identity.identify(withCookie(secret, { method: "POST", headers }));
  if (allowed) expect(change()).toMatchObject({ kind: "administrator" });
  else expect(change).toThrow(expect.objectContaining({ code: "access_denied" }));
  // Reading changes nothing, and a token is not sent by a browser on its own.
  for (const method of ["GET", "HEAD"]) {
    expect(door.identity.identify(withCookie(secret, { method, headers }))).toMatchObject({ kind: "administrator" });
  }
  const authorization = `Bearer ${door.token("admin")}`;
  expect(door.identity.identify(head({ method: "POST", headers: { ...headers, authorization } }))).toMatchObject({
    kind: "administrator",
  });
  // Nobody is signed in, so there is nothing to protect.
  expect(door.identity.identify(withCookie(newSecret(), { method: "POST", headers })).kind).toBe("anonymous");
});

test("behind a proxy that asks under another name, the hub's own address is that of the settings", () => {
  const allowed = (origin: string): boolean => {
    try {
      door.identity.checkSite(head({ method: "POST", headers: { host: "127.0.0.1:5000", origin } }));
      return true;
    } catch (error) {
      expect((error as Error).message).toMatch(/hub\.url.*GOHM_HUB_URL/);
      return false;
    }
  };
  const origins = [
    "https://gpus.lab.example",
    "https://gpus.lab.example:8443",
    "http://gpus.lab.example",
    "https://evil.example",
  ];
  expect(origins.map(allowed)).toEqual([false, false, false, false]);
  door.settings = { ...door.settings, url: "https://gpus.lab.example/gohm" };
  expect(origins.map(allowed)).toEqual([true, false, false, false]);
  door.settings = { ...door.settings, url: "", hosts: ["gpus.lab.example."] };
  expect(origins.map(allowed)).toEqual([true, false, true, false]);
});

test("a page without encryption is not the hub's page where the hub is asked with it", () => {
  const ask = (origin: string) => () =>
    door.identity.checkSite(head({ method: "POST", secure: true, headers: { host: "gpus.lab", origin } }));
  expect(ask("https://gpus.lab")).not.toThrow();
  expect(ask("http://gpus.lab")).toThrow(/Origin/);
});

test("no bytes in Origin and Sec-Fetch-Site make a change of another site one of the hub's page", () => {
  const secret = door.signIn("alice", "administrator");
  fc.assert(
    fc.property(fc.option(shaped), fc.option(bytes), fc.option(bytes), (origin, site, asked) => {
      const headers = {
        ...(origin === null ? {} : { origin }),
        ...(site === null ? {} : { "sec-fetch-site": site }),
        ...(asked === null ? {} : { host: asked }),
      };
      // What a browser sends for the hub's own page.
      fc.pre(site !== "same-origin" && site !== "none" && origin !== `http://${asked ?? host}`);
      try {
        door.identity.identify(withCookie(secret, { method: "POST", headers }));
        // Only the hub's own address, written as a browser would.
        expect(origin).toBe(new URL(`${new URL(origin ?? "").protocol}//${asked ?? host}`).origin);
      } catch (error) {
        expect(error).toMatchObject({ code: "access_denied" });
        expect((error as Fault).message.length).toBeLessThan(1000);
      }
    }),
    cases,
  );
});
