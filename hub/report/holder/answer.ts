import { setImmediate as turn } from "node:timers/promises";
import { clean } from "../../../proto/clean.ts";
import { cause } from "../../cause.ts";
import type { Sentence } from "../../sentence.ts";
import { jsonNumber, pythonFloat } from "../number.ts";
import type { GpuTask } from "../report.ts";

/** A GPU of a task, before its index in its node is known. */
export interface HeldGpu extends Omit<GpuTask, "index"> {
  /** Host as the task API names it. */
  readonly host: string;
}

/** GPUs of the tasks of an answer. */
export interface Held {
  /** In the order of the summary. */
  readonly gpus: readonly HeldGpu[];
  /** What was not in the expected form, and was left out or replaced: users may be missing or wrong. */
  readonly wrong: readonly Sentence[];
  /** The same of what the summary says beside the user of a card, as times and models: users are right. */
  readonly wrongDetails: readonly Sentence[];
}

/** An answer of another form than the task API's. Its words are the rest of "The task API answers …". */
export class FormError extends Error {
  readonly words: Sentence;

  constructor(words: Sentence) {
    super(words.text);
    this.words = words;
  }
}

/** Greatest length of the JSON of one task, beyond which nothing is read any more, and of one of its texts. */
const longestTask = 262_144;
/** Most strings, brackets and commas of a task: one with 256 GPUs has 4000. */
const mostMarks = 8192;
const longestText = 1024;
/** Most GPUs of an answer. */
const mostGpus = 20_000;
/** What was wrong is listed up to so many times. */
const mostWrong = 5;
/** Other work of the program waits no longer than this. Milliseconds. */
const longestMs = 5;

/**
 * Reads an answer, task by task, while other work has its turn. GPUs are keyed by their uuid: a later task on one replaces the
 * earlier, and takes its place in the order.
 * @throws FormError if it is not an object of tasks
 */
export async function readAnswer(text: string): Promise<Held> {
  const gpus = new Map<string, HeldGpu>();
  const wrong = new Wrong();
  const wrongDetails = new Wrong();
  let tasks = 0;
  let readable = 0;
  let since = performance.now();
  for (const [key, json] of entriesOf(text)) {
    tasks++;
    const task = new TaskText(key, wrong, wrongDetails);
    for (const gpu of task.read(json)) {
      if (gpus.size < mostGpus || gpus.has(gpu.uuid)) gpus.set(gpu.uuid, gpu);
      else wrong.add(cause("gpus_left_out", { most: mostGpus }));
    }
    if (task.isTask) readable++;
    if (performance.now() - since < longestMs) continue;
    await turn();
    since = performance.now();
  }
  if (tasks > 0 && readable === 0) throw new FormError(cause("form_no_tasks"));
  return { gpus: [...gpus.values()], wrong: wrong.list(), wrongDetails: wrongDetails.list() };
}

/** Counts what was wrong, and keeps the first of it. */
class Wrong {
  /** By their texts. */
  readonly #first = new Map<string, Sentence>();
  #more = 0;

  add(words: Sentence): void {
    if (this.#first.has(words.text)) return;
    if (this.#first.size < mostWrong) this.#first.set(words.text, words);
    else this.#more++;
  }

  list(): Sentence[] {
    return [...this.#first.values(), ...(this.#more > 0 ? [cause("values_more", { more: this.#more })] : [])];
  }
}

const quote = '"';

/**
 * Divides the JSON of an object into its keys and the JSON of their values. JSON.parse would order keys that are numbers, as
 * ids of tasks may be, before all others.
 * @throws FormError
 */
function* entriesOf(text: string): Generator<readonly [key: string, json: string]> {
  const space = /\s*/y;
  const skip = (at: number): number => {
    space.lastIndex = at;
    space.test(text);
    return space.lastIndex;
  };
  let at = skip(0);
  if (text[at] === "<") throw new FormError(cause("form_html"));
  if (text[at] !== "{") throw new FormError(cause(at === text.length ? "form_nothing" : "form_no_object"));
  at = skip(at + 1);
  if (text[at] === "}") return checkEnd(text, skip(at + 1));
  for (;;) {
    if (text[at] !== quote) throw broken(text, at);
    const keyEnd = stringEnd(text, at);
    const key = parsed(text.slice(at, keyEnd));
    at = skip(keyEnd);
    if (text[at] !== ":" || typeof key !== "string") throw broken(text, at);
    const start = skip(at + 1);
    const end = valueEnd(text, start);
    yield [key, text.slice(start, end)];
    if (text[end] === "}") return checkEnd(text, skip(end + 1));
    at = skip(end + 1);
  }
}

function checkEnd(text: string, at: number): void {
  if (at < text.length) throw broken(text, at);
}

const broken = (text: string, at: number): FormError =>
  new FormError(cause(at >= text.length ? "form_ends" : "form_no_json"));

/** @throws FormError */
function checkLength(start: number, end: number): void {
  if (end - start > longestTask) throw new FormError(cause("task_large", { kib: longestTask / 1024 }));
}

/** Place after the quote that ends a string. @throws FormError */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf(quote, start + 1); end >= 0; end = text.indexOf(quote, end + 1)) {
    checkLength(start, end);
    let escapes = 0;
    while (text[end - 1 - escapes] === "\\") escapes++;
    if (escapes % 2 === 0) return end + 1;
  }
  throw broken(text, text.length);
}

/** Place of the comma or brace after a value of the outer object. @throws FormError */
function valueEnd(text: string, start: number): number {
  const mark = /["{}[\],]/g;
  let depth = 0;
  let marks = 0;
  for (mark.lastIndex = start; ; ) {
    const found = mark.exec(text);
    if (found === null) throw broken(text, text.length);
    checkLength(start, found.index);
    if (++marks > mostMarks) throw new FormError(cause("task_parts", { most: mostMarks }));
    const [sign] = found;
    if (sign === quote) mark.lastIndex = stringEnd(text, found.index);
    else if (sign === "{" || sign === "[") depth++;
    else if (depth === 0) return found.index;
    else if (sign !== ",") depth--;
  }
}

/** A number in JSON, whose text shows whether it is whole: Python prints 5 and 5.0 differently. */
class NumberText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** @returns undefined if it is not JSON */
function parsed(json: string): unknown {
  const keepText = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === "number" ? new NumberText(context?.source ?? String(value)) : value;
  try {
    return JSON.parse(json, keepText);
  } catch {
    return undefined; // the caller says which value it was
  }
}

/** Python writes these, although JSON does not have them. */
const notFinite = /(?<=[:,[]\s*)-?(?:NaN|Infinity)(?=\s*[,\]}])/g;

type Values = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof NumberText);

