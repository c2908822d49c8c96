// A strict parser of Prometheus text 0.0.4 and OpenMetrics 1.0: everything that the formats do not allow is an error.
import type { Format } from "../proto/text.ts";

export interface ReadSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ReadFamily {
  readonly name: string;
  help?: string;
  type?: string;
  unit?: string;
  readonly samples: ReadSample[];
}

const types: Readonly<Record<Format, readonly string[]>> = {
  text: ["counter", "gauge", "histogram", "untyped"],
  openmetrics: ["counter", "gauge", "histogram", "unknown"],
};
const number = /^[+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|Inf)$|^NaN$/;

function unescaped(text: string, quotes: boolean): string {
  return text.replace(/\\(.?)/gs, (all, next: string) => {
    if (next === "\\") return "\\";
    if (next === "n") return "\n";
    if (next === '"' && quotes) return '"';
    throw new Error(`escape ${JSON.stringify(all)} in ${JSON.stringify(text)}`);
  });
}

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  let at = 0;
  while (at < text.length) {
    const pair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(,(?=[a-zA-Z_])|$)/y;
    pair.lastIndex = at;
    const match = pair.exec(text);
    if (match === null) throw new Error(`labels ${JSON.stringify(text)} at ${at}`);
    const [whole, name = "", value = ""] = match;
    if (name in labels) throw new Error(`label ${name} twice`);
    labels[name] = unescaped(value, true);
    at += whole.length;
  }
  return labels;
}

function readSample(line: string): ReadSample {
  // Up to the last space: label values may contain spaces.
  const [, name, inner, value] = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/su.exec(line) ?? [];
  if (name === undefined || value === undefined || !number.test(value)) throw new Error(`line ${JSON.stringify(line)}`);
  return { name, labels: readLabels(inner ?? ""), value: Number(value.replace("Inf", "Infinity")) };
}

/** Parses metric families in order. @throws Error that quotes the first invalid line */
export function readExposition(text: string, format: Format): ReadFamily[] {
  const lines = text.split("\n");
  if (lines.pop() !== "") throw new Error("the last line does not end with a newline");
  if (format === "openmetrics" && lines.pop() !== "# EOF") throw new Error("no # EOF at the end");
  const families = new Map<string, ReadFamily>();
  let current: ReadFamily | undefined;
  for (const line of lines) {
    const [, what, name = "", rest = ""] = /^# (HELP|TYPE|UNIT) (\S+) (.*)$/s.exec(line) ?? [];
    if (what === undefined) {
      if (line.startsWith("#") || current === undefined) throw new Error(`line ${JSON.stringify(line)}`);
      take(current, readSample(line), format);
      continue;
    }
    if (current?.name !== name) {
      if (families.has(name)) throw new Error(`family ${name} occurs twice`);
      current = { name, samples: [] };
      families.set(name, current);
    }
    describe(current, { what, rest }, format);
  }
  for (const { name, samples, type, help } of families.values()) {
    if (samples.length === 0 || type === undefined || help === undefined)
      throw new Error(`family ${name} is incomplete`);
  }
  return [...families.values()];
}

function describe(family: ReadFamily, { what, rest }: { what: string; rest: string }, format: Format): void {
  if (family.samples.length > 0) throw new Error(`${what} of ${family.name} after its samples`);
  const key = what.toLowerCase() as "help" | "type" | "unit";
  if (family[key] !== undefined) throw new Error(`second ${what} of ${family.name}`);
  if (key === "type" && !types[format].includes(rest)) throw new Error(`type ${rest} of ${family.name}`);
  if (key === "unit" && (format === "text" || !family.name.endsWith(`_${rest}`))) {
    throw new Error(`unit ${rest} of ${family.name}`);
  }
  family[key] = key === "help" ? unescaped(rest, format === "openmetrics") : rest;
}

/** Series of each family that were read. */
const series = new WeakMap<ReadFamily, Set<string>>();

function take(family: ReadFamily, sample: ReadSample, format: Format): void {
  const total = format === "openmetrics" && family.type === "counter" ? "_total" : "";
  const suffixes = family.type === "histogram" ? ["_bucket", "_count", "_sum"] : [total];
  if (!suffixes.some((suffix) => sample.name === family.name + suffix))
    throw new Error(`sample ${sample.name} in family ${family.name}`);
  const key = `${sample.name} with ${JSON.stringify(Object.entries(sample.labels).sort())}`;
  const seen = series.get(family) ?? new Set<string>();
  series.set(family, seen);
  if (seen.has(key)) throw new Error(`twice ${key}`);
  seen.add(key);
  family.samples.push(sample);
}
