import { weightOf } from "../../../program/accept.ts";
import type { Metric } from "../../../proto/catalog.ts";
import { type Device, devices, gpuKey, indexOfKey } from "../../../proto/device.ts";
import type { HostInfo } from "../../../proto/gen/host_pb.js";
import { Unit } from "../../../proto/gen/metric_pb.js";
import { packSeries, packSpan, type Span } from "../../../proto/history.ts";
import { byteOrderMark, csvRow } from "../../csv/row.ts";
import { Fault } from "../../fault.ts";
import { firstDay, gpusOf, roundStep } from "../../history/series.ts";
import type { Aggregate, Columns, KnownDevice, SeriesId } from "../../history/store.ts";
import type { Mask } from "../../privacy.ts";
import type { RouteRequest } from "../../route/handler.ts";
import type { ParameterValues } from "../../route/parameter.ts";
import { aggregates, type restRoutes } from "../../route/rest.ts";
import { answer, type TableForm, tableHeaders, whole } from "../body.ts";
import { type HubView, intervalOf } from "../view.ts";
import { numbers } from "./json.ts";
import { metricOf, rangeOf } from "./query.ts";
import { tableRows } from "./table.ts";

/** Points of one series if the request has no step. */
const points = 2000;
/** Points of one series, so that writing it takes some milliseconds only; points over all series of an answer; series in it. */
const mostEach = 200_000;
const mostPoints = 1_000_000;
const mostSeries = 2048;
/** Points read at a time, and numbers written at a time. */
const batch = 100_000;
const slice = 20_000;
const hour = 3_600_000;
const day = 24 * hour;

type ChartParameters = ParameterValues<typeof restRoutes.history.params>;

interface ChartRequest extends Span {
  readonly host: string;
  readonly series: readonly ChartSeries[];
  readonly of: readonly Aggregate[];
  /** Points of one series. */
  readonly most: number;
}

interface ChartSeries {
  readonly id: SeriesId;
  readonly metric: Metric;
  /** Key of the device as the client sees it. */
  readonly key: string;
}

/** A device as the client sees it. */
interface ShownDevice extends Pick<Device, "level" | "key"> {
  readonly shown: string;
}

/** What is read of a request for series. */
export type ChartQuestion = Pick<RouteRequest<typeof restRoutes.history>, "c" | "by" | "budget" | "given">;

/**
 * Series of one host: `{host, from, to, step, series: [{level, key, metric, unit, cut, t, min, avg, max}]}`, times in
 * Unix ms, values in wire units; or a HistoryAnswer for clients that accept application/x-protobuf.
 * @param form of a route that also answers with a table
 */
export async function charts(
  hub: HubView,
  { c, by, budget, given }: ChartQuestion,
  form: TableForm = "json",
): Promise<Response> {
  const packed =
    form === "json" && weightOf(c.req.header("accept"), "application/x-protobuf", "application/protobuf") > 0;
  const request = await chartRequest(hub, given, hub.privacy.maskFor(by));
  const { of, series } = request;
  // Each point that is read at a time has its time and values, and the text of some waits to be sent.
  const each = likely(hub, request);
  const points = Math.max(each, Math.min(batch, each * series.length));
  await budget.reserve(c, whole + 8 * (1 + of.length) * points);
  const made = packed ? protobuf(hub, request) : form === "json" ? json(hub, request) : csv(hub, request, form);
  return answer({ c, log: hub.log }, made, {
    ...tableHeaders(form, "history"),
    ...(packed ? { "Content-Type": "application/x-protobuf" } : {}),
    Vary: "Accept",
    // Mount points depend on who asks.
    "Cache-Control": "no-store",
  });
}

async function* protobuf(hub: HubView, request: ChartRequest): AsyncGenerator<Uint8Array> {
  yield packSpan(request);
  for await (const [{ id, metric, key }, read] of series(hub, request)) {
    const columns = Object.fromEntries(request.of.map((name) => [name, read[name]]));
    yield packSeries({ ...id, key, unit: unitOf(metric), cut: read.cut, t: read.t, columns });
  }
}

