import { expect, test } from "vitest";
import { cause } from "../hub/cause.ts";
import { notice } from "../hub/notice.ts";
import type { Words } from "../hub/sentence.ts";
import { language } from "./choice.ts";
import { saidIn } from "./language.ts";
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

test("a reason inside a sentence of the hub is in the viewer's language, too, and one that no table has is as the hub says it", async () => {
  language.value = "zh-CN";
  const said = (error: Words) => {
    const sentence = notice("report_failed", { node: "gpu1", others: 0, error });
    return saidIn("notices", sentence, sentence.text);
  };
  const why = cause("tasks_away", { url: "http://10.0.0.9", why: cause("answer_late", { limitMs: 30_000 }) });
  // Nothing is shown until the words are there.
  expect(said(why)).toBe("");
  await expect
    .poll(() => said(why), { interval: 5 })
    .toContain("无法连接任务 API http://10.0.0.9：30 秒内没有收到完整的应答。");
  expect(said("EWEIRD")).toContain("缺少数据：EWEIRD。");
  const newer = { code: "of_a_newer_hub", values: {} };
  expect(saidIn("notices", newer, "Something new.")).toBe("Something new.");
  language.value = "en";
  await expect.poll(() => said(why), { interval: 5 }).toContain("no complete answer within 30 s");
});
