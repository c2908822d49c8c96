import { defused, quoted } from "../../../program/csv.ts";
import type { Zone } from "../../../program/zone.ts";
import { dayAfter } from "../../../program/zone.ts";
import type { Metric } from "../../../proto/catalog.ts";
import { clean } from "../../../proto/clean.ts";
import { levels } from "../../../proto/device.ts";
import { Kind, Unit } from "../../../proto/gen/metric_pb.js";
import { byText, loggerFile } from "../../csv/day.ts";
import { type SheetDevice, sheet, sheetBytes } from "../../csv/sheet.ts";
import { Fault } from "../../fault.ts";
import { some } from "../../history/series.ts";
import { type Aggregate, type KnownDevice, kept, type Range } from "../../history/store.ts";
import type { RouteRequest } from "../../route/handler.ts";
import type { ParameterValues } from "../../route/parameter.ts";
import type { transferRoutes } from "../../route/transfer.ts";
import { answer, whole } from "../body.ts";
import { loggerCards } from "../card.ts";
import { counts, countsInHistory, type HubView, intervalOf } from "../view.ts";
import { metricOf } from "./query.ts";

type ExportParameters = ParameterValues<typeof transferRoutes.export.params>;

/** A device as a row names it. */
interface NamedDevice extends SheetDevice {
  /** Cells before the values, after the time. */
  readonly head: string;
}

/** History as CSV. */
export async function exported(
  hub: HubView,
  { c, by, budget, given }: RouteRequest<typeof transferRoutes.export>,
): Promise<Response> {
  const zone = hub.zone();
  const range = rangeOf(given, zone, hub.clock.now());
  const known = await devicesOf(hub, given, range);
  await budget.reserve(c, whole + sheetBytes);
  const { form = "logger" } = given;
  const made =
    form === "logger"
      ? await logger(hub, given, { known, range, zone })
      : listing(hub, given, { known, range, zone, mask: hub.privacy.maskFor(by), isLong: form === "long" });
  return answer({ c, log: hub.log }, made, {
    "Content-Type": "text/csv; charset=utf-8; header=present",
    "Content-Disposition": `attachment; filename="${nameOf(form, range, zone)}"`,
    // Mount points depend on who asks.
    "Cache-Control": "no-store",
  });
}

/** "gpu_metrics_20261127.csv"; of several days, with the first and the last. */
function nameOf(form: string, { from, to }: Omit<Range, "step">, zone: Zone): string {
  const days = [...new Set([zone.dayOf(from), zone.dayOf(to - 1)])].map((day) => day.replaceAll("-", ""));
  return `${form === "logger" ? "gpu_metrics" : "history"}_${days.join("-")}.csv`;
}

/** @throws Fault bad_request */
function rangeOf(given: Pick<ExportParameters, "from" | "to">, zone: Zone, now: number): Omit<Range, "step"> {
  const to = given.to === undefined ? now + 1 : timeOf("to", given.to, zone, true);
  const from = given.from === undefined ? (zone.startOfDay(zone.dayOf(to - 1)) ?? 0) : timeOf("from", given.from, zone);
  if (from < to) return { from, to };
  const [start, end] = [given.from ?? zone.format(from), given.to ?? zone.format(to)].map((text) => clean(text, 64));
  throw new Fault("bad_request", `"from" must be before "to": they are ${start} and ${end}.`);
}

/** @param end true if a day ends the range: it is included @throws Fault bad_request */
function timeOf(name: string, text: string, zone: Zone, end = false): number {
  const day = /^\d{4}-\d\d-\d\d$/.test(text);
  // A date that there is none of, such as 2026-02-30, has no start either.
  const at = day ? zone.startOfDay(text) : /^\d{1,15}$/.test(text) ? Number(text) : zone.parse(text);
  if (at !== undefined && day && end) return zone.startOfDay(dayAfter(text)) ?? at;
  if (at !== undefined) return at;
  throw new Fault(
    "bad_request",
    `The parameter "${name}" must be a date, a time or Unix milliseconds: it is ${JSON.stringify(text)}.`,
  );
}

/** Devices that history knows of the hosts that are asked for. @throws Fault bad_request, host_unknown, device_unknown */
async function devicesOf(
  hub: HubView,
  { host, client, gpu }: ExportParameters,
  { from }: Pick<Range, "from">,
): Promise<readonly KnownDevice[]> {
  const all = (await hub.history.known()).filter((one) => countsInHistory(hub, one.host));
  const named = [...host, ...client];
  const hosts = new Set(all.map((one) => one.host));
  for (const { name } of hub.live.hosts()) if (counts(hub, name)) hosts.add(name);
  const keys = new Set(named.map((name) => hub.roster.keyOf(name)));
  const stranger = named.find((name) => !hosts.has(hub.roster.keyOf(name)));
  if (stranger !== undefined) {
    throw new Fault("host_unknown", `There is no host "${stranger}": there are ${some([...hosts].sort(byText))}.`);
  }
  const wrong = gpu.find((text) => !/^\d{1,6}$/.test(text));
  if (wrong !== undefined) {
    throw new Fault("bad_request", `The parameter "gpu" must be indices of GPUs: one is ${JSON.stringify(wrong)}.`);
  }
  const indices = new Set(gpu.map(Number));
  const mine = all.filter((one) => keys.size === 0 || keys.has(one.host));
  const strange = [...indices].find((index) => !mine.some((one) => one.level === "gpu" && one.index === index));
  if (strange !== undefined) throw new Fault("device_unknown", `There is no GPU ${strange} on these hosts.`);
  return mine.filter(
    ({ level, index, last }) =>
      last >= from && (indices.size === 0 || (level === "gpu" && index !== undefined && indices.has(index))),
  );
}