async function* json(hub: HubView, request: ChartRequest): AsyncGenerator<Uint8Array> {
  const { host, from, to, step } = request;
  yield Buffer.from(`${JSON.stringify({ host, from, to, step }).slice(0, -1)},"series":[`);
  let before = "";
  for await (const [{ id, metric, key }, read] of series(hub, request)) {
    const head = { level: id.level, key, metric: metric.name, unit: unitOf(metric), cut: read.cut };
    yield Buffer.from(before + JSON.stringify(head).slice(0, -1));
    for (const name of ["t", ...request.of] as const) yield* column(name, read[name]);
    before = "},";
  }
  yield Buffer.from(before === "" ? "]}" : "}]}");
}

async function* csv(hub: HubView, request: ChartRequest, form: TableForm): AsyncGenerator<Uint8Array> {
  const { host, of } = request;
  const names = ["time", "host", "level", "key", "metric", "unit", ...of];
  yield Buffer.from((form === "file" ? byteOrderMark : "") + csvRow(names));
  for await (const [{ id, metric, key }, read] of series(hub, request)) {
    const columns = of.map((name) => read[name]);
    yield* tableRows(read.t, [host, id.level, key, metric.name, unitOf(metric)], columns);
  }
}

/** `,"avg":[1,2,3]`, in slices of which each takes about a millisecond. */
function* column(name: string, values: Float64Array): Generator<Uint8Array> {
  yield Buffer.from(`,"${name}":[`);
  for (let start = 0; start < values.length; start += slice) {
    const text = numbers(values, start, Math.min(values.length, start + slice));
    // Without the brackets that each slice has.
    yield text.subarray(1, -1);
    if (start + slice < values.length) yield Buffer.from(",");
  }
  yield Buffer.from("]");
}

/** Points of one series that an answer is likely to have. */
const likely = (hub: HubView, { host, from, to, step, most }: ChartRequest): number =>
  Math.min(most, (to - from) / (step > 0 ? step : 1000 * intervalOf(hub, host)) + 1);

/** Reads series in batches, which bound the memory. */
async function* series(hub: HubView, request: ChartRequest): AsyncGenerator<[ChartSeries, Columns<Aggregate>]> {
  const { history } = hub;
  const { from, to, step, of, most } = request;
  const together = Math.max(1, Math.floor(batch / likely(hub, request)));
  for (let at = 0; at < request.series.length; at += together) {
    const wanted = request.series.slice(at, at + together);
    const read = await history.read({ series: wanted.map(({ id }) => id), range: { from, to, step }, of, most });
    for (const [i, one] of wanted.entries()) {
      const columns = read[i];
      if (columns !== undefined) yield [one, columns];
    }
  }
}

const unitOf = ({ unit }: Metric): string => Unit[unit].toLowerCase();

/** @throws Fault bad_request, host_unknown, device_unknown, metric_unknown */
async function chartRequest(hub: HubView, parameters: ChartParameters, mask: Mask | undefined): Promise<ChartRequest> {
  const host = hub.roster.keyOf(parameters.host);
  const given = { ...parameters, host };
  const { step } = given;
  const range = rangeOf(given, hub.clock.now(), hour);
  const series = await seriesOf(hub, given, mask);
  const limit = Math.min(mostEach, Math.floor(mostPoints / series.length));
  const asked = aggregates.filter((one) => given.of.includes(one));
  const of: readonly Aggregate[] = asked.length > 0 ? asked : ["min", "avg", "max"];
  const request = { host, series, of, most: Math.min(given.most ?? limit, limit), ...range };
  if (step !== undefined) return { ...request, step };
  return { ...request, ...(await fitting(hub, { ...request, step: 0 })) };
}

