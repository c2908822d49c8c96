import type { Context, Hono } from "hono";
import { until } from "../history/store.ts";
import { charts } from "./rest/chart.ts";
import { fleet } from "./rest/fleet.ts";
import { Maps } from "./rest/map.ts";
import type { HubView, View } from "./view.ts";

/** Paths for programs: those of the first GOHM, and history as charts and scripts ask for it. */
export const rest: View = {
  name: "rest",
  table: {},
  async open(hub) {
    const maps = new Maps(hub);
    /** The hub as one request sees it: its queries end when the client goes away. */
    const seen = (c: Context): HubView => ({ ...hub, history: until(hub.history, c.req.raw.signal) });
    return {
      routes: (app: Hono, budget) => {
        app.get("/pk", (c) => maps.pk(c, budget));
        app.get("/hist", (c) => maps.hist(c, budget));
        app.get("/api/history", (c) => charts(seen(c), budget, c));
        app.get("/api/fleet/history", (c) => fleet(seen(c), budget, c));
        app.get("/api/health", (c) => c.json(health(hub)));
      },
      close: async () => maps.close(),
    };
  },
};

function health({ live, version, instance, name }: HubView): object {
  const hosts = live.hosts();
  const open = hosts.filter(({ link }) => link.state === "open").length;
  return { status: "ok", name: name(), version, hub: instance, hosts: hosts.length, open, notices: live.notices() };
}
