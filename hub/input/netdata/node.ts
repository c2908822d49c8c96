import { setImmediate as turn } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { type GPUInfo, type HostInfo, HostInfoSchema } from "../../../proto/gen/host_pb.js";
import { cause } from "../../cause.ts";
import { asFault } from "../../fault.ts";
import type { Owner } from "../../ingest.ts";
import { reason } from "../../reason.ts";
import {
  CardChartReader,
  type CardCharts,
  type ChartRows,
  type ChartWindow,
  type Reply,
  unknownModel,
} from "../../report/charts.ts";
import { intervalSec, type ReportNode } from "../../report/report.ts";
import type { Sentence } from "../../sentence.ts";
import type { InputContext } from "../input.ts";
import { type CardMeans, cardOf, nameOf } from "./card.ts";

/** Hosts are listed in the settings of reports: they need no approval, and every other input has precedence. */
const owner: Owner = { input: "netdata", origin: "push", trusted: true, yields: true, means: true };

/** What the field "agent" of a host shows. */
const agent = "Netdata";

/** The longest time before now that is asked for, in seconds: an empty history begins there. */
const mostBackSec = 31 * 86_400;
/** Rows of one request. */
const mostRows = 288;
/** An interval is read so long after its end, in milliseconds: Netdata stores what it collects some seconds later. */
const graceMs = 30_000;
/** Reads of different nodes are spread over so many milliseconds. */
const spreadMs = 30_000;
/** Time limit of a node, in milliseconds: one that answers slowly must not keep the place of others. */
const nodeMs = 300_000;
/** Cards of a node that are read at the same time, each with two requests. */
const cardsAtOnce = 2;
/** Most cards of a host; ingest keeps no more. */
const mostCards = 256;
/** Reports that are stored before others get a turn. */
const reportsAtOnce = 32;

const intervalMs = intervalSec * 1000;

export type NetdataNode = ReportNode & { readonly netdata: string };

interface NodeHistoryOptions {
  readonly context: Pick<InputContext, "ingest" | "history" | "clock" | "random" | "log">;
  readonly node: NetdataNode;
  /** Its name in history. */
  readonly host: string;
}

/** What ends the reading of a node. */
interface ReadTime {
  /** Aborts with the time of the node, or the input. */
  readonly signal: AbortSignal;
  /** Aborts with the input: then nothing is stored any more. */
  readonly closing: AbortSignal;
}

/** A card while its node is read. */
interface CardReading {
  readonly index: number;
  readonly card: number;
  readonly models: readonly string[];
  readonly name: string | undefined;
}

/** Brings the rows of one node into the history, those after what history has. */
export class NodeHistory {
  readonly #options: NodeHistoryOptions;
  /** Unix seconds up to which the rows of a card were read, by its number. */
  readonly #through = new Map<number, number>();
  /** Unix milliseconds of the newest sample that this input stored. */
  #newest = Number.NEGATIVE_INFINITY;
  #isRunning = false;
  #closed = false;
  /** Why the last read failed; undefined if it did not. */
  #why: Sentence | undefined;
  dueAt: number;

  constructor(options: NodeHistoryOptions) {
    this.#options = options;
    const { context, node, host } = options;
    this.dueAt = context.clock.now();
    context.ingest.claim(host, owner, new URL(node.netdata).host);
  }

  get host(): string {
    return this.#options.host;
  }

  /** True if it reads what the settings have. */
  isOf(node: NetdataNode | undefined): boolean {
    const own = this.#options.node;
    return node?.netdata === own.netdata && node.name === own.name && String(node.cards) === String(own.cards);
  }

  isDue(now: number): boolean {
    return !this.#isRunning && now >= this.dueAt;
  }

  /** Gives up its host. */
  close(): void {
    this.#closed = true;
    this.#options.context.ingest.release(this.host, owner);
  }

