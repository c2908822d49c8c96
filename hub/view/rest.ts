import type { Context } from "hono";
import { until } from "../history/store.ts";
import { serve } from "../route/handler.ts";
import { restRoutes } from "../route/rest.ts";
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
      routes: serve(restRoutes, {
        history: (request) => charts(seen(request.c), request),
        fleetHistory: (request) => fleet(seen(request.c), request),
        pk: (request) => maps.pk(request),
        hist: (request) => maps.hist(request),
        health: ({ c }) => c.json(health(hub)),
      }),
      close: async () => maps.close(),
    };
  },
};

function health({ live, version, instance, name }: HubView): object {
  const hosts = live.hosts();
  const open = hosts.filter(({ link }) => link.state === "open").length;
  return { status: "ok", name: name(), version, hub: instance, hosts: hosts.length, open, notices: live.notices() };
}
