import * as v from "valibot";
import type { Routes } from "./route.ts";

/** A reading: a number, or a text with one. Null, or absent, is not known. */
const reading = (text: string) =>
  v.pipe(v.optional(v.nullable(v.union([v.number(), v.string()]))), v.description(text));

const example = {
  timestamp: "2026-11-28 08:30:05",
  gpu_id: 0,
  gpu_name: "NVIDIA A100-SXM4-80GB",
  utilization_gpu: 71.25,
  utilization_memory: 43,
  memory_total: 81920,
  memory_used: 70123,
  memory_free: 11796,
  temperature: 61,
  power_draw: 388.12,
  power_limit: 400,
  fan_speed: 0,
  client_name: "gpu7",
};

/** As clients of the NVIDIA GPU Metrics Logger send it; unknown keys are ignored. */
const record = v.pipe(
  v.looseObject({
    timestamp: v.pipe(v.string(), v.description('"2026-11-28 08:30:05", in the hub\'s time zone (`hub.timezone`)')),
    gpu_id: v.pipe(v.union([v.number(), v.string()]), v.description("Index of the GPU.")),
    gpu_name: v.optional(v.nullable(v.string())),
    utilization_gpu: reading("%"),
    utilization_memory: reading("%"),
    memory_total: reading("MiB, rounded down"),
    memory_used: reading("MiB, rounded down"),
    memory_free: reading("MiB, rounded down"),
    temperature: reading("°C"),
    power_draw: reading("W"),
    power_limit: reading("W"),
    fan_speed: reading("%"),
    client_name: v.pipe(v.string(), v.description("Name of the host.")),
  }),
  v.title("LoggerRecord"),
  v.examples([example]),
);

const records = v.pipe(v.union([record, v.array(record)]), v.title("LoggerRecords"), v.examples([[example]]));

/** As the logger's server answers, with the keys that later clients read beside. */
const answer = v.pipe(
  v.object({
    success: v.literal(true),
    message: v.string(),
    received_count: v.optional(v.number()),
    failed_count: v.optional(v.number()),
    timestamp: v.pipe(v.string(), v.description("Of the record; to an array, the hub's time.")),
    code: v.literal(200),
    data: v.object({ received_count: v.number(), failed_count: v.number() }),
  }),
  v.title("LoggerReceived"),
  v.examples([
    {
      success: true,
      message: "Batch data received: 8 successful, 0 failed",
      received_count: 8,
      failed_count: 0,
      timestamp: "2026-11-28 08:30:06",
      code: 200,
      data: { received_count: 8, failed_count: 0 },
    },
  ]),
);

/** Paths to which clients of the logger send records. */
export const receivePaths = ["/api/receive-data", "/api/gpu/receive-data", "/api/gpu/receive-data-batch"] as const;

const common = {
  method: "POST",
  needs: "open",
  tag: "logger",
  faults: "logger",
  cors: true,
  enrolls: true,
  plain: "served",
  takes: { "application/json": records },
  answer: { "application/json": answer },
  refuses: [
    "validation_error",
    "sign_in_needed",
    "sender_refused",
    "secret_refused",
    "approval_needed",
    "node_registered",
    "too_many_nodes",
    "media_type_refused",
    "body_too_large",
    "request_too_slow",
    "busy",
    "history_unwritable",
    "book_unusable",
  ],
} as const;

export const loggerReceiveRoutes = {
  receiveData: {
    ...common,
    path: receivePaths[0],
    summary: "Takes records of a client of the NVIDIA GPU Metrics Logger",
    description:
      "One record, or an array of any number up to `push.body`, which is read while it arrives. A client is a host of the name `client_name`. Of an array, good records are taken and bad ones counted; one record that is bad is 422. A record that comes again counts once. Who may send: `push.logger`.",
  },
  receiveGpuData: {
    ...common,
    path: receivePaths[1],
    summary: "The same as POST /api/receive-data, at the path of the server's documents",
  },
  receiveGpuBatch: {
    ...common,
    path: receivePaths[2],
    summary: "The same as POST /api/receive-data, at the documents' path for arrays",
  },
} as const satisfies Routes;
