import { clone, create } from "@bufbuild/protobuf";
import {
  DiskInfoSchema,
  type GPUInfo,
  GPUInfoSchema,
  type HostInfo,
  HostInfoSchema,
  type SourceInfo,
  SourceInfoSchema,
  State,
} from "../proto/gen/host_pb.js";
import { valueRetentionMs } from "../proto/source.ts";
import { cleanAll } from "./clean.ts";
import type { Grant, Machine } from "./machine/machine.ts";
import { Processes } from "./process.ts";
import { Roster } from "./roster.ts";
import { hold } from "./source/kubelet.ts";
import type { Source, SourceOptions, SourceReader } from "./source/source.ts";

/** Time until a source that could not be opened is tried again. */
const retryMs = 60_000;

export interface SnapshotOptions extends SourceOptions {
  readonly sources: readonly Source[];
  readonly machine: Machine;
  readonly version: string;
}

/** Last good reading of one source. */
interface LastReading {
  readonly part: HostInfo;
  readonly grants: readonly Grant[];
  /** Unix milliseconds. */
  readonly sampled: number;
  /** Machine ticks: ages are counted by them, for clocks may be set back. */
  readonly at: number;
}

class ReadTimeout extends Error {}

/** State of one source: opened once, read on demand, never twice at once; keeps its last good reading. */
class SourceState {
  readonly source: Source;
  readonly #all: SnapshotOptions;
  #reader: SourceReader | undefined;
  #opened: Promise<void> | undefined;
  #triedAt = Number.NEGATIVE_INFINITY;
  #absent = false;
  #reading: Promise<void> | undefined;
  readonly #roster = new Roster();
  #good: LastReading | undefined;
  #state = State.UNSPECIFIED;
  #err: string | undefined;
  #note: string | undefined;
  readonly #cards = new Cards();
  readonly #processes: Processes;
  /** Microseconds. */
  #duration = 0;

  constructor(source: Source, all: SnapshotOptions) {
    this.source = source;
    this.#all = all;
    this.#processes = new Processes(all.machine);
  }

  open(): Promise<void> {
    this.#opened ??= this.#open();
    return this.#opened;
  }

