import { create } from "@bufbuild/protobuf";
import { type GPUInfo, GPUInfoSchema, Vendor } from "../../../proto/gen/host_pb.js";
import { round } from "../../../proto/round.ts";
import { unknownModel } from "../../report/charts.ts";

/** Means of an interval; undefined for what there was no sample of. */
export interface CardMeans {
  readonly index: number;
  /** Percent. */
  readonly utilization: number | undefined;
  /** Bytes. */
  readonly used: number | undefined;
  readonly free: number | undefined;
}

const isSize = (value: number | undefined): value is number =>
  value !== undefined && value >= 0 && value <= Number.MAX_SAFE_INTEGER / 2;

/** A card as its means describe it; undefined if they say nothing. What no card can have is not known. */
export function cardOf({ index, utilization, used, free }: CardMeans, name: string | undefined): GPUInfo | undefined {
  const isShare = utilization !== undefined && utilization >= 0 && utilization <= 100;
  const hasSize = isSize(used) && isSize(free) && used + free > 0;
  if (!isShare && !hasSize) return undefined;
  return create(GPUInfoSchema, {
    id: index,
    vendor: Vendor.AMD,
    procsUnknown: true,
    ...(name === undefined ? {} : { name }),
    ...(isShare ? { utilization: round(utilization) } : {}),
    ...(isShare && !Number.isInteger(utilization) ? { utilizationExact: utilization } : {}),
    ...(hasSize ? { memUsed: BigInt(Math.round(used)), memTotal: BigInt(Math.round(used + free)) } : {}),
  });
}

/** The name of a model as people read it; undefined for one that Netdata does not know. */
export const nameOf = (model: string | undefined): string | undefined =>
  model === undefined || model === unknownModel ? undefined : model.replaceAll("_", " ");
