import { redact } from "../../program/redact.ts";
import { clean } from "../../proto/clean.ts";
import { cause, SourceFault } from "../cause.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Sentence } from "../sentence.ts";
import { FormError, type Held, type HeldGpu, readAnswer } from "./holder/answer.ts";
import { type Kept, KeptAnswers } from "./holder/kept.ts";
import { readToken } from "./holder/token.ts";
import type { GpuTask, ReportDay, ReportNode, TaskAnswer, TaskReader } from "./report.ts";
import { requestText, type TextAnswer } from "./request.ts";
import type { TaskSource } from "./settings.ts";

const path = "/api/v2/consumption/task";
/** Milliseconds until the answer must be complete, and its most bytes. */
const limits = { limitMs: 30_000, limitBytes: 32 * 2 ** 20 };
/** Most numbers of cards that a message lists. */
const mostNamed = 16;
/** Bytes of a text of the task API in a message. */
const longestQuote = 256;

export interface TaskReaderOptions {
  readonly source: TaskSource;
  readonly nodes: readonly ReportNode[];
  readonly clock: Clock;
  readonly log: Log;
  /** Replaces the one of Node. */
  readonly fetch?: typeof fetch;
}

/** Reads whose tasks ran on the GPUs of nodes from the task API. */
export const taskReader = (options: TaskReaderOptions): TaskReader => ({
  read: (day, cardsOf, signal) => new Reading(options, day, signal).read(cardsOf),
});

/** Why there is no good answer, as a sentence without its full stop. */
class NoAnswer extends Error {
  readonly words: Sentence;

  constructor(words: Sentence) {
    super(words.text);
    this.words = words;
  }
}

/** One question for the tasks of a day. */
class Reading {
  readonly #options: TaskReaderOptions;
  readonly #day: ReportDay;
  readonly #signal: AbortSignal | undefined;
  readonly #kept: KeptAnswers;
  readonly #issues: Sentence[] = [];
  #isUnknown = false;

  constructor(options: TaskReaderOptions, day: ReportDay, signal: AbortSignal | undefined) {
    this.#options = options;
    this.#day = day;
    this.#signal = signal;
    this.#kept = new KeptAnswers(options.source.folder);
  }

  async read(cardsOf: (node: string) => readonly number[]): Promise<TaskAnswer> {
    const gpus = await this.#gpus();
    const tasks = new Map<string, GpuTask[]>();
    const places = new Places(this.#options.nodes, cardsOf);
    for (const { host, ...gpu } of gpus) {
      const task = { ...gpu, index: places.indexOf(host, gpu.id) };
      const others = tasks.get(host);
      if (others === undefined) tasks.set(host, [task]);
      else others.push(task);
    }
    for (const words of places.issues(tasks)) this.#say(words);
    return { tasks, issues: this.#issues, ...(this.#isUnknown ? { isUnknown: true } : {}) };
  }

  /** Those of the API, else those of its last answer of the day, else none. */
  async #gpus(): Promise<readonly HeldGpu[]> {
    const { clock } = this.#options;
    try {
      const { gpus, wrong, wrongDetails } = await this.#ask();
      for (const why of wrong) this.#say(cause("tasks_wrong", { why }));
      // Users are right all the same.
      for (const why of wrongDetails) this.#options.log.warn(cause("tasks_wrong", { why }).text);
      await this.#keep({ at: clock.now(), gpus });
      return gpus;
    } catch (error) {
      if (this.#signal?.aborted) return [];
      const why = error instanceof NoAnswer ? error.words : cause("tasks_unasked", { error: wordsOf(error) });
      const kept = await this.#last();
      this.#isUnknown = kept === undefined;
      const then = kept && this.#day.zone.format(kept.at);
      this.#say(then === undefined ? cause("users_unknown", { why }) : cause("users_earlier", { why, then }));
      return kept?.gpus ?? [];
    }
  }

  /** @throws NoAnswer */
  async #ask(): Promise<Held> {
    const { source, clock, fetch, log } = this.#options;
    const read = readToken(source);
    if (read.token === undefined) throw new NoAnswer(read.why);
    const { token, warning } = read;
    // Users are right all the same.
    if (warning !== undefined) log.warn(warning);
    const { date } = this.#day;
    const query = new URLSearchParams({ start_t: `${date} 00:00:00`, end_t: `${date} 23:59:59` });
    const answer = await requestText({
      ...limits,
      url: `${source.url}${path}?${query}`,
      // Asked for a day later, a connection that was kept would have been closed.
      headers: { Authorization: `Bearer ${token}`, Accept: "application/json", Connection: "close" },
      clock,
      fetch,
      signal: this.#signal,
    }).catch((error: unknown) => {
      throw error instanceof SourceFault
        ? new NoAnswer(cause("tasks_away", { url: source.url, why: error.words }))
        : error;
    });
    if (answer.status !== 200) throw new NoAnswer(refusal(source.url, answer, token));
    try {
      return await readAnswer(answer.text);
    } catch (error) {
      if (!(error instanceof FormError)) throw error;
      throw new NoAnswer(cause("tasks_odd", { url: source.url, why: error.words }));
    }
  }

  async #keep(kept: Kept): Promise<void> {
    try {
      await this.#kept.write(this.#day.date, kept, this.#options.clock.now());
    } catch (error) {
      this.#options.log.warn(`The answer of the task API cannot be kept for an outage: ${wordsOf(error)}`);
    }
  }

