import { expect, test } from "vitest";
import { Fault } from "../fault.ts";
import { silent } from "../log.ts";
import { serve } from "../route/handler.ts";
import type { Routes } from "../route/route.ts";
import { offered } from "../who.ts";
import { application } from "./application.ts";

const plain = { method: "GET", needs: "open", summary: "", answer: {}, refuses: [] } as const;
const routes = {
  now: { ...plain, path: "/now", tag: "history" },
  later: { ...plain, path: "/later", tag: "live" },
  fault: { ...plain, path: "/fault", tag: "v1" },
  broken: { ...plain, path: "/broken", tag: "v1" },
  admin: { ...plain, path: "/admin", tag: "admin", needs: "admin" },
  shared: { ...plain, path: "/shared", tag: "logger", cors: true },
} as const satisfies Routes;
const served = serve(routes, {
  now: () => new Response("x"),
  later: async () => new Response(null, { status: 304 }),
  fault: () => {
    throw new Fault("host_unknown", "There is no such host.");
  },
  broken: async () => {
    throw new Error("broken");
  },
  admin: () => new Response("x"),
  shared: () => new Response("x"),
});

test("every answer over TCP is told once, with the group of its route and its status", async () => {
  const told: (readonly [group: string | undefined, status: number, isTime: boolean])[] = [];
  const app = application([{ routes: served }], {
    log: silent,
    entry: { offers: offered, open: () => true, identify: () => ({ kind: "anonymous", origin: "" }) },
    answered: (group, status, ms) => told.push([group, status, ms >= 0]),
  });
  for (const path of ["/now", "/later", "/fault", "/broken", "/admin", "/shared", "/nothing"]) await app.request(path);
  await app.request("/now", { method: "POST" });
  expect(told).toEqual([
    ["history", 200, true],
    ["live", 304, true],
    ["v1", 404, true],
    ["v1", 500, true],
    ["admin", 401, true],
    ["logger", 200, true],
    [undefined, 404, true],
    [undefined, 405, true],
  ]);
});
