import * as v from "valibot";
import type { Routes } from "./route.ts";

/** As the Lab Portal's routes answer; its exporters expect these keys and no others. */
const registered = v.pipe(
  v.object({ status: v.literal("registered"), token: v.string(), nodeId: v.number(), message: v.string() }),
  v.title("Registered"),
  v.examples([
    {
      status: "registered",
      token: "pJm0Zb2uT3qk5WvG7xNcA1sD4fHjL6yRzE8oUiQwXtB",
      nodeId: 7,
      message: "gpu7 is registered and waits for approval",
    },
  ]),
);

const config = v.pipe(
  v.object({
    gpuIndices: v.optional(v.nullable(v.array(v.number()))),
    diskMounts: v.optional(v.nullable(v.array(v.string()))),
    nicNames: v.optional(v.nullable(v.array(v.string()))),
    reportIntervalSec: v.optional(v.number()),
  }),
  v.title("NodeConfig"),
  v.examples([{ gpuIndices: [0, 1], diskMounts: ["/"], nicNames: null, reportIntervalSec: 5 }]),
);

const taken = v.pipe(
  v.object({ ok: v.literal(true), configVersion: v.number() }),
  v.title("Taken"),
  v.examples([{ ok: true, configVersion: 3 }]),
);

/** What a machine says of itself; unknown keys are ignored. */
const hostname = v.pipe(v.string(), v.description("1 to 64 letters, digits, spaces and . _ - ( )"));
const devices = v.array(v.looseObject({}));

const registration = v.pipe(
  v.looseObject({
    hostname,
    capabilities: v.looseObject({}),
    secret: v.optional(v.string()),
  }),
  v.title("Registration"),
  v.examples([
    {
      hostname: "gpu7",
      capabilities: {
        cpuCores: 64,
        memoryTotalGB: 503.6,
        gpus: [{ index: 0, name: "NVIDIA A100-SXM4-80GB", memoryTotalMB: 81920 }],
        disks: [{ mount: "/", totalGB: 1800.5 }],
        nics: [{ name: "eth0", ipv4: "10.0.0.7" }],
      },
    },
  ]),
);

const known = v.optional(v.nullable(v.number()));
const report = v.pipe(
  v.looseObject({
    hostname: v.string(),
    ip: v.optional(v.string()),
    cpuUsagePct: known,
    cpuCores: known,
    memoryUsedGB: known,
    memoryTotalGB: known,
    gpus: v.optional(devices),
    disks: v.optional(devices),
    nics: v.optional(devices),
    networkRxMbps: known,
    networkTxMbps: known,
    uptimeSeconds: known,
    processCount: known,
    loadAvg: v.optional(v.nullable(v.array(v.nullable(v.number())))),
  }),
  v.title("Report"),
  v.examples([
    {
      hostname: "gpu7",
      ip: "10.0.0.7",
      cpuUsagePct: 12.5,
      cpuCores: 64,
      memoryUsedGB: 100.5,
      memoryTotalGB: 503.6,
      gpus: [
        {
          index: 0,
          name: "NVIDIA A100-SXM4-80GB",
          utilizationPct: 97,
          memoryUsedMB: 70123,
          memoryTotalMB: 81920,
          temperatureC: 61,
          powerDrawW: 388,
          powerLimitW: 400,
        },
      ],
      disks: [{ mount: "/", totalGB: 1800.5, usedGB: 900.1 }],
      nics: [{ name: "eth0", ipv4: "10.0.0.7", rxMbps: 1.6, txMbps: 0.2 }],
      networkRxMbps: 1.6,
      networkTxMbps: 0.2,
      uptimeSeconds: 86400,
      processCount: 512,
      loadAvg: [0.5, 1, 2],
    },
  ]),
);

const common = { tag: "push", faults: "portal", plain: "served" } as const;

/** Start of the paths below which machines report by themselves. */
export const pushPath = "/api/monitoring/";

/** Most bytes of a registration and of a report, whether JSON or a whole sample. */
export const registrationLimit = 262_144;
export const reportLimit = 1_048_576;

export const pushRoutes = {
  register: {
    ...common,
    method: "POST",
    path: "/api/monitoring/register",
    needs: "open",
    summary: "Registers a machine that reports by itself",
    description:
      "The body is JSON with `hostname`, `capabilities` and perhaps `secret`, as the Lab Exporter sends it, or `hmonitor --server`; `secret` is the hub's registration secret or an enrolment token. The answer contains the machine's token, which is shown once. 409 if the host name is registered.",
    takes: { "application/json": registration },
    limit: registrationLimit,
    answer: { "application/json": registered },
    refuses: [
      "bad_request",
      "secret_refused",
      "node_registered",
      "too_many_nodes",
      "too_many_attempts",
      "media_type_refused",
      "body_too_large",
      "busy",
      "book_unusable",
    ],
  },
  nodeConfig: {
    ...common,
    method: "GET",
    path: "/api/monitoring/config",
    needs: "node",
    summary: "What the machine of this token is to report",
    description:
      "As an administrator has saved it, `{}` before that; null or absent is everything. The header `Accept-Post` says that reports may be whole samples.",
    answer: { "application/json": config },
    refuses: ["bad_request", "book_unusable"],
  },
  report: {
    ...common,
    method: "POST",
    path: "/api/monitoring/report",
    needs: "node",
    summary: "Takes a report of the machine of this token",
    description:
      "JSON as the Lab Exporter sends it, or a `gpu.HostInfo` (application/x-protobuf), which enters history at its own time, also if it comes late. `configVersion` is 0 until the configuration is saved for the first time, and one more each time. With an API token of scope `push`, the report is that of the registered machine that its host name names.",
    takes: { "application/json": report, "application/x-protobuf": "bytes" },
    limit: reportLimit,
    answer: { "application/json": taken },
    refuses: [
      "bad_request",
      "media_type_refused",
      "body_too_large",
      "busy",
      "sample_bad",
      "history_unwritable",
      "book_unusable",
    ],
  },
} as const satisfies Routes;
