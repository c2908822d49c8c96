import type { Foreign } from "./koffi.ts";
import { askField, field, fieldSize } from "./layout.ts";
import { code, type Device, type Nvml } from "./library.ts";

/** Fields by nvml.h's numbers, for what has no call of its own. */
export const memoryTemperature = 82;

/** Asks for several fields of a device in one call. */
export class FieldList {
  readonly #nvml: Nvml;
  readonly #call: Foreign | undefined;
  readonly #ids: readonly number[];
  readonly #buffer: Buffer;

  constructor(nvml: Nvml, ids: readonly number[]) {
    this.#nvml = nvml;
    this.#call = nvml.newest(["nvmlDeviceGetFieldValues"], ["uint64", "uint32", "pointer"]);
    this.#ids = ids;
    this.#buffer = Buffer.alloc(ids.length * fieldSize);
  }

  /**
   * Values by field, without those that the device does not offer; undefined when it offers none.
   * @throws NvmlError
   */
  read(device: Device): ReadonlyMap<number, number> | undefined {
    const found = new Map<number, number>();
    if (this.#call === undefined) return undefined;
    for (const [i, id] of this.#ids.entries()) askField(this.#buffer, i * fieldSize, id);
    const result = this.#call(device.handle, this.#ids.length, this.#buffer);
    for (const [i, id] of this.#ids.entries()) {
      const answer = field(this.#buffer, i * fieldSize);
      const outcome = result === code.success ? answer.result : result;
      const values = answer.value === undefined ? "" : `${answer.type} ${answer.value}`;
      this.#nvml.record("nvmlDeviceGetFieldValues", `${device.index} ${id}`, outcome, values);
      if (outcome === code.success && answer.value !== undefined) found.set(id, Number(answer.value));
    }
    if (result !== code.success) return this.#nvml.refusal(result);
    return found.size > 0 ? found : undefined;
  }
}