  async #last(): Promise<Kept | undefined> {
    try {
      return await this.#kept.read(this.#day.date);
    } catch (error) {
      this.#say(cause("answer_unread", { error: wordsOf(error) }));
      return undefined;
    }
  }

  #say(words: Sentence): void {
    this.#issues.push(words);
    this.#options.log.warn(words.text);
  }
}

const wordsOf = (error: unknown): string => clean(error instanceof Error ? error.message : String(error), longestQuote);

/** Why an answer without tasks was given. Nothing of its text is quoted, which may be a page, or name the token. */
function refusal(url: string, { status, location }: TextAnswer, token: string): Sentence {
  if (status === 401 || status === 403) return cause("tasks_refused", { url, status });
  if (status >= 300 && status < 400) {
    // Not its query, in which an address to sign in has what was asked, and maybe the token in another form.
    const [address = ""] = location.split(/[?#]/);
    const to = clean(redact(address, [token, encodeURIComponent(token)]), longestQuote);
    return cause("tasks_redirected", { url, to });
  }
  return status === 404 ? cause("tasks_missing", { url: `${url}${path}` }) : cause("tasks_failed", { url, status });
}

/** Where the GPUs of tasks are in the nodes of reports. */
class Places {
  readonly #nodes: ReadonlyMap<string, ReportNode>;
  readonly #cards: (node: string) => readonly number[];
  /** Ids that are none of a node's, by node. */
  readonly #strange = new Map<string, number | string>();

  constructor(nodes: readonly ReportNode[], cardsOf: (node: string) => readonly number[]) {
    this.#nodes = new Map(nodes.map((node) => [node.name, node]));
    this.#cards = cardsOf;
  }

  /** Index of a GPU in its node; undefined if it is none of its cards. */
  indexOf(host: string, id: number | string): number | undefined {
    const node = this.#nodes.get(host);
    if (node === undefined) return undefined;
    const cards = this.#cards(host);
    const number = typeof id === "number" ? id : id.trim() === "" ? Number.NaN : Number(id);
    const index = node.ids === "node" ? number - (node.first ?? Number.NaN) : cards.indexOf(number);
    // A node may lack the card of an index, whose number is negative then.
    if (Number.isInteger(index) && (cards[index] ?? -1) >= 0) return index;
    if (cards.length > 0 && !this.#strange.has(host)) this.#strange.set(host, id);
    return undefined;
  }

  #numbersOf(host: string): string {
    const numbers = this.#cards(host).filter((card) => card >= 0);
    return numbers.slice(0, mostNamed).join(", ");
  }

  /** What is probably wrong with the settings. */
  *issues(tasks: ReadonlyMap<string, unknown>): Generator<Sentence> {
    for (const [host, id] of this.#strange) {
      const node = this.#nodes.get(host);
      if (node?.ids === "node" && node.first === undefined) {
        yield cause("ids_without_first", { node: host });
        continue;
      }
      const strange = { id: clean(String(id), 64), node: host };
      yield node?.ids === "node"
        ? cause("id_strange_first", { ...strange, firstId: node.first ?? 0 })
        : cause("id_strange", { ...strange, ids: this.#numbersOf(host) });
    }
    const names = new Map([...this.#nodes.keys()].map((name) => [shortOf(name), name]));
    for (const host of tasks.keys()) {
      const near = this.#nodes.has(host) ? undefined : names.get(shortOf(host));
      if (near !== undefined && !tasks.has(near)) {
        yield cause("host_strange", { strange: clean(host, 64), node: near });
      }
    }
  }
}

/** Name of a host without its domain and case, by which two are taken for one that somebody wrote differently. */
const shortOf = (name: string): string => (name.split(".")[0] ?? "").toLowerCase();
