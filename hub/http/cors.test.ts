// Cross-origin resource sharing: which routes pages of other web sites may use.
import * as v from "valibot";
import { expect, test } from "vitest";
import { silent } from "../log.ts";
import { serve } from "../route/handler.ts";
import type { Routes } from "../route/route.ts";
import { offered } from "../who.ts";
import { application } from "./application.ts";

const plain = { method: "GET", needs: "open", tag: "test", summary: "", answer: {}, refuses: [] } as const;
const job = v.object({ name: v.string(), cards: v.number() });

const routes = {
  shared: { ...plain, path: "/shared", cors: true },
  put: { ...plain, path: "/shared", method: "PUT", needs: "read", body: job, cors: true },
  remove: { ...plain, path: "/shared", method: "DELETE" },
  own: { ...plain, path: "/own" },
  logger: { ...plain, path: "/logger", method: "POST", faults: "logger" },
} as const satisfies Routes;

const served = serve(routes, {
  shared: () => Response.json({ read: true }),
  put: ({ body }) => Response.json(body),
  remove: () => Response.json({}),
  own: () => Response.json({}),
  logger: () => Response.json({}),
});

/** The TCP port of a hub that only accounts may read, as somebody finds it. */
const as = (kind: "viewer" | "anonymous"): ReturnType<typeof application> =>
  application([{ routes: served }], {
    log: silent,
    entry: { offers: offered, open: () => false, identify: () => ({ kind, name: "bob", origin: "" }) },
  });
const viewer = as("viewer");

const foreign = { Origin: "http://other.example" };
const preflight = { ...foreign, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-any" };

/** The headers of CORS that an answer has. */
const corsOf = (answer: Response): Record<string, string> =>
  Object.fromEntries([...answer.headers].filter(([name]) => name.startsWith("access-control-")));

test("pages of any site may use the routes that say so, with any headers but without cookies", async () => {
  const answer = await viewer.request("/shared", { method: "OPTIONS", headers: preflight });
  expect([answer.status, await answer.text(), corsOf(answer)]).toEqual([
    200,
    "",
    {
      "access-control-allow-origin": "*",
      // Another method of the path is not for them.
      "access-control-allow-methods": "GET, HEAD, PUT",
      "access-control-allow-headers": "*, Authorization",
      "access-control-max-age": "600",
    },
  ]);
  const any = { "access-control-allow-origin": "*" };
  const headers = { ...foreign, "Content-Type": "application/json" };
  const put = (body: string): RequestInit => ({ method: "PUT", headers, body });
  // They can read what is wrong, too.
  for (const [app, init, status] of [
    [viewer, { headers: foreign }, 200],
    [viewer, { method: "HEAD", headers: foreign }, 200],
    [viewer, put('{"name":"a","cards":1}'), 200],
    [viewer, put("{}"), 400],
    [as("anonymous"), put("{}"), 401],
    [viewer, { method: "PATCH", headers: foreign }, 405],
    // Without the question of a browser, OPTIONS is a method that the path does not have.
    [viewer, { method: "OPTIONS" }, 405],
  ] as const) {
    const answer = await app.request("/shared", init);
    expect([answer.status, corsOf(answer)]).toEqual([status, any]);
  }
});

test.each(["/own", "/logger", "/nothing", "/openapi.json"])(
  "%s is for no other site, whatever a browser asks",
  async (path) => {
    const statuses: number[] = [];
    for (const method of ["OPTIONS", "GET", "POST"]) {
      const answer = await viewer.request(path, { method, headers: preflight });
      statuses.push(answer.status);
      expect(corsOf(answer)).toEqual({});
    }
    expect(statuses[0]).toBe(path === "/nothing" ? 404 : 405);
  },
);

test("the document says which routes pages of any site may use", async () => {
  const { paths } = (await (await viewer.request("/openapi.json")).json()) as {
    paths: Record<string, Record<string, { readonly description?: string }>>;
  };
  const said = Object.values(paths["/shared"] ?? {}).map(({ description }) => description);
  const sentence = "Pages of any web site may use it, without cookies (CORS).";
  expect(said.map((one = "") => one.endsWith(sentence))).toEqual([true, true, false]);
});
