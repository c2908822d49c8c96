import type { Context } from "hono";
import { weightOf } from "../../program/accept.ts";
import { isHealthy, type PartName, partNames } from "../health.ts";
import { serve } from "../route/handler.ts";
import { healthRoutes } from "../route/health.ts";
import type { HubView, View } from "./view.ts";

/** Says whether the hub works, to programs that start, watch and balance it. */
export const health: View = {
  name: "health",
  table: {},
  async open({ live }) {
    return {
      routes: serve(healthRoutes, {
        livez: ({ c }) => ok(c),
        readyz: ({ c }) => ok(c),
        healthz: ({ c }) => checked(c, live, partNames),
        healthzPart: ({ c, given }) => checked(c, live, [given.part]),
        prometheusHealthy: ({ c }) => ok(c),
        prometheusReady: ({ c }) => ok(c),
      }),
      close: async () => {},
    };
  },
};

/** True if a client prefers JSON to text. */
const isJson = (c: Context): boolean => {
  const accept = c.req.header("accept");
  return weightOf(accept, "application/json") > weightOf(accept, "text/plain");
};

const ok = (c: Context): Response => (isJson(c) ? c.json({ status: "ok" }) : c.text("ok\n"));

function checked(c: Context, live: HubView["live"], names: readonly PartName[]): Response {
  const parts = names.map((name) => ({ name, status: isHealthy(live, name) ? "ok" : "failed" }));
  const status = parts.every((part) => part.status === "ok") ? "ok" : "failed";
  const code = status === "ok" ? 200 : 503;
  if (isJson(c)) return c.json({ status, parts }, code);
  const lines = parts.map((part) => `[${part.status === "ok" ? "+" : "-"}]${part.name} ${part.status}`);
  return c.text(`${[...lines, `health check ${status === "ok" ? "passed" : "failed"}`].join("\n")}\n`, code);
}
