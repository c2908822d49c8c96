import type { LiveView } from "./live.ts";

/** Parts of the hub, with the topics of the messages that say that one does not work. */
const parts = {
  history: ["history"],
  administration: ["book"],
  clock: ["clock"],
  settings: ["settings"],
  certificate: ["certificate", "certificate file"],
  export: ["export"],
  reports: ["report", "report-folder"],
} as const;

export type PartName = keyof typeof parts;
export const partNames = Object.keys(parts) as readonly PartName[];

/** True if a part of the hub works. Hosts that do not answer are no failure of it. */
export const isHealthy = (live: Pick<LiveView, "warns">, name: PartName): boolean =>
  !parts[name].some((topic) => live.warns(topic));
