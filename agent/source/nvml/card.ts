import type { Throttle } from "../../../proto/gen/host_pb.js";
import { dropImplausible } from "../source.ts";
import { type Field, FieldList, linkReceived, linkSent, memoryTemperature } from "./field.ts";
import { type Identity, lost, type NvmlGpu, type NvmlProc, nvidia, ok, put, unsupported, within } from "./gpu.ts";
import type { Pci, Process, ProcessSample } from "./layout.ts";
import { code, type Nvml, type NvmlDevice, NvmlError, queries } from "./library.ts";
import { Links } from "./nvlink.ts";
import { PcieCounters } from "./pcie.ts";
import { ProcessList, SampleList } from "./process.ts";
import { broken, DeviceQueries } from "./query.ts";
import { SlowValueCache, type SlowValues } from "./slow.ts";

/** A part of a divided device. */
export interface Instance {
  readonly device: NvmlDevice;
  readonly identity: Identity;
}

/** What runs on a device, as the driver lists it. */
interface Lists {
  readonly compute: readonly Process[];
  readonly graphics: readonly Process[];
  /** False where the driver does not list what computes. */
  readonly known: boolean;
}

export interface NvmlClock {
  /** Unix milliseconds. */
  now(): number;
  /** Milliseconds that never go back. */
  ticks(): number;
  /** Returns when so many milliseconds have passed. Nothing else happens in this process meanwhile. */
  wait(ms: number): void;
}

/** Reads devices; holds the buffers that the calls fill. */
export class Cards {
  readonly #nvml: Nvml;
  readonly #clock: NvmlClock;
  readonly #compute: ProcessList;
  /** Clients of MPS, which are on no other list: there its server is all that shows. */
  readonly #mps: ProcessList;
  readonly #graphics: ProcessList;
  readonly #samples: SampleList;
  readonly #fields: FieldList;
  readonly #links: Links;
  readonly #pcie: PcieCounters;
  readonly #settling: SlowValueCache;

