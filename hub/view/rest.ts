import type { Context } from "hono";
import { clean } from "../../proto/clean.ts";
import { until } from "../history/store.ts";
import { shownName } from "../live.ts";
import { noticesFor } from "../privacy.ts";
import { isHistoryOnly } from "../reason.ts";
import { serve } from "../route/handler.ts";
import { intervalRoutes } from "../route/interval.ts";
import { timeOf } from "../route/parameter.ts";
import { restRoutes, v1HistoryRoutes } from "../route/rest.ts";
import { transferRoutes } from "../route/transfer.ts";
import { textOf } from "../sentence.ts";
import { type Actor, may } from "../who.ts";
import { tableForm } from "./body.ts";
import { charts } from "./rest/chart.ts";
import { exported } from "./rest/export.ts";
import { fleet } from "./rest/fleet.ts";
import { intervals } from "./rest/interval.ts";
import { Maps } from "./rest/map.ts";
import type { HubView, View } from "./view.ts";

const routes = { ...restRoutes, ...v1HistoryRoutes, ...intervalRoutes, export: transferRoutes.export };

/** Paths for programs: those of the first GOHM, and history as charts and scripts ask for it, the latter under /api/v1. */
export const rest: View = {
  name: "rest",
  table: {},
  async open(hub) {
    const maps = new Maps(hub);
    /** The hub as one request sees it: its queries end when the client goes away. */
    const seen = (c: Context): HubView => ({ ...hub, history: until(hub.history, c.req.raw.signal) });
    /** The request with its times as those of /api/history. */
    const timed = <G extends { readonly from: string | undefined; readonly to: string | undefined }>(given: G) => ({
      ...given,
      from: timeOf("from", given.from, hub.zone()),
      to: timeOf("to", given.to, hub.zone()),
    });
    return {
      routes: serve(routes, {
        export: (request) => exported(seen(request.c), request),
        history: (request) => charts(seen(request.c), request),
        fleetHistory: (request) => fleet(seen(request.c), request),
        intervals: (request) => intervals(seen(request.c), request),
        pk: (request) => maps.pk(request),
        hist: (request) => maps.hist(request),
        getHistory: ({ given, ...request }) =>
          charts(seen(request.c), { ...request, given: timed(given) }, tableForm(request.c, given.format)),
        getFleetHistory: ({ given, ...request }) =>
          fleet(seen(request.c), { ...request, given: timed(given) }, tableForm(request.c, given.format)),
        health: ({ c, by }) => c.json(health(hub, by)),
      }),
      close: async () => maps.close(),
    };
  },
};

/** Most names of hosts that do not answer. */
const mostSilent = 20;

function health({ live, version, instance, name, identity, privacy }: HubView, by: Actor): object {
  const hosts = live.hosts().filter(({ profile }) => profile?.waiting !== true);
  const history = hosts.filter(({ link }) => isHistoryOnly(link)).length;
  const closed = hosts.filter(({ link }) => link.state !== "open" && !isHistoryOnly(link));
  const open = hosts.length - history - closed.length;
  // Anyone may ask, also a probe without a right to read names, which notices may contain.
  const reads = may(by, "read", identity.open());
  const silent = reads ? closed.slice(0, mostSilent).map((host) => clean(shownName(host))) : undefined;
  const mask = privacy.maskFor(by);
  const notices = reads ? noticesFor(live.messages(), mask).map(textOf) : [];
  return { status: "ok", name: name(), version, hub: instance, hosts: hosts.length, open, history, silent, notices };
}