/** The JSON of one task. */
class TaskText {
  readonly #id: string;
  readonly #wrong: Wrong;
  readonly #wrongDetails: Wrong;
  /** True if it was one. */
  isTask = false;

  constructor(id: string, wrong: Wrong, wrongDetails: Wrong) {
    this.#id = clean(id, 64);
    this.#wrong = wrong;
    this.#wrongDetails = wrongDetails;
  }

  read(json: string): HeldGpu[] {
    const task = parsed(json) ?? parsed(json.replace(notFinite, "null"));
    if (!isObject(task)) return this.#refuse("task_no_object");
    this.isTask = true;
    const { gpus = null, task: details = null } = task;
    if (gpus !== null && !Array.isArray(gpus)) return this.#refuse("task_gpus");
    if (details !== null && !isObject(details)) this.#refuse("task_details", this.#wrongDetails);
    const more = isObject(details) ? details : {};
    const common = {
      host: this.#text(task, "hostname", "unknown"),
      user: this.#text(task, "username", "unknown"),
      type: this.#detail(more, "_type", "unknown"),
      project: this.#detail(more, "project_uuid", ""),
      image: this.#detail(more, "image", ""),
      start: this.#detail(task, "start", ""),
      end: this.#detail(task, "end", ""),
      seconds: this.#seconds(task.total_seconds ?? null),
    };
    return (gpus ?? []).flatMap((gpu: unknown) => {
      if (!isObject(gpu)) return this.#refuse("task_gpu");
      return {
        ...common,
        uuid: this.#text(gpu, "uuid", ""),
        id: this.#number(gpu),
        model: this.#detail(gpu, "name", "Unknown GPU"),
        memory: this.#detail(gpu, "memory", "0"),
      };
    });
  }

  #refuse(
    code: "task_no_object" | "task_gpus" | "task_details" | "task_gpu" | "task_seconds",
    wrong = this.#wrong,
  ): [] {
    wrong.add(cause(code, { task: this.#id }));
    return [];
  }

  #detail = (from: Values, name: string, other: string): string => this.#text(from, name, other, this.#wrongDetails);

  #text(from: Values, name: string, other: string, wrong = this.#wrong): string {
    const value = from[name] ?? null;
    if (value === null) return other;
    const text = value instanceof NumberText ? printed(value.text) : value;
    if (typeof text === "string") return text.slice(0, longestText).toWellFormed();
    wrong.add(cause("task_text", { task: this.#id, key: name }));
    return other;
  }

  #number(gpu: Values): number | string {
    const text = this.#text(gpu, "id", "");
    return /^\d{1,15}$/.test(text) ? Number(text) : text;
  }

  #seconds(value: unknown): number {
    if (value === null) return 0;
    const text = value instanceof NumberText ? value.text : typeof value === "string" ? value.trim() : "";
    const seconds = text === "" ? Number.NaN : Number(text);
    if (Number.isFinite(seconds)) return seconds;
    this.#refuse("task_seconds", this.#wrongDetails);
    return 0;
  }
}

/** A number of JSON as Python prints it; undefined if it is not finite. */
function printed(source: string): string | undefined {
  const number = jsonNumber(source);
  return number && (number.text ?? pythonFloat(number.value));
}