  constructor(nvml: Nvml, clock: NvmlClock) {
    this.#nvml = nvml;
    this.#clock = clock;
    this.#compute = new ProcessList(nvml, "nvmlDeviceGetComputeRunningProcesses");
    this.#mps = new ProcessList(nvml, "nvmlDeviceGetMPSComputeRunningProcesses");
    this.#graphics = new ProcessList(nvml, "nvmlDeviceGetGraphicsRunningProcesses");
    this.#samples = new SampleList(nvml);
    this.#fields = new FieldList(nvml, [memoryTemperature, linkSent, linkReceived]);
    this.#links = new Links(nvml);
    this.#pcie = new PcieCounters(nvml, clock);
    this.#settling = new SlowValueCache({
      ticks: () => clock.ticks(),
      links: this.#links,
      renew: (device) => {
        this.#fields.forget(device);
        this.#pcie.forget(device);
      },
    });
  }

  /** @throws NvmlError when the device is lost. */
  identify(device: NvmlDevice): Identity {
    const asker = new DeviceQueries(this.#nvml, device);
    const pci = asker.ask(queries.pci);
    const identity: Identity = { id: device.index, vendor: nvidia };
    // An empty text counts as absent: cards that share an empty uuid would be taken for one.
    put(identity, "name", asker.ask(queries.name) || undefined);
    put(identity, "uuid", asker.ask(queries.uuid) || undefined);
    put(identity, "pciBusId", pci && busId(pci));
    return identity;
  }

  /**
   * Reads a device, and behind it the instances that it is divided into. A process is listed once: on its instance.
   * @param instances Undefined when the device is not divided.
   * @throws NvmlError when the library is unusable; a lost device is an answer.
   */
  read(device: NvmlDevice, identity: Identity, instances?: readonly Instance[]): NvmlGpu[] {
    let lists: Lists = { compute: [], graphics: [], known: false };
    const card = this.#read(device, identity, (asker, gpu) => {
      const settled = this.#settling.of(asker, identity.name);
      this.#values(asker, gpu);
      this.#details(asker, gpu, settled);
      lists = this.#lists(asker);
      if (instances !== undefined) {
        gpu.divided = true;
        // Instances use no links, says the MIG User Guide: those of a divided card may rest without being broken.
        delete gpu.nvlink;
      }
      this.#procs(asker, gpu, withoutInstances(lists, instances ?? []));
    });
    const parts = instances?.map((instance) => this.#instance(instance, lists)) ?? [];
    return [card, ...parts];
  }

  /**
   * What devices send and receive over PCIe, put into what was read of them. Takes a moment in which nothing is done.
   * @throws NvmlError when the library is unusable.
   */
  addTraffic(devices: readonly NvmlDevice[], gpus: readonly NvmlGpu[]): void {
    const traffic = this.#pcie.read(devices, (device) => {
      const { generationMax: generation, widthMax: width } = this.#settling.last(device) ?? {};
      return { generation, width };
    });
    for (const gpu of gpus) {
      const moved = gpu.state === ok && gpu.parent === undefined ? traffic.get(gpu.id ?? -1) : undefined;
      put(gpu, "pcieRxRate", moved?.received);
      put(gpu, "pcieTxRate", moved?.sent);
    }
  }

  #instance({ device, identity }: Instance, parent: Lists): NvmlGpu {
    return this.#read(device, identity, (asker, gpu) => {
      memory(asker, gpu);
      const lists = joined(this.#lists(asker), ofInstance(parent, identity.instance));
      gpu.procs = merge(lists.compute, lists.graphics, new Map());
      if (!lists.known) gpu.procsUnknown = true;
    });
  }

  #read(device: NvmlDevice, identity: Identity, act: (asker: DeviceQueries, gpu: NvmlGpu) => void): NvmlGpu {
    const asker = new DeviceQueries(this.#nvml, device);
    const gpu: NvmlGpu = { ...identity };
    try {
      act(asker, gpu);
      const { failure } = asker;
      if (asker.answers === 0 && failure === undefined && asker.refused) {
        return missing(identity, this.#nvml.error(code.noPermission));
      }
      gpu.state = asker.answers === 0 && failure !== undefined ? lost : ok;
      put(gpu, "err", failure?.message);
      return dropImplausible(gpu);
    } catch (error) {
      if (!(error instanceof NvmlError) || broken.has(error.code)) throw error;
      return missing(identity, error);
    }
  }

  #values(asker: DeviceQueries, gpu: NvmlGpu): void {
    memory(asker, gpu);
    const rates = asker.ask(queries.utilization);
    put(gpu, "utilization", within(rates?.gpu, 100));
    put(gpu, "memUtilization", within(rates?.memory, 100));
    put(gpu, "temp", within(asker.ask(queries.temperature, 0), 200));
    // May exceed 100, NVIDIA says.
    put(gpu, "fanspeed", within(asker.ask(queries.fan), 200));
    put(gpu, "power", within(asker.ask(queries.power), 10_000_000));
    put(gpu, "clockSm", within(asker.ask(queries.clock, 1), 20_000));
    put(gpu, "clockMem", within(asker.ask(queries.clock, 2), 50_000));
    gpu.throttle = throttles(asker.ask(queries.throttle));
    put(gpu, "eccCorrected", asker.ask(queries.ecc, 0, 0));
    put(gpu, "eccUncorrected", asker.ask(queries.ecc, 1, 0));
  }

  /** What few look at. */
  #details(asker: DeviceQueries, gpu: NvmlGpu, settled: SlowValues): void {
    const fields = asker.take((device) => this.#fields.read(device));
    Object.assign(gpu, settled.values);
    put(gpu, "encoder", within(asker.ask(queries.encoder), 100));
    put(gpu, "decoder", within(asker.ask(queries.decoder), 100));
    put(gpu, "energy", asker.ask(queries.energy));
    // Boards without such a sensor answer with 0.
    put(gpu, "memTemp", within(number(fields?.get(memoryTemperature)), 200) || undefined);
    put(gpu, "pcie", link(asker, settled));
    put(gpu, "nvlink", this.#nvlink(asker.device, fields, settled));
    put(gpu, "performance", within(asker.ask(queries.performance), 15));
  }

  #nvlink(
    device: NvmlDevice,
    fields: ReadonlyMap<Field, bigint> | undefined,
    { links }: SlowValues,
  ): NvmlGpu["nvlink"] {
    if (links === undefined) return undefined;
    const traffic = this.#links.traffic(device, fields, this.#clock.ticks());
    return { ...traffic, linksUp: links.up, linksExpected: links.expected };
  }

  #lists(asker: DeviceQueries): Lists {
    const compute = asker.take((device) => this.#compute.read(device));
    const mps = asker.take((device) => this.#mps.read(device)) ?? [];
    const graphics = asker.take((device) => this.#graphics.read(device)) ?? [];
    return { compute: union(compute ?? [], mps), graphics, known: compute !== undefined };
  }

  #procs(asker: DeviceQueries, gpu: NvmlGpu, { compute, graphics, known }: Lists): void {
    const some = compute.length + graphics.length > 0;
    const samples = some ? asker.take((device) => this.#samples.read(device, this.#clock.now())) : undefined;
    gpu.procs = merge(compute, graphics, samples ?? new Map());
    if (!known) gpu.procsUnknown = true;
  }
}

const number = (value: bigint | undefined): number | undefined => (value === undefined ? undefined : Number(value));

/** A device without memory of its own says that the query is not supported, or with some drivers that its memory is 0. */
function memory(asker: DeviceQueries, gpu: NvmlGpu): void {
  const { result, value } = asker.attempt(queries.memory);
  if (result === code.notSupported || value?.total === 0n) gpu.memoryShared = true;
  if (value === undefined) return;
  gpu.memUsed = value.total - value.free;
  gpu.memTotal = value.total;
  put(gpu, "memReserved", value.reserved);
}

/** Undefined if the device reports nothing of its link. A maximum is set if it is greater. */
function link(asker: DeviceQueries, { generationMax, widthMax }: SlowValues): NvmlGpu["pcie"] {
  const found: NonNullable<NvmlGpu["pcie"]> = {};
  // Virtual machines' cards without a link of their own answer with 0.
  const generation = within(asker.ask(queries.pcieGeneration), 16) || undefined;
  const width = within(asker.ask(queries.pcieWidth), 64) || undefined;
  put(found, "generation", generation);
  put(found, "width", width);
  put(found, "generationMax", generationMax === generation ? undefined : generationMax);
  put(found, "widthMax", widthMax === width ? undefined : widthMax);
  return Object.keys(found).length > 0 ? found : undefined;
}

/** True if a device may not be opened by this user or in this container, which says nothing of the device. */
export const isRefusal = (result: number): boolean => result === code.noPermission || result === code.operatingSystem;

/** A device that is known but cannot be read: it stays listed, without values. */
export function missing(identity: Identity, error: NvmlError): NvmlGpu {
  const state = isRefusal(error.code) ? unsupported : lost;
  return { ...identity, state, err: error.message };
}

const isOf = ({ instance }: Process, wanted: NvmlGpu["instance"]): boolean =>
  instance !== undefined && instance.gpu === wanted?.gpuInstance && instance.compute === wanted.computeInstance;

/** What runs on a divided device, but on none of its instances that are known. */
function withoutInstances({ compute, graphics, known }: Lists, instances: readonly Instance[]): Lists {
  const outside = (process: Process): boolean => !instances.some(({ identity }) => isOf(process, identity.instance));
  return { compute: compute.filter(outside), graphics: graphics.filter(outside), known };
}

function ofInstance({ compute, graphics, known }: Lists, instance: NvmlGpu["instance"]): Lists {
  const inside = (process: Process): boolean => isOf(process, instance);
  return { compute: compute.filter(inside), graphics: graphics.filter(inside), known };
}

/** The processes of both lists; one that is on both is taken from the first. */
function union(first: readonly Process[], second: readonly Process[]): Process[] {
  const pids = new Set(first.map(({ pid }) => pid));
  return [...first, ...second.filter(({ pid }) => !pids.has(pid))];
}

/** What an instance lists, and what its device lists of it: without rights the driver may list only one of them. */
const joined = (own: Lists, parent: Lists): Lists => ({
  compute: union(own.compute, parent.compute),
  graphics: union(own.graphics, parent.graphics),
  known: own.known || parent.known,
});

/** One entry per process, whatever lists it is on; a process with several GPU instances holds their sum. */
export function merge(
  compute: readonly Process[],
  graphics: readonly Process[],
  samples: ReadonlyMap<number, Pick<ProcessSample, "sm">>,
): NvmlProc[] {
  const procs = new Map<number, { compute: boolean; graphics: boolean; mem: bigint | undefined }>();
  for (const [list, kind] of [[compute, "compute"] as const, [graphics, "graphics"] as const]) {
    const sums = new Map<number, bigint | undefined>();
    for (const { pid, memory } of list) {
      const sum = sums.get(pid);
      sums.set(pid, memory === undefined ? sum : (sum ?? 0n) + memory);
    }
    for (const [pid, mem] of sums) {
      const proc = procs.get(pid) ?? { compute: false, graphics: false, mem: undefined };
      // Both lists have all the memory of a process that is on both.
      procs.set(pid, {
        ...proc,
        [kind]: true,
        mem: mem !== undefined && (proc.mem ?? 0n) < mem ? mem : (proc.mem ?? mem),
      });
    }
  }
  return [...procs].map(([pid, { mem, compute: computes, graphics: draws }]) => {
    const proc: NvmlProc = { pid, compute: computes, graphics: draws };
    put(proc, "mem", mem);
    put(proc, "utilization", within(samples.get(pid)?.sm, 100));
    return proc;
  });
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
