import type { Argument, Foreign, SharedLibrary } from "./koffi.ts";
import {
  attributes,
  memory1,
  memory2,
  type Pci,
  pci,
  remappedRows,
  temperature,
  text,
  utilization,
  value32,
  value64,
} from "./layout.ts";

/** nvmlReturn_t, as far as it decides anything here. */
export const code = {
  success: 0,
  uninitialized: 1,
  invalidArgument: 2,
  notSupported: 3,
  noPermission: 4,
  notFound: 6,
  insufficientSize: 7,
  driverNotLoaded: 9,
  timeout: 10,
  libraryNotFound: 12,
  functionNotFound: 13,
  gpuIsLost: 15,
  resetRequired: 16,
  operatingSystem: 17,
  versionMismatch: 18,
  noData: 21,
  argumentVersionMismatch: 25,
} as const;

/** Answers that mean "this device does not have that": the field stays absent, and nothing is wrong. */
export const absent: ReadonlySet<number> = new Set([
  code.invalidArgument,
  code.notSupported,
  code.noPermission,
  code.notFound,
  code.functionNotFound,
  code.noData,
  code.argumentVersionMismatch,
]);

/** Failures of the device or the library: an older form of the call fails in the same way. */
export const final: ReadonlySet<number> = new Set([
  code.uninitialized,
  code.driverNotLoaded,
  code.timeout,
  code.gpuIsLost,
  code.resetRequired,
  code.versionMismatch,
]);

/** The symbol is there, but the driver behind it does not know this version of the call. */
export const tooNew: ReadonlySet<number> = new Set([code.functionNotFound, code.argumentVersionMismatch]);

/** What the version mismatch comes from. */
const upgraded =
  "the driver was upgraded while the old one was in use: reload its kernel module, or restart the machine";

/** A call that failed, in NVML's own words: "NVML: Driver Not Loaded (9)". */
export class NvmlError extends Error {
  override name = "NvmlError";
  readonly code: number;
  constructor(message: string, code: number) {
    super(`NVML: ${message} (${code})`);
    this.code = code;
  }
}

/** A GPU as NVML handles it. */
export interface NvmlDevice {
  readonly index: number;
  readonly handle: bigint;
}

/** One version of a call: its symbol, what it takes, and the struct it fills. */
export interface Form<T> {
  readonly symbol: string;
  /** Numbers and handles before the buffer. */
  readonly lead: readonly Argument[];
  /** Bytes of the buffer. */
  readonly size: number;
  /** The buffer's length follows it. */
  readonly sized?: true;
  /** The call fills this many numbers of 32 bits, each at an address of its own: the buffer holds them one after another. */
  readonly parts?: number;
  readonly prepare?: (buffer: Buffer) => void;
  /** Undefined where the driver has no value, or one that cannot be. */
  readonly read: (buffer: Buffer) => T | undefined;
}

/** A question with one answer. */
export interface NvmlQuery<T> {
  /** The symbol without its version: the name in a recording. */
  readonly stem: string;
  /** Newest first. */
  readonly forms: readonly Form<T>[];
  /** Writes the values as in a recording. */
  show(value: T): string;
  /** The older forms answer another question: they are used only where the driver lacks the newer one. */
  readonly distinct?: true;
}

const device: readonly Argument[] = ["uint64"];
const number32 = { size: 4, read: (b: Buffer): number | undefined => value32(b, 0) };
const number64 = { size: 8, read: (b: Buffer): bigint | undefined => value64(b, 0) };

function query<T>(stem: string, forms: readonly Form<T>[], show: (value: T) => string = String): NvmlQuery<T> {
  return { stem, forms, show };
}
const words = (stem: string, lead: readonly Argument[]): NvmlQuery<string> =>
  query(stem, [{ symbol: stem, lead, size: 96, sized: true, read: text }]);
const plain = (stem: string, lead: readonly Argument[] = device): NvmlQuery<number> =>
  query(stem, [{ symbol: stem, lead, ...number32 }]);
const showPci = (p: Pci): string => [p.domain, p.bus, p.device, p.id, p.subsystem].join(" ");

