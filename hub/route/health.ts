import * as v from "valibot";
import { partNames } from "../health.ts";
import { choice, required } from "./parameter.ts";
import type { Route, Routes } from "./route.ts";

const status = v.picklist(["ok", "failed"]);

const checked = v.pipe(
  v.object({
    status: v.pipe(status, v.description("`failed` if one of the parts failed.")),
    parts: v.array(v.object({ name: v.picklist(partNames), status })),
  }),
  v.title("HealthCheck"),
  v.examples([{ status: "ok", parts: [{ name: "history", status: "ok" }] }]),
);

const simple = v.pipe(v.object({ status: v.literal("ok") }), v.title("Alive"), v.examples([{ status: "ok" }]));

const failed = {
  503: "A part does not work. The answer says which; why, the page says to those who may read, and the hub's log.",
};
const starting = { 503: "The hub is starting (`busy`)." };
const words =
  "Text, or JSON for a client that prefers it. Nobody needs a right, and no name of a host or person is in it.";

/** A probe that answers as soon as the hub does. */
const probe = {
  method: "GET",
  needs: "open",
  tag: "hub",
  plain: "served",
  answer: { "text/plain": "text", "application/json": simple },
  refuses: [],
} as const satisfies Partial<Route>;

/** Whether the hub works, for those that start, watch and balance it. */
export const healthRoutes = {
  livez: {
    ...probe,
    path: "/livez",
    summary: "True if the program runs, for a liveness probe",
    description: `Answers while the hub starts, too. ${words}`,
  },
  readyz: {
    ...probe,
    path: "/readyz",
    summary: "True if the hub has started, for a readiness probe",
    description: `A failing part, as of \`GET /healthz\`, is no reason to take the page away from people: live values go on. ${words}`,
    others: starting,
  },
  healthz: {
    method: "GET",
    path: "/healthz",
    needs: "open",
    tag: "hub",
    plain: "served",
    summary: "State of each part of the hub, for monitoring",
    description: `\`history\`: samples are written; \`administration\`: accounts and hosts can be read and written; \`clock\`: the machine's time is plausible; \`settings\`: the file is valid; \`certificate\`: that of the hub can be used and does not end soon; \`export\`, \`reports\`: daily files are written. A host that does not answer is no failure of the hub. ${words}`,
    answer: { "text/plain": "text", "application/json": checked },
    others: failed,
    refuses: [],
  },
  healthzPart: {
    method: "GET",
    path: "/healthz/{part}",
    needs: "open",
    tag: "hub",
    plain: "served",
    summary: "State of one part of the hub",
    description: words,
    params: {
      part: required("name a part", choice(partNames, { help: "Part, as of `GET /healthz`.", example: "history" })),
    },
    answer: { "text/plain": "text", "application/json": checked },
    others: failed,
    refuses: ["bad_request"],
  },
  prometheusHealthy: {
    ...probe,
    path: "/-/healthy",
    summary: "The same as GET /livez, where programs of Prometheus have it",
    description: words,
  },
  prometheusReady: {
    ...probe,
    path: "/-/ready",
    summary: "The same as GET /readyz, where programs of Prometheus have it",
    description: words,
    others: starting,
  },
} as const satisfies Routes;
