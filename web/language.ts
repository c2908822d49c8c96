import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import { insist, SignIn } from "./ask.ts";
import { language } from "./choice.ts";
import { en } from "./text/en.ts";
import type { Text } from "./text/text.ts";

type Tag = "en" | "zh-CN" | "zh-TW";

/** Languages by their own names. All but English are fetched when they are spoken first: nobody reads all of them. */
export const languages: readonly { readonly tag: Tag; readonly name: string }[] = [
  { tag: "en", name: "English" },
  { tag: "zh-CN", name: "简体中文" },
  { tag: "zh-TW", name: "繁體中文" },
];
const fetches: Readonly<Record<Tag, () => Promise<Text>>> = {
  en: async () => en,
  "zh-CN": async () => (await import("./text/zh-CN.ts")).zhCN,
  "zh-TW": async () => (await import("./text/zh-TW.ts")).zhTW,
};

/** The language to speak: what was chosen, else the first of the browser's wishes that is known, else English. */
export function pick(chosen: string, wishes: readonly string[]): Tag {
  const exact = languages.find((l) => l.tag === chosen);
  if (exact) return exact.tag;
  for (const wish of wishes.map((w) => w.toLowerCase())) {
    if (/^zh\b.*(hant|-tw|-hk|-mo)/.test(wish)) return "zh-TW";
    if (/^zh\b/.test(wish)) return "zh-CN";
    if (/^en\b/.test(wish)) return "en";
  }
  return "en";
}

const wanted = computed(() => pick(language.value, navigator.languages));
const spoken = signal<Text>(en);
export const text: ReadonlySignal<Text> = spoken;

/** Speaks the wanted language, now and whenever it changes. Resolves when the first is there, or could not be fetched. */
export function speak(): Promise<void> {
  return new Promise((done) => {
    effect(() => {
      const tag = wanted.value;
      const fetched = async (): Promise<void> => {
        const words = await fetches[tag]();
        if (tag === wanted.peek()) spoken.value = words;
        done();
      };
      insist(fetched, () => {
        // Until then the language before goes on being spoken.
        done();
        return tag === wanted.peek();
      });
    });
  });
}

/** Why something could not be fetched. */
export function reasonOf(error: unknown): string {
  if (error instanceof SignIn) return text.peek().lostHint["sign-in"];
  return error instanceof Error ? error.message : String(error);
}

/** Time of day, with the date where it is not today. Milliseconds of the clock that `today` is on. */
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
