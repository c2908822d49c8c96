import * as v from "valibot";
import { levels } from "../../proto/device.ts";
import type { Aggregate } from "../history/store.ts";
import {
  choice,
  choices,
  count,
  duration,
  format,
  list,
  milliseconds,
  nanoseconds,
  repeated,
  required,
  text,
  time as written,
} from "./parameter.ts";
import type { Routes } from "./route.ts";

/** In the order in which an answer has them. */
export const aggregates = ["avg", "min", "max", "last", "p95", "count"] as const satisfies readonly Aggregate[];
export const groupings = ["host", "group", "model", "all"] as const;

const host = text({ help: "Name of a server, or its shown name.", example: "gpu1" });
const from = milliseconds({
  help: "Start of the range in Unix milliseconds; a sample at this time is in it.",
  example: "1800000000000",
});
const to = milliseconds({
  help: "End of the range in Unix milliseconds; a sample at this time is not in it. Default: now.",
  example: "1800003600000",
});

const values = v.array(v.nullable(v.number()));
const times = v.array(v.pipe(v.number(), v.integer()));
const counts = v.array(v.pipe(v.number(), v.integer()));
const time = v.pipe(v.number(), v.integer());

const history = v.pipe(
  v.object({
    host: v.pipe(v.string(), v.description("Name of the server; it never changes.")),
    from: time,
    to: time,
    step: v.pipe(v.number(), v.integer()),
    series: v.array(
      v.object({
        level: v.picklist(levels),
        key: v.pipe(v.string(), v.description("GPU's uuid, mount or interface name; empty for the host itself.")),
        metric: v.string(),
        unit: v.string(),
        cut: v.pipe(v.boolean(), v.description("True if the range has more points than `most`; these are the newest.")),
        t: v.pipe(times, v.description("Start of each bucket, or time of each sample, in Unix milliseconds.")),
        avg: v.optional(values),
        min: v.optional(values),
        max: v.optional(values),
        last: v.optional(values),
        p95: v.optional(values),
        count: v.optional(values),
      }),
    ),
  }),
  v.title("History"),
  v.examples([
    {
      host: "gpu1",
      from: 1_800_000_000_000,
      to: 1_800_003_600_000,
      step: 300_000,
      series: [
        {
          level: "gpu",
          key: "GPU-5f0c8c1e",
          metric: "gpu_utilization",
          unit: "percent",
          cut: false,
          t: [1_800_000_000_000],
          avg: [91.25],
          max: [100],
        },
      ],
    },
  ]),
);

const fleetHistory = v.pipe(
  v.object({
    metric: v.string(),
    unit: v.string(),
    by: v.picklist(groupings),
    from: time,
    to: time,
    step: v.pipe(v.number(), v.integer(), v.minValue(1)),
    groups: v.array(
      v.object({
        name: v.pipe(
          v.nullable(v.string()),
          v.description("Of a host, the name that is shown; null for series whose group is unknown."),
        ),
        series: v.pipe(v.number(), v.integer(), v.description("Number of series in the group.")),
        t: v.pipe(times, v.description("Start of each bucket in Unix milliseconds.")),
        avg: v.pipe(values, v.description("Mean of the series' means.")),
        min: v.pipe(values, v.description("Least sample.")),
        max: v.pipe(values, v.description("Greatest sample.")),
        sum: v.pipe(values, v.description("Sum of the series' means.")),
        count: v.pipe(counts, v.description("Number of series with a sample in the bucket.")),
      }),
    ),
  }),
  v.title("FleetHistory"),
  v.examples([
    {
      metric: "gpu_power",
      unit: "milliwatts",
      by: "model",
      from: 1_800_000_000_000,
      to: 1_800_003_600_000,
      step: 3_600_000,
      groups: [
        {
          name: "NVIDIA H100 80GB HBM3",
          series: 8,
          t: [1_800_000_000_000],
          avg: [412_000],
          min: [68_000],
          max: [699_000],
          sum: [3_296_000],
          count: [8],
        },
      ],
    },
  ]),
);

const valuesByKey = v.pipe(
  v.record(v.string(), values),
  v.title("HistoryValues"),
  v.examples([{ gpu1_0: [2500, 5000], gpu1_1: [0, 0] }]),
);

