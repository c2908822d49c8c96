import * as v from "valibot";

// Fields of the answers of /api/v1. One that is unknown is null, never 0.

type Described<S extends v.GenericSchema> = v.SchemaWithPipe<
  readonly [S, v.DescriptionAction<v.InferOutput<S>, string>]
>;

const of = <S extends v.GenericSchema>(schema: S, help: string): Described<S> =>
  v.pipe(schema, v.description(help)) as unknown as Described<S>;

export const text = (help: string) => of(v.nullable(v.string()), help);
export const name = (help: string) => of(v.string(), help);
export const texts = (help: string) => of(v.array(v.string()), help);
export const number = (help: string) => of(v.nullable(v.number()), help);
export const bytes = (help: string) => of(v.nullable(v.pipe(v.number(), v.integer())), help);
export const count = (help: string) => of(v.pipe(v.number(), v.integer(), v.minValue(0)), help);
export const yes = (help: string) => of(v.boolean(), help);
export const time = (help: string) =>
  of(v.nullable(v.pipe(v.string(), v.metadata({ format: "date-time" }))), `${help} ISO 8601, UTC.`);

/** Latest values of the metrics of a device, by their names, as /api/v1/history has them. */
export const metrics = of(
  v.record(v.string(), v.number()),
  "Every metric (docs/metrics.md) that was measured, by its name and in its wire unit, as `/api/v1/history` has it.",
);

/** Fields of an answer with a page of a list. */
export const page = {
  total: count("Number of all that match, on this page or not."),
  next: text("Value of `cursor` for the next page; null on the last one."),
};
