import { Fault } from "../../fault.ts";
import type { Aggregate, Columns, GroupColumns, GroupQuestion, Question, Range, SeriesId } from "../store.ts";
import { Gather, type Piece, pointsOf } from "./gather.ts";
import { Sums } from "./groups.ts";
import type { Host, Metric, Names } from "./names.ts";
import { type Memory, Reading, type Wanted } from "./reading.ts";
import type { Rows } from "./rows.ts";
import {
  bucketOf,
  bucketsInRow,
  dayOf,
  firstKey,
  spanOf,
  spanOfKey,
  tiers,
  windowLength,
  windowOf,
  windowsInDay,
} from "./span.ts";
import { Patience } from "./turns.ts";

/** Empty windows in a row after which the next one that holds something is looked up. */
const patience = 8;
/** Points of an answer over groups at most. */
const mostBuckets = 100_000;

/** Series that stand in the same rows. */
interface Group {
  readonly host: Host;
  readonly metric: Metric;
  readonly ids: SeriesId[];
  readonly devices: number[];
}

/** Answers questions from rows and memory. */
export class Query {
  readonly #names: Names;
  readonly #rows: Rows;
  readonly #memory: Memory;

  constructor(names: Names, rows: Rows, memory: Memory) {
    this.#names = names;
    this.#rows = rows;
    this.#memory = memory;
  }

  /** @throws Fault bad_request */
  async read<A extends Aggregate>({ series, range, of, most }: Question<A>): Promise<readonly Columns<A>[]> {
    checkRange(range);
    if (!(most >= 1)) throw new Fault("bad_request", `An answer must have room for 1 point or more: it is ${most}`);
    const answers = new Map<SeriesId, Columns<A>>();
    const turns = new Patience();
    for (const group of this.#grouped(series)) {
      const gathered = await this.#gather(wantedOf(group, range.step, of), { ...range, most, turns });
      for (const [i, id] of group.ids.entries()) {
        const found = gathered[i];
        if (found) answers.set(id, found.columns(of, most));
        await turns.rest();
      }
    }
    const nothing = new Gather(0, { counter: false, scale: 1 }, false).columns(of, most);
    return series.map((id) => answers.get(id) ?? nothing);
  }

  /** @throws Fault bad_request */
  async fold({ groups, range }: GroupQuestion): Promise<readonly GroupColumns[]> {
    checkRange(range);
    if (range.step === 0) throw new Fault("bad_request", "Groups need a step greater than 0: it is 0");
    const { first, length } = this.#extent(groups.flat(), range);
    const sums = groups.map(() => new Sums(length));
    const turns = new Patience();
    const places = new Map(groups.flatMap((ids, place) => ids.map((id) => [id, place] as const)));
    for (const group of this.#grouped(groups.flat())) {
      const wanted = wantedOf(group, range.step, ["avg"]);
      const gathered = await this.#gather(wanted, { ...range, most: Number.POSITIVE_INFINITY, turns });
      for (const [i, id] of group.ids.entries()) {
        const found = gathered[i];
        if (found) sums[places.get(id) ?? 0]?.add(found, (t) => Math.round(t / range.step) - first);
        await turns.rest();
      }
    }
    return sums.map((sum) => sum.columns((place) => (first + place) * range.step));
  }

