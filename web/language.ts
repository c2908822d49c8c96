import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import type { SentenceValues } from "../hub/sentence.ts";
import type { Sentence } from "../proto/gen/feed_pb.js";
import { loadWithRetry, SignIn } from "./ask.ts";
import { language } from "./choice.ts";
import { languages, pickLanguage, type Tag } from "./locale.ts";
import type { AdminText } from "./text/admin.ts";
import type { SaidText } from "./text/said.ts";
import type { Text } from "./text/text.ts";

/** Only the language that is chosen is loaded; what the hub says in it comes with it, if it was shown before. */
const loaders: Readonly<Record<Tag, () => Promise<Text>>> = {
  en: async () => (await import("./text/en.ts")).en,
  "zh-CN": async () => (await withSaid("zh-CN", import("./text/zh-CN.ts"))).zhCN,
  "zh-TW": async () => (await withSaid("zh-TW", import("./text/zh-TW.ts"))).zhTW,
};

const chosenTag = computed(() => pickLanguage(language.value, navigator.languages));
const current = signal<Text | undefined>(undefined);
/** Nothing is rendered before `loadLanguage` has brought the first. */
export const text: ReadonlySignal<Text> = computed(() => {
  if (current.value === undefined) throw new Error("no language is loaded");
  return current.value;
});

const adminLoaders: Readonly<Record<Tag, () => Promise<AdminText>>> = {
  en: async () => (await import("./text/admin-en.ts")).adminEn,
  "zh-CN": async () => (await import("./text/admin-zh-CN.ts")).adminZhCN,
  "zh-TW": async () => (await import("./text/admin-zh-TW.ts")).adminZhTW,
};
/** Texts of a part of the page, which are loaded with it. */
export interface PartText<T> {
  /** @throws Error before `load` */
  readonly text: () => T;
  /** Loads them now and whenever the language changes. @throws Error if they cannot be fetched */
  readonly load: () => Promise<void>;
}

export function partText<T>(loaders: Readonly<Record<Tag, () => Promise<T>>>): PartText<T> {
  const words = signal<T | undefined>(undefined);
  return {
    text() {
      if (words.value === undefined) throw new Error("the texts of this part of the page are not loaded");
      return words.value;
    },
    async load() {
      if (words.peek() !== undefined) return;
      const first = await loaders[chosenTag.peek()]();
      if (words.peek() !== undefined) return;
      words.value = first;
      follow(loaders, (next) => {
        words.value = next;
      });
    },
  };
}

/** Texts of accounts and administration. */
export const { text: adminText, load: loadAdminText } = partText(adminLoaders);

/**
 * Loads the language now and whenever it changes. Resolves when there is one: if the chosen one cannot be fetched, any other
 * that can be, as a browser may have it still, stands in for it until it is.
 * @param failed called while none can be fetched
 */
export async function loadLanguage(failed: () => void): Promise<void> {
  await follow(loaders, (words) => {
    current.value = words;
  });
  const any = async (): Promise<void> => {
    const words = await Promise.any(languages.map(({ tag }) => loaders[tag]()));
    current.value ??= words;
  };
  if (current.peek() !== undefined) return;
  await loadWithRetry(any, () => {
    if (current.peek() === undefined) failed();
    return current.peek() === undefined;
  });
}

function follow<T>(loaders: Readonly<Record<Tag, () => Promise<T>>>, take: (words: T) => void): Promise<void> {
  return new Promise((done) => {
    effect(() => {
      const tag = chosenTag.value;
      const fetched = async (): Promise<void> => {
        const words = await loaders[tag]();
        if (tag === chosenTag.peek()) take(words);
        done();
      };
      loadWithRetry(fetched, () => {
        // The previous language remains until then.
        done();
        return tag === chosenTag.peek();
      });
    });
  });
}

/** Text of an error for the viewer. */
export function errorText(error: unknown): string {
  if (error instanceof SignIn) return text.peek().lostHint[error.own ? "signed-out" : "sign-in"];
  return error instanceof Error ? error.message : String(error);
}

/** What the hub says, as its answers have it. */
export interface Said {
  readonly code: string;
  readonly values: SentenceValues;
}

const saidLoaders: Readonly<Record<Tag, () => Promise<SaidText | null>>> = {
  // The hub's own language.
  en: async () => null,
  "zh-CN": async () => (await import("./text/said-zh-CN.ts")).saidZhCN,
  "zh-TW": async () => (await import("./text/said-zh-TW.ts")).saidZhTW,
};
const saidTables = signal<SaidText | null | undefined>(undefined);
let isSaying = false;

/** Words, with what the hub says in the same language, so that both change at once. */
async function withSaid<T>(tag: Tag, words: Promise<T>): Promise<T> {
  if (isSaying) await saidLoaders[tag]().catch(() => undefined);
  return words;
}

/** Tables of what the hub says, loaded with the first sentence; null for its own language, undefined while they are loaded. */
function tablesOfHub(): SaidText | null | undefined {
  if (!isSaying) {
    isSaying = true;
    const take = (tables: SaidText | null): void => {
      saidTables.value = tables;
    };
    // English is better than nothing.
    queueMicrotask(() => follow(saidLoaders, take).then(() => take(saidTables.peek() ?? null)));
  }
  return saidTables.value;
}

type Rows = Readonly<Record<string, (values: SentenceValues) => string>>;

/**
 * A sentence of the hub in the viewer's language.
 * @param of the hub's own sentences of that kind, or those of a part of the page by code; undefined for the hub's own language
 * @param english the hub's text, for a sentence that is in no table and for texts from elsewhere
 * @returns "" while the sentences are loaded
 */
export function saidIn(
  of: keyof SaidText | object | undefined,
  said: Said | null | undefined,
  english: string,
): string {
  if (of === undefined || !said?.code) return english;
  const tables = tablesOfHub();
  if (tables === undefined) return "";
  if (tables === null) return english;
  const causes = tables.causes as unknown as Rows;
  const rows = (typeof of === "string" ? tables[of] : of) as unknown as Rows;
  return makeSentence(rows[said.code] ?? causes[said.code], said.values, causes) ?? english;
}

/** @param causes of the values that are sentences themselves (hub/sentence.ts) */
function makeSentence(row: Rows[string] | undefined, values: SentenceValues, causes: Rows): string | undefined {
  const whole = Object.entries(values).map(([name, value]) => {
    const row = causes[values[`${name}.code`] ?? ""];
    const start = `${name}.`;
    const inner = Object.entries(values).flatMap(([key, held]) =>
      key.startsWith(start) ? [[key.slice(start.length), held]] : [],
    );
    return [name, makeSentence(row, Object.fromEntries(inner), causes) ?? value];
  });
  return row?.(Object.fromEntries(whole));
}

/** What a sentence in the feed says; undefined for a text that is none. */
export const saidOf = (sentence: Pick<Sentence, "code" | "texts" | "numbers"> | undefined): Said | undefined =>
  sentence && { code: sentence.code, values: { ...sentence.texts, ...sentence.numbers } };

/** Why a host is down, as the feed has it. */
export const reasonText = ({
  reason,
  cause,
}: {
  readonly reason: string;
  readonly cause?: Sentence | undefined;
}): string => saidIn("reasons", saidOf(cause), reason);

/** Time of day, with the date if it is not today. Both are Unix milliseconds of one clock. */
export function timeOf(at: number, today: number): string {
  const date = new Date(at);
  const same = date.toDateString() === new Date(today).toDateString();
  return new Intl.DateTimeFormat(text.value.tag, {
    ...(same ? {} : { month: "short", day: "numeric" }),
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  }).format(date);
}
