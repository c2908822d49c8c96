import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGzip } from "node:zlib";
import { codingFor, expositionFor } from "../../program/accept.ts";
import { contentType, exposition } from "../../proto/text.ts";
import { type RouteRequest, serve } from "../route/handler.ts";
import { prometheusRoutes } from "../route/prometheus.ts";
import { answer } from "./body.ts";
import { Fleet } from "./fleet.ts";
import { fleetText, scrapedHost, Turnstile } from "./prometheus/fleet.ts";
import { setGauges } from "./prometheus/gauges.ts";
import { type Target, targetOf } from "./prometheus/target.ts";
import type { HubView, View } from "./view.ts";

type Request<K extends keyof typeof prometheusRoutes> = RouteRequest<(typeof prometheusRoutes)[K]>;

/** Shows the hub and its hosts to Prometheus: metrics of both, and the exporters of the hosts. */
export const prometheus: View = {
  name: "prometheus",
  table: {},
  async open(hub) {
    const fleet = new Fleet(hub);
    const turnstile = new Turnstile();
    setGauges(hub, fleet);
    return {
      routes: serve(prometheusRoutes, {
        metrics: (request) => ownMetrics(hub, request),
        fleetMetrics: (request) => fleetMetrics({ hub, fleet, turnstile }, request),
        targets: (request) => targets(fleet, request),
      }),
      close: async () => {},
    };
  },
};

async function ownMetrics({ instruments }: HubView, { c }: Request<"metrics">): Promise<Response> {
  const format = expositionFor(c.req.header("accept"));
  const families = await instruments.families();
  return c.body(exposition(families, format), {
    headers: { "Content-Type": contentType[format.format], Vary: "Accept" },
  });
}

/** Memory of a scrape for each host, and for what waits to be read. Bytes. */
const hostBytes = 32_768;
const streamBytes = 2_097_152;

/** @throws Fault host_unknown, busy, canceled */
async function fleetMetrics(
  { hub, fleet, turnstile }: { readonly hub: HubView; readonly fleet: Fleet; readonly turnstile: Turnstile },
  { c, by, budget, given }: Request<"fleetMetrics">,
): Promise<Response> {
  const format = expositionFor(c.req.header("accept"));
  await budget.reserve(c, streamBytes + hub.live.hosts().length * hostBytes);
  const now = hub.clock.now();
  const hosts = [];
  for await (const seen of fleet.hosts(by, given)) hosts.push(scrapedHost(seen, now));
  const packs = codingFor(c.req.header("accept-encoding"), ["gzip"]) === "gzip";
  const text = fleetText(hosts, format, turnstile.pass);
  return answer({ c, log: hub.log }, packs ? packed(text) : text, {
    "Content-Type": contentType[format.format],
    Vary: "Accept, Accept-Encoding",
    ...(packs ? { "Content-Encoding": "gzip" } : {}),
  });
}

/** Compresses pieces as they are read. Scrapes are frequent and within a network: speed counts more than size. */
async function* packed(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gzip = createGzip({ level: constants.Z_BEST_SPEED });
  const done = pipeline(Readable.from(pieces), gzip);
  // The same error comes to the reader of `gzip`.
  done.catch(() => {});
  try {
    yield* gzip as AsyncIterable<Uint8Array>;
  } finally {
    gzip.destroy();
  }
}

async function targets(fleet: Fleet, { c, by, given }: Request<"targets">): Promise<Response> {
  const found: Target[] = [];
  for await (const seen of fleet.hosts(by, given)) {
    const target = targetOf(seen, by.origin);
    if (target !== undefined) found.push(target);
  }
  return c.json(found);
}
