import * as v from "valibot";
import { scopes } from "../../book/book.ts";

const time = v.pipe(v.number(), v.integer());
const whole = v.pipe(v.number(), v.integer(), v.minValue(0));

export const exampleToken = {
  id: 3,
  name: "grafana",
  scope: "read",
  created: 1_800_000_000_000,
  creator: "alice",
  expires: 1_831_536_000_000,
  used: null,
} as const;

export const token = v.pipe(
  v.object({
    id: whole,
    name: v.string(),
    scope: v.picklist(scopes),
    created: time,
    creator: v.string(),
    expires: v.nullable(time),
    used: v.nullable(time),
  }),
  v.title("Token"),
  v.examples([exampleToken]),
);