/** Every question with one answer that is put to the driver. */
export const queries = {
  driverVersion: words("nvmlSystemGetDriverVersion", []),
  cudaVersion: query("nvmlSystemGetCudaDriverVersion", [
    { symbol: "nvmlSystemGetCudaDriverVersion_v2", lead: [], ...number32 },
    { symbol: "nvmlSystemGetCudaDriverVersion", lead: [], ...number32 },
  ]),
  // Version 1 of these two leaves out devices that may not be opened, and so numbers the others differently.
  count: {
    ...query("nvmlDeviceGetCount", [
      { symbol: "nvmlDeviceGetCount_v2", lead: [], ...number32 },
      { symbol: "nvmlDeviceGetCount", lead: [], ...number32 },
    ]),
    distinct: true,
  },
  handle: {
    ...query<bigint>(
      "nvmlDeviceGetHandleByIndex",
      ["nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"].map((symbol) => ({
        symbol,
        lead: ["uint32"],
        size: 8,
        read: (b) => b.readBigUInt64LE(0),
      })),
      () => "",
    ),
    distinct: true,
  },
  name: words("nvmlDeviceGetName", device),
  uuid: words("nvmlDeviceGetUUID", device),
  pci: query(
    "nvmlDeviceGetPciInfo",
    ["nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2", "nvmlDeviceGetPciInfo"].map((symbol) => ({
      symbol,
      lead: device,
      ...pci,
    })),
    showPci,
  ),
  memory: query(
    "nvmlDeviceGetMemoryInfo",
    [
      { symbol: "nvmlDeviceGetMemoryInfo_v2", lead: device, ...memory2 },
      { symbol: "nvmlDeviceGetMemoryInfo", lead: device, ...memory1 },
    ],
    ({ total, free, reserved = 0n }) => [total, reserved, free, total - free - reserved].join(" "),
  ),
  utilization: query(
    "nvmlDeviceGetUtilizationRates",
    [{ symbol: "nvmlDeviceGetUtilizationRates", lead: device, ...utilization }],
    (u) => `${u.gpu} ${u.memory}`,
  ),
  temperature: query("nvmlDeviceGetTemperature", [
    { symbol: "nvmlDeviceGetTemperatureV", lead: device, ...temperature },
    { symbol: "nvmlDeviceGetTemperature", lead: ["uint64", "uint32"], ...number32 },
  ]),
  fan: plain("nvmlDeviceGetFanSpeed"),
  power: plain("nvmlDeviceGetPowerUsage"),
  powerLimit: plain("nvmlDeviceGetEnforcedPowerLimit"),
  /** Takes the clock: 1 is SM, 2 is memory. */
  clock: plain("nvmlDeviceGetClockInfo", ["uint64", "uint32"]),
  throttle: query("nvmlDeviceGetCurrentClocksEventReasons", [
    { symbol: "nvmlDeviceGetCurrentClocksEventReasons", lead: device, ...number64 },
    // Its name before driver 535.
    { symbol: "nvmlDeviceGetCurrentClocksThrottleReasons", lead: device, ...number64 },
  ]),
  /** Percent; the sampling period that the call also returns is not used. */
  encoder: query("nvmlDeviceGetEncoderUtilization", [
    { symbol: "nvmlDeviceGetEncoderUtilization", lead: device, ...number32, size: 8, parts: 2 },
  ]),
  decoder: query("nvmlDeviceGetDecoderUtilization", [
    { symbol: "nvmlDeviceGetDecoderUtilization", lead: device, ...number32, size: 8, parts: 2 },
  ]),
  pcieGeneration: plain("nvmlDeviceGetCurrPcieLinkGeneration"),
  pcieWidth: plain("nvmlDeviceGetCurrPcieLinkWidth"),
  pcieGenerationMax: plain("nvmlDeviceGetMaxPcieLinkGeneration"),
  pcieWidthMax: plain("nvmlDeviceGetMaxPcieLinkWidth"),
  energy: query("nvmlDeviceGetTotalEnergyConsumption", [
    { symbol: "nvmlDeviceGetTotalEnergyConsumption", lead: device, ...number64 },
  ]),
  remappedRows: query(
    "nvmlDeviceGetRemappedRows",
    [{ symbol: "nvmlDeviceGetRemappedRows", lead: device, ...remappedRows }],
    (r) => [r.correctable, r.uncorrectable, Number(r.pending), Number(r.failed)].join(" "),
  ),
  persistence: plain("nvmlDeviceGetPersistenceMode"),
  computeMode: plain("nvmlDeviceGetComputeMode"),
  performance: plain("nvmlDeviceGetPerformanceState"),
  /** Takes the number of the link; 0 is down. */
  link: plain("nvmlDeviceGetNvLinkState", ["uint64", "uint32"]),
  /** 1 if the device is divided into instances; the second value is that after a reset. */
  mig: query("nvmlDeviceGetMigMode", [
    { symbol: "nvmlDeviceGetMigMode", lead: device, ...number32, size: 8, parts: 2 },
  ]),
  instances: plain("nvmlDeviceGetMaxMigDeviceCount"),
  /** Takes the number of the instance; absent if there is no such instance. */
  instance: query<bigint>(
    "nvmlDeviceGetMigDeviceHandleByIndex",
    [
      {
        symbol: "nvmlDeviceGetMigDeviceHandleByIndex",
        lead: ["uint64", "uint32"],
        size: 8,
        read: (b) => b.readBigUInt64LE(0),
      },
    ],
    () => "",
  ),
  gpuInstance: plain("nvmlDeviceGetGpuInstanceId"),
  computeInstance: plain("nvmlDeviceGetComputeInstanceId"),
  multiprocessors: query(
    "nvmlDeviceGetAttributes",
    ["nvmlDeviceGetAttributes_v2", "nvmlDeviceGetAttributes"].map((symbol) => ({
      symbol,
      lead: device,
      ...attributes,
    })),
  ),
  /** Takes the type (0 corrected, 1 uncorrected) and the counter (0 volatile: since the driver was loaded). */
  ecc: query("nvmlDeviceGetTotalEccErrors", [
    { symbol: "nvmlDeviceGetTotalEccErrors", lead: ["uint64", "uint32", "uint32"], ...number64 },
  ]),
  events: query("nvmlDeviceGetSupportedEventTypes", [
    { symbol: "nvmlDeviceGetSupportedEventTypes", lead: device, ...number64 },
  ]),
} as const;

