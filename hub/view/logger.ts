import { networkOf } from "../../program/network.ts";
import { dayNumber, dayText, type Zone } from "../../program/zone.ts";
import { round } from "../../proto/round.ts";
import { earliest } from "../clock.ts";
import { validationFault } from "../fault.ts";
import { firstDay } from "../history/series.ts";
import { until } from "../history/store.ts";
import { type RouteRequest, serve } from "../route/handler.ts";
import { loggerQueryRoutes, mostDays } from "../route/logger-query.ts";
import { answer, whole } from "./body.ts";
import { byGpu, type CardFilter, idOf, type LoggerCard, loggerCards, matching } from "./card.ts";
import { Lane } from "./lane.ts";
import { clipped, type DayRange, dayMs, hourMs, localGrid } from "./logger/grid.ts";
import { current, newestOf, type Realtime, realtimeOf } from "./logger/realtime.ts";
import { statisticsOf } from "./logger/statistics.ts";
import { meanAt, seriesOf, type Usage, usageBytes, usageOf } from "./logger/usage.ts";
import type { HubView, View } from "./view.ts";

/** Bytes of a row of an answer. */
const rowBytes = 80;
/** In a longer range the first sample is looked up. */
const shortDays = 366;
/** Days of a short question, which does not wait for long ones. */
const mostShort = 31;

type StatisticsRequest = RouteRequest<typeof loggerQueryRoutes.loggerStatistics>;
type UsageRequest = RouteRequest<typeof loggerQueryRoutes.loggerHourlyUsage>;
type ListRequest = RouteRequest<typeof loggerQueryRoutes.loggerList>;
type RealtimeRequest = RouteRequest<typeof loggerQueryRoutes.loggerRealtime>;

/** Answers the queries of the NVIDIA GPU Metrics Logger. */
export const logger: View = {
  name: "logger-query",
  table: {},
  async open(hub) {
    const lanes = { short: new Lane(), long: new Lane() };
    /** Waits for the turn of a question, and gives it the hub as it sees it: its queries end when the client goes away. */
    const inTurn = (
      { c, by }: Pick<ListRequest, "c" | "by">,
      work: (hub: HubView) => Promise<Response>,
      days?: DayRange,
    ): Promise<Response> => {
      const { signal } = c.req.raw;
      const isLong = days !== undefined && lengthOf(days) > mostShort;
      const lane = isLong ? lanes.long : lanes.short;
      const asker = { address: networkOf(by.origin), signal };
      return lane.ask(asker, () => work({ ...hub, history: until(hub.history, signal) }));
    };
    return {
      routes: serve(loggerQueryRoutes, {
        loggerStatistics: (request) => inTurn(request, (seen) => statistics(seen, request), spanOf(request.body)),
        loggerHourlyUsage: (request) => inTurn(request, (seen) => hourlyUsage(seen, request), spanOf(request.body)),
        loggerDailyUsage: (request) => inTurn(request, (seen) => dailyUsage(seen, request), spanOf(request.body)),
        loggerList: (request) => inTurn(request, (seen) => list(seen, request)),
        loggerRealtime: (request) => inTurn(request, (seen) => realtime(seen, request)),
        loggerHealth: ({ c }) => c.json({ status: "healthy", timestamp: localTime(hub) }),
      }),
      close: async () => {},
    };
  },
};

/** ISO 8601 with microseconds and without an offset, as Python writes it. */
function localTime({ zone, clock }: HubView): string {
  const now = clock.now();
  const micro = String((now % 1000) * 1000).padStart(6, "0");
  return `${zone().format(now).replace(" ", "T")}.${micro}`;
}

/** The days that a question is about: without dates, all of time. */
const spanOf = ({ start_date, end_date }: StatisticsRequest["body"]): DayRange => ({
  first: dayNumber(start_date ?? "") ?? Number.NEGATIVE_INFINITY,
  last: dayNumber(end_date ?? "") ?? Number.POSITIVE_INFINITY,
});

async function statistics(hub: HubView, { c, budget, body }: StatisticsRequest): Promise<Response> {
  const { start_date, end_date } = body;
  const days = spanOf(body);
  const { usage } = await read(hub, { c, budget, body }, { days, unitMs: hourMs, rows: 0 });
  const period = { start_date: start_date ?? null, end_date: end_date ?? null };
  return c.json({ success: true, data: { ...statisticsOf(usage), period, ...echo(body) } });
}

async function hourlyUsage(hub: HubView, request: UsageRequest): Promise<Response> {
  const { c, body } = request;
  const days = daysOf(body);
  const hours = 24 * lengthOf(days);
  const { usage, first } = await read(hub, request, { days, unitMs: hourMs, rows: hours });
  const pieces = chart(body, lengthOf(days), (place) => {
    const day = days.first + place;
    const date = dayText(day);
    return Array.from({ length: 24 }, (_, hour) => {
      const utilization = round(meanAt(usage, 24 * day + hour - first), 2);
      return { date, hour, utilization };
    });
  });
  return answer({ c, log: hub.log }, pieces, { "Content-Type": "application/json; charset=utf-8" });
}

async function dailyUsage(hub: HubView, request: UsageRequest): Promise<Response> {
  const { c, body } = request;
  const days = daysOf(body);
  const { usage, first } = await read(hub, request, { days, unitMs: dayMs, rows: lengthOf(days) });
  const pieces = chart(body, lengthOf(days), (place) => {
    const day = days.first + place;
    const there = (usage.count[day - first] ?? 0) > 0;
    const value = (values: Float64Array): number => (there ? round(values[day - first] ?? 0, 2) : 0);
    const date = dayText(day).slice(5).replace("-", "/");
    return [{ date, min_utilization: value(usage.min), max_utilization: value(usage.max) }];
  });
  return answer({ c, log: hub.log }, pieces, { "Content-Type": "application/json; charset=utf-8" });
}

