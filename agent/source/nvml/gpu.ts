import type {
  GPUInfo,
  MigInstance,
  NvLink,
  PcieLink,
  ProcInfo,
  RemappedRows,
  State,
  Vendor,
} from "../../../proto/gen/host_pb.js";

export type Fields<T> = Omit<Partial<T>, "$typeName" | "$unknown">;
export type NvmlProc = Fields<ProcInfo>;

/** A GPUInfo under construction. */
export interface NvmlGpu extends Omit<Fields<GPUInfo>, "procs" | "pcie" | "remapped" | "instance" | "nvlink"> {
  procs?: NvmlProc[];
  instance?: Fields<MigInstance>;
  pcie?: Fields<PcieLink>;
  remapped?: Fields<RemappedRows>;
  nvlink?: Fields<NvLink>;
}

// Values of the generated enums, checked by their types: the module itself brings 3 MB of protobuf into the reader's process.
export const ok: State.OK = 1;
export const lost: State.LOST = 4;
export const unsupported: State.UNSUPPORTED = 5;
export const nvidia: Vendor.NVIDIA = 1;

/** Names and numbers of a device, which do not change while the driver is loaded. */
export type Identity = Pick<NvmlGpu, "id" | "vendor" | "name" | "uuid" | "pciBusId" | "parent" | "instance">;

/** Sets a field if there is a value: absent is not 0. */
export function put<T, K extends keyof T>(into: T, name: K, value: T[K] | undefined): void {
  if (value !== undefined) into[name] = value;
}

/** Returns the reading; undefined if it is outside of 0 to `most`. */
export const within = (value: number | undefined, most: number): number | undefined =>
  value !== undefined && value >= 0 && value <= most ? value : undefined;

/** Greatest valid error count: UINT_MAX means "not available". */
export const mostErrors = 0xffff_fffe;
