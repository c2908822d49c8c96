// Queries of the NVIDIA GPU Metrics Logger, version 2, in the form in which its dashboards send them.
import * as v from "valibot";
import { dayNumber } from "../../program/zone.ts";
import type { Routes } from "./route.ts";

/** Most days of a question whose answer has a row for each hour or day: ten years and some days. */
export const mostDays = 3660;

const aDay = 'a day that exists, in the form "2026-11-28"';
const day = v.pipe(
  v.string(aDay),
  v.check((text) => dayNumber(text) !== undefined, aDay),
  v.description("YYYY-MM-DD, in the time zone of the hub (`hub.timezone`)."),
);
const optionalDay = v.nullish(
  v.pipe(
    v.string(aDay),
    v.check((text) => text === "" || dayNumber(text) !== undefined, aDay),
    v.description("YYYY-MM-DD, in the time zone of the hub; empty is as if it were not given."),
  ),
);
const aNumber = "a whole number";
const gpuId = v.nullish(
  v.pipe(
    v.union(
      [v.pipe(v.number(), v.safeInteger(aNumber)), v.pipe(v.string(), v.regex(/^\s*[+-]?\d{1,15}\s*$/, aNumber))],
      aNumber,
    ),
    v.description("Index of the GPU on its host, also as text."),
  ),
);
const clientName = v.nullish(
  v.pipe(v.string("text"), v.description("Name of the host, or the name that is shown of it; empty is every host.")),
);
const filter = { gpu_id: gpuId, client_name: clientName };

const statisticsBody = v.pipe(
  v.object({ start_date: optionalDay, end_date: optionalDay, ...filter }),
  v.title("LoggerStatisticsQuestion"),
  v.examples([{ start_date: "2026-11-01", end_date: "2026-11-30", gpu_id: 0, client_name: "gpu1" }]),
);
const usageBody = v.pipe(
  v.object({ start_date: day, end_date: day, ...filter }),
  v.title("LoggerUsageQuestion"),
  v.examples([{ start_date: "2026-11-28", end_date: "2026-11-28", gpu_id: 0, client_name: "gpu1" }]),
);
const listBody = v.pipe(
  v.object({ client_name: clientName }),
  v.title("LoggerListQuestion"),
  v.examples([{ client_name: "gpu1" }]),
);
const realtimeBody = v.pipe(
  v.object(filter),
  v.title("LoggerRealtimeQuestion"),
  v.examples([{ gpu_id: 0, client_name: "gpu1" }]),
);

const number = v.number();
const whole = v.pipe(v.number(), v.integer());
const utilization = v.pipe(number, v.description("Percent, with two decimals."));
const given = {
  gpu_id: v.pipe(v.nullable(whole), v.description("As it was asked for; null if it was not.")),
  client_name: v.pipe(v.nullable(v.string()), v.description("As it was asked for; null if it was not.")),
};
const period = v.object({ start_date: v.string(), end_date: v.string() });
const success = v.literal(true);

