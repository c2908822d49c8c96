import type { Foreign } from "./koffi.ts";
import { askField, field, fieldSize } from "./layout.ts";
import { absent, code, type Nvml, type NvmlDevice } from "./library.ts";

/** A value that has no call of its own, by nvml.h's number (NVML_FI_DEV_…). */
export interface Field {
  readonly id: number;
  /** Which part of the device is meant, for the fields that have several. */
  readonly scope?: number;
}

/** All links of a device together (UINT_MAX, says nvml.h). */
const allLinks = 0xffff_ffff;

export const memoryTemperature: Field = { id: 82 };
/** Number of links of the device, up or down. */
export const linkCount: Field = { id: 91 };
/** Data without what the protocol adds, in KiB since the driver was loaded. */
export const linkSent: Field = { id: 138, scope: allLinks };
export const linkReceived: Field = { id: 139, scope: allLinks };
/** Links that lead to a switch. */
export const linkSwitched: Field = { id: 147 };
/** Bytes; "value can be wrapped", says nvml.h. */
export const pcieSent: Field = { id: 197 };
export const pcieReceived: Field = { id: 198 };

/** Fields, and the structs that ask for them. */
interface Question {
  readonly fields: readonly Field[];
  readonly form: Buffer;
}

function question(fields: readonly Field[]): Question {
  const form = Buffer.alloc(fields.length * fieldSize);
  fields.forEach((each, i) => void askField(form, i * fieldSize, each));
  return { fields, form };
}

/**
 * Asks for several fields of a device in one call. One that a device refused is not asked for again until it is
 * forgotten: the driver takes up to a millisecond to say no.
 */
export class FieldList {
  readonly #nvml: Nvml;
  readonly #call: Foreign | undefined;
  readonly #buffer: Buffer;
  readonly #everything: Question;
  /** What each device is still asked for. */
  readonly #offered = new Map<bigint, Question>();

  constructor(nvml: Nvml, fields: readonly Field[]) {
    this.#nvml = nvml;
    this.#call = nvml.newest(["nvmlDeviceGetFieldValues"], ["uint64", "uint32", "pointer"]);
    this.#everything = question(fields);
    this.#buffer = Buffer.alloc(fields.length * fieldSize);
  }

  /** The next reading asks this device for everything again. */
  forget({ handle }: NvmlDevice): void {
    this.#offered.delete(handle);
  }

  /**
   * Values, without those that the device does not offer; undefined when it offers none.
   * @throws NvmlError
   */
  read(device: NvmlDevice): ReadonlyMap<Field, bigint> | undefined {
    const asked = this.#offered.get(device.handle) ?? this.#everything;
    const { fields } = asked;
    if (this.#call === undefined || fields.length === 0) return undefined;
    asked.form.copy(this.#buffer);
    const result = this.#call(device.handle, fields.length, this.#buffer);
    const found = new Map<Field, bigint>();
    const offered: Field[] = [];
    fields.forEach((each, i) => {
      const answer = field(this.#buffer, i * fieldSize);
      const outcome = result === code.success ? answer.result : result;
      if (!absent.has(outcome)) offered.push(each);
      this.#record(device, each, { ...answer, result: outcome });
      if (outcome === code.success && answer.value !== undefined) found.set(each, answer.value);
    });
    if (offered.length < fields.length) this.#offered.set(device.handle, question(offered));
    if (result !== code.success) return this.#nvml.refusal(result);
    return found.size > 0 ? found : undefined;
  }

  #record({ index }: NvmlDevice, { id, scope }: Field, { result, type, value }: ReturnType<typeof field>): void {
    this.#nvml.record("nvmlDeviceGetFieldValues", () => {
      const asked = scope === allLinks ? `${index} ${id} all` : `${index} ${id}`;
      return [asked, result, value === undefined ? "" : `${type} ${value}`];
    });
  }
}
