import { computed } from "@preact/signals";
import { language } from "./choice.ts";
import { en } from "./text/en.ts";
import type { Text } from "./text/text.ts";
import { zhCN } from "./text/zh-CN.ts";
import { zhTW } from "./text/zh-TW.ts";

export const languages: readonly Text[] = [en, zhCN, zhTW];

/** The language to speak: what was chosen, else the first of the browser's wishes that is known, else English. */
export function pick(chosen: string, wishes: readonly string[]): Text {
  const exact = languages.find((l) => l.tag === chosen);
  if (exact) return exact;
  for (const wish of wishes.map((w) => w.toLowerCase())) {
    if (/^zh\b.*(hant|-tw|-hk|-mo)/.test(wish)) return zhTW;
    if (/^zh\b/.test(wish)) return zhCN;
    if (/^en\b/.test(wish)) return en;
  }
  return en;
}

export const text = computed(() => pick(language.value, navigator.languages));

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
