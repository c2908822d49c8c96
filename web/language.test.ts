import { expect, test } from "vitest";
import { languages, pickLanguage } from "./locale.ts";
import { en } from "./text/en.ts";
import { zhCN } from "./text/zh-CN.ts";
import { zhTW } from "./text/zh-TW.ts";

test.each([
  ["", ["zh-CN", "en"], "zh-CN"],
  ["", ["zh"], "zh-CN"],
  ["", ["zh-Hans-SG"], "zh-CN"],
  ["", ["zh-TW"], "zh-TW"],
  ["", ["zh-HK", "zh-CN"], "zh-TW"],
  ["", ["zh-Hant"], "zh-TW"],
  ["", ["de-DE", "zh-CN"], "zh-CN"],
  ["", ["fr", "en-GB", "zh-CN"], "en"],
  ["", ["fr"], "en"],
  ["", [], "en"],
  ["zh-TW", ["en"], "zh-TW"],
  ["xx", ["zh-CN"], "zh-CN"],
])("chosen %j with wishes %j speaks %s", (chosen, wishes, tag) => {
  expect(pickLanguage(chosen, wishes)).toBe(tag);
});

test("languages are listed as they call themselves", () => {
  expect(languages).toEqual([en, zhCN, zhTW].map(({ tag, name }) => ({ tag, name })));
});

test("no language leaves a word empty", () => {
  for (const words of [en, zhCN, zhTW]) {
    for (const [key, word] of Object.entries(words))
      if (typeof word === "string") expect(word, `${words.tag} ${key}`).not.toBe("");
  }
});
