import { cause, SourceFault } from "../cause.ts";
import { type Clock, systemClock } from "../clock.ts";
import { Fault } from "../fault.ts";
import type { Sentence } from "../sentence.ts";
import {
  CardChartReader,
  type CardCharts,
  type ChartRows,
  type ChartValue,
  type Reply,
  unknownModel,
} from "./charts.ts";
import { gpuOf, list } from "./check.ts";
import { issue } from "./issue.ts";
import { jsonNumber } from "./number.ts";
import {
  type DataIssue,
  intervalSec,
  type NodeDay,
  type ReadNode,
  type ReportCard,
  type ReportDay,
  type ReportNode,
  type ReportRow,
} from "./report.ts";

/** Cards of a node that are read at the same time, each with two requests: its Netdata runs beside other work. */
const cardsAtOnce = 2;
/** Time limit of a node, in milliseconds. What was read by then counts: it is over before `makeReports` gives up the node. */
const nodeMs = 110_000;
/** A greater difference between the clocks of hub and node is an issue. Milliseconds. */
const mostSkewMs = 60_000;

export interface NetdataReaderOptions {
  /** Replaces the one of Node. */
  readonly fetch?: typeof fetch | undefined;
  readonly clock?: Clock;
}

/** Reads what the Netdata of a node has of a day. */
export const netdataReader =
  ({ clock = systemClock, fetch }: NetdataReaderOptions = {}): ReadNode =>
  async (node, day, signal, { fromFirstValue = false } = {}) => {
    const reader = new CardChartReader({ address: node.netdata ?? "", clock, fetch });
    const ending = new AbortController();
    const end = (): void => ending.abort();
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    const cancel = clock.after(nodeMs, end);
    try {
      const result = await new NodeReading({ node, day, reader, now: clock.now, fromFirstValue }).read(ending.signal);
      if (signal.aborted) throw new Fault("canceled", "The report was canceled.");
      return result;
    } finally {
      cancel();
      signal.removeEventListener("abort", end);
    }
  };

interface NodeReadingOptions {
  readonly node: ReportNode;
  readonly day: ReportDay;
  readonly reader: CardChartReader;
  readonly now: () => number;
  readonly fromFirstValue: boolean;
}

/** What was wrong with the data of a card. */
interface CardIssues {
  readonly card: ReportCard;
  /** Why it has no rows; undefined if it has. */
  readonly why: Sentence | undefined;
  /** Rows without a value of the utilization, and of VRAM. */
  readonly none: number;
  readonly noVram: number;
  /** Rows that could not be read. */
  readonly bad: number;
  /** Seconds between rows. */
  readonly stepSec: number;
}

/** Reads one node and day. */
class NodeReading {
  readonly #options: NodeReadingOptions;
  readonly #issues: DataIssue[] = [];

  constructor(options: NodeReadingOptions) {
    this.#options = options;
  }

  /** @throws Fault source_failed */
  async read(signal: AbortSignal): Promise<NodeDay> {
    const { node, day, reader, now } = this.#options;
    const asked = now();
    const charts = await reader.cards(signal);
    this.#checkClock(asked);
    const numbers = this.#numbersOf(charts);
    const modelsOf = (card: number): readonly string[] =>
      (charts.state === "ok" ? charts.value.models.get(card) : undefined) ?? [unknownModel];
    const waiting = numbers.map((card, index) => ({ index, card }));
    const read: CardIssues[] = [];
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        read.push(await this.#readCard(next, modelsOf(next.card), signal));
      }
    };
    await Promise.all(Array.from({ length: cardsAtOnce }, work));
    read.sort((a, b) => a.card.index - b.card.index);
    this.#tell(read);
    return { node, day, cards: read.map(({ card }) => card), issues: this.#issues };
  }

