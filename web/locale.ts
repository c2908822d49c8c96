export type Tag = "en" | "zh-CN" | "zh-TW";

/** Languages under their own names. */
export const languages: readonly { readonly tag: Tag; readonly name: string }[] = [
  { tag: "en", name: "English" },
  { tag: "zh-CN", name: "简体中文" },
  { tag: "zh-TW", name: "繁體中文" },
];

/** Picks the language: the chosen one, else the browser's first preference that exists, else English. */
export function pickLanguage(chosen: string, preferred: readonly string[]): Tag {
  const exact = languages.find((l) => l.tag === chosen);
  if (exact) return exact.tag;
  for (const tag of preferred.map((w) => w.toLowerCase())) {
    if (/^zh\b.*(hant|-tw|-hk|-mo)/.test(tag)) return "zh-TW";
    if (/^zh\b/.test(tag)) return "zh-CN";
    if (/^en\b/.test(tag)) return "en";
  }
  return "en";
}
