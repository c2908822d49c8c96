import type {
  ComputeMode,
  GPUInfo,
  MigInstance,
  PcieLink,
  ProcInfo,
  RemappedRows,
  State,
  Throttle,
  Vendor,
} from "../../../proto/gen/host_pb.js";
import { FieldList, memoryTemperature } from "./field.ts";
import type { Memory, Pci, Process, Sample } from "./layout.ts";
import { code, type Device, type Nvml, NvmlError, queries } from "./library.ts";
import { ProcessList, SampleList } from "./process.ts";

type Fields<T> = Omit<Partial<T>, "$typeName" | "$unknown">;
export type Proc = Fields<ProcInfo>;

/** GPUInfo in the making. */
export interface Gpu extends Omit<Fields<GPUInfo>, "procs" | "pcie" | "remapped" | "instance"> {
  procs?: Proc[];
  instance?: Fields<MigInstance>;
  pcie?: Fields<PcieLink>;
  remapped?: Fields<RemappedRows>;
}

// Values of the generated enums, checked by their types: the module itself brings 3 MB of protobuf into the reader's process.
export const ok: State.OK = 1;
export const lost: State.LOST = 4;
const unsupported: State.UNSUPPORTED = 5;
export const nvidia: Vendor.NVIDIA = 1;

/** What a device is called; it does not change while the driver is loaded. */
export type Identity = Pick<Gpu, "id" | "vendor" | "name" | "uuid" | "pciBusId" | "parent" | "instance">;

/** A part of a divided device. */
export interface Instance {
  readonly device: Device;
  readonly identity: Identity;
}

/** What runs on a device, as the driver lists it. */
interface Lists {
  readonly compute: readonly Process[];
  readonly graphics: readonly Process[];
}

/** The whole library is unusable: it must be opened again. */
export const broken: ReadonlySet<number> = new Set([code.uninitialized, code.driverNotLoaded, code.versionMismatch]);

const gone: ReadonlySet<number> = new Set([code.gpuIsLost, code.resetRequired]);

/** Asks for fields one by one: one that fails is left out and noted, and does not hide the others. */
class Asker {
  readonly #nvml: Nvml;
  readonly #device: Device;
  answers = 0;
  failure: NvmlError | undefined;

  constructor(nvml: Nvml, device: Device) {
    this.#nvml = nvml;
    this.#device = device;
  }

  ask<T>(
    query: Parameters<Nvml["ask"]>[0] & { readonly forms: readonly { read(b: Buffer): T }[] },
    ...numbers: number[]
  ) {
    return this.take(() => this.#nvml.ask(query, this.#device, ...numbers) as T | undefined);
  }

  /** @throws NvmlError when the device or the library is gone. */
  take<T>(read: () => T | undefined): T | undefined {
    try {
      const value = read();
      if (value !== undefined) this.answers++;
      return value;
    } catch (error) {
      if (!(error instanceof NvmlError) || broken.has(error.code) || gone.has(error.code)) throw error;
      this.failure ??= error;
      return undefined;
    }
  }
}

/** Reads devices; holds the buffers that the calls fill. */
export class Cards {
  readonly #nvml: Nvml;
  readonly #compute: ProcessList;
  readonly #graphics: ProcessList;
  readonly #samples: SampleList;
  readonly #fields: FieldList;

  constructor(nvml: Nvml) {
    this.#nvml = nvml;
    this.#compute = new ProcessList(nvml, "nvmlDeviceGetComputeRunningProcesses");
    this.#graphics = new ProcessList(nvml, "nvmlDeviceGetGraphicsRunningProcesses");
    this.#samples = new SampleList(nvml);
    this.#fields = new FieldList(nvml, [memoryTemperature]);
  }