const health = v.pipe(
  v.object({
    status: v.pipe(
      v.literal("ok"),
      v.description(
        "The hub itself works, whether its hosts answer or not: for those, compare `open` and `history` with `hosts`.",
      ),
    ),
    name: v.pipe(v.string(), v.description("The hub's own name (`hub.name`); may be empty.")),
    version: v.string(),
    hub: v.pipe(v.string(), v.description("Random at each start of the hub.")),
    hosts: v.pipe(v.number(), v.integer(), v.description("Number of hosts, without those that wait for approval.")),
    open: v.pipe(v.number(), v.integer(), v.description("Number of hosts that answer now.")),
    history: v.optional(
      v.pipe(
        v.number(),
        v.integer(),
        v.description(
          "Number of hosts that never report live, and of which only history knows: they are neither open nor silent. Older hubs do not say it.",
        ),
      ),
    ),
    silent: v.optional(
      v.pipe(
        v.array(v.string()),
        v.description(
          "Shown names of hosts that do not answer, at most 20; only for those who may read, and from version 0.2.0.",
        ),
      ),
    ),
    notices: v.pipe(
      v.array(v.string()),
      v.description("What an administrator should know; empty for those who may not read."),
    ),
  }),
  v.title("Health"),
  v.examples([
    {
      status: "ok",
      name: "lab",
      version: "0.2.0",
      hub: "5f1d0c9a33e1b2a4",
      hosts: 12,
      open: 11,
      history: 0,
      silent: ["gpu7"],
      notices: [],
    },
  ]),
);

const firstParameters = {
  host: text({ help: "Name of a server, or its shown name. Default: all servers.", example: "gpu1" }),
  type: text({
    help: "`gpumem`, `util`, `temp`, `fan`, or a metric of a GPU or host (docs/metrics.md). Default: `gpumem`.",
    example: "util",
  }),
  from: nanoseconds({ help: "Start of the range in Unix nanoseconds. Default: 0.", example: "1800000000000000000" }),
  to: nanoseconds({ help: "End of the range in Unix nanoseconds. Default: now.", example: "1800003600000000000" }),
  step: nanoseconds({ help: "Width of a bucket in nanoseconds. Default: 0, every sample.", example: "60000000000" }),
};
const firstNotes =
  "The newest samples, a million at most over all series. An answer is cached for five seconds: equal requests within that time get the same one. Other parameters are ignored.";
const unchanged = { 304: "The client has this answer already (If-None-Match)." };

