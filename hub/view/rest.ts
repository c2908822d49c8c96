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
  async open(sight) {
    const maps = new Maps(sight);
    /** The hub as one request sees it: its queries end when the client goes away. */
    const seen = (c: Context): HubView => ({ ...sight, history: until(sight.history, c.req.raw.signal) });
    return {
      routes: (app: Hono, desk) => {
        app.get("/pk", (c) => maps.pk(c, desk));
        app.get("/hist", (c) => maps.hist(c, desk));
        app.get("/api/history", (c) => charts(seen(c), desk, c));
        app.get("/api/fleet/history", (c) => fleet(seen(c), desk, c));
        app.get("/api/health", (c) => c.json(health(sight)));
      },
      close: async () => maps.close(),
    };
  },
};

function health({ live, version, hub, name }: HubView): object {
  const hosts = live.hosts();
  const open = hosts.filter(({ link }) => link.state === "open").length;
  return { status: "ok", name: name(), version, hub, hosts: hosts.length, open, notices: live.notices() };
}