  async #open(): Promise<void> {
    const { machine } = this.#all;
    this.#triedAt = machine.ticks();
    try {
      this.#reader = await this.source.open(machine, this.#all);
      this.#absent = this.#reader === undefined;
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Reads the source, or notes why it cannot be read; never throws, never takes longer than the deadline. */
  async refresh(): Promise<void> {
    const { machine, deadline } = this.#all;
    // A read that has not returned is not waited for again: its source stays hung until it does.
    if (this.#reading !== undefined) return;
    // A driver may be loaded, or a card plugged in, while the machine runs.
    if (this.#reader === undefined && machine.ticks() - this.#triedAt >= retryMs) this.#opened = undefined;
    const abort = new AbortController();
    let late = false;
    const reading = this.#read(abort.signal).finally(() => {
      if (this.#reading === reading) this.#reading = undefined;
    });
    this.#reading = reading;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        late = true;
        resolve();
      }, deadline);
    });
    await Promise.race([reading, limit]);
    clearTimeout(timer);
    if (!late || this.#reading !== reading) return;
    this.#fail(new ReadTimeout(`${this.source.name} did not answer in ${deadline / 1000} s`));
    abort.abort();
  }

  async #read(signal: AbortSignal): Promise<void> {
    await this.open();
    if (this.#reader === undefined) return;
    const { machine } = this.#all;
    const begun = machine.ticks();
    try {
      const { note: sourceNote, grants = [], ...fields } = await this.#reader.read(signal);
      const part = create(HostInfoSchema, fields);
      const unnamed = part.gpus.length > 0 ? await this.#processes.describe(part) : undefined;
      const note = sourceNote ?? unnamed;
      this.#succeed(part, grants);
      if (note !== undefined && note !== this.#note) this.#all.log.info(`${this.source.name}: ${note}`);
      this.#note = note;
    } catch (error) {
      // An abandoned read has been reported as late already.
      if (!signal.aborted) this.#fail(error);
    } finally {
      // A read that hung for hours is longer than the field can say.
      this.#duration = Math.min(0xffff_ffff, Math.round((machine.ticks() - begun) * 1000));
    }
  }

  #succeed(part: HostInfo, grants: readonly Grant[]): void {
    const { machine, log } = this.#all;
    const sampled = machine.now();
    part.gpus = this.#roster.update(part.gpus, machine.ticks());
    for (const device of [...part.gpus, ...part.disks]) {
      device.state ??= State.OK;
      // A device that was not read keeps its silence about when it was.
      if (device.state === State.OK) device.sampled ??= BigInt(sampled);
    }
    this.#cards.complete(part, machine.ticks());
    if (this.#err !== undefined && this.#good !== undefined) log.info(`${this.source.name}: reads again`);
    this.#good = { part, grants, sampled, at: machine.ticks() };
    this.#state = State.OK;
    this.#err = undefined;
  }

  #fail(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    const named = error instanceof Error ? error.name : "";
    // A machine without such a device is normal; that it lost it is not.
    const worth = named !== "Unsupported" || this.#good !== undefined;
    if (worth && text !== this.#err) this.#all.log.warn(`${this.source.name}: ${text}`);
    this.#err = text;
    this.#state =
      error instanceof ReadTimeout || named === "Hung"
        ? State.HUNG
        : named === "Unsupported"
          ? State.UNSUPPORTED
          : State.STALE;
  }

  /** Returns the last reading; devices are marked stale if it is not from this collection. */
  shown(): HostInfo | undefined {
    if (this.#good !== undefined && this.#state === State.OK) return this.#good.part;
    const ticks = this.#all.machine.ticks();
    if (this.#good !== undefined && ticks - this.#good.at >= valueRetentionMs) this.#good = undefined;
    if (this.#good === undefined) {
      // Nothing is known of the other cards any more; these were lost before, and still are.
      const gpus = this.#roster.lost(ticks);
      return gpus.length > 0 ? create(HostInfoSchema, { gpus }) : undefined;
    }
    return stale(this.#good.part, { err: this.#err ?? "", listed: (gpu) => this.#roster.isListed(gpu, ticks) });
  }

  /** Device allocations of the last reading. */
  grants(): readonly Grant[] {
    return this.#good?.grants ?? [];
  }

  info(): SourceInfo | undefined {
    if (this.#absent) return undefined;
    const err = this.#err ?? this.#note;
    return create(SourceInfoSchema, {
      name: this.source.name,
      state: this.#state,
      duration: this.#duration,
      ...(this.#good !== undefined && { sampled: BigInt(this.#good.sampled) }),
      ...(err !== undefined && { err }),
    });
  }

  async close(): Promise<void> {
    await this.#reader?.close();
  }

  async pause(ms: number): Promise<void> {
    await this.#reader?.pause?.(ms);
  }
}

/**
 * Last values of each card. A source returns a card that could not be read, while others could, as STALE and without values:
 * it is completed with the last ones, for `valueRetentionMs`. Fields that the source does return (number, Xid events) are current.
 */
class Cards {
  readonly #good = new Map<string, { readonly gpu: GPUInfo; readonly at: number }>();

  complete(part: HostInfo, now: number): void {
    part.gpus.forEach((gpu, i) => {
      const key = gpu.uuid || String(gpu.id);
      if (gpu.state === State.OK) this.#good.set(key, { gpu, at: now });
      const good = this.#good.get(key);
      if (gpu.state !== State.STALE || good === undefined) return;
      if (now - good.at >= valueRetentionMs) this.#good.delete(key);
      else part.gpus[i] = create(GPUInfoSchema, { ...good.gpu, err: "", ...present(gpu) });
    });
  }
}

/** Returns the fields that are set; empty lists are not. */
const present = (gpu: GPUInfo): Partial<GPUInfo> =>
  Object.fromEntries(
    Object.entries(gpu).filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0)),
  );

/** Copies a reading with every device marked as stale. */
function stale(part: HostInfo, { err, listed }: { err: string; listed(lost: GPUInfo): boolean }): HostInfo {
  const gpus = part.gpus.filter((gpu) => gpu.state !== State.LOST || listed(gpu));
  return create(HostInfoSchema, {
    ...part,
    gpus: gpus.map((gpu) => {
      const old = clone(GPUInfoSchema, gpu);
      if (old.state === State.OK) old.state = State.STALE;
      old.err ??= err;
      return old;
    }),
    disks: part.disks.map((disk) => {
      const old = clone(DiskInfoSchema, disk);
      if (old.state === State.OK) old.state = State.STALE;
      return old;
    }),
  });
}

/** Collects the readings of all sources on demand. Nothing runs between two collections. */
export class Snapshot {
  readonly #all: SnapshotOptions;
  readonly #watches: readonly SourceState[];
  readonly #numbers: GpuNumbers;
  #running: Promise<HostInfo> | undefined;
  /** Port of the exporter, for the hub's list of scrape targets; undefined if there is none that others can reach. */
  exporterPort: number | undefined;

  constructor(all: SnapshotOptions) {
    this.#all = all;
    this.#watches = all.sources.map((source) => new SourceState(source, all));
    this.#numbers = new GpuNumbers(all.sources.map(({ name }) => name));
  }

  /** Opens the sources. Optional before collect(), but then the first poll already has a baseline for rates. */
  async open(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.open()));
  }

  /** Collects everything; concurrent callers share one collection. Never throws. */
  collect(): Promise<HostInfo> {
    this.#running ??= this.#collect().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #collect(): Promise<HostInfo> {
    await Promise.all(this.#watches.map((watch) => watch.refresh()));
    const answer = create(HostInfoSchema);
    for (const watch of this.#watches) {
      merge(answer, this.#numbers.renumber(watch.source.name, watch.shown()));
      const info = watch.info();
      if (info !== undefined) answer.sources.push(info);
    }
    hold(
      this.#all.machine,
      answer,
      this.#watches.flatMap((watch) => watch.grants()),
    );
    const err = this.#gpuError(answer);
    if (err !== undefined) answer.err ??= err;
    answer.agentVersion = this.#all.version;
    if (this.exporterPort !== undefined) answer.exporterPort = this.exporterPort;
    answer.sampled = BigInt(this.#all.machine.now());
    cleanAll(HostInfoSchema, answer);
    return answer;
  }

  /** Returns the sources' reasons why there are no GPUs, or only lost ones. */
  #gpuError({ gpus }: HostInfo): string | undefined {
    if (gpus.some(({ state }) => state !== State.LOST)) return undefined;
    const errors = this.#watches.flatMap((watch) => {
      const { err, state } = (watch.source.gpus && watch.info()) || {};
      // A driver that this machine never had explains no loss.
      return err === undefined || (gpus.length > 0 && state === State.UNSUPPORTED) ? [] : [err];
    });
    return errors.length > 0 ? errors.join("; ") : undefined;
  }

  async close(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.close()));
  }

  /**
   * Releases drivers for so many milliseconds; 0 ends the pause.
   * @throws Hung if a driver cannot be released.
   */
  async pause(ms: number): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.pause(ms)));
  }
}

