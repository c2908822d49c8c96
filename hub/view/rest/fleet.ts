import type { Metric } from "../../../proto/catalog.ts";
import { devices } from "../../../proto/device.ts";
import type { GPUInfo } from "../../../proto/gen/host_pb.js";
import { Unit } from "../../../proto/gen/metric_pb.js";
import { byteOrderMark, csvRow } from "../../csv/row.ts";
import { Fault } from "../../fault.ts";
import { firstDay, roundStep } from "../../history/series.ts";
import type { GroupColumns, Range, SeriesId } from "../../history/store.ts";
import type { RouteRequest } from "../../route/handler.ts";
import type { ParameterValues } from "../../route/parameter.ts";
import type { groupings, restRoutes } from "../../route/rest.ts";
import { answer, type TableForm, tableHeaders, whole } from "../body.ts";
import { countsInHistory, type HubView } from "../view.ts";
import { numbers } from "./json.ts";
import { metricOf, rangeOf } from "./query.ts";
import { tableRows } from "./table.ts";

/** Buckets of one group if the request has no step, and buckets over all groups of one answer. */
const points = 500;
const mostPoints = 1_000_000;
/** Groups read at a time. */
const together = 64;
const day = 86_400_000;

type Grouping = (typeof groupings)[number];

interface SeriesGroup {
  /** Undefined for series whose group is unknown. */
  readonly name: string | undefined;
  readonly series: SeriesId[];
}

interface FleetRequest {
  readonly metric: Metric;
  readonly by: Grouping;
  readonly groups: readonly SeriesGroup[];
  readonly range: Range;
}

const collator = new Intl.Collator("en", { numeric: true });
const order = ["avg", "min", "max", "sum", "count"] as const;

/** What is read of a request for groups of series. */
export type FleetQuestion = Pick<RouteRequest<typeof restRoutes.fleetHistory>, "c" | "budget" | "given">;

/** One metric over the fleet, as a table or `{metric, unit, by, from, to, step, groups: [{name, series, t, avg, min, max, sum, count}]}`. */
export async function fleet(
  hub: HubView,
  { c, budget, given }: FleetQuestion,
  form: TableForm = "json",
): Promise<Response> {
  const request = await fleetRequest(hub, given);
  const { range, groups } = request;
  const buckets = ((range.to - range.from) / range.step) * Math.min(together, groups.length);
  await budget.reserve(c, whole + 8 * (1 + order.length) * Math.min(mostPoints, buckets));
  const made = form === "json" ? json(hub, request) : csv(hub, request, form);
  return answer({ c, log: hub.log }, made, tableHeaders(form, "fleet-history"));
}

const unitOf = ({ unit }: Metric): string => Unit[unit].toLowerCase();

async function* json(hub: HubView, request: FleetRequest): AsyncGenerator<Uint8Array> {
  const { metric, by, range } = request;
  const { from, to, step } = range;
  const head = { metric: metric.name, unit: unitOf(metric), by, from, to, step };
  yield Buffer.from(`${JSON.stringify(head).slice(0, -1)},"groups":[`);
  let before = "";
  for await (const [group, columns] of folded(hub, request)) {
    yield groupJson(group, columns, before);
    before = ",";
  }
  yield Buffer.from("]}");
}

async function* csv(hub: HubView, request: FleetRequest, form: TableForm): AsyncGenerator<Uint8Array> {
  const { metric, by } = request;
  const names = ["time", "metric", "unit", by, "series", ...order];
  yield Buffer.from((form === "file" ? byteOrderMark : "") + csvRow(names));
  for await (const [{ name, series }, columns] of folded(hub, request)) {
    const lead = [metric.name, unitOf(metric), name, series.length];
    yield* tableRows(
      columns.t,
      lead,
      order.map((one) => columns[one]),
    );
  }
}

/** Reads groups some at a time, which bounds the memory. */
async function* folded(
  { history }: HubView,
  { groups, range }: FleetRequest,
): AsyncGenerator<[SeriesGroup, GroupColumns]> {
  for (let at = 0; at < groups.length; at += together) {
    const some = groups.slice(at, at + together);
    const read = await history.fold({ groups: some.map(({ series }) => series), range });
    for (const [i, group] of some.entries()) {
      const columns = read[i];
      if (columns !== undefined) yield [group, columns];
    }
  }
}

