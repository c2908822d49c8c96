import * as v from "valibot";
import { text } from "./parameter.ts";
import type { Routes } from "./route.ts";

/** Most bytes of a file that is imported: 500 million rows. */
export const importLimit = 64 * 2 ** 30;

/** Media types under which programs send CSV. */
export const csvTypes = ["text/csv", "application/csv", "application/vnd.ms-excel", "text/plain"] as const;

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const time = v.pipe(v.number(), v.integer());

const imported = v.pipe(
  v.object({
    rows: v.pipe(whole, v.description("Rows that were read, without headers and empty lines.")),
    stored: v.pipe(whole, v.description("Rows that are in the history now, also if they were there before.")),
    failed: v.pipe(whole, v.description("Rows that could not be stored.")),
    unreadable: v.pipe(
      whole,
      v.description(
        "Cells that should be numbers and are not: their readings are unknown, the rest of their rows is stored.",
      ),
    ),
    half: v.pipe(
      v.boolean(),
      v.description("True if the last line stops half-way. It counts as failed: import the complete file again."),
    ),
    encoding: v.pipe(v.picklist(["ascii", "utf-8", "gb18030"]), v.description("How the text is encoded.")),
    hosts: v.pipe(v.array(v.string()), v.description("Hosts that have rows, by name: 1,000 at most.")),
    from: v.pipe(v.nullable(time), v.description("Time of the earliest row that was stored, in Unix milliseconds.")),
    to: v.pipe(v.nullable(time), v.description("Time of the latest one.")),
    errors: v.pipe(
      v.array(v.object({ line: whole, message: v.string() })),
      v.description("Why rows failed: the first 20 of them, with the numbers of their lines."),
    ),
  }),
  v.title("Imported"),
  v.examples([
    {
      rows: 138_241,
      stored: 138_240,
      failed: 1,
      unreadable: 0,
      half: true,
      encoding: "ascii",
      hosts: ["gpu-server-1"],
      from: 1_800_000_000_000,
      to: 1_800_086_395_000,
      errors: [{ line: 138_242, message: "the line stops half-way" }],
    },
  ]),
);

export const transferRoutes = {
  import: {
    method: "POST",
    path: "/api/v1/import",
    needs: "admin",
    tag: "transfer",
    summary: "Takes a CSV file into the history",
    description:
      "The body is a file of the NVIDIA GPU Metrics Logger (gpu_metrics_YYYYMMDD.csv), which is read while it arrives (docs/logger.md describes it). Rows of a host and a time that the history has replace those, so that a file may be sent again. If the body stops half-way, what was read is stored. Times are local times of `hub.timezone`.",
    params: {
      name: text({ help: "Name of the file, for the audit log.", example: "gpu_metrics_20261127.csv" }),
      client: text({
        help: "Name of the host of all rows that have no `client_name`.",
        example: "gpu-server-1",
      }),
    },
    takes: { "text/csv": "bytes" },
    limit: importLimit,
    answer: { "application/json": imported },
    refuses: ["bad_request", "media_type_refused", "body_too_large", "busy", "history_unwritable"],
  },
} as const satisfies Routes;