const statistics = v.pipe(
  v.object({
    success,
    data: v.object({
      hourly_average: v.pipe(number, v.description("Mean of the means of the hours with samples.")),
      daily_average: v.pipe(number, v.description("Mean of the means of the days with samples.")),
      period_average: v.pipe(number, v.description("Mean of the samples.")),
      max_utilization: utilization,
      min_utilization: utilization,
      period: v.object({ start_date: v.nullable(v.string()), end_date: v.nullable(v.string()) }),
      ...given,
    }),
  }),
  v.title("LoggerStatistics"),
  v.examples([
    {
      success: true,
      data: {
        hourly_average: 45.2,
        daily_average: 42.87,
        period_average: 44.1,
        max_utilization: 98.5,
        min_utilization: 0,
        period: { start_date: "2026-11-01", end_date: "2026-11-30" },
        gpu_id: 0,
        client_name: "gpu1",
      },
    },
  ]),
);
const hourlyUsage = v.pipe(
  v.object({
    success,
    data: v.object({
      chart_data: v.array(
        v.object({
          date: v.pipe(v.string(), v.description("YYYY-MM-DD.")),
          hour: v.pipe(whole, v.minValue(0), v.maxValue(23)),
          utilization: v.pipe(number, v.description("Mean of the samples in percent; 0 if there are none.")),
        }),
      ),
      period,
      ...given,
    }),
  }),
  v.title("LoggerHourlyUsage"),
  v.examples([
    {
      success: true,
      data: {
        chart_data: [{ date: "2026-11-28", hour: 0, utilization: 12.5 }],
        period: { start_date: "2026-11-28", end_date: "2026-11-28" },
        gpu_id: null,
        client_name: null,
      },
    },
  ]),
);
const dailyUsage = v.pipe(
  v.object({
    success,
    data: v.object({
      chart_data: v.array(
        v.object({
          date: v.pipe(v.string(), v.description("MM/DD.")),
          min_utilization: v.pipe(number, v.description("Least sample in percent; 0 if there are none.")),
          max_utilization: v.pipe(number, v.description("Greatest sample in percent; 0 if there are none.")),
        }),
      ),
      period,
      ...given,
    }),
  }),
  v.title("LoggerDailyUsage"),
  v.examples([
    {
      success: true,
      data: {
        chart_data: [{ date: "11/28", min_utilization: 0, max_utilization: 98.5 }],
        period: { start_date: "2026-11-28", end_date: "2026-11-28" },
        gpu_id: null,
        client_name: null,
      },
    },
  ]),
);
const list = v.pipe(
  v.object({
    success,
    data: v.array(
      v.object({
        gpu_id: whole,
        gpu_name: v.pipe(v.string(), v.description("Model; empty if it is not known.")),
        client_name: v.string(),
        status: v.literal("active"),
        last_update: v.pipe(v.string(), v.description("Time of the newest sample: YYYY-MM-DD HH:MM:SS.")),
      }),
    ),
  }),
  v.title("LoggerList"),
  v.examples([
    {
      success: true,
      data: [
        {
          gpu_id: 0,
          gpu_name: "NVIDIA H100 80GB HBM3",
          client_name: "gpu1",
          status: "active",
          last_update: "2026-11-28 08:30:05",
        },
      ],
    },
  ]),
);
const scopes = [
  "all_clients_all_gpus",
  "single_client_all_gpus",
  "all_clients_single_gpu",
  "single_client_single_gpu",
  "no_recent_data",
  "no_data",
] as const;
const realtime = v.pipe(
  v.object({
    success,
    data: v.object({
      timestamp: v.pipe(
        v.string(),
        v.description("Time of the newest sample of any GPU, or without samples now: YYYY-MM-DD HH:MM:SS."),
      ),
      type: v.literal("average"),
      scope: v.picklist(scopes),
      utilization_gpu: utilization,
      temperature: v.pipe(whole, v.description("Degrees Celsius.")),
      memory_used_percent: v.pipe(
        number,
        v.description("Mean of the utilization of the memory, as the logger has it: not of how much is used."),
      ),
      power_draw: v.pipe(number, v.description("Watts.")),
      gpu_count: whole,
      client_count: whole,
    }),
  }),
  v.title("LoggerRealtime"),
  v.examples([
    {
      success: true,
      data: {
        timestamp: "2026-11-28 08:30:05",
        type: "average",
        scope: "all_clients_all_gpus",
        utilization_gpu: 65.8,
        temperature: 72,
        memory_used_percent: 31.25,
        power_draw: 285.2,
        gpu_count: 8,
        client_count: 2,
      },
    },
  ]),
);
const health = v.pipe(
  v.object({
    status: v.literal("healthy"),
    timestamp: v.pipe(v.string(), v.description("Local time of the hub, ISO 8601 without an offset.")),
  }),
  v.title("LoggerHealth"),
  v.examples([{ status: "healthy", timestamp: "2026-11-28T08:30:05.123000" }]),
);

const cards =
  "Over every host of the hub, whichever way its data came; `client_name` is the name of the host, as in files; a question may have the name that is shown of it. `gpu_id` is the index of a physical card. Nothing that matches is no error.";
const exact =
  "Exact where samples are kept (`history.retention.raw`), and after that by the summaries of five minutes; once only those of an hour are left, approximate in time zones that are not whole hours from UTC.";
const grid = `At most ${mostDays} days; an \`end_date\` before \`start_date\` gives an empty list.`;

const common = { needs: "read", tag: "logger", faults: "logger", cors: true } as const;

export const loggerQueryRoutes = {
  loggerStatistics: {
    ...common,
    method: "POST",
    path: "/api/gpu/statistics",
    summary: "Utilization of GPUs over a period",
    description: `${cards} Without dates: everything that is kept. Zeros where there are no samples. ${exact}`,
    body: statisticsBody,
    answer: { "application/json": statistics },
    refuses: ["busy"],
  },
  loggerHourlyUsage: {
    ...common,
    method: "POST",
    path: "/api/gpu/hourly-usage",
    summary: "Mean utilization of GPUs by hour",
    description: `${cards} Every hour of every day, 0 to 23: the hour that comes twice when clocks are set back is one, and the one that is left out when they are set forward is 0. ${grid} ${exact}`,
    body: usageBody,
    answer: { "application/json": hourlyUsage },
    refuses: ["busy"],
  },
  loggerDailyUsage: {
    ...common,
    method: "POST",
    path: "/api/gpu/daily-usage",
    summary: "Least and greatest utilization of GPUs by day",
    description: `${cards} Every day is in the answer; over more than a year a date occurs again, each time with its own values. ${grid} ${exact}`,
    body: usageBody,
    answer: { "application/json": dailyUsage },
    refuses: ["busy"],
  },
  loggerList: {
    ...common,
    method: "POST",
    path: "/api/gpu/list",
    summary: "GPUs that have samples",
    description: `${cards} Sorted by \`client_name\` and \`gpu_id\`.`,
    body: listBody,
    answer: { "application/json": list },
    refuses: ["busy"],
  },
  loggerRealtime: {
    ...common,
    method: "POST",
    path: "/api/gpu/realtime",
    summary: "Means of the newest five minutes",
    description: `${cards} The five minutes end with the newest sample of any GPU, also of those that are not asked for.`,
    body: realtimeBody,
    answer: { "application/json": realtime },
    refuses: ["busy"],
  },
  loggerHealth: {
    ...common,
    needs: "open",
    method: "GET",
    path: "/health",
    summary: "State of the hub, as clients of the logger ask for it",
    answer: { "application/json": health },
    refuses: [],
  },
} as const satisfies Routes;
