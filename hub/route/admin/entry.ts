import * as v from "valibot";

const time = v.pipe(v.number(), v.integer());
const whole = v.pipe(v.number(), v.integer(), v.minValue(0));

export const exampleEntry = {
  id: 41,
  time: 1_800_000_000_000,
  actor: "administrator alice",
  origin: "10.0.0.7",
  action: "account.create",
  target: "bob",
  details: { role: "viewer" },
  result: "done",
} as const;

export const entry = v.pipe(
  v.object({
    id: whole,
    time,
    actor: v.string(),
    origin: v.string(),
    action: v.string(),
    target: v.string(),
    details: v.record(v.string(), v.nullable(v.union([v.string(), v.number(), v.boolean()]))),
    result: v.picklist(["done", "refused"]),
  }),
  v.title("AuditEntry"),
  v.examples([exampleEntry]),
);
