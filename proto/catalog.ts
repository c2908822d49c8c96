import { type DescField, type DescMessage, getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import { type Level, levels, listOf } from "./device.ts";
import { HostInfoSchema } from "./gen/host_pb.js";
import { type Kind, metric as option, type Unit } from "./gen/metric_pb.js";

/** A metric, as declared by its field in host.proto. */
export interface Metric {
  /** Name of the metric: series, CSV column, `type` of History.GetHistory. */
  readonly name: string;
  readonly level: Level;
  readonly unit: Unit;
  readonly kind: Kind;
  readonly help: string;
  /** True if the history stores the metric. */
  readonly keep: boolean;
  /** Prometheus name without prefix; empty if it has none. */
  readonly prometheus: string;
  /** Factor from the wire value to the unit of the Prometheus name. */
  readonly factor: number;
  /** Name of the series in the first GOHM, or "". */
  readonly legacy: string;
  /** True if the wire field is a float or double, not an integer. */
  readonly fraction: boolean;
  /** Factor of History.GetHistory, which returns integers: the rounded product. Fractions keep two decimals that way. */
  readonly scale: number;
  /** Path of fields from the message of the level to the scalar. */
  readonly path: readonly DescField[];
  /** Path of the field with the same reading in more digits, which some senders fill beside `path`; undefined without one. */
  readonly exact: readonly DescField[] | undefined;
}

/** Level of devices by the field of HostInfo that lists them. */
const levelOf = new Map<string, Level>(
  levels.flatMap((level): [string, Level][] => (level === "host" ? [] : [[listOf[level], level]])),
);

/** A metric, or the field that refines one. */
type Declared = Metric & { readonly refines: string };

function* walk(message: DescMessage, level: Level, path: readonly DescField[]): Generator<Declared> {
  for (const field of message.fields) {
    const here = [...path, field];
    if (field.fieldKind === "message") yield* walk(field.message, level, here);
    else if (field.fieldKind === "list" && field.listKind === "message" && path.length === 0) {
      const inner = levelOf.get(field.localName);
      if (inner !== undefined) yield* walk(field.message, inner, []);
    } else if (field.fieldKind === "scalar" && hasOption(field, option)) {
      const { name, unit, kind, help, keep, prometheus, factor, legacy, refines } = getOption(field, option);
      const fraction = field.scalar === ScalarType.DOUBLE || field.scalar === ScalarType.FLOAT;
      const scale = fraction ? 100 : 1;
      yield {
        name,
        level,
        unit,
        kind,
        help,
        keep,
        prometheus,
        factor: factor || 1,
        legacy,
        fraction,
        scale,
        path: here,
        exact: undefined,
        refines,
      };
    }
  }
}

/** All metrics, in the order of their declarations in host.proto. */
export const catalog: readonly Metric[] = metrics([...walk(HostInfoSchema, "host", [])]);

function metrics(declared: readonly Declared[]): Metric[] {
  const exact = new Map(declared.flatMap(({ refines, path }) => (refines === "" ? [] : [[refines, path] as const])));
  return declared.flatMap(({ refines, ...metric }) =>
    refines === "" ? [{ ...metric, exact: exact.get(metric.name) }] : [],
  );
}

/**
 * Reads the value of a metric from the message of its level, with all its digits. An absent value is undefined, never 0.
 * 64-bit integers beyond 2^53 lose their last digits.
 */
export function value({ path, exact }: Metric, message: object): number | undefined {
  return (exact && read(exact, message)) ?? read(path, message);
}

function read(path: readonly DescField[], message: object): number | undefined {
  let at: unknown = message;
  for (const field of path) {
    if (at === undefined) return undefined;
    at = (at as Record<string, unknown>)[field.localName];
  }
  return at === undefined ? undefined : Number(at);
}
