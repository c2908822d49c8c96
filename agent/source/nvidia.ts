import { existsSync } from "node:fs";
import type { Machine } from "../machine/machine.ts";
import { arcOf, availableOf, less, meminfo } from "../machine/meminfo.ts";
import { containedNote, isContained } from "../machine/namespace.ts";
import { type NvmlGpu, ok, put } from "./nvml/gpu.ts";
import { Incidents } from "./nvml/incident.ts";
import { ReaderLink } from "./nvml/parent.ts";
import type { Reading } from "./nvml/reader.ts";
import { findLibraries, hasDriver, LibraryNotFound } from "./nvml/search.ts";
import { SleepGuard } from "./nvml/sleep.ts";
import { Smi, smiPlaces } from "./nvml/smi.ts";
import { startReader } from "./nvml/start.ts";
import { markStale, type Source, type SourceOptions, type SourcePart, type SourceReader } from "./source.ts";

/**
 * Reads NVIDIA GPUs through the driver's library in a separate process (docs/decisions/0001), or through nvidia-smi if the
 * library cannot be loaded. Always opens: a driver may be loaded later, and until then the answer has the reason why there
 * are no GPUs.
 */
export const nvidia: Source = {
  name: "nvidia",
  gpus: true,
  open: (machine, options) => Promise.resolve(new Nvidia(machine, options)),
};

class Nvidia implements SourceReader {
  readonly #machine: Machine;
  readonly #options: SourceOptions;
  readonly #link: ReaderLink;
  readonly #incidents = new Incidents();
  readonly #sleep: SleepGuard;
  #system: Reading["system"] = {};
  /** Cards that were seen to have memory of their own, by uuid. */
  readonly #own = new Set<string>();
  /** The most links that were up at once, by uuid. */
  readonly #links = new Map<string, number>();
  #smi: Smi | undefined;
  /** What the kernel said of its driver at the last read. */
  #driver: string | undefined;

  constructor(machine: Machine, options: SourceOptions) {
    this.#machine = machine;
    this.#options = options;
    this.#sleep = new SleepGuard(machine);
    this.#link = new ReaderLink({
      start: startReader,
      ticks: () => machine.ticks(),
      // Ours ends first, so that its text says what happened.
      deadline: options.deadline * 0.9,
    });
  }

  async read(signal: AbortSignal): Promise<SourcePart> {
    this.#link.refuse();
    this.#watchDriver();
    const quiet = this.#sleep.cards();
    const gpus = quiet ?? (await this.#awake(signal));
    // Those that are left alone are as they were; a card that sleeps still has the events of before.
    for (const gpu of gpus) if (gpu.asleep) this.#incidents.take(gpu, BigInt(this.#machine.now()));
    const system = this.#system;
    if (!isContained(this.#machine)) return { gpus, system };
    if (!this.#ours(gpus)) for (const gpu of gpus) for (const proc of gpu.procs ?? []) proc.elsewhere = true;
    return { gpus, system, note: containedNote };
  }

  /** Queries the driver, and releases it if that lets the cards fall asleep. */
  async #awake(signal: AbortSignal): Promise<NvmlGpu[]> {
    const { gpus, system } = await this.#reading(signal);
    const now = BigInt(this.#machine.now());
    for (const gpu of gpus) {
      this.#share(gpu);
      if (gpu.state === ok) gpu.sampled = now;
      this.#incidents.take(gpu, now);
      this.#expect(gpu);
    }
    this.#system = system;
    if (this.#sleep.take(gpus)) this.#link.close();
    return gpus;
  }

  /**
   * Drivers tell the host's process ids; newer ones tell a container its own, and leave the others out
   * (docs/decisions/0013). Ours they are where each of them has the driver open here.
   */
  #ours(gpus: readonly NvmlGpu[]): boolean {
    const pids = new Set(gpus.flatMap(({ procs = [] }) => procs.map(({ pid }) => String(pid))));
    const opens = (pid: string): boolean =>
      this.#machine.opened(pid, "/dev").some(({ path }) => path.startsWith("/dev/nvidia"));
    return [...pids].every(opens);
  }

  async #reading(signal: AbortSignal): Promise<Reading> {
    try {
      return await this.#link.read(findLibraries(this.#machine, this.#options.nvml), signal);
    } catch (error) {
      // As root nvidia-smi, too, would load the driver by itself.
      if (!(error instanceof LibraryNotFound) || !hasDriver(this.#machine)) throw error;
      const smi = this.#findSmi();
      if (smi === undefined) throw error;
      return await smi.read({ deadline: this.#options.deadline * 0.9, signal });
    }
  }

  #findSmi(): Smi | undefined {
    const [program] = smiPlaces(this.#machine.root, process.env.PATH, existsSync);
    if (program === undefined) return undefined;
    if (this.#smi === undefined) {
      this.#options.log.info(`nvidia: no NVML library can be loaded; ${program} is asked instead`);
      this.#smi = new Smi(program);
    }
    return this.#smi;
  }

  /** After a failure the pauses grow to minutes; another driver in the kernel is a reason not to wait for their end. */
  #watchDriver(): void {
    const driver = this.#machine.read("/proc/driver/nvidia/version");
    if (driver !== this.#driver && driver !== undefined) {
      this.#link.resume();
      this.#incidents.reload();
    }
    this.#driver = driver;
  }

  async pause(ms: number): Promise<void> {
    if (ms === 0) return this.#link.resume();
    const end = new Date(this.#machine.now() + ms).toISOString().slice(0, 19).replace("T", " ");
    this.#incidents.release();
    await this.#link.pause(ms, new Error(`paused until ${end} UTC, so that the driver can be reloaded`));
  }

  close(): Promise<void> {
    this.#link.close();
    this.#smi?.close();
    return Promise.resolve();
  }

  /** A link that was up and is not any more is broken, whichever reader saw it last. */
  #expect({ uuid, nvlink }: NvmlGpu): void {
    if (uuid === undefined || nvlink?.linksExpected === undefined) return;
    nvlink.linksExpected = Math.max(nvlink.linksExpected, this.#links.get(uuid) ?? 0);
    this.#links.set(uuid, nvlink.linksExpected);
  }

  /**
   * Gives a GPU without memory of its own the host's, which it computes in: cached files count as free, as they are given
   * back on demand. A card that had memory of its own before still has it, whatever its driver says now.
   */
  #share(gpu: NvmlGpu): void {
    const { uuid = "" } = gpu;
    if ((gpu.memTotal ?? 0n) > 0n) this.#own.add(uuid);
    if (!gpu.memoryShared) return;
    if (this.#own.has(uuid)) {
      delete gpu.memoryShared;
      if (gpu.memTotal !== 0n) return;
      markStale(gpu, "The driver answers 0 for the memory of a card that has some: the card starts, or is being reset");
      return;
    }
    delete gpu.memTotal;
    const bytes = meminfo(this.#machine.read("/proc/meminfo") ?? "");
    const total = bytes.get("MemTotal");
    const available = availableOf(bytes, arcOf(this.#machine));
    put(gpu, "memTotal", total);
    put(gpu, "memUsed", total === undefined || available === undefined ? undefined : less(total, available));
  }
}
