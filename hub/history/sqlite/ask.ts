import { earliest } from "../../clock.ts";
import { Fault } from "../../fault.ts";
import type { Aggregate, Columns, GroupColumns, GroupQuery, Range, SeriesId, SeriesQuery } from "../store.ts";
import { type Piece, type PieceSink, pointsOf, SeriesPoints } from "./ask/gather.ts";
import { GroupFold, GroupSums } from "./ask/group.ts";
import { BlockReader, type HeadView, type SeriesSelection } from "./ask/reader.ts";
import { BufferPool } from "./bucket.ts";
import { blockMs, blockOf, blocksPerDay, bucketOf, bucketsInRow, dayOf, tiers } from "./key.ts";
import type { HostRecord, MetricRecord, NameTable } from "./names.ts";
import type { Rows } from "./row.ts";
import { Yielder } from "./turns.ts";

/** Consecutive empty blocks after which the next day with data is looked up. */
const mostEmpty = 2;
/** Maximum points of a group. */
const mostBuckets = 100_000;
/** Maximum points for which memory is reserved in advance. */
const likely = 50_000;

/** Series in the same rows: an index for each device's id, and by index what is asked of it. */
interface HostQuery<T> {
  readonly host: HostRecord;
  readonly metric: MetricRecord;
  readonly devices: Map<number, number>;
  readonly asked: T[][];
}

interface Scan {
  readonly from: number;
  readonly to: number;
  readonly yielder: Yielder;
}

/** Answers queries from rows and head chunks. */
export class Querier {
  readonly #names: NameTable;
  readonly #rows: Rows;
  readonly #memory: HeadView;

  constructor(names: NameTable, rows: Rows, memory: HeadView) {
    this.#names = names;
    this.#rows = rows;
    this.#memory = memory;
  }

  /** @throws Fault bad_request; canceled */
  async read<A extends Aggregate>(
    { series, range: given, of, most }: SeriesQuery<A>,
    signal?: AbortSignal,
  ): Promise<readonly Columns<A>[]> {
    const range = checked(given);
    if (!(most >= 1)) throw new Fault("bad_request", `An answer must have room for 1 point or more: it is ${most}`);
    const answers: Columns<A>[] = [];
    const yielder = new Yielder(signal);
    const asked = series.map((id, i) => [id, i] as const);
    for (const group of await this.#grouped(asked, yielder)) {
      const gathered = await this.#gather(wantedOf(group, range.step, of), { ...range, most, yielder });
      for (const [place, wanted] of group.asked.entries()) {
        for (const i of wanted) answers[i] = (gathered[place] ?? nothing).columns(of, most);
        await yielder.yield();
      }
    }
    return series.map((_, i) => answers[i] ?? nothing.columns(of, most));
  }

  /** @throws Fault bad_request; canceled */
  async fold({ groups, range: given }: GroupQuery, signal?: AbortSignal): Promise<readonly GroupColumns[]> {
    const range = checked(given);
    if (range.step === 0) throw new Fault("bad_request", "Groups need a step greater than 0: it is 0");
    const yielder = new Yielder(signal);
    const grouped = await this.#grouped(membersOf(groups), yielder);
    const extent = this.#extent(new Set(grouped.map(({ host }) => host)), range);
    const sums: GroupSums[] = [];
    while (sums.length < groups.length) {
      sums.push(new GroupSums(range.step, extent));
      await yielder.yield();
    }
    const folder = new GroupFold(range.step);
    const spare = new BufferPool(bucketsInRow);
    for (const group of grouped) {
      folder.begin(
        group.metric,
        group.asked.map((places) => [...new Set(places)].flatMap((place) => sums[place] ?? [])),
      );
      await this.#forward(wantedOf(group, range.step, ["avg"]), { ...range, yielder }, { sink: folder, spare });
      folder.end();
    }
    const answers: GroupColumns[] = [];
    for (const sum of sums) {
      answers.push(sum.columns());
      await yielder.yield();
    }
    return answers;
  }

