import { clean } from "../../proto/clean.ts";
import { cause, causeOf } from "../cause.ts";
import type { Clock } from "../clock.ts";
import type { Sentence, Words } from "../sentence.ts";
import { ChartList } from "./charts/list.ts";
import { type ChartRows, readRows } from "./charts/rows.ts";
import { requestText, type TextAnswer, type TextRequest } from "./request.ts";

export type { ChartRows, ChartValue } from "./charts/rows.ts";

/** Time limit of one request, in milliseconds. A node that computes with all its cores answers late. */
const limitMs = 20_000;
/** Most characters of the list of charts: a node with 5000 charts has 7 million. */
const listSize = 32 * 1024 ** 2;
/** Most bytes of the rows of a chart: 288 rows of two dimensions have 16 kB. */
const rowBytes = 256 * 1024;

/** Charts of cards in the list of a node. */
const cardChart = /^amdgpu\.gpu_(?:utilization|mem_vram_usage|mem_vram_usage_perc)_.+_card\d{1,9}$/;
const utilization = /^amdgpu\.gpu_utilization_(.+)_card(\d{1,9})$/;
/** Name in the charts of a model that Netdata does not know. */
export const unknownModel = "unknown_AMD_GPU";
/** Models of one card that are asked for: its charts change their names when Netdata learns its model. */
const mostModels = 4;

/** What is charted of a card: percent, percent, and bytes as "free" and "used". */
export type CardMetric = "utilization" | "mem_vram_usage_perc" | "mem_vram_usage";

/** Intervals to ask for. Unix seconds: rows end after `after` and not after `before`. */
export interface ChartWindow {
  readonly after: number;
  readonly before: number;
  /** Seconds of an interval. */
  readonly stepSec: number;
}

/**
 * An answer, or why there is none: "none" for a chart or a time that the Netdata does not have, "away" if nothing
 * answers, "odd" if what answers is no Netdata. `why` is a cause.
 */
export type Reply<T> =
  | { readonly state: "ok"; readonly value: T }
  | { readonly state: "none"; readonly why: Sentence }
  | { readonly state: "away" | "odd"; readonly why: Sentence };

/** Charts of the cards of a node. */
export interface CardCharts {
  /** Models in the names of the charts, by numbers of cards, ascending. */
  readonly models: ReadonlyMap<number, readonly string[]>;
  /** True if the node has a chart of a card. */
  has(metric: CardMetric, card: number): boolean;
}

export interface ChartSource {
  /** Without a slash at the end. */
  readonly address: string;
  readonly fetch?: typeof fetch | undefined;
  readonly clock: Clock;
}

const chartOf = (metric: CardMetric, model: string, card: number): string =>
  `amdgpu.gpu_${metric}_${model}_card${card}`;

/** Reads the charts of AMD cards from the Netdata of a node. No method throws. */
export class CardChartReader {
  readonly #source: ChartSource;
  #aheadMs: number | undefined;

  constructor(source: ChartSource) {
    this.#source = source;
  }

  /** How far the clock of the node is ahead, by its last answer; undefined if it did not say. Milliseconds, exact to a second. */
  get aheadMs(): number | undefined {
    return this.#aheadMs;
  }

  /** Lists the cards that have a chart of their utilization. */
  async cards(signal: AbortSignal): Promise<Reply<CardCharts>> {
    const list = new ChartList(cardChart);
    let size = 0;
    const reply = await this.#ask("charts", Number.POSITIVE_INFINITY, signal, (piece) => {
      list.push(piece);
      size += piece.length;
      return !list.broken && size <= listSize;
    });
    if (reply.state !== "ok") return reply;
    if (size > listSize) return this.#odd(cause("charts_long", { mib: listSize / 1024 ** 2 }));
    if (!list.complete) return this.#odd(cause("charts_broken"));
    const models = new Map<number, string[]>();
    for (const id of list.ids) {
      const [, model = "", card] = utilization.exec(id) ?? [];
      if (card === undefined) continue;
      const known = models.get(Number(card)) ?? [];
      if (known.length < mostModels) models.set(Number(card), [...known, model]);
    }
    const value: CardCharts = {
      models: new Map([...models].sort(([a], [b]) => a - b)),
      has: (metric, card) => models.get(card)?.some((model) => list.ids.has(chartOf(metric, model, card))) ?? false,
    };
    return { state: "ok", value };
  }

  /** Reads a chart of a card. Of several models the first that has something at a time counts. */
  async rows(
    metric: CardMetric,
    card: number,
    models: readonly string[],
    window: ChartWindow,
    signal: AbortSignal,
  ): Promise<Reply<ChartRows>> {
    let reply: Reply<ChartRows> = { state: "none", why: this.#sentence(cause("no_chart")) };
    for (const model of models) {
      const next = await this.#rows(chartOf(metric, model, card), window, signal);
      if (reply.state !== "ok") reply = next;
      else if (next.state === "ok") reply = { state: "ok", value: merge(reply.value, next.value) };
      if (next.state === "away") break;
    }
    return reply;
  }

  async #rows(chart: string, { after, before, stepSec }: ChartWindow, signal: AbortSignal): Promise<Reply<ChartRows>> {
    const query = new URLSearchParams({
      chart,
      after: String(after),
      before: String(before),
      points: String(Math.max(1, Math.ceil((before - after) / stepSec))),
      group: "average",
      format: "json",
    });
    const reply = await this.#ask(`data?${query}`, rowBytes, signal);
    if (reply.state !== "ok") return reply;
    try {
      const value = readRows(reply.value);
      if (value !== undefined) return { state: "ok", value };
    } catch {
      return this.#odd(cause("rows_broken"));
    }
    return this.#odd(cause("rows_none"));
  }

  /** Asks for something. @param take see `TextRequest` @returns the text, or why there is none */
  async #ask(
    path: string,
    limitBytes: number,
    signal: AbortSignal,
    take?: TextRequest["take"],
  ): Promise<Reply<string>> {
    const { address, clock, fetch } = this.#source;
    const url = `${address}/api/v1/${path}`;
    try {
      const answer = await requestText({ url, limitMs, limitBytes, clock, signal, fetch, take });
      if (answer.at !== undefined) this.#aheadMs = answer.at - clock.now();
      return this.#check(answer);
    } catch (error) {
      const why = signal.aborted ? cause("no_time") : causeOf(error);
      return { state: "away", why: this.#sentence(why) };
    }
  }

  #check({ status, type, location, text }: TextAnswer): Reply<string> {
    const isPage = /\bhtml\b/i.test(type);
    if (status === 404 && !isPage) {
      return { state: "none", why: this.#sentence(cause("no_chart_then")) };
    }
    if (status >= 300 && status < 400) {
      return this.#odd(cause("redirected", { to: clean(location, 128) }));
    }
    if (status !== 200) return this.#odd(cause("status", { status }));
    return isPage ? this.#odd(cause("html")) : { state: "ok", value: text };
  }

  #odd = (why: Sentence): Reply<never> => ({ state: "odd", why: this.#sentence(why) });

  #sentence = (why: Words): Sentence => cause("netdata", { address: this.#source.address, why });
}

function merge(one: ChartRows, two: ChartRows): ChartRows {
  const rows = new Map(one.rows);
  for (const [at, values] of two.rows) {
    const isEmpty = (rows.get(at) ?? []).every((value) => value === undefined || value.value === null);
    if (isEmpty) rows.set(at, values);
  }
  return { labels: one.labels, rows, bad: one.bad + two.bad };
}
