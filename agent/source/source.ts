import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HostInfoSchema } from "../../proto/gen/host_pb.js";
import type { Machine } from "../machine.ts";

/** The fields of HostInfo that one source fills. Parts of all sources together are the answer. */
export type Part = MessageInitShape<typeof HostInfoSchema>;

/** What a source may be told apart from the machine itself. */
export interface Options {
  /** Path or name of the NVIDIA driver library; "" is the system's own search. */
  readonly nvml: string;
  /** Network, as CIDR, whose address is preferred as the host's own. */
  readonly network: string;
  /** Milliseconds one read may take. */
  readonly deadline: number;
  readonly log: Log;
}

export interface Log {
  info(message: string): void;
  warn(message: string): void;
}

/** Reads one kind of thing. It knows no network, no other source, and keeps no values: the snapshot remembers. */
export interface Source {
  readonly name: string;
  /** Undefined: this machine has no such thing, which is normal and said once. */
  open(machine: Machine, options: Options): Promise<Reader | undefined>;
}

export interface Reader {
  /**
   * Reads once. Given up at the deadline (the signal tells); a read that is still under way is not started again.
   * @throws Error when nothing could be read; what was read last is then shown as stale.
   */
  read(signal: AbortSignal): Promise<Part>;
  close(): Promise<void>;
}

/** This machine has no such device or no driver for it: normal, shown as STATE_UNSUPPORTED, tried again later. */
export class Unsupported extends Error {
  override name = "Unsupported";
}

/** The device or its driver did not answer in time; shown as STATE_HUNG. */
export class Hung extends Error {
  override name = "Hung";
}
