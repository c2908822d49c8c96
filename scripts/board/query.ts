// PromQL expressions that several panels use.

import { ThrottleSchema } from "../../proto/gen/host_pb.js";
import { freeRule, harmfulThrottles } from "../../proto/verdict.ts";

export const node = 'node=~"$node"';
export const card = `${node},gpu_index=~"$gpu"`;
/** Labels that identify a card or instance. */
export const key = "on (node, gpu_index, gpu_uuid)";
/** Range over which counters are compared. */
export const span = "[$__rate_interval]";

/** Xid events since the last reset that make a card unreliable. */
const graveXid = `hw_gpu_xid_worst{${node},action!~"none|restart_program"}`;

/** Unused devices by the rule of proto/verdict.ts; `kind` is gpu or gpu_instance. */
const unused = (kind: "gpu" | "gpu_instance"): string =>
  `hw_${kind}_memory_used_bytes{${node}} < clamp_min(hw_${kind}_memory_total_bytes{${node}} * ${freeRule.memoryShare}, ${freeRule.memoryFloor})` +
  left(kind);

/** Further conditions for unused devices. Graphics processes count only by the memory that is in use. */
const left = (kind: "gpu" | "gpu_instance"): string =>
  ` and ${key} hw_${kind}_state{${node},state="ok"} unless ${key} (hw_${kind}_compute_processes{${node}} > 0)` +
  ` unless ${key} (hw_${kind}_utilization_percent{${node}} >= ${freeRule.utilization})`;

/** Unused cards that share the host's memory: only processes show whether they are held, so these must be known. */
const shared = `((hw_gpu_memory_shared{${node}} > 0) and ${key} hw_gpu_compute_processes{${node}}${left("gpu")})`;

/** Faults of a card that can be read (cardFaults() in proto/verdict.ts). */
const broken =
  `(hw_gpu_ecc_uncorrected_total{${node}} > 0 or ${graveXid}` +
  ` or hw_gpu_nvlink_links_up{${node}} < hw_gpu_nvlink_links_expected{${node}})`;

const isNot = (name: string): string => ` unless ${key} (hw_${name}{${node}} > 0)`;

/** One series for each free card and instance. */
export const free =
  `((${unused("gpu")} or ${shared}) and ${key} hw_gpu_utilization_percent{${node}}${isNot("gpu_divided")}${isNot("gpu_integrated")}` +
  ` or (hw_gpu_asleep{${node}} > 0${isNot("gpu_integrated")})) unless ${key} ${broken} unless ${key} hw_gpu_pod{${node}}` +
  // Faults of a card are faults of its instances.
  ` or (${unused("gpu_instance")} unless on (node, gpu_index) ${broken} unless ${key} hw_gpu_instance_pod{${node}})`;

/** Cards and instances with processes, by user. */
export const held = `(hw_gpu_process_running{${node}} or hw_gpu_instance_process_running{${node}})`;
export const heldMemory = `(hw_gpu_process_memory_bytes{${node}} or hw_gpu_instance_process_memory_bytes{${node}})`;
export const heldShare = `(hw_gpu_process_utilization_percent{${node}} or hw_gpu_instance_process_utilization_percent{${node}})`;

const named = (fault: string, expr: string): string => `label_replace(${expr}, "fault", "${fault}", "", "")`;

/** Throttle reasons with a cause outside the card, of any vendor: "hw_thermal|…|liquid_thermal". */
const reasons = [...harmfulThrottles]
  .map((each) => (ThrottleSchema.value[each]?.name ?? "").slice("THROTTLE_".length).toLowerCase())
  .join("|");

/** One series for each fault, named by its label "fault". */
export const faults = [
  `label_replace(hw_gpu_state{${node},state=~"lost|hung|stale"}, "fault", "$1", "state", "(.*)")`,
  named("ecc", `hw_gpu_ecc_uncorrected_total{${node}} > 0`),
  `label_replace(${graveXid}, "fault", "xid $1", "code", "(.*)")`,
  named("row remap failure", `hw_gpu_row_remap_failure{${node}} > 0`),
  named("nvlink", `hw_gpu_nvlink_links_up{${node}} < hw_gpu_nvlink_links_expected{${node}}`),
  `label_replace(hw_gpu_throttle{${node},reason=~"${reasons}"}, "fault", "$1", "reason", "(.*)")`,
].join(" or ");

/** Count that is 0 instead of absent if there are cards, but none match. */
export const countOf = (expr: string): string => `count(${expr}) or 0 * count(hw_gpu_state{${node}})`;