  /** Numbers of the cards by index: those of the settings, or those that have charts. @throws Fault source_failed */
  #numbersOf(charts: Reply<CardCharts>): readonly number[] {
    const { node } = this.#options;
    const listed = charts.state === "ok" ? [...charts.value.models.keys()] : [];
    if (node.cards === undefined || charts.state === "away") {
      if (charts.state !== "ok") throw new SourceFault(charts.why);
      if (listed.length > 0) return listed;
      throw new SourceFault(cause("netdata", { address: node.netdata ?? "", why: cause("no_charts") }));
    }
    if (charts.state !== "ok") this.#issues.push(issue("charts_unknown", { why: charts.why }));
    else {
      const gone = node.cards.flatMap((card, index) => (listed.includes(card) ? [] : gpuOf({ index, card })));
      const strange = listed.filter((card) => !node.cards?.includes(card)).map((card) => `card ${card}`);
      if (gone.length > 0) this.#issues.push(issue("cards_unlisted", { gpus: list(gone) }));
      if (strange.length > 0) this.#issues.push(issue("cards_unnamed", { cards: list(strange) }));
    }
    return node.cards;
  }

  async #readCard(
    { index, card }: { readonly index: number; readonly card: number },
    models: readonly string[],
    signal: AbortSignal,
  ): Promise<CardIssues> {
    const { day, reader } = this.#options;
    // As it always was asked: a window that ends in the future is moved by Netdata, and has rows of the day before.
    // It aligns intervals to 1970: of a day in a zone of a quarter of an hour the first would be left out.
    const window = {
      after: Math.floor(day.from / intervalSec) * intervalSec,
      before: Math.ceil(day.to / intervalSec) * intervalSec,
      stepSec: intervalSec,
    };
    const [gpu, vram] = await Promise.all([
      reader.rows("utilization", card, models, window, signal),
      reader.rows("mem_vram_usage_perc", card, models, window, signal),
    ]);
    if (gpu.state !== "ok" || vram.state !== "ok") {
      const why = gpu.state !== "ok" ? gpu.why : vram.state !== "ok" ? vram.why : undefined;
      return { card: { index, card, rows: undefined }, why, none: 0, noVram: 0, bad: 0, stepSec: intervalSec };
    }
    return this.#rowsOf({ index, card }, gpu.value, vram.value);
  }

  #rowsOf(gpuCard: { readonly index: number; readonly card: number }, gpu: ChartRows, vram: ChartRows): CardIssues {
    const { day, reader, now, fromFirstValue } = this.#options;
    const nodeNow = (now() + (reader.aheadMs ?? 0)) / 1000;
    const [gpuAt, vramAt] = [columnOf(gpu, ["utilization"]), columnOf(vram, ["usage", "used"])];
    let [none, noVram, bad] = [0, 0, gpu.bad + vram.bad];
    const rows: ReportRow[] = [];
    const stamps = [...gpu.rows.keys()].sort((a, b) => a - b);
    for (const at of stamps) {
      // An interval that has begun is a row with the mean up to now; newer releases have rows of the future, too.
      if (at <= day.from || at > day.to || at - intervalSec >= nodeNow) continue;
      const value = gpu.rows.get(at)?.[gpuAt];
      if (value === undefined) {
        bad++;
        continue;
      }
      const memory = vram.rows.get(at)?.[vramAt];
      const hasValue = value.value !== null || (memory?.value ?? null) !== null;
      if (fromFirstValue && rows.length === 0 && !hasValue) continue;
      if (value.value === null) none++;
      else if ((memory?.value ?? null) === null) noVram++;
      rows.push({
        at,
        gpu: value.value ?? 0,
        gpuText: textOf(value),
        vram: memory?.value ?? 0,
        vramText: memory === undefined ? "0" : textOf(memory),
      });
    }
    return { card: { ...gpuCard, rows }, why: undefined, none, noVram, bad, stepSec: stepOf(stamps) };
  }

  #checkClock(asked: number): void {
    const { reader, now } = this.#options;
    const { aheadMs } = reader;
    // What the answer took is no error of a clock, and it has whole seconds.
    const tolerance = mostSkewMs + (now() - asked);
    if (aheadMs === undefined || Math.abs(aheadMs) <= tolerance) return;
    this.#issues.push(issue("clock_off", { aheadMs: Math.round(aheadMs / 1000) * 1000 }));
  }

  /** Makes issues of those of the cards: one for all that have the same. */
  #tell(read: readonly CardIssues[]): void {
    const failed = Map.groupBy(read, ({ why }) => why?.text);
    for (const cards of failed.values()) {
      const why = cards[0]?.why;
      if (why !== undefined) this.#issues.push(issue("rows_unread", { gpus: namesOf(cards), why }));
    }
    for (const [key, code] of counted) {
      const cards = read.filter((card) => card[key] > 0);
      const count = cards.reduce((sum, card) => sum + card[key], 0);
      if (count > 0) this.#issues.push(issue(code, { gpus: namesOf(cards), count }));
    }
    const steps = Map.groupBy(read, ({ stepSec }) => stepSec);
    steps.delete(intervalSec);
    for (const [stepSec, cards] of steps) this.#issues.push(issue("rows_spaced", { gpus: namesOf(cards), stepSec }));
  }
}

const counted = [
  ["none", "values_none"],
  ["noVram", "values_no_vram"],
  ["bad", "rows_bad"],
] as const;

const namesOf = (cards: readonly CardIssues[]): string => list(cards.map(({ card }) => gpuOf(card)));

/** The place of a dimension among the values of a row; that of the first one where none has such a name. */
const columnOf = ({ labels }: ChartRows, names: readonly string[]): number =>
  Math.max(0, ...names.map((name) => labels.indexOf(name)));

/** The least number of seconds between two rows; as usual where there are none. */
function stepOf(stamps: readonly number[]): number {
  const steps = stamps.slice(1).map((at, i) => at - (stamps[i] ?? at));
  return steps.length === 0 ? intervalSec : Math.min(...steps);
}

/** How files have a number that is not a float. */
function textOf({ value, source }: ChartValue): string | undefined {
  if (value === null) return "0";
  return source === undefined ? undefined : jsonNumber(source)?.text;
}