  /** @throws NvmlError when the device is lost. */
  identify(device: Device): Identity {
    const asker = new Asker(this.#nvml, device);
    const pci = asker.ask(queries.pci);
    return {
      id: device.index,
      vendor: nvidia,
      ...given("name", asker.ask(queries.name)),
      ...given("uuid", asker.ask(queries.uuid)),
      ...given("pciBusId", pci && busId(pci)),
    };
  }

  /**
   * Reads a device, and behind it the instances that it is divided into. A process is listed once: on its instance.
   * @param now Unix milliseconds.
   * @param instances Undefined when the device is not divided.
   * @throws NvmlError when the library is unusable; a lost device is an answer.
   */
  read(device: Device, identity: Identity, now: number, instances?: readonly Instance[]): Gpu[] {
    let lists: Lists = { compute: [], graphics: [] };
    const card = this.#read(device, identity, (asker) => {
      const values = { ...this.#values(asker), ...this.#details(asker, device) };
      lists = this.#lists(asker, device);
      const own = withoutInstances(lists, instances ?? []);
      const divided = instances === undefined ? {} : { divided: true };
      return { ...values, ...divided, procs: this.#procs(asker, device, own, now) };
    });
    const parts = instances?.map((instance) => this.#instance(instance, lists)) ?? [];
    return [card, ...parts];
  }

  #instance({ device, identity }: Instance, parent: Lists): Gpu {
    return this.#read(device, identity, (asker) => {
      const values = this.#memory(asker);
      const own = this.#lists(asker, device);
      return { ...values, procs: merge(...joined(own, ofInstance(parent, identity.instance)), new Map()) };
    });
  }

  #read(device: Device, identity: Identity, act: (asker: Asker) => Gpu): Gpu {
    const asker = new Asker(this.#nvml, device);
    try {
      const values = act(asker);
      const { failure } = asker;
      const state = asker.answers === 0 && failure !== undefined ? lost : ok;
      return { ...identity, ...values, state, ...given("err", failure?.message) };
    } catch (error) {
      if (!(error instanceof NvmlError) || broken.has(error.code)) throw error;
      return missing(identity, error);
    }
  }