/** Takes one line of a recording: "nvmlDeviceGetName 0 : 0 NVIDIA A100". */
export type Tap = (line: string) => void;

interface BoundCall {
  readonly call: Foreign;
  readonly form: Form<unknown>;
  /** Lives as long as the library: C writes into it. */
  readonly buffer: Buffer;
  /** Arguments of the call; the leading ones are set for each call, the buffer or its parts follow. */
  readonly args: (number | bigint | Buffer)[];
}

type CallArguments = readonly [handle: bigint | undefined, first: number | undefined, second: number | undefined];

/** An answer with NVML's return code; the value is undefined where the code is not 0, or the driver has none. */
export interface NvmlResult<T> {
  readonly result: number;
  readonly value: T | undefined;
}

/** The driver library. Calls block until the driver answers, which may be never: use it in a separate process only. */
export class Nvml {
  readonly #library: SharedLibrary;
  readonly #tap: Tap | undefined;
  readonly #bound = new Map<NvmlQuery<unknown>, BoundCall[]>();
  readonly #words: ReturnType<SharedLibrary["findText"]>;

  constructor(library: SharedLibrary, tap?: Tap) {
    this.#library = library;
    this.#tap = tap;
    this.#words = library.findText("nvmlErrorString", ["uint32"]);
  }

  /** @throws NvmlError if there is no driver or it refuses. */
  init(): void {
    this.#start(["nvmlInit_v2", "nvmlInit"], "nvmlInit");
  }

  shutdown(): void {
    this.#library.find("nvmlShutdown", [])?.();
  }

  #start(symbols: readonly string[], stem: string): void {
    const call = symbols.map((symbol) => this.#library.find(symbol, [])).find((found) => found !== undefined);
    if (call === undefined) throw new NvmlError("Function Not Found: this is no NVML library", code.functionNotFound);
    const result = call();
    this.#tap?.(`${stem} : ${result}`);
    if (result !== code.success) throw this.error(result);
  }

  /** NVML's text of a return code. */
  error(result: number): NvmlError {
    const said = this.#words?.(result) ?? "Unknown Error";
    return new NvmlError(result === code.versionMismatch ? `${said}; ${upgraded}` : said, result);
  }