/** Returns 0, for every sample, if the poll interval gives few enough, else the width of buckets that are few enough. */
async function fitting(hub: HubView, { host, series, from, to, most }: ChartRequest): Promise<Span> {
  const { history } = hub;
  const few = Math.min(points, most);
  if ((to - from) / (1000 * intervalOf(hub, host)) <= few) {
    const question = { series: series.map(({ id }) => id), range: { from, to, step: 0 }, of: [], most: few };
    // Polled faster then than now: too many samples after all.
    const read = await history.read(question);
    if (!read.some(({ cut }) => cut)) return { from, to, step: 0 };
  }
  // A range that begins before the first sample would only widen the buckets.
  const ids = series.map(({ id }) => id);
  const begin = to - from > 32 * day ? Math.max(from, (await firstDay(history, ids, to)) ?? from) : from;
  const step = roundStep((to - begin) / few);
  return { from: Math.floor(begin / step) * step, to: Math.ceil(to / step) * step, step };
}

async function seriesOf(
  hub: HubView,
  { host, level, metric, key }: ChartParameters,
  mask: Mask | undefined,
): Promise<ChartSeries[]> {
  const metrics = metric.map((name) => metricOf(name, level));
  const known = await hub.history.known({ host });
  const info = hub.live.host(host)?.info;
  const isCard = level === undefined || level === "gpu";
  const keys = new Set(isCard ? key.map((one) => cardKey(one, host, { info, known })) : key);
  const there = Map.groupBy(devicesOf(hub, { host, keys, known, mask }), (device) => device.level);
  const found = new Set(
    [...there.values()].flat().flatMap((one) => ((level ?? one.level) === one.level ? one.shown : [])),
  );
  const stranger = [...keys].find((key) => !found.has(key));
  if (stranger !== undefined) {
    throw new Fault("device_unknown", `There is no ${level ?? "device"} "${stranger}" on "${host}".`);
  }
  // Counted before one of them is made: metrics times devices may be millions.
  const count = metrics.reduce((sum, metric) => sum + (there.get(metric.level)?.length ?? 0), 0);
  if (count === 0) throw new Fault("device_unknown", `There is no device on "${host}" that has these metrics.`);
  if (count > mostSeries) {
    throw new Fault(
      "bad_request",
      `${count} series are asked for, ${mostSeries} at most: name devices with "key", or fewer metrics.`,
    );
  }
  return metrics.flatMap((metric) =>
    (there.get(metric.level) ?? []).map(({ key, shown }) => ({
      id: { host, level: metric.level, key, metric: metric.name },
      metric,
      key: shown,
    })),
  );
}

/**
 * Returns the key of the card that is meant by "#" and an index, which was its key before it had a uuid: the card that has the
 * index now, or had it last.
 */
function cardKey(
  key: string,
  host: string,
  { info, known }: { info: HostInfo | undefined; known: readonly KnownDevice[] },
): string {
  const index = indexOfKey(key);
  if (index === undefined || [...(info ? devices(info) : []), ...known].some((one) => one.key === key)) return key;
  const card = info?.gpus.find(({ id = 0, parent }) => id === index && parent === undefined);
  return card === undefined ? (gpusOf(known, host).get(index)?.key ?? key) : gpuKey(card);
}

/**
 * Lists the host itself and its devices with one of the keys, or all devices if there are no keys: those of its last report
 * in their order, then those that only history knows. Keys are those that the client sees: asking for a hidden one must not
 * tell that it exists. @throws Fault host_unknown
 */
function devicesOf(
  { live }: HubView,
  {
    host,
    keys,
    known,
    mask,
  }: { host: string; keys: ReadonlySet<string>; known: readonly KnownDevice[]; mask: Mask | undefined },
): readonly ShownDevice[] {
  const now = live.host(host);
  if (now === undefined && known.length === 0) throw new Fault("host_unknown", `There is no host "${host}".`);
  const waiting = now?.profile?.waiting === true;
  const all = new Map<string, ShownDevice>([["host\n", { level: "host", key: "", shown: "" }]]);
  for (const { level, key } of [...(now?.info ? devices(now.info) : []), ...known]) {
    if (level === "host") continue;
    const shown = level === "disk" && mask !== undefined ? mask.path(key, waiting) : key;
    if (keys.size > 0 && !keys.has(shown)) continue;
    const id = `${level}\n${key}`;
    if (!all.has(id)) all.set(id, { level, key, shown });
  }
  return [...all.values()];
}
