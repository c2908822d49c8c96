import { catalog } from "./catalog.ts";
import type { Unit } from "./gen/metric_pb.js";

/**
 * Unit of every metric that history keeps, by its name. The descriptors of the page have no field options: its build
 * replaces this file by the table that it makes (`scripts/build.ts`).
 */
export const unitByMetric: ReadonlyMap<string, Unit> = new Map(
  catalog.filter(({ keep }) => keep).map(({ name, unit }) => [name, unit]),
);
