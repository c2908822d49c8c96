import * as v from "valibot";
import { levels } from "../../proto/device.ts";
import type { Aggregate } from "../history/store.ts";
import { choice, duration, flag, key, list, repeated, text } from "./parameter.ts";
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
    timezone: v.pipe(
      v.string(),
      v.description("IANA name of the time zone in which the times of the rows were read (`hub.timezone`)."),
    ),
    errors: v.pipe(
      v.array(v.object({ line: whole, message: v.string() })),
      v.description("Why rows failed: the first 20 of them, with the numbers of their lines."),
    ),
    notes: v.optional(
      v.pipe(
        v.array(v.string()),
        v.description(
          "What may not be meant, in sentences: a `client` that was no host before, or that no row needs. Absent if there is nothing.",
        ),
      ),
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
      timezone: "Asia/Shanghai",
      errors: [{ line: 138_242, message: "the line stops half-way" }],
    },
  ]),
);

/** Forms of an export. */
export const exportForms = ["logger", "long", "wide"] as const;

const aggregates = ["avg", "min", "max", "last", "p95", "count"] as const satisfies readonly Aggregate[];

const when =
  "a local date (2026-11-27), a local time (2026-11-27 08:30:00), one with an offset (2026-11-27T08:30:00+08:00), or Unix milliseconds";

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
        help: "Name of the host of all rows that have no `client_name`, or its shown name.",
        example: "gpu-server-1",
      }),
      run: key({
        help: "Made up by a client that sends several files: they have one entry in the audit log, once the last one has come, or none for a minute, or one was cut off. Default: an entry for each file.",
        example: "2f1c9a60",
      }),
      last: flag({ help: "True with the last file of a `run`.", example: "true" }),
    },
    takes: { "text/csv": "bytes" },
    limit: importLimit,
    answer: { "application/json": imported },
    refuses: ["bad_request", "media_type_refused", "body_too_large", "busy", "history_unwritable"],
  },
  export: {
    method: "GET",
    path: "/api/v1/export",
    needs: "read",
    tag: "transfer",
    summary: "History as a CSV file",
    description:
      "The form `logger` is the file of the NVIDIA GPU Metrics Logger (gpu_metrics_YYYYMMDD.csv), byte for byte: a row for each sample of a card. `long` has a row for each value, with the columns time, host, level, key, index, metric, unit and value; `wide` a row for each time and device, with the columns time, host, level, key, index and one for each metric. Rows are ordered by time, then host, then index; times, ranges and rows of any number: the answer is made while it is read. Unknown values are empty cells. Where samples are not kept any more, rows are those of the summaries (docs/logger.md). Hosts that wait for approval are left out.",
    params: {
      form: choice(exportForms, { help: "Form of the file. Default: `logger`.", example: "wide" }),
      host: repeated({
        help: "Name of a host, or its shown name; may be repeated. Default: all hosts.",
        example: "gpu-server-1",
      }),
      client: repeated({ help: "The same as `host`.", example: "gpu-server-1" }),
      gpu: list({ help: "Indices of GPUs, with commas between. Default: all.", example: "0,1" }),
      from: text({ help: `Start: ${when}. Default: the start of the day of the end.`, example: "2026-11-27" }),
      to: text({
        help: `End: ${when}. A date is included, a time is not. Default: now.`,
        example: "2026-11-27",
      }),
      metric: list({
        help: "Metrics (docs/metrics.md), with commas between, of the forms `long` and `wide`. Default: all.",
        example: "gpu_utilization,gpu_power",
      }),
      level: choice(levels, { help: "Only this kind of device, of the forms `long` and `wide`.", example: "gpu" }),
      step: duration({
        help: "Width of a bucket in milliseconds, or with a unit: s, m, h, d or w; of the forms `long` and `wide`. Default: 0, every sample.",
        example: "6h",
      }),
      of: choice(aggregates, {
        help: "What of a bucket is given. Default: the mean, and of a counter the newest value.",
        example: "max",
      }),
      time: choice(["local", "unix"], {
        help: "Times of the forms `long` and `wide`: local with the offset from UTC (2026-11-27T08:30:00.000+08:00), or Unix milliseconds. Default: `local`.",
        example: "unix",
      }),
    },
    answer: { "text/csv": "text" },
    refuses: ["bad_request", "host_unknown", "device_unknown", "metric_unknown", "busy"],
  },
} as const satisfies Routes;