/**
 * Numbers GPUs across sources: each source counts its own from 0, but old clients identify a GPU by its number alone.
 * The numbers of a source begin after the greatest of the sources before it, so that a card that is lost for a while
 * does not pass its number to another.
 */
class GpuNumbers {
  readonly #most: Map<string, number>;

  constructor(sources: readonly string[]) {
    this.#most = new Map(sources.map((name) => [name, 0]));
  }

  renumber(source: string, part: HostInfo | undefined): HostInfo | undefined {
    let first = 0;
    for (const [name, most] of this.#most) {
      if (name === source) break;
      first += most;
    }
    if (part === undefined || part.gpus.length === 0) return part;
    // Instances of a divided card have ids from 1000 on.
    const ids = part.gpus.map(({ id }) => id ?? 0).filter((id) => id < 1000);
    const own = Math.max(...ids.map((id) => id + 1), this.#most.get(source) ?? 0);
    this.#most.set(source, own);
    if (first === 0) return part;
    const gpus = part.gpus.map((gpu) => {
      const moved = clone(GPUInfoSchema, gpu);
      moved.id = first + (gpu.id ?? 0);
      if (gpu.id !== undefined) moved.vendorIndex = gpu.id;
      return moved;
    });
    return create(HostInfoSchema, { ...part, gpus });
  }
}

/** Merges a source's part into the answer: lists are joined, submessages completed, other fields replaced. */
function merge(answer: HostInfo, part: HostInfo | undefined): void {
  if (part === undefined) return;
  const { gpus, disks, nics, sources, cpu, memory, system, $typeName: _, $unknown: __, ...rest } = part;
  answer.gpus.push(...gpus);
  answer.disks.push(...disks);
  answer.nics.push(...nics);
  answer.sources.push(...sources);
  if (cpu) answer.cpu = answer.cpu ? Object.assign(answer.cpu, cpu) : { ...cpu };
  if (memory) answer.memory = { ...answer.memory, ...memory };
  if (system) answer.system = { ...answer.system, ...system };
  for (const [key, value] of Object.entries(rest)) {
    if (value !== undefined) (answer as unknown as Record<string, unknown>)[key] = value;
  }
}
