import type { Hono } from "hono";
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
    return {
      routes: (app: Hono, desk) => {
        app.get("/pk", (c) => maps.pk(c, desk));
        app.get("/hist", (c) => maps.hist(c, desk));
        app.get("/api/history", (c) => charts(sight, desk, c));
        app.get("/api/fleet/history", (c) => fleet(sight, desk, c));
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