  /** What a failure comes to: undefined where it means "this device does not have that". @throws NvmlError for every other. */
  refusal(result: number): undefined {
    if (absent.has(result)) return undefined;
    throw this.error(result);
  }

  /** Symbols as functions, for calls of another shape than Query; those that the library has, in the order given. */
  functions(symbols: readonly string[], args: readonly Argument[]): Foreign[] {
    return symbols.flatMap((symbol) => this.#library.find(symbol, args) ?? []);
  }

  /** The first of them that the library has. */
  newest(symbols: readonly string[], args: readonly Argument[]): Foreign | undefined {
    return this.functions(symbols, args)[0];
  }

  /**
   * Writes a call of another shape into the recording.
   * @param entry Returns arguments, return code and values; not called if nothing is recorded.
   */
  record(stem: string, entry: () => readonly [args: number | string, result: number, values: string]): void {
    if (this.#tap === undefined) return;
    const [args, result, values] = entry();
    this.#tap(`${stem} ${args} : ${result} ${values}`.trimEnd());
  }

  /**
   * Asks one question. `from` is the device, or undefined for the system; `first` and `second` are further arguments.
   * @returns Undefined where the driver or the device does not offer it.
   * @throws NvmlError for every other failure (a lost GPU among them).
   */
  ask<T>(asked: NvmlQuery<T>, from: NvmlDevice | undefined, first?: number, second?: number): T | undefined {
    const { result, value } = this.attempt(asked, from, first, second);
    return result === code.success ? value : this.refusal(result);
  }

  /**
   * Asks one question, by older forms of the call where the newer ones fail.
   * @returns The value with result 0; otherwise the return code of the newest form that this driver knows.
   */
  attempt<T>(asked: NvmlQuery<T>, from: NvmlDevice | undefined, first?: number, second?: number): NvmlResult<T> {
    const forms = this.#bound.get(asked) ?? this.#bind(asked);
    let failed: number | undefined;
    let next = 0;
    for (let bound = forms[0]; bound !== undefined; bound = forms[next]) {
      const result = called(bound, [from?.handle, first, second]);
      if (result === code.success) {
        const value = bound.form.read(bound.buffer) as T | undefined;
        if (this.#tap !== undefined) {
          const shown = value === undefined ? "-" : asked.show(value);
          this.#tap(`${key(asked.stem, from, first, second)} : 0 ${shown}`.trimEnd());
        }
        return { result, value };
      }
      if (tooNew.has(result) && next === 0 && forms.length > 1) {
        forms.shift();
        continue;
      }
      failed ??= result;
      if (asked.distinct || final.has(result)) break;
      next++;
    }
    const result = failed ?? code.functionNotFound;
    this.#tap?.(`${key(asked.stem, from, first, second)} : ${result}`);
    return { result, value: undefined };
  }

  #bind(asked: NvmlQuery<unknown>): BoundCall[] {
    const bound = asked.forms.flatMap((form): BoundCall[] => {
      const buffer = Buffer.alloc(form.size);
      const outs = Array.from({ length: form.parts ?? 1 }, (_, i) => buffer.subarray(i * 4));
      const pointers = outs.map((): Argument => "pointer");
      const types: Argument[] = [...form.lead, ...pointers, ...(form.sized ? (["uint32"] as const) : [])];
      const call = this.#library.find(form.symbol, types);
      const args = [...form.lead.map(() => 0), ...outs, ...(form.sized ? [buffer.length] : [])];
      return call === undefined ? [] : [{ call, form, buffer, args }];
    });
    this.#bound.set(asked, bound);
    return bound;
  }
}

/** Makes the call; `given` are the device's handle, where one is asked, and what follows it. */
function called({ call, form, buffer, args }: BoundCall, [handle, first, second]: CallArguments): number {
  form.prepare?.(buffer);
  let i = 0;
  if (handle !== undefined) args[i++] = handle;
  if (i < form.lead.length) args[i++] = first ?? 0;
  if (i < form.lead.length) args[i++] = second ?? 0;
  return call(...args);
}

const key = (stem: string, from: NvmlDevice | undefined, ...numbers: readonly (number | undefined)[]): string =>
  [stem, from?.index, ...numbers].filter((part) => part !== undefined).join(" ");