interface ExportScope {
  readonly known: readonly KnownDevice[];
  readonly range: Omit<Range, "step">;
  readonly zone: Zone;
}

/** Milliseconds between two samples of the hosts that report most often. */
const paceOf = (hub: HubView, known: readonly KnownDevice[]): number =>
  1000 * Math.max(1, Math.min(60, ...new Set(known.map(({ host }) => intervalOf(hub, host)))));

/** @throws Fault bad_request */
async function logger(
  hub: HubView,
  given: ExportParameters,
  { known, range, zone }: ExportScope,
): Promise<AsyncGenerator<Uint8Array>> {
  const others = { metric: given.metric[0], level: given.level, step: given.step, of: given.of, time: given.time };
  for (const [name, value] of Object.entries(others)) {
    if (value === undefined) continue;
    throw new Fault("bad_request", `The parameter "${name}" is for the forms long and wide: name one with "form".`);
  }
  const { history } = hub;
  const wanted = new Set(known.map(({ host, level, key }) => `${host}\n${level}\n${key}`));
  const cards = (await loggerCards(hub)).filter(({ client, device }) => wanted.has(`${client}\ngpu\n${device.key}`));
  return loggerFile({ history, zone, cards, ...range, intervalMs: paceOf(hub, known) });
}

interface ListingScope extends ExportScope {
  readonly mask: ReturnType<HubView["privacy"]["maskFor"]>;
  readonly isLong: boolean;
}

/** Any metrics: a line for each value, or one for each time and device. @throws Fault bad_request, metric_unknown */
function listing(hub: HubView, given: ExportParameters, scope: ListingScope): AsyncGenerator<Uint8Array> {
  const { known, range, zone, isLong } = scope;
  const { level, step = 0 } = given;
  if (given.of !== undefined && step === 0) {
    throw new Fault("bad_request", 'The parameter "of" is for buckets: give their width with "step".');
  }
  const all = levels.flatMap((one) => (level === undefined || one === level ? kept[one] : []));
  const metrics = given.metric.length === 0 ? all : given.metric.map((name) => metricOf(name, level));
  const devices = known.map((one) => namedOf(hub, one, { metrics, of: given.of, step, mask: scope.mask }));
  devices.sort((a, b) => byText(a.host, b.host) || a.order - b.order || byText(a.key, b.key));
  const timeCell = given.time === "unix" ? String : localTimes(zone);
  const tails = metrics.map(({ name, unit }) => `${name},${Unit[unit].toLowerCase()},`);
  const { history } = hub;
  return (async function* () {
    const titles = isLong ? ["metric", "unit", "value"] : metrics.map(({ name }) => name);
    yield Buffer.from(`time,host,level,key,index,${titles.join(",")}\r\n`);
    yield* sheet({
      ...{ history, devices, ...range, step, grain: 1, intervalMs: paceOf(hub, known), width: metrics.length },
      line({ head, series }, at, values) {
        const start = `${timeCell(at)},${head}`;
        if (!isLong) return `${start}${cells(values)}\r\n`;
        let lines = "";
        for (const { place } of series) {
          const value = values[place] ?? Number.NaN;
          if (!Number.isNaN(value)) lines += `${start}${tails[place]}${value}\r\n`;
        }
        return lines;
      },
    });
  })();
}

function cells(values: Float64Array): string {
  let text = "";
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    text += `${i > 0 ? "," : ""}${Number.isNaN(value) ? "" : value}`;
  }
  return text;
}

interface Wanted {
  readonly metrics: readonly Metric[];
  readonly of: Aggregate | undefined;
  readonly step: number;
  readonly mask: ListingScope["mask"];
}

function namedOf(
  { live }: HubView,
  { host, level, key, index, last, metrics: own }: KnownDevice,
  { metrics, of, step, mask }: Wanted,
): NamedDevice & { readonly order: number } {
  const waiting = live.host(host)?.profile?.waiting === true;
  const shown = level === "disk" && mask !== undefined ? mask.path(key, waiting) : key;
  const series = metrics.flatMap((metric, place) => {
    if (metric.level !== level || !own.includes(metric.name)) return [];
    const usual: Aggregate = metric.kind === Kind.COUNTER && step > 0 ? "last" : "avg";
    return [{ metric: metric.name, of: of ?? usual, place }];
  });
  const head = `${quoted(defused(host))},${level},${quoted(defused(shown))},${index ?? ""},`;
  return { host, level, key, last, series, head, order: 1000 * levels.indexOf(level) + (index ?? 0) };
}

/** "2026-11-27T08:30:00.000+08:00" */
function localTimes(zone: Zone): (at: number) => string {
  let last = { at: Number.NaN, text: "" };
  return (at) => {
    if (at === last.at) return last.text;
    const offset = zone.offset(at);
    const minutes = Math.abs(offset) / 60_000;
    const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
    const sign = offset < 0 ? "-" : "+";
    const local = new Date(at + offset).toISOString().slice(0, 23);
    last = { at, text: `${local}${sign}${two(minutes / 60)}:${two(minutes % 60)}` };
    return last.text;
  };
}
