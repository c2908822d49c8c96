import type { Argument, Foreign } from "./koffi.ts";
import { type Process, type ProcessSample, pattern, processes, sampleSize, samples, widest } from "./layout.ts";
import { code, final, type Nvml, type NvmlDevice, tooNew } from "./library.ts";

/** Most processes on one GPU: a driver that reports more is not plausible. */
const mostEntries = 65_536;

/** Greatest valid process id: Linux ends at 2^22 (PID_MAX_LIMIT), other systems may not, and UINT_MAX means none. */
const mostPid = 0xffff_fffe;

/** The list grows between two calls when processes start; more often than this it is not growth. */
const mostTries = 5;

/** Reads a list that the driver writes into a buffer, whose needed size it reports. */
class List {
  readonly #nvml: Nvml;
  readonly #size: number;
  readonly count = Buffer.alloc(4);
  buffer: Buffer;

  constructor(nvml: Nvml, size: number) {
    this.#nvml = nvml;
    this.#size = size;
    this.buffer = Buffer.alloc(64 * size);
  }

  /**
   * @returns The number of entries in `buffer` with the return code; as many as the driver claims; undefined entries when it wants a
   *   size that makes no sense.
   */
  fill(call: () => number): { result: number; entries: number | undefined } {
    for (let tries = 0; tries < mostTries; tries++) {
      const room = this.buffer.length / this.#size;
      this.buffer.fill(pattern);
      this.count.writeUInt32LE(room, 0);
      const result = call();
      const needed = this.count.readUInt32LE(0);
      if (result !== code.insufficientSize) return { result, entries: needed };
      if (needed > mostEntries) break;
      // Some room to spare: processes may start before the next try.
      this.buffer = Buffer.alloc((Math.max(needed, room) + 16) * this.#size);
    }
    return { result: code.success, entries: undefined };
  }

  fail(result: number): undefined {
    if (result === code.notFound || result === code.notSupported || result === code.noPermission) return undefined;
    if (result === code.functionNotFound || result === code.invalidArgument) return undefined;
    throw this.#nvml.error(result);
  }
}

/** Processes of one kind on a device: those that compute, or those that draw. */
export class ProcessList {
  readonly #nvml: Nvml;
  readonly #stem: string;
  /** Newest first; without those that the driver turned out not to know. */
  readonly #calls: Foreign[];
  readonly #list: List;

  /** @param stem The symbol without its version. */
  constructor(nvml: Nvml, stem: string) {
    const args: Argument[] = ["uint64", "pointer", "pointer"];
    this.#nvml = nvml;
    this.#stem = stem;
    this.#calls = nvml.functions([`${stem}_v3`, `${stem}_v2`, stem], args);
    this.#list = new List(nvml, widest);
  }

  /**
   * @returns Undefined if the device does not report it.
   * @throws NvmlError
   */
  read(device: NvmlDevice): Process[] | undefined {
    const list = this.#list;
    if (this.#calls.length === 0) return undefined;
    const { result, entries } = this.#fill(device);
    const whole = result === code.success && entries !== undefined;
    const found = whole ? processes(list.buffer, entries) : undefined;
    this.#nvml.record(this.#stem, () => [device.index, result, (found ?? []).map(shown).join(" ")]);
    if (result !== code.success) return list.fail(result);
    return found?.filter(({ pid }) => pid > 0 && pid <= mostPid);
  }

  /** By the newest version of the call that succeeds; otherwise the failure of the newest. */
  #fill(device: NvmlDevice): ReturnType<List["fill"]> {
    const list = this.#list;
    let failed: ReturnType<List["fill"]> | undefined;
    for (const call of [...this.#calls]) {
      const filled = list.fill(() => call(device.handle, list.count, list.buffer));
      if (filled.result === code.success) return filled;
      if (tooNew.has(filled.result) && this.#calls.length > 1) this.#calls.splice(this.#calls.indexOf(call), 1);
      else failed ??= filled;
      if (final.has(filled.result)) break;
    }
    return failed ?? { result: code.functionNotFound, entries: undefined };
  }
}

const shown = ({ pid, memory, instance }: Process): string =>
  [pid, memory ?? "-", instance?.gpu ?? "-", instance?.compute ?? "-"].join(":");

/**
 * How long a process that stopped working still counts with what it did last, in microseconds: the usual time between
 * two polls. Drivers were seen to write the newest sample of a busy process down 5 to 9 s late.
 */
const recent = 10_000_000n;

/** What each process on a device did lately. */
export class SampleList {
  readonly #nvml: Nvml;
  readonly #call: Foreign | undefined;
  readonly #list: List;

  constructor(nvml: Nvml) {
    this.#nvml = nvml;
    this.#call = nvml.newest(["nvmlDeviceGetProcessUtilization"], ["uint64", "pointer", "pointer", "uint64"]);
    this.#list = new List(nvml, sampleSize);
  }

  /**
   * The newest sample of each process in the last ten seconds. The driver lists only processes that did something in
   * a sample period, so a process that is missing here was not measured. Samples from before the clock was set back bear
   * times that are yet to come: as the newest they would stand for as long as it was set back by.
   * @param now Unix milliseconds.
   * @throws NvmlError
   */
  read(device: NvmlDevice, now: number): ReadonlyMap<number, ProcessSample> {
    const newest = new Map<number, ProcessSample>();
    const call = this.#call;
    if (call === undefined) return newest;
    const list = this.#list;
    const time = BigInt(now) * 1000n;
    const { result, entries } = list.fill(() => call(device.handle, list.buffer, list.count, time - recent));
    const found = result === code.success ? samples(list.buffer, entries ?? 0) : [];
    this.#nvml.record("nvmlDeviceGetProcessUtilization", () => {
      const values = found.map((s) =>
        [s.pid, s.time < time ? time - s.time : 0, s.sm, s.memory, s.encoder, s.decoder].join(":"),
      );
      return [device.index, result, values.join(" ")];
    });
    if (result !== code.success) list.fail(result);
    for (const sample of found) {
      const newer = newest.get(sample.pid);
      const lately = sample.time > time - recent && sample.time < time + recent;
      if (lately && (newer === undefined || sample.time > newer.time)) newest.set(sample.pid, sample);
    }
    return newest;
  }
}
