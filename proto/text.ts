import { type Metric, value } from "./catalog.ts";
import { Kind } from "./gen/metric_pb.js";

/** Prometheus text 0.0.4, or OpenMetrics 1.0. */
export type Format = "text" | "openmetrics";

export const contentType: Readonly<Record<Format, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

export interface Sample {
  /** End of the sample's name, after that of the family: only histograms have some. */
  readonly suffix?: "_bucket" | "_count" | "_sum";
  /** Labels as written by `labels`: `{node="a"}`, or "" for none. */
  readonly labels: string;
  readonly value: number;
}

/** All samples of one name. */
export interface MetricFamily {
  /** Name of the samples in both formats. */
  readonly name: string;
  readonly help: string;
  readonly kind: Kind | "histogram";
  /** Says its kind in Prometheus text whatever its name: see TextOptions. */
  readonly typed?: true;
  readonly samples: readonly Sample[];
}

export interface TextOptions {
  readonly format: Format;
  /**
   * Says of the names that Prometheus' own rules object to (a counter without _total, a gauge that ends in _count) what
   * they are. Without it they are "untyped", which every scraper takes and `promtool check metrics` does not complain of.
   */
  readonly typed?: boolean;
}

/** Lone halves of a surrogate pair have no UTF-8. */
const lone = /\p{Surrogate}/gu;
const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", '"': '\\"' };

/** Writes a set of labels. Names must be letters, digits and underscores; values may be any text. */
export function labels(pairs: Readonly<Record<string, string>>): string {
  const written = Object.entries(pairs).map(
    ([name, text]) => `${name}="${text.replace(lone, "\ufffd").replace(/[\\\n"]/g, (c) => escapes[c] ?? c)}"`,
  );
  return written.length > 0 ? `{${written.join(",")}}` : "";
}

/** Adds labels to a written set. */
export function withLabels(written: string, pairs: Readonly<Record<string, string>>): string {
  const more = labels(pairs);
  if (written === "" || more === "") return written + more;
  return `${written.slice(0, -1)},${more.slice(1)}`;
}

/** Escapes the help of a family. OpenMetrics escapes quotes too. */
function helpOf(text: string, format: Format): string {
  const unsafe = format === "text" ? /[\\\n]/g : /[\\\n"]/g;
  return text.replace(lone, "\ufffd").replace(unsafe, (c) => escapes[c] ?? c);
}

/** Writes a number in Go's spelling, which both formats use. */
function number(amount: number): string {
  if (amount === Number.POSITIVE_INFINITY) return "+Inf";
  return amount === Number.NEGATIVE_INFINITY ? "-Inf" : String(amount);
}

/** Returns name and type under which the family is declared. */
function declared(
  { name, kind, typed: own }: Omit<MetricFamily, "samples">,
  { format, typed = own }: TextOptions,
): { family: string; type: string } {
  if (kind === "histogram") return { family: name, type: kind };
  const counter = kind === Kind.COUNTER;
  const total = name.endsWith("_total");
  if (format === "openmetrics") {
    // There a counter's samples end in _total and its family does not. An old name without it keeps its name, not its type.
    if (counter && total) return { family: name.slice(0, -"_total".length), type: "counter" };
    return { family: name, type: counter ? "unknown" : "gauge" };
  }
  const odd = counter ? !total : /_(count|sum|bucket|total)$/.test(name);
  return { family: name, type: odd && !typed && !own ? "untyped" : counter ? "counter" : "gauge" };
}

const units = ["bytes", "bytes_per_second", "celsius", "hertz", "joules", "percent", "seconds", "watts"];

/** A distribution: how many observations there were, up to each bound and in all, and their sum. */
export interface Distribution {
  /** Observations that are greater than the bound before and at most this one; the last is of those above every bound. */
  readonly counts: ArrayLike<number>;
  readonly sum: number;
}

/** Upper bound as a label: both formats name the same series, and OpenMetrics wants a fraction. */
const boundOf = (bound: number): string => (Number.isInteger(bound) ? bound.toFixed(1) : String(bound));

/** Samples of a histogram: cumulative buckets, count and sum. @param set labels, as written by `labels` */
export function histogramSamples(set: string, bounds: readonly number[], { counts, sum }: Distribution): Sample[] {
  let count = 0;
  const buckets = [...bounds, Number.POSITIVE_INFINITY].map((bound, i): Sample => {
    count += counts[i] ?? 0;
    const le = bound === Number.POSITIVE_INFINITY ? "+Inf" : boundOf(bound);
    return { suffix: "_bucket", labels: withLabels(set, { le }), value: count };
  });
  return [...buckets, { suffix: "_count", labels: set, value: count }, { suffix: "_sum", labels: set, value: sum }];
}

/**
 * Writes families, each with HELP and TYPE once. Families without samples are left out, and so are values that are NaN
 * (nothing was read) and samples with the labels of another one.
 */
export function exposition(families: readonly MetricFamily[], options: TextOptions): string {
  const lines: string[] = [];
  for (const family of families) {
    const written = sampleLines(family.name, family.samples);
    if (written.length === 0) continue;
    lines.push(...familyHead(family, options));
    for (const line of written) lines.push(line);
  }
  if (options.format === "openmetrics") lines.push(endLine);
  return lines.length > 0 ? `${lines.join("\n")}\n` : "";
}

/** Last line of OpenMetrics. */
export const endLine = "# EOF";

/** Lines of samples of one name, without values that are NaN and samples with the labels of another one. */
export function sampleLines(name: string, samples: readonly Sample[]): string[] {
  const lines: string[] = [];
  // Most metrics of a host have one sample.
  const seen = samples.length > 1 ? new Set<string>() : undefined;
  for (const { suffix = "", labels: set, value: amount } of samples) {
    const series = `${name}${suffix}${set}`;
    if (Number.isNaN(amount) || seen?.has(series)) continue;
    seen?.add(series);
    lines.push(`${series} ${number(amount)}`);
  }
  return lines;
}

/** Lines that declare a family: HELP, TYPE, and UNIT in OpenMetrics. They stand before its samples. */
export function familyHead(family: Omit<MetricFamily, "samples">, options: TextOptions): string[] {
  const { family: name, type } = declared(family, options);
  const unit = options.format === "openmetrics" ? units.find((each) => name.endsWith(`_${each}`)) : undefined;
  return [
    `# HELP ${name} ${helpOf(family.help, options.format)}`,
    `# TYPE ${name} ${type}`,
    ...(unit === undefined ? [] : [`# UNIT ${name} ${unit}`]),
  ];
}

/** Reads a metric in the unit of its Prometheus name. Absent is undefined. */
export function scaled(metric: Metric, message: object): number | undefined {
  const amount = value(metric, message);
  if (amount === undefined) return undefined;
  // 287316 × 0.001 is 287.31600000000003; divided by 1000 it is 287.316.
  return metric.factor < 1 ? amount / Math.round(1 / metric.factor) : amount * metric.factor;
}