  /** Returns the points that can hold data: a query without bounds needs no memory for all of time. */
  #extent(hosts: Iterable<HostRecord>, { from, to, step }: Range): { first: number; length: number } {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const host of hosts) {
      const { oldest, newest } = this.#blocks(host);
      low = Math.min(low, oldest);
      high = Math.max(high, newest);
    }
    if (low > high) return { first: 0, length: 0 };
    const first = Math.floor(Math.max(from, low * blockMs) / step);
    const length = Math.max(0, Math.ceil(Math.min(to, (high + 1) * blockMs) / step) - first);
    if (length <= mostBuckets) return { first, length };
    throw new Fault(
      "bad_request",
      `An answer over groups has ${mostBuckets} points at most: this one would have ${length}`,
    );
  }

  /** Groups the known series by their rows, each with what is asked of it. */
  async #grouped<T>(series: Iterable<readonly [SeriesId, T]>, yielder: Yielder): Promise<readonly HostQuery<T>[]> {
    const groups = new Map<HostRecord, Map<MetricRecord, HostQuery<T>>>();
    let seen = 0;
    for (const [id, wanted] of series) {
      if (++seen % 1024 === 0) await yielder.yield();
      const host = this.#names.find(id.host);
      const device = host?.devices.get(`${id.level}\n${id.key}`);
      const metric = this.#names.findMetric(id.level, id.metric);
      if (host === undefined || device === undefined || metric === undefined) continue;
      const metrics = groups.get(host) ?? new Map<MetricRecord, HostQuery<T>>();
      groups.set(host, metrics);
      const group = metrics.get(metric) ?? { host, metric, devices: new Map<number, number>(), asked: [] };
      metrics.set(metric, group);
      const place = group.devices.get(device.id) ?? group.devices.size;
      group.devices.set(device.id, place);
      const asked = group.asked[place] ?? [];
      group.asked[place] = asked;
      asked.push(wanted);
    }
    return [...groups.values()].flatMap((metrics) => [...metrics.values()]);
  }

  #blocks(host: HostRecord): { oldest: number; newest: number } {
    const held = [...this.#memory.blocks(host)];
    return { oldest: Math.min(host.first, ...held), newest: Math.max(host.last, ...held) };
  }

  /** Reads the points of each device: the newest, and at least one more than `most` if there are more. */
  async #gather(wanted: SeriesSelection, { most, ...asked }: Scan & { most: number }): Promise<SeriesPoints[]> {
    const { step, metric, all } = wanted;
    const gathered = [...wanted.devices.keys()].map(() => new SeriesPoints(step, metric, all));
    const { first, last } = this.#span(wanted, asked);
    const points = ((last - first + 1) * blockMs) / step;
    if (points < most) {
      for (const gather of gathered) gather.reserve(Math.min(points + 1, likely));
      const sink = { put: (place: number, piece: Piece): void => gathered[place]?.put(piece) };
      await this.#forward(wanted, asked, { sink, spare: new BufferPool(bucketsInRow) });
      return gathered;
    }
    const pieces = await this.#backward(wanted, { most, ...asked });
    for (const [place, gather] of gathered.entries()) {
      gather.add(pieces[place] ?? []);
      await asked.yielder.yield();
    }
    return gathered;
  }

  /** Returns the first and last block with data of a host within a range. */
  #span({ host, tier }: SeriesSelection, { from, to }: Pick<Scan, "from" | "to">): { first: number; last: number } {
    let { oldest, newest } = this.#blocks(host);
    // Of a day whose hours have expired, only a whole one can be read.
    if (tier === "day" && oldest <= newest) {
      oldest = dayOf(oldest) * blocksPerDay;
      newest = (dayOf(newest) + 1) * blocksPerDay - 1;
    }
    return {
      first: Math.max(oldest, blockOf(Math.max(from, 0))),
      last: Math.min(newest, blockOf(Math.ceil(to) - 1)),
    };
  }

  /** Reads everything, oldest first. */
  async #forward(
    wanted: SeriesSelection,
    { from, to, yielder }: Scan,
    { sink, spare }: { sink: PieceSink; spare: BufferPool },
  ): Promise<void> {
    const { host } = wanted;
    const reader = new BlockReader({ rows: this.#rows, memory: this.#memory }, wanted, spare);
    const { first, last } = this.#span(wanted, { from, to });
    let empty = 0;
    for (let block = first; block <= last; block++) {
      const before = reader.pieces;
      if (covers(wanted, block, { from, to }) && reader.day(block * blockMs, sink, this.#settled(host, block))) {
        block += blocksPerDay - 1;
      } else reader.block(block, { from, to, sink });
      empty = reader.pieces > before ? 0 : empty + 1;
      if (empty >= mostEmpty) block = this.#after(host, block + 1, { reader, last }) - 1;
      if (yielder.due) {
        reader.reset();
        await yielder.yield();
      }
    }
  }

  /** Reads the newest pieces of each device: at least one more point than `most` if there are more. */
  async #backward(wanted: SeriesSelection, { from, to, most, yielder }: Scan & { most: number }): Promise<Piece[][]> {
    const { host, step } = wanted;
    const reader = new BlockReader({ rows: this.#rows, memory: this.#memory }, wanted);
    const { first, last } = this.#span(wanted, { from, to });
    const parts: Piece[][][] = [];
    const points = Array.from({ length: wanted.devices.size }, () => 0);
    let empty = 0;
    // Newest first, so that points beyond `most` are never read.
    for (let block = last; block >= first && points.some((held) => held <= most); block--) {
      const part = points.map((): Piece[] => []);
      const sink = { put: (place: number, piece: Piece): void => void part[place]?.push(piece) };
      const day = block + 1 - blocksPerDay;
      if (covers(wanted, day, { from, to }) && reader.day(day * blockMs, sink, this.#settled(host, day))) block = day;
      else reader.block(block, { from, to, sink });
      parts.push(part);
      for (const [i, pieces] of part.entries()) points[i] = (points[i] ?? 0) + count(pieces, step);
      empty = part.some(({ length }) => length > 0) ? 0 : empty + 1;
      if (empty >= mostEmpty) block = this.#before(host, block - 1, { reader, first }) + 1;
      if (yielder.due) {
        reader.reset();
        await yielder.yield();
      }
    }
    parts.reverse();
    return points.map((_, place) => parts.flatMap((part) => part[place] ?? []));
  }

  /** True if nothing came of the day that begins with a block since it was rolled up. */
  #settled(host: HostRecord, day: number): boolean {
    if (host.open.has(dayOf(day))) return false;
    for (let i = 0; i < blocksPerDay; i++) if (this.#memory.chunks(host, day + i).length > 0) return false;
    return true;
  }

  /** Finds the newest block, not after the one given, that may have data; one before `first` if none. */
  #before(host: HostRecord, block: number, { reader, first }: { reader: BlockReader; first: number }): number {
    for (let day = dayOf(block); (day + 1) * blocksPerDay > first; ) {
      const found = Math.max(reader.dayBefore(day), ...this.#unsettled(host).filter((one) => one <= day));
      if (found === day) return Math.min(block, (day + 1) * blocksPerDay - 1);
      day = found;
    }
    return first - 1;
  }

  /** Finds the oldest block, not before the one given, that may have data; one after `last` if none. */
  #after(host: HostRecord, block: number, { reader, last }: { reader: BlockReader; last: number }): number {
    for (let day = dayOf(block); day * blocksPerDay <= last; ) {
      const found = Math.min(reader.dayAfter(day), ...this.#unsettled(host).filter((one) => one >= day));
      if (found === day) return Math.max(block, day * blocksPerDay);
      day = found;
    }
    return last + 1;
  }

  /** Lists days of which more may have come since they were rolled up. */
  #unsettled(host: HostRecord): number[] {
    return [...host.open, ...Array.from(this.#memory.blocks(host), dayOf)];
  }
}

/** True if the whole day that begins with a block is asked for, as one bucket or part of one. */
const covers = ({ tier }: SeriesSelection, day: number, { from, to }: { from: number; to: number }): boolean =>
  tier === "day" && day % blocksPerDay === 0 && from <= day * blockMs && to >= (day + blocksPerDay) * blockMs;

/** Lists each series with the index of a group that names it. */
function* membersOf(groups: readonly (readonly SeriesId[])[]): Generator<readonly [SeriesId, number]> {
  for (const [place, ids] of groups.entries()) for (const id of ids) yield [id, place];
}

function wantedOf(
  { host, metric, devices }: Omit<HostQuery<unknown>, "asked">,
  step: number,
  of: readonly Aggregate[],
): SeriesSelection {
  // A rollup has neither the newest sample of a gauge nor the distribution of its samples.
  const rollup = step > 0 && !of.includes("p95") && (metric.counter || !of.includes("last"));
  const tier = rollup ? tiers.findLast((one) => step % bucketOf[one] === 0) : undefined;
  return { host, metric, devices, step, tier, all: of.includes("p95") };
}

const count = (pieces: readonly Piece[], step: number): number =>
  pieces.reduce((sum, piece) => sum + pointsOf(piece, step), 0);

const nothing = new SeriesPoints(0, { counter: false, scale: 1 }, false);

/**
 * Checks a range, and cuts off times before any right clock: an earlier version kept such samples.
 * @throws Fault bad_request
 */
function checked({ from, to, step }: Range): Range {
  if (Number.isNaN(from) || Number.isNaN(to) || !(step >= 0) || step === Number.POSITIVE_INFINITY) {
    throw new Fault("bad_request", `A range must be two times and a step of 0 or more: it is ${from}, ${to}, ${step}`);
  }
  return { from: Math.max(from, earliest), to, step };
}
