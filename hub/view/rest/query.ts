import type { Context } from "hono";
import { catalog, type Metric } from "../../../proto/catalog.ts";
import { type Level, levels } from "../../../proto/device.ts";
import { Fault } from "../../fault.ts";
import { type Aggregate, kept } from "../../history/store.ts";

/** The latest time a Date can hold, Unix milliseconds. */
const latest = 8.64e15;
const aggregates: readonly Aggregate[] = ["avg", "min", "max", "last", "p95", "count"];

/** Parameters of a request; every method throws Fault bad_request that names the parameter, its value and what was wanted. */
export class Query {
  /** Looked through once: of the request itself, every parameter that is asked for is a search through all of its text. */
  readonly #given: Readonly<Record<string, readonly string[]>>;

  constructor(c: Context) {
    this.#given = c.req.queries();
  }

  /** Undefined when it is missing or empty. */
  text(name: string): string | undefined {
    const [first, ...more] = new Set(this.all(name));
    if (more.length === 0) return first || undefined;
    throw new Fault("bad_request", `The parameter "${name}" may have one value: it has ${more.length + 1}.`);
  }

  /** Every value of a parameter that may stand several times. */
  all(name: string): readonly string[] {
    return Object.hasOwn(this.#given, name) ? (this.#given[name] ?? []) : [];
  }

  /** Names with commas between, each once. */
  list(name: string): string[] {
    return [...new Set((this.text(name) ?? "").split(",").filter((one) => one !== ""))];
  }

  /** Whole milliseconds from 0. */
  milliseconds(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (/^[0-9]+$/.test(text) && value <= latest) return value;
    throw new Fault("bad_request", `The parameter "${name}" must be a whole number of milliseconds: it is "${text}".`);
  }

  /** Nanoseconds, as milliseconds rounded up: a sample just before the time asked for is not at or after it. */
  nanoseconds(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (/^[0-9]{1,22}$/.test(text)) return Number((BigInt(text) + 999_999n) / 1_000_000n);
    throw new Fault("bad_request", `The parameter "${name}" must be a whole number of nanoseconds: it is "${text}".`);
  }

  /** A count from 1 to `most`, or `most` when it is missing. */
  count(name: string, most: number): number {
    const text = this.text(name);
    if (text === undefined) return most;
    const value = Number(text);
    if (Number.isInteger(value) && value >= 1) return Math.min(value, most);
    throw new Fault("bad_request", `The parameter "${name}" must be a whole number from 1: it is "${text}".`);
  }

  choice<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const text = this.text(name);
    const found = allowed.find((one) => one === text);
    if (text === undefined || found !== undefined) return found;
    throw new Fault("bad_request", `The parameter "${name}" must be one of ${allowed.join(", ")}: it is "${text}".`);
  }

  level(): Level | undefined {
    return this.choice("level", levels);
  }

  /** What is to be told of each bucket. */
  aggregates(): readonly Aggregate[] {
    const names = this.list("of");
    if (names.length === 0) return ["min", "avg", "max"];
    const found = aggregates.filter((one) => names.includes(one));
    if (found.length === names.length) return found;
    throw new Fault(
      "bad_request",
      `The parameter "of" must be names out of ${aggregates.join(",")}: it is "${this.text("of")}".`,
    );
  }

  /** @param to used where the request names no end */
  range(to: number, before: number): { from: number; to: number } {
    const range = { to: this.milliseconds("to") ?? to, from: this.milliseconds("from") ?? Number.NaN };
    if (Number.isNaN(range.from)) range.from = Math.max(0, range.to - before);
    if (range.from < range.to) return range;
    throw new Fault("bad_request", `"from" must be before "to": they are ${range.from} and ${range.to}.`);
  }
}

/** Names are told apart over all levels: gpu_temperature is a GPU's, whatever the level says. */
const byName = new Map(catalog.filter((metric) => metric.keep).map((metric) => [metric.name, metric]));

/** @throws Fault metric_unknown */
export function metricOf(name: string, level?: Level): Metric {
  const metric = byName.get(name);
  if (metric !== undefined && (level === undefined || metric.level === level)) return metric;
  const allowed = (level === undefined ? [...byName.keys()] : kept[level].map((one) => one.name)).join(", ");
  const where = level === undefined ? "" : ` of level ${level}`;
  throw new Fault("metric_unknown", `There is no metric "${name}"${where}: there are ${allowed}.`);
}
