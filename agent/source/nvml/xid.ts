import { graver } from "../../../proto/xid.ts";
import { event, eventSize } from "./layout.ts";
import { code, type Nvml, type NvmlDevice, queries, tooNew } from "./library.ts";

/** nvmlEventTypeXidCriticalError. */
const xidCriticalError = 8n;

/** More than any storm of errors delivers between two reads; the rest waits in the driver for the next one. */
const mostEvents = 1000;

/** Xid events of one device since they were asked for last. */
export interface Xids {
  readonly count: number;
  /** Code of the newest; undefined when there was none. */
  readonly last: number | undefined;
  /** Code of the gravest. */
  readonly worst: number | undefined;
}

/** Collects the critical errors that the driver reports as events, for the devices that offer them. */
export class XidEvents {
  readonly #wait: () => number;
  readonly #data = Buffer.alloc(eventSize);
  /** Registered devices by handle. */
  readonly #devices = new Map<bigint, number>();

  private constructor(wait: (data: Buffer) => number) {
    this.#wait = () => wait(this.#data);
  }

  /** Undefined when the driver has no events, or none of the devices offers them. */
  static open(nvml: Nvml, devices: readonly NvmlDevice[]): XidEvents | undefined {
    const create = nvml.newest(["nvmlEventSetCreate"], ["pointer"]);
    const register = nvml.newest(["nvmlDeviceRegisterEvents"], ["uint64", "uint64", "uint64"]);
    const waits = nvml.functions(["nvmlEventSetWait_v2", "nvmlEventSetWait"], ["uint64", "pointer", "uint32"]);
    const set = Buffer.alloc(8);
    if (create === undefined || register === undefined || waits.length === 0) return undefined;
    if (create(set) !== code.success) return undefined;
    const handle = set.readBigUInt64LE(0);
    const events = new XidEvents((data) => {
      for (;;) {
        const result = waits[0]?.(handle, data, 0) ?? code.functionNotFound;
        if (!tooNew.has(result) || waits.length < 2) return result;
        waits.shift();
      }
    });
    for (const device of devices) {
      if (!offers(nvml, device)) continue;
      if (register(device.handle, xidCriticalError, handle) === code.success) {
        events.#devices.set(device.handle, device.index);
      }
    }
    return events.#devices.size > 0 ? events : undefined;
  }

  /** Events since the last time by index, with an entry for every device that is watched. */
  drain(): ReadonlyMap<number, Xids> {
    const found = new Map<number, Xids>(
      [...this.#devices.values()].map((index) => [index, { count: 0, last: undefined, worst: undefined }]),
    );
    for (let i = 0; i < mostEvents; i++) {
      // Any failure ends this round: an event is not lost by that, and the device's own calls tell what is wrong.
      if (this.#wait() !== code.success) break;
      const { device, type, data } = event(this.#data);
      const index = this.#devices.get(device);
      if (index === undefined || type !== xidCriticalError) continue;
      const before = found.get(index);
      found.set(index, { count: (before?.count ?? 0) + 1, last: data, worst: graver(before?.worst, data) });
    }
    return found;
  }
}

function offers(nvml: Nvml, device: NvmlDevice): boolean {
  try {
    return ((nvml.ask(queries.events, device) ?? 0n) & xidCriticalError) !== 0n;
  } catch {
    // A device that fails here is reported by its own reading.
    return false;
  }
}