  /** Stores what is new. Never in the way of the next read: what failed, or was not read in time, is read then. */
  async read(closing: AbortSignal): Promise<void> {
    const { clock, random } = this.#options.context;
    this.#isRunning = true;
    const ending = new AbortController();
    const end = (): void => ending.abort();
    closing.addEventListener("abort", end);
    if (closing.aborted) end();
    const cancel = clock.after(nodeMs, end);
    try {
      const why = await this.#read({ signal: ending.signal, closing });
      if (this.#closed || closing.aborted) return;
      const { netdata } = this.#options.node;
      const late = cause("netdata", { address: netdata, why: cause("rest_follows", { limitMs: nodeMs }) });
      const error = why !== undefined && ending.signal.aborted ? late : why;
      this.#say(error === undefined ? reason("means_only") : reason("netdata_unread", { error }));
      this.#log(error);
    } finally {
      cancel();
      closing.removeEventListener("abort", end);
      this.#isRunning = false;
      this.dueAt = (Math.floor(clock.now() / intervalMs) + 1) * intervalMs + graceMs + random() * spreadMs;
    }
  }

  /** @returns why something was not read; undefined if all was */
  async #read(time: ReadTime): Promise<Sentence | undefined> {
    const { context, node, host } = this.#options;
    const { clock, history } = context;
    const known = await history.known({ host, level: "gpu" });
    const newest = known.reduce((most, { last }) => Math.max(most, last), Number.NEGATIVE_INFINITY);
    const isFed = newest > this.#newest;
    // After a start of the hub its own newest row is read once more, as nothing else is known of the host by then.
    const isOwn = this.#newest === Number.NEGATIVE_INFINITY && isMeans(newest);
    const oldest = ended(clock.now() - mostBackSec * 1000);
    const start = Math.max(oldest, isFed ? nextBorder(newest) - (isOwn ? intervalSec : 0) : Number.NEGATIVE_INFINITY);
    if (isFed) {
      // Another input stored samples up to then.
      for (const [card, through] of this.#through) this.#through.set(card, Math.max(through, start));
      if (start >= ended(clock.now() - graceMs)) return undefined;
    }
    const reader = new CardChartReader({ address: node.netdata, clock });
    const charts = await reader.cards(time.signal);
    if (charts.state === "away" || (charts.state !== "ok" && node.cards === undefined)) return charts.why;
    const names = new Map(known.map(({ index, name }) => [index, name]));
    const cards = cardsOf(charts, node.cards).map((one) => ({ ...one, name: names.get(one.index) ?? one.name }));
    if (cards.length === 0) return cause("netdata", { address: node.netdata, why: cause("no_charts") });
    for (const { index, card } of cards) {
      if (this.#through.has(card)) continue;
      const last = known.find((device) => device.index === index)?.last;
      // Before this start of the hub, its chart may have failed while those of others were read.
      const lags = isOwn && (last === undefined || isMeans(last));
      this.#through.set(card, lags ? Math.min(start, Math.max(oldest, nextBorder(last ?? 0))) : start);
    }
    // By both clocks the interval is over.
    const until = ended(clock.now() + Math.min(0, reader.aheadMs ?? 0) - graceMs);
    return await this.#readRows(reader, cards, until, time);
  }

  /** Reads rows of all cards in turn, the oldest first. */
  async #readRows(
    reader: CardChartReader,
    cards: readonly CardReading[],
    until: number,
    { signal, closing }: ReadTime,
  ): Promise<Sentence | undefined> {
    const failed = new Map<number, Sentence>();
    for (;;) {
      const waiting = cards.filter(({ card }) => !failed.has(card) && this.#behind(card, until));
      const after = Math.min(...waiting.map(({ card }) => this.#through.get(card) ?? until));
      if (waiting.length === 0 || this.#closed) return [...failed.values()][0];
      const before = Math.min(until, after + mostRows * intervalSec);
      // Netdata makes one interval of 601 s of a window of 600: it is asked for two at least.
      const window = { after: Math.min(after, before - 2 * intervalSec), before, stepSec: intervalSec };
      const ticks = new Map<number, GPUInfo[]>();
      const done: number[] = [];
      const due = waiting.filter(({ card }) => this.#behind(card, window.before));
      let away: Sentence | undefined;
      const work = async (): Promise<void> => {
        for (let next = due.shift(); next !== undefined && away === undefined; next = due.shift()) {
          const reply = await readCard(reader, next, window, signal);
          if (reply.state === "away") away = reply.why;
          else if (reply.state === "odd") failed.set(next.card, reply.why);
          else {
            done.push(next.card);
            if (reply.state === "ok") this.#collect(ticks, next, reply.value, window);
          }
        }
      };
      await Promise.all(Array.from({ length: cardsAtOnce }, work));
      if (closing.aborted || this.#closed) return away;
      // Also when time is up: a node so slow that it never ends gets on with each read.
      await this.#store(ticks);
      for (const card of done) this.#through.set(card, window.before);
      if (away !== undefined) return away;
    }
  }

  #behind = (card: number, until: number): boolean => (this.#through.get(card) ?? until) < until;

  /** Adds the rows of a card that are new, and whole intervals. */
  #collect(
    ticks: Map<number, GPUInfo[]>,
    { index, card, name }: CardReading,
    rows: readonly MeansAt[],
    window: ChartWindow,
  ) {
    const after = Math.max(window.after, this.#through.get(card) ?? window.after);
    for (const { at, means } of rows) {
      if (at <= after || at > window.before) continue;
      const gpu = cardOf({ index, ...means }, name);
      if (gpu !== undefined) ticks.set(at, [...(ticks.get(at) ?? []), gpu]);
    }
  }

  /** Stores reports, the oldest first. @throws Fault history_unwritable */
  async #store(ticks: ReadonlyMap<number, GPUInfo[]>): Promise<void> {
    const { history } = this.#options.context;
    const times = [...ticks.keys()].sort((a, b) => a - b);
    for (const [i, at] of times.entries()) {
      if (this.#closed) return;
      // A mean of the interval before its row: in the middle it is in the hour and the day that it belongs to.
      const sampled = (at - intervalSec / 2) * 1000;
      const gpus = (ticks.get(at) ?? []).sort((a, b) => (a.id ?? 0) - (b.id ?? 0));
      this.#keep(() =>
        create(HostInfoSchema, { hostname: this.host, agentVersion: agent, sampled: BigInt(sampled), gpus }),
      );
      this.#newest = Math.max(this.#newest, sampled);
      if (i % reportsAtOnce === reportsAtOnce - 1) await turn();
    }
    if (times.length > 0) await history.ready();
  }

  #keep(report: () => HostInfo): void {
    const { ingest } = this.#options.context;
    try {
      ingest.late(this.host, report(), owner);
      return;
    } catch (error) {
      if (asFault(error).code !== "sample_bad") throw error;
    }
    try {
      // Older than samples are kept: it counts in summaries.
      ingest.imported(this.host, report());
    } catch (error) {
      if (asFault(error).code !== "sample_bad") throw error;
    }
  }

  #say(words: Sentence): void {
    this.#options.context.ingest.failed(this.host, words, owner);
  }

  #log(why: Sentence | undefined): void {
    const { log } = this.#options.context;
    if (why?.text === this.#why?.text) return;
    this.#why = why;
    if (why === undefined) log.info(`${this.host} is read from its Netdata again`);
    else log.warn(`${this.host} cannot be read from its Netdata: ${why.text}`);
  }
}

/** Unix seconds of the end of the last interval that is over at a time in Unix milliseconds. */
const ended = (ms: number): number => Math.floor(ms / 1000 / intervalSec) * intervalSec;

/** True for the time of a sample that this input stored: the middle of an interval, in Unix milliseconds. */
const isMeans = (ms: number): boolean => ms % intervalMs === intervalMs / 2;

/** Unix seconds of the first border of intervals at or after a time in Unix milliseconds. */
const nextBorder = (ms: number): number => Math.ceil(ms / 1000 / intervalSec) * intervalSec;

/** The cards of a node: those of the settings, or those that have charts. */
function cardsOf(charts: Reply<CardCharts>, numbers: readonly number[] | undefined): readonly CardReading[] {
  const models = charts.state === "ok" ? charts.value.models : new Map<number, readonly string[]>();
  return [...(numbers ?? models.keys())].slice(0, mostCards).map((card, index) => {
    const own = models.get(card) ?? [unknownModel];
    return { index, card, models: own, name: own.map(nameOf).find((name) => name !== undefined) };
  });
}

interface MeansAt {
  /** Unix seconds of its end. */
  readonly at: number;
  readonly means: Omit<CardMeans, "index">;
}

/** Reads the means of a card. */
async function readCard(
  reader: CardChartReader,
  { card, models }: CardReading,
  window: ChartWindow,
  signal: AbortSignal,
): Promise<Reply<readonly MeansAt[]>> {
  const [share, bytes] = await Promise.all([
    reader.rows("utilization", card, models, window, signal),
    reader.rows("mem_vram_usage", card, models, window, signal),
  ]);
  for (const reply of [share, bytes]) if (reply.state === "away" || reply.state === "odd") return reply;
  if (share.state === "none" && bytes.state === "none") return share;
  const utilization = share.state === "ok" ? valuesOf(share.value, "utilization") : undefined;
  const used = bytes.state === "ok" ? valuesOf(bytes.value, "used") : undefined;
  const free = bytes.state === "ok" ? valuesOf(bytes.value, "free") : undefined;
  const times = new Set([share, bytes].flatMap((reply) => (reply.state === "ok" ? [...reply.value.rows.keys()] : [])));
  const value = [...times].map((at) => ({
    at,
    means: { utilization: utilization?.(at), used: used?.(at), free: free?.(at) },
  }));
  return { state: "ok", value };
}

/** Values of a dimension by time. */
function valuesOf({ labels, rows }: ChartRows, label: string): (at: number) => number | undefined {
  const named = labels.indexOf(label);
  const column = named < 0 && labels.length <= 1 ? 0 : named;
  return (at) => rows.get(at)?.[column]?.value ?? undefined;
}
