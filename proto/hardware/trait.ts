// Modes and traits of a GPU as labels: each of these metrics is 1 where the reading is known.
import { ComputeModeSchema, type Throttle, ThrottleSchema, XidActionSchema } from "../gen/host_pb.js";
import type { ExporterInput } from "../reading.ts";
import { type Sample, withLabels } from "../text.ts";

/** THROTTLE_HW_THERMAL is "hw_thermal". */
const reason = (throttle: Throttle): string =>
  (ThrottleSchema.value[throttle]?.name ?? `THROTTLE_${throttle}`).slice("THROTTLE_".length).toLowerCase();

export const throttles = ({ gpus }: ExporterInput): Sample[] =>
  gpus
    .filter(({ shown }) => shown)
    .flatMap(({ message, labels: set }) =>
      message.throttle.map((each) => ({ labels: withLabels(set, { reason: reason(each) }), value: 1 })),
    );

/** COMPUTE_MODE_EXCLUSIVE_PROCESS is "exclusive_process". */
export const computeModes = ({ gpus }: ExporterInput): Sample[] =>
  gpus.flatMap(({ message: { computeMode }, labels: set, shown }) => {
    const name = computeMode === undefined ? undefined : ComputeModeSchema.value[computeMode]?.name;
    if (!shown || name === undefined) return [];
    return [{ labels: withLabels(set, { mode: name.slice("COMPUTE_MODE_".length).toLowerCase() }), value: 1 }];
  });

/** XID_ACTION_RESET_GPU is "reset_gpu". */
export const worstXids = ({ gpus }: ExporterInput): Sample[] =>
  gpus.flatMap(({ message: { xidWorst, xidAction }, labels: set, shown }) => {
    const name = xidAction === undefined ? undefined : XidActionSchema.value[xidAction]?.name;
    if (!shown || xidWorst === undefined || name === undefined) return [];
    const action = name.slice("XID_ACTION_".length).toLowerCase();
    return [{ labels: withLabels(set, { code: String(xidWorst), action }), value: 1 }];
  });

/** Cards that can be divided say how they are, also when they are not. */
export const partitions = ({ gpus }: ExporterInput): Sample[] =>
  gpus
    .filter(({ message, shown }) => shown && message.computePartition !== undefined)
    .map(({ message: { computePartition: compute = "", memoryPartition: memory = "" }, labels: set }) => ({
      labels: withLabels(set, { compute, memory }),
      value: 1,
    }));