  #memory(asker: Asker): Gpu {
    const memory = sound(asker.ask(queries.memory));
    return {
      ...given("memUsed", memory && memory.total - memory.free),
      ...given("memTotal", memory?.total),
      ...given("memReserved", memory?.reserved),
    };
  }

  #values(asker: Asker): Gpu {
    const rates = asker.ask(queries.utilization);
    return {
      ...this.#memory(asker),
      ...given("utilization", within(rates?.gpu, 100)),
      ...given("memUtilization", within(rates?.memory, 100)),
      ...given("temp", within(asker.ask(queries.temperature, 0), 200)),
      // May exceed 100, NVIDIA says.
      ...given("fanspeed", within(asker.ask(queries.fan), 200)),
      ...given("power", within(asker.ask(queries.power), 10_000_000)),
      ...given("powerLimit", within(asker.ask(queries.powerLimit), 10_000_000)),
      ...given("clockSm", within(asker.ask(queries.clock, 1), 20_000)),
      ...given("clockMem", within(asker.ask(queries.clock, 2), 50_000)),
      throttle: throttles(asker.ask(queries.throttle)),
      ...given("eccCorrected", asker.ask(queries.ecc, 0, 0)),
      ...given("eccUncorrected", asker.ask(queries.ecc, 1, 0)),
    };
  }

  /** What few look at, and what hardly changes. */
  #details(asker: Asker, device: Device): Gpu {
    const fields = asker.take(() => this.#fields.read(device));
    const compute = within(asker.ask(queries.computeMode), 3);
    const persistence = asker.ask(queries.persistence);
    return {
      ...given("encoder", within(asker.ask(queries.encoder), 100)),
      ...given("decoder", within(asker.ask(queries.decoder), 100)),
      ...given("energy", asker.ask(queries.energy)),
      // Boards without such a sensor answer with 0.
      ...given("memTemp", within(fields?.get(memoryTemperature), 200) || undefined),
      ...given("pcie", link(asker)),
      ...given("remapped", asker.ask(queries.remappedRows)),
      ...given("persistence", persistence === undefined ? undefined : persistence === 1),
      // NVML counts from 0, where the wire has "not known".
      ...given("computeMode", compute === undefined ? undefined : ((compute + 1) as ComputeMode)),
      ...given("performance", within(asker.ask(queries.performance), 15)),
    };
  }

  #lists(asker: Asker, device: Device): Lists {
    const compute = asker.take(() => this.#compute.read(device)) ?? [];
    const graphics = asker.take(() => this.#graphics.read(device)) ?? [];
    return { compute, graphics };
  }

  #procs(asker: Asker, device: Device, { compute, graphics }: Lists, now: number): Proc[] {
    if (compute.length + graphics.length === 0) return [];
    return merge(compute, graphics, asker.take(() => this.#samples.read(device, now)) ?? new Map());
  }
}

/** Undefined when the device tells nothing of its link. */
function link(asker: Asker): Fields<PcieLink> | undefined {
  // No generation and no width beyond these is on anybody's road map.
  const generation = within(asker.ask(queries.pcieGeneration), 16);
  const width = within(asker.ask(queries.pcieWidth), 64);
  const generationMax = within(asker.ask(queries.pcieGenerationMax), 16);
  const widthMax = within(asker.ask(queries.pcieWidthMax), 64);
  const found = {
    ...given("generation", generation),
    ...given("width", width),
    ...given("generationMax", generationMax === generation ? undefined : generationMax),
    ...given("widthMax", widthMax === width ? undefined : widthMax),
  };
  return Object.keys(found).length > 0 ? found : undefined;
}

/** A device that is known but cannot be read: it stays listed, without values. */
export function missing(identity: Identity, error: NvmlError): Gpu {
  const state = error.code === code.noPermission ? unsupported : lost;
  return { ...identity, state, err: error.message };
}

const isOf = ({ instance }: Process, wanted: Gpu["instance"]): boolean =>
  instance !== undefined && instance.gpu === wanted?.gpuInstance && instance.compute === wanted.computeInstance;

/** What runs on a divided device, but on none of its instances that are known. */
function withoutInstances({ compute, graphics }: Lists, instances: readonly Instance[]): Lists {
  const outside = (process: Process): boolean => !instances.some(({ identity }) => isOf(process, identity.instance));
  return { compute: compute.filter(outside), graphics: graphics.filter(outside) };
}

function ofInstance({ compute, graphics }: Lists, instance: Gpu["instance"]): Lists {
  const inside = (process: Process): boolean => isOf(process, instance);
  return { compute: compute.filter(inside), graphics: graphics.filter(inside) };
}

/** What an instance lists, and what its device lists of it: without rights the driver may tell only one of them. */
function joined(own: Lists, parent: Lists): [Process[], Process[]] {
  const join = (kind: keyof Lists): Process[] => {
    const pids = new Set(own[kind].map(({ pid }) => pid));
    return [...own[kind], ...parent[kind].filter(({ pid }) => !pids.has(pid))];
  };
  return [join("compute"), join("graphics")];
}

/** One entry per process, whatever lists it is on; a process with several GPU instances holds their sum. */
export function merge(
  compute: readonly Process[],
  graphics: readonly Process[],
  samples: ReadonlyMap<number, Pick<Sample, "sm">>,
): Proc[] {
  const procs = new Map<number, { compute: boolean; graphics: boolean; mem: bigint | undefined }>();
  for (const [list, kind] of [[compute, "compute"] as const, [graphics, "graphics"] as const]) {
    const sums = new Map<number, bigint | undefined>();
    for (const { pid, memory } of list) {
      const sum = sums.get(pid);
      sums.set(pid, memory === undefined ? sum : (sum ?? 0n) + memory);
    }
    for (const [pid, mem] of sums) {
      const proc = procs.get(pid) ?? { compute: false, graphics: false, mem: undefined };
      // Both lists tell all the memory of a process that does both.
      procs.set(pid, {
        ...proc,
        [kind]: true,
        mem: mem !== undefined && (proc.mem ?? 0n) < mem ? mem : (proc.mem ?? mem),
      });
    }
  }
  return [...procs].map(([pid, { mem, ...kinds }]) => ({
    pid,
    ...kinds,
    ...given("mem", mem),
    ...given("utilization", within(samples.get(pid)?.sm, 100)),
  }));
}

/** The reasons of nvmlClocksEventReasons, one bit each, are numbered here in the same order. */
export function throttles(reasons: bigint | undefined): Throttle[] {
  const found: Throttle[] = [];
  for (let bit = 0; bit < 9; bit++) if (((reasons ?? 0n) >> BigInt(bit)) & 1n) found.push((bit + 1) as Throttle);
  return found;
}

/** As lspci writes it: "0000:1b:00.0". */
export function busId(pci: Pick<Pci, "domain" | "bus" | "device">): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
  return `${hex(pci.domain, 4)}:${hex(pci.bus, 2)}:${hex(pci.device, 2)}.0`;
}

/** Memory whose parts do not fit its total is garbage. */
function sound(memory: Memory | undefined): Memory | undefined {
  return memory !== undefined && memory.total > 0n && memory.free <= memory.total ? memory : undefined;
}

/** A reading beyond what such a thing can be is garbage, not a reading. */
const within = (value: number | undefined, most: number): number | undefined =>
  value !== undefined && value >= 0 && value <= most ? value : undefined;

/** A field only where there is a value: absent is not 0. */
function given<K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [P in K]?: V };
}