function groupJson({ name, series }: SeriesGroup, columns: GroupColumns, before: string): Uint8Array {
  const parts: Uint8Array[] = [
    Buffer.from(`${before}${JSON.stringify({ name: name ?? null, series: series.length }).slice(0, -1)}`),
  ];
  for (const column of ["t", ...order] as const) {
    parts.push(Buffer.from(`,"${column}":`), numbers(columns[column]));
  }
  return Buffer.concat([...parts, Buffer.from("}")]);
}

/** @throws Fault bad_request, metric_unknown */
async function fleetRequest(
  hub: HubView,
  given: ParameterValues<typeof restRoutes.fleetHistory.params>,
): Promise<FleetRequest> {
  const { by = "all", step } = given;
  const metric = metricOf(given.metric);
  const groups = await groupsOf(hub, metric, by);
  const { from, to } = rangeOf(given, hub.clock.now(), day);
  if (step === 0) throw new Fault("bad_request", 'The parameter "step" must be greater than 0: it is "0".');
  const range = step === undefined ? await fitting(hub, groups, { from, to }) : { from, to, step };
  const each = (range.to - range.from) / range.step;
  if (each * Math.max(1, groups.length) <= mostPoints) return { metric, by, groups, range };
  const least = roundStep(((range.to - range.from) * Math.max(1, groups.length)) / mostPoints);
  throw new Fault(
    "bad_request",
    `The answer would have ${Math.ceil(each)} buckets of each of ${groups.length} groups, ${mostPoints} in all at most: "step" must be ${least} or more.`,
  );
}

async function fitting(
  { history }: HubView,
  groups: readonly SeriesGroup[],
  { from, to }: Omit<Range, "step">,
): Promise<Range> {
  const series = groups.flatMap((group) => group.series);
  // A range that begins before the first sample would only widen the buckets.
  const begin = to - from > 32 * day ? Math.max(from, (await firstDay(history, series, to)) ?? from) : from;
  const step = roundStep((to - begin) / points);
  return { from: Math.floor(begin / step) * step, to: Math.ceil(to / step) * step, step };
}

/** Groups every series of the metric in history; groups are ordered by name. */
async function groupsOf(hub: HubView, metric: Metric, by: Grouping): Promise<SeriesGroup[]> {
  const nameOf = naming(hub, metric, by);
  const groups = new Map<string | undefined, SeriesId[]>();
  for (const { host, level, key, metrics } of await hub.history.known({ level: metric.level })) {
    if (!metrics.includes(metric.name) || !countsInHistory(hub, host)) continue;
    const name = nameOf(host, key);
    const series = groups.get(name);
    const id = { host, level, key, metric: metric.name };
    if (series === undefined) groups.set(name, [id]);
    else series.push(id);
  }
  return [...groups]
    .map(([name, series]) => ({ name, series }))
    .sort((a, b) => collator.compare(a.name ?? "\uffff", b.name ?? "\uffff"));
}

/** Returns the function that names the group of a device. @throws Fault bad_request */
function naming(hub: HubView, metric: Metric, by: Grouping): (host: string, key: string) => string | undefined {
  switch (by) {
    case "all":
      return () => "all";
    case "host":
      return (host) => hub.roster.nameOf(host);
    case "group":
      return (host) => hub.roster.profile(host)?.group;
    case "model": {
      if (metric.level !== "gpu" && metric.level !== "host") {
        const message = `"by" must be host, group or all for ${metric.name}: a ${metric.level} has no model.`;
        throw new Fault("bad_request", message);
      }
      const models = modelsOf(hub, metric);
      return (host, key) => models.get(`${host}\n${key}`);
    }
  }
}

/** Model of each GPU, or of each host's processor, of the last reports. */
function modelsOf({ live }: Pick<HubView, "live">, { level }: Metric): Map<string, string> {
  const models = new Map<string, string>();
  for (const { name, info } of live.hosts()) {
    if (info === undefined) continue;
    for (const device of devices(info)) {
      if (device.level !== level) continue;
      const model = level === "gpu" ? (device.message as GPUInfo).name : info.cpu?.model;
      if (model) models.set(`${name}\n${device.key}`, model);
    }
  }
  return models;
}
