import * as v from "valibot";
import { list, text } from "./parameter.ts";
import type { Routes } from "./route.ts";

const targets = v.pipe(
  v.array(
    v.object({
      targets: v.pipe(v.array(v.string()), v.description("Address and port of the exporter.")),
      labels: v.pipe(
        v.record(v.string(), v.string()),
        v.description(
          "`node`, the name of the server, and `group`, if it has one; for relabelling `__meta_gohm_name`, the shown name, and `__meta_gohm_label_…`, the labels of the host.",
        ),
      ),
    }),
  ),
  v.title("Targets"),
  v.examples([
    [
      {
        targets: ["10.0.0.11:8080"],
        labels: { node: "gpu1", group: "rack 1", __meta_gohm_name: "gpu1", __meta_gohm_label_owner: "physics" },
      },
    ],
  ]),
);

const group = text({ help: "Only hosts of this group.", example: "rack 1" });

/** For Prometheus and programs that read its formats. */
export const prometheusRoutes = {
  metrics: {
    method: "GET",
    path: "/metrics",
    needs: "read",
    tag: "prometheus",
    summary: "Metrics of the hub itself",
    description:
      "Prometheus text 0.0.4, or OpenMetrics 1.0 if the header Accept prefers it. docs/metrics.md lists them.",
    answer: { "text/plain": "text", "application/openmetrics-text": "text" },
    refuses: [],
  },
  fleetMetrics: {
    method: "GET",
    path: "/metrics/fleet",
    needs: "read",
    tag: "prometheus",
    strict: true,
    summary: "Metrics of all hosts",
    description:
      "What the exporters of the hosts show (docs/exporter.md), by one scrape and also of hosts without an exporter; their label `node` is the name of the server. A host whose last report is too old to be current, or that is down, has `gohm_host_up` 0 and no other values. Text or OpenMetrics as `GET /metrics`, compressed if the client accepts gzip.",
    params: {
      group,
      host: list({ help: "Only these hosts, with commas between: names or shown names.", example: "gpu1,gpu2" }),
    },
    answer: { "text/plain": "text", "application/openmetrics-text": "text" },
    refuses: ["host_unknown", "busy", "canceled"],
  },
  targets: {
    method: "GET",
    path: "/api/sd",
    needs: "read",
    tag: "prometheus",
    strict: true,
    summary: "Exporters of the hosts, for the HTTP service discovery of Prometheus",
    description:
      "Each `hmonitor` whose exporter is on, as its last report says, also while it does not answer. An empty list if there is none. The address is that at which the hub knows the host.",
    params: { group },
    answer: { "application/json": targets },
    refuses: [],
  },
} as const satisfies Routes;
