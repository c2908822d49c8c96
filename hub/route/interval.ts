import * as v from "valibot";
import { milliseconds, required, text } from "./parameter.ts";
import type { Routes } from "./route.ts";

const intervals = v.pipe(
  v.object({
    host: v.pipe(v.string(), v.description("Name of the host; it never changes.")),
    gpus: v.pipe(
      v.array(
        v.object({
          index: v.pipe(v.number(), v.integer(), v.minValue(0)),
          t: v.pipe(
            v.array(v.pipe(v.number(), v.integer())),
            v.description("Ends of the intervals, in Unix seconds, ascending; those without samples are left out."),
          ),
          gpu_percent: v.pipe(v.array(v.number()), v.description("Mean GPU utilization of each interval.")),
          vram_percent: v.pipe(v.array(v.number()), v.description("Mean memory in use, of the memory of the GPU.")),
        }),
      ),
      v.description("By index."),
    ),
    issues: v.pipe(v.array(v.string()), v.description("What is wrong with the data, as sentences.")),
  }),
  v.title("Intervals"),
  v.examples([
    {
      host: "gpu1",
      gpus: [{ index: 0, t: [1_800_000_600], gpu_percent: [91.25], vram_percent: [45.6] }],
      issues: [],
    },
  ]),
);

/** Rows of daily reports. */
export const intervalRoutes = {
  intervals: {
    method: "GET",
    path: "/api/history/intervals",
    needs: "read",
    tag: "history",
    summary: "Ten-minute means of the GPUs of one host",
    description:
      "What a daily report has of a host of this hub: GPU utilization and memory of each GPU in intervals of ten minutes. `gohm report` asks it for nodes that are read from history. A range has a day at most, of 25 hours where clocks are set.",
    params: {
      host: required("name a host", text({ help: "Name of a host, or its shown name.", example: "gpu1" })),
      from: required(
        "be the start of the range",
        milliseconds({
          help: "Start of the range in Unix milliseconds, at a quarter of an hour.",
          example: "1800000000000",
        }),
      ),
      to: required(
        "be the end of the range",
        milliseconds({ help: "End of the range in Unix milliseconds.", example: "1800003600000" }),
      ),
    },
    answer: { "application/json": intervals },
    refuses: ["bad_request", "host_unknown"],
  },
} as const satisfies Routes;
