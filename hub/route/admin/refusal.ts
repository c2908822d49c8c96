import * as v from "valibot";
import { refusalReasons } from "../../refusal.ts";

const time = v.pipe(v.number(), v.integer());

export const exampleRefusal = {
  address: "10.0.0.7",
  host: "gpu7",
  called: null,
  first: 1_800_000_000_000,
  last: 1_800_003_600_000,
  counts: [{ reason: "secret" as const, code: "secret_refused", count: 12 }],
};

/** An address that was refused, as administrators see it. */
export const refusal = v.pipe(
  v.object({
    address: v.pipe(v.string(), v.description("Address of its last refusal; those of one IPv6 /64 count as one.")),
    host: v.pipe(v.nullable(v.string()), v.description("Host name that it claimed last, if one was read.")),
    called: v.pipe(
      v.nullable(v.string()),
      v.description("Host name in its requests, if the hub does not answer to it."),
    ),
    first: time,
    last: time,
    counts: v.pipe(
      v.array(
        v.object({
          reason: v.pipe(
            v.picklist(refusalReasons),
            v.description(
              "What a person can do something about: `token` is not valid, `secret` is wrong or missing, host name is `taken`, hub is `full`, too high a `rate`, `format` that the hub does not accept, `name` that is not the hub's, too `slow`, or a `crowd` of connections.",
            ),
          ),
          code: v.pipe(v.string(), v.description("Code of the fault (docs/faults.md), or `connection_closed`.")),
          count: v.pipe(v.number(), v.integer()),
        }),
      ),
      v.description("The commonest first."),
    ),
  }),
  v.title("Refusal"),
  v.examples([exampleRefusal]),
);