export const restRoutes = {
  history: {
    method: "GET",
    path: "/api/history",
    needs: "read",
    tag: "history",
    summary: "Series of one host",
    description:
      "Any metrics of any devices of a host, in buckets or sample by sample. A series has 200,000 points at most, an answer a million points and 2,048 series.",
    params: {
      host: required("name a server", host),
      metric: required(
        "be names with commas between",
        list({ help: "Metrics (docs/metrics.md), with commas between.", example: "gpu_utilization,gpu_power" }),
      ),
      key: repeated({
        help: "A GPU's uuid, or # and its index, a mount or an interface name; may be repeated. A mount is named as the client may see it (`privacy.users`). Default: every device of the host.",
        example: "GPU-5f0c8c1e",
      }),
      level: choice(levels, { help: "Only metrics of this kind of device are allowed.", example: "gpu" }),
      from: { ...from, help: `${from.help} Default: an hour before the end.` },
      to,
      step: milliseconds({
        help: "Width of a bucket in milliseconds; 0 gives every sample. Default: every sample of a short range, at most 2,000 buckets of a long one.",
        example: "300000",
      }),
      of: choices(aggregates, {
        help: "Aggregates of a bucket, with commas between. Default: `min,avg,max`.",
        example: "avg,max",
      }),
      most: count({ help: "Most points of one series; the newest are given.", example: "500" }),
    },
    answer: { "application/json": history, "application/x-protobuf": "bytes" },
    refuses: ["bad_request", "metric_unknown", "host_unknown", "device_unknown", "busy"],
  },
  fleetHistory: {
    method: "GET",
    path: "/api/fleet/history",
    needs: "read",
    tag: "history",
    summary: "One metric over all hosts",
    description:
      "Every series counts once in its group, with its mean of the bucket; machines that wait for approval do not count. An answer has a million buckets at most.",
    params: {
      metric: required("be one name", text({ help: "A metric (docs/metrics.md).", example: "gpu_power" })),
      by: choice(groupings, {
        help: "How series are grouped: `group` is that of the settings or of an administrator, `model` that of the GPU or processor. Default: `all`.",
        example: "model",
      }),
      from: { ...from, help: `${from.help} Default: a day before the end.` },
      to,
      step: milliseconds({
        help: "Width of a bucket in milliseconds, greater than 0. Default: at most 500 buckets.",
        example: "3600000",
      }),
    },
    answer: { "application/json": fleetHistory },
    refuses: ["bad_request", "metric_unknown", "busy"],
  },
  pk: {
    method: "GET",
    path: "/pk",
    needs: "read",
    tag: "first",
    summary: "Series of all servers, in the form of the first GOHM",
    description: `Base64 of a \`gpu.HistMap\` (proto/history.proto). ${firstNotes}`,
    params: firstParameters,
    answer: { "text/plain": "text" },
    others: unchanged,
    refuses: ["bad_request", "metric_unknown", "host_unknown", "busy"],
  },
  hist: {
    method: "GET",
    path: "/hist",
    needs: "read",
    tag: "first",
    summary: "Values of all servers, in the form of the first GOHM",
    description: `The values of \`/pk\` without their times, by the key of their series. ${firstNotes}`,
    params: firstParameters,
    answer: { "application/json": valuesByKey },
    others: unchanged,
    refuses: ["bad_request", "metric_unknown", "host_unknown", "busy"],
  },
  health: {
    method: "GET",
    path: "/api/health",
    needs: "open",
    tag: "hub",
    plain: "served",
    summary: "State of the hub",
    description:
      "`status` is `ok` from every hub that works, whether its hosts answer or not; `open` counts those that answer now, out of `hosts`, `history` those that never report live (of which only Netdata tells), and `silent` names up to 20 of the others.",
    answer: { "application/json": health },
    refuses: [],
  },
} as const satisfies Routes;

/** Parameters `from` and `to` under /api/v1, which are also texts. */
const range = (before: string) => {
  const both = "Unix milliseconds, or ISO 8601, without an offset in the hub's time zone (`hub.timezone`)";
  return {
    from: written({
      help: `Start of the range; a sample at this time is in it: ${both}. Default: ${before} before the end.`,
      example: "2027-01-15T07:00:00Z",
    }),
    to: written({
      help: `End of the range; a sample at this time is not in it: ${both}. Default: now.`,
      example: "2027-01-15T08:00:00Z",
    }),
  };
};
/** The parameter `step` under /api/v1, which may have a unit, too. */
const step = (rest: string) =>
  duration({ help: `Width of a bucket in milliseconds, or with a unit: s, m, h, d or w${rest}`, example: "6h" });
const rows =
  "As CSV, each bucket or sample is a line with its time in ISO 8601, UTC; text that a spreadsheet would calculate has an apostrophe before it.";

/** History under /api/v1: what /api/history and /api/fleet/history answer, as JSON or CSV. */
export const v1HistoryRoutes = {
  getHistory: {
    ...restRoutes.history,
    path: "/api/v1/history",
    tag: "v1",
    summary: "Series of one host, as JSON or CSV",
    strict: true,
    description: `${restRoutes.history.description} ${rows}`,
    params: {
      ...restRoutes.history.params,
      ...range("an hour"),
      step: step(
        "; 0 gives every sample. Default: every sample of a short range, at most 2,000 buckets of a long one.",
      ),
      format,
    },
    answer: { ...restRoutes.history.answer, "text/csv": "text" },
  },
  getFleetHistory: {
    ...restRoutes.fleetHistory,
    path: "/api/v1/fleet/history",
    tag: "v1",
    summary: "One metric over all hosts, as JSON or CSV",
    strict: true,
    description: `${restRoutes.fleetHistory.description} ${rows}`,
    params: {
      ...restRoutes.fleetHistory.params,
      ...range("a day"),
      step: step(", greater than 0. Default: at most 500 buckets."),
      format,
    },
    answer: { ...restRoutes.fleetHistory.answer, "text/csv": "text" },
  },
} as const satisfies Routes;
