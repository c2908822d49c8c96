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

const common = { tag: "push", faults: "portal" } as const;

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