/** JSON of a chart, written by days. @param rowsOf rows of a day, by its place in the range */
async function* chart(
  body: UsageRequest["body"],
  days: number,
  rowsOf: (place: number) => readonly object[],
): AsyncGenerator<Uint8Array> {
  let text = '{"success":true,"data":{"chart_data":[';
  for (let place = 0; place < days; place++) {
    if (place > 0) text += ",";
    text += JSON.stringify(rowsOf(place)).slice(1, -1);
    if (text.length < 16_384) continue;
    yield Buffer.from(text);
    text = "";
  }
  const { start_date, end_date } = body;
  const rest = JSON.stringify({ period: { start_date, end_date }, ...echo(body) });
  yield Buffer.from(`${text}],${rest.slice(1)}}`);
}

/** What a question asks of the history. */
interface UsageQuestion {
  readonly days: DayRange;
  readonly unitMs: number;
  /** Rows of the answer. */
  readonly rows: number;
}

/** Reads the utilization of the cards of a question. @returns also the number of the first hour or day */
async function read(
  hub: HubView,
  { c, budget, body }: Pick<StatisticsRequest, "c" | "budget"> & { readonly body: CardFilter },
  { days, unitMs, rows }: UsageQuestion,
): Promise<{ usage: Usage; first: number }> {
  const zone = hub.zone();
  const cards = await loggerCards(hub, body);
  const grid = localGrid(await daysWithSamples(hub, cards, days), zone, unitMs);
  const reservation = await budget.reserve(c, whole + rowBytes * rows + usageBytes(grid));
  const usage = await usageOf(hub.history, cards, grid);
  reservation.shrink(whole + rowBytes * rows);
  return { usage, first: grid.first };
}

/** Narrows a range of days to those that may have samples: a question without dates needs no memory for all of time. */
async function daysWithSamples(
  { history, zone }: HubView,
  cards: readonly LoggerCard[],
  days: DayRange,
): Promise<DayRange> {
  const newest = newestOf(cards) ?? 0;
  const range = clipped(days, zone(), { oldest: earliest, newest });
  if (lengthOf(range) <= shortDays) return range;
  const oldest = await firstDay(history, seriesOf(cards), newest + 1);
  return clipped(range, zone(), { oldest: oldest ?? newest, newest });
}

const lengthOf = ({ first, last }: DayRange): number => Math.max(0, last + 1 - first);

/** @throws Fault validation_error if there are too many */
function daysOf({ start_date, end_date }: UsageRequest["body"]): DayRange {
  const days = { first: dayNumber(start_date) ?? 0, last: dayNumber(end_date) ?? 0 };
  if (lengthOf(days) <= mostDays) return days;
  const msg = `From ${start_date} to ${end_date} are ${lengthOf(days)} days: an answer has ${mostDays} at most.`;
  throw validationFault([{ loc: ["body", "end_date"], msg, type: "too_long" }]);
}

const echo = ({ gpu_id, client_name }: CardFilter): object => ({
  gpu_id: idOf(gpu_id),
  client_name: client_name ?? null,
});

async function list(hub: HubView, { c, body }: ListRequest): Promise<Response> {
  const zone = hub.zone();
  const newest = byGpu(await loggerCards(hub, body)).flatMap(([card]) => card ?? []);
  newest.sort((a, b) => (a.client === b.client ? a.gpuId - b.gpuId : a.client < b.client ? -1 : 1));
  return answer({ c, log: hub.log }, listed(newest, zone), { "Content-Type": "application/json; charset=utf-8" });
}

/** JSON of a list of cards, in pieces. */
async function* listed(cards: readonly LoggerCard[], zone: Zone): AsyncGenerator<Uint8Array> {
  // Cards of one host have the time of its newest report.
  const times = new Map<number, string>();
  const timeOf = (at: number): string => {
    const second = Math.floor(at / 1000);
    const text = times.get(second) ?? zone.format(at);
    times.set(second, text);
    return text;
  };
  let text = '{"success":true,"data":[';
  for (const [place, { gpuId, name, client, device }] of cards.entries()) {
    const last_update = timeOf(device.last);
    const row = { gpu_id: gpuId, gpu_name: name, client_name: client, status: "active", last_update };
    text += `${place > 0 ? "," : ""}${JSON.stringify(row)}`;
    if (text.length < 16_384) continue;
    yield Buffer.from(text);
    text = "";
  }
  yield Buffer.from(`${text}]}`);
}

const nothing: Realtime = {
  utilization_gpu: 0,
  temperature: 0,
  memory_used_percent: 0,
  power_draw: 0,
  gpu_count: 0,
  client_count: 0,
};

async function realtime(hub: HubView, { c, budget, body }: RealtimeRequest): Promise<Response> {
  const { history, zone, clock, roster } = hub;
  const data = (at: number, scope: string, means: Realtime): Response =>
    c.json({ success: true, data: { timestamp: zone().format(at), type: "average", scope, ...means } });
  const all = await loggerCards(hub);
  const newest = newestOf(all);
  if (newest === undefined) return data(clock.now(), "no_data", nothing);
  const cards = matching(current(all, newest), body, roster);
  if (cards.length === 0) return data(newest, "no_recent_data", nothing);
  await budget.reserve(c, whole);
  return data(newest, scopeOf(body), await realtimeOf(history, cards, newest));
}

function scopeOf({ gpu_id, client_name }: CardFilter): string {
  const clients = client_name == null ? "all_clients" : "single_client";
  if (gpu_id != null) return `${clients}_single_gpu`;
  return `${clients}_all_gpus`;
}
