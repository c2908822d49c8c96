import { catalog, type Metric } from "../../../proto/catalog.ts";
import type { Level } from "../../../proto/device.ts";
import { Fault } from "../../fault.ts";
import { kept, type Range } from "../../history/store.ts";

/**
 * The range of a request.
 * @param now end of the range where the request names none
 * @param before length of the range in milliseconds where the request names no start
 * @throws Fault bad_request
 */
export function rangeOf(
  given: { readonly from: number | undefined; readonly to: number | undefined },
  now: number,
  before: number,
): Omit<Range, "step"> {
  const to = given.to ?? now;
  const from = given.from ?? Math.max(0, to - before);
  if (from < to) return { from, to };
  throw new Fault("bad_request", `"from" must be before "to": they are ${from} and ${to}.`);
}

/** Metrics by name. Names are unique over all levels. */
const byName = new Map(catalog.filter((metric) => metric.keep).map((metric) => [metric.name, metric]));

/** @throws Fault metric_unknown */
export function metricOf(name: string, level?: Level): Metric {
  const metric = byName.get(name);
  if (metric !== undefined && (level === undefined || metric.level === level)) return metric;
  const allowed = (level === undefined ? [...byName.keys()] : kept[level].map((one) => one.name)).join(", ");
  const where = level === undefined ? "" : ` of level ${level}`;
  throw new Fault("metric_unknown", `There is no metric "${name}"${where}: there are ${allowed}.`);
}
