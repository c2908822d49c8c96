import { code, type Nvml, type NvmlDevice, NvmlError, type NvmlQuery, type NvmlResult } from "./library.ts";

/** The whole library is unusable: it must be opened again. */
export const broken: ReadonlySet<number> = new Set([code.uninitialized, code.driverNotLoaded, code.versionMismatch]);

const gone: ReadonlySet<number> = new Set([code.gpuIsLost, code.resetRequired]);

/** Queries one device. A query that fails is noted and does not affect the others. */
export class DeviceQueries {
  readonly #nvml: Nvml;
  readonly device: NvmlDevice;
  answers = 0;
  /** True once the driver refused a question for lack of permission. */
  refused = false;
  failure: NvmlError | undefined;

  constructor(nvml: Nvml, device: NvmlDevice) {
    this.#nvml = nvml;
    this.device = device;
  }

  /** @throws NvmlError when the device or the library is gone. */
  ask<T>(query: NvmlQuery<T>, first?: number, second?: number): T | undefined {
    return this.attempt(query, first, second).value;
  }

  /** The same, with the driver's return code. */
  attempt<T>(query: NvmlQuery<T>, first?: number, second?: number): NvmlResult<T> {
    const outcome = this.#nvml.attempt(query, this.device, first, second);
    try {
      if (outcome.result !== code.success) this.#nvml.refusal(outcome.result);
    } catch (error) {
      this.#note(error);
    }
    if (outcome.value !== undefined) this.answers++;
    if (outcome.result === code.noPermission) this.refused = true;
    return outcome;
  }

  /** The same for what is no single question. */
  take<T>(read: (device: NvmlDevice) => T | undefined): T | undefined {
    try {
      const value = read(this.device);
      if (value !== undefined) this.answers++;
      return value;
    } catch (error) {
      return this.#note(error);
    }
  }

  #note(error: unknown): undefined {
    if (!(error instanceof NvmlError) || broken.has(error.code) || gone.has(error.code)) throw error;
    this.failure ??= error;
    return undefined;
  }
}