  /** The points that can hold anything: "everything" needs no room for all of time. */
  #extent(ids: readonly SeriesId[], { from, to, step }: Range): { first: number; length: number } {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const name of new Set(ids.map(({ host }) => host))) {
      const host = this.#names.find(name);
      const { oldest, newest } = host ? this.#windows(host) : { oldest: low, newest: high };
      low = Math.min(low, oldest);
      high = Math.max(high, newest);
    }
    if (low > high) return { first: 0, length: 0 };
    const first = Math.floor(Math.max(from, low * windowLength) / step);
    const length = Math.max(0, Math.ceil(Math.min(to, (high + 1) * windowLength) / step) - first);
    if (length <= mostBuckets) return { first, length };
    throw new Fault(
      "bad_request",
      `An answer over groups has ${mostBuckets} points at most: this one would have ${length}`,
    );
  }

  #grouped(series: readonly SeriesId[]): Iterable<Group> {
    const groups = new Map<string, Group>();
    for (const id of series) {
      const host = this.#names.find(id.host);
      const device = host?.devices.get(`${id.level}\n${id.key}`);
      const metric = this.#names.findMetric(id.level, id.metric);
      if (host === undefined || device === undefined || metric === undefined) continue;
      const key = `${host.id} ${metric.id}`;
      const group = groups.get(key) ?? { host, metric, ids: [], devices: [] };
      groups.set(key, group);
      group.ids.push(id);
      group.devices.push(device.id);
    }
    return groups.values();
  }

  #windows(host: Host): { oldest: number; newest: number } {
    const held = [...this.#memory.windows(host)];
    return { oldest: Math.min(host.first, ...held), newest: Math.max(host.last, ...held) };
  }

  /** One gathering for each device: the newest points, and at least one more than `most` where there are more. */
  async #gather(
    wanted: Wanted,
    { from, to, most, turns }: { from: number; to: number; most: number; turns: Patience },
  ): Promise<Gather[]> {
    const { host, devices, step, metric, all } = wanted;
    const reading = new Reading(this.#rows, this.#memory, wanted);
    const { oldest, newest } = this.#windows(host);
    const first = Math.max(oldest, windowOf(Math.max(from, 0)));
    const last = Math.min(newest, windowOf(Math.ceil(to) - 1));
    const bounded = step > 0 && ((last - first + 1) * windowLength) / step < most;
    const parts: Piece[][][] = [];
    const points = devices.map(() => 0);
    let empty = 0;
    // Newest first, so that what is beyond `most` is never read.
    for (let window = last; window >= first && points.some((held) => held <= most); window--) {
      const part = devices.map((): Piece[] => []);
      const day = window + 1 - windowsInDay;
      if (this.#wholeDay(wanted, day, { from, to }) && reading.day(day * windowLength, part)) window = day;
      else reading.window(window, { from, to, part });
      parts.push(part);
      if (!bounded) for (const [i, pieces] of part.entries()) points[i] = (points[i] ?? 0) + count(pieces, step);
      empty = part.some(({ length }) => length > 0) ? 0 : empty + 1;
      if (empty >= patience) window = this.#before(host, window - 1) + 1;
      if (turns.due) {
        reading.rest();
        await turns.rest();
      }
    }
    parts.reverse();
    const gathered: Gather[] = [];
    for (const i of devices.keys()) {
      const gather = new Gather(step, metric, all);
      gather.add(parts.flatMap((part) => part[i] ?? []));
      gathered.push(gather);
      await turns.rest();
    }
    return gathered;
  }

  /** Whether a day that begins with a window can be told from its summary alone. */
  #wholeDay({ host, tier }: Wanted, day: number, { from, to }: { from: number; to: number }): boolean {
    if (tier !== "day" || day % windowsInDay !== 0 || host.open.has(dayOf(day))) return false;
    if (from > day * windowLength || to < (day + windowsInDay) * windowLength) return false;
    for (let i = 0; i < windowsInDay; i++) if (this.#memory.runs(host, day + i).length > 0) return false;
    return true;
  }

  /** The newest window, not after the one given, that may hold something; -1 for none. */
  #before(host: Host, window: number): number {
    let found = -1;
    for (const held of this.#memory.windows(host)) if (held <= window) found = Math.max(found, held);
    const raw = this.#rows.before("raw", firstKey(window + 1));
    if (raw !== undefined) found = Math.max(found, spanOfKey(raw));
    for (const tier of tiers) {
      const key = this.#rows.before(tier, firstKey(spanOf(tier, window * windowLength) + 1));
      if (key === undefined) continue;
      const end = windowOf((spanOfKey(key) + 1) * bucketOf[tier] * bucketsInRow - 1);
      found = Math.max(found, Math.min(window, end));
    }
    return found;
  }
}

function wantedOf({ host, metric, devices }: Group, step: number, of: readonly Aggregate[]): Wanted {
  // A summary knows neither the newest sample of a gauge nor how its samples are spread.
  const summary = step > 0 && !of.includes("p95") && (metric.counter || !of.includes("last"));
  const tier = summary ? tiers.findLast((one) => step % bucketOf[one] === 0) : undefined;
  return { host, metric, devices, step, tier, all: of.includes("p95") };
}

const count = (pieces: readonly Piece[], step: number): number =>
  pieces.reduce((sum, piece) => sum + pointsOf(piece, step), 0);

/** @throws Fault bad_request */
function checkRange({ from, to, step }: Range): void {
  if (Number.isNaN(from) || Number.isNaN(to) || !(step >= 0) || step === Number.POSITIVE_INFINITY) {
    throw new Fault("bad_request", `A range must be two times and a step of 0 or more: it is ${from}, ${to}, ${step}`);
  }
}
