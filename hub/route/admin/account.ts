import * as v from "valibot";
import { roles } from "../../book/book.ts";

const time = v.pipe(v.number(), v.integer());
const whole = v.pipe(v.number(), v.integer(), v.minValue(0));

export const exampleAccount = {
  name: "alice",
  role: "administrator",
  hasPassword: true,
  external: null,
  created: 1_800_000_000_000,
  used: 1_800_003_600_000,
  sessions: 1,
} as const;

export const account = v.pipe(
  v.object({
    name: v.string(),
    role: v.picklist(roles),
    hasPassword: v.boolean(),
    external: v.pipe(
      v.nullable(v.string()),
      v.description(
        "Address of the OpenID Connect provider where the person signs in, which sets name and role; null for an account of the hub's own.",
      ),
    ),
    created: time,
    used: v.nullable(time),
    sessions: whole,
  }),
  v.title("Account"),
  v.examples([exampleAccount]),
);

export const exampleLink = {
  path: "#/link/q8f3nZ0eWmB5rT1xK7cV2yL4uH6jP9sD0aG3fE5iN8o",
  url: "http://10.0.0.2:5000/#/link/q8f3nZ0eWmB5rT1xK7cV2yL4uH6jP9sD0aG3fE5iN8o",
  expires: 1_800_086_400_000,
};
