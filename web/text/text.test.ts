import { expect, test } from "vitest";
import { Throttle } from "../../proto/gen/host_pb.js";
import type { AdminText } from "./admin.ts";
import { adminEn } from "./admin-en.ts";
import { adminZhCN } from "./admin-zh-CN.ts";
import { adminZhTW } from "./admin-zh-TW.ts";
import { en } from "./en.ts";
import { saidZhCN } from "./said-zh-CN.ts";
import { saidZhTW } from "./said-zh-TW.ts";
import type { Text } from "./text.ts";
import { zhCN } from "./zh-CN.ts";
import { zhTW } from "./zh-TW.ts";

const languages: readonly Text[] = [en, zhCN, zhTW];
const han = /\p{Script=Han} +\p{Script=Han}/u;

/** What the page writes with an age in it, in every unit that an age ends in. */
const aged = (t: Text): string[] =>
  [5, 65, 3700, 90_000].flatMap((seconds) => {
    const age = t.span(seconds);
    const since = t.ago(age);
    return [
      t.lost("12:00:00", since),
      t.unreachableSince(age),
      t.late(age),
      t.lastKnownFrom(age),
      t.seen(age),
      since,
      t.up(age),
      t.idleFor(age, false),
      t.idleFor(age, true),
    ];
  });

test.each(languages)("$tag has no space between Chinese characters where an age is put in", (t) => {
  expect(aged(t).filter((words) => han.test(words))).toEqual([]);
});

test.each(languages)("$tag says how long in every text that is given an age", (t) => {
  expect(aged(t).every((words) => /\d/.test(words))).toBe(true);
  expect(t.idleFor("5", true)).not.toBe(t.idleFor("5", false));
});

test("a list is separated as its language does", () => {
  expect(languages.map((t) => t.list([t.throttle[Throttle.POWER_CAP], t.throttle[Throttle.HW_THERMAL]]))).toEqual([
    "power limit, heat",
    "功耗上限、过热",
    "功耗上限、過熱",
  ]);
});

test("the name of a provider has spaces around it only where it is not Chinese itself", () => {
  expect([adminZhCN, adminZhTW].map((t) => t.signInAt("统一身份认证"))).toEqual([
    "使用统一身份认证登录",
    "使用统一身份认证登入",
  ]);
  expect(adminZhCN.signInAt("Lab ID")).toBe("使用 Lab ID 登录");
});

test("Chinese texts have Chinese punctuation", () => {
  const written = (t: Text): string[] =>
    [...Object.values(t), ...Object.values(t.lostHint), ...Object.values(t.verdictHint)].filter(
      (words): words is string => typeof words === "string",
    );
  const foreign = [zhCN, zhTW].flatMap((t) => written(t).filter((words) => /\p{Script=Han}[,.:;!?]/u.test(words)));
  expect(foreign).toEqual([]);
  const admin = [adminZhCN, adminZhTW].flatMap((t) => allOf(t).map(([, words]) => words));
  expect(admin.length).toBeGreaterThan(300);
  expect(admin.filter((words) => /\p{Script=Han}[,.:;!?]/u.test(words))).toEqual([]);
});

/** Every text of administration with its key; texts with values in them are given some. */
function allOf(t: AdminText): [string, string][] {
  return Object.entries(t as unknown as Record<string, unknown>).flatMap(([key, value]): [string, string][] => {
    if (typeof value === "string") return [[key, value]];
    if (key === "sentences" || key === "clauses") return [];
    if (typeof value === "function")
      return [true, false].map((flag) => [key, (value as (...words: unknown[]) => string)("3 x", flag, "y")]);
    return Object.entries(value as Record<string, string>).map(([part, words]) => [`${key}.${part}`, words]);
  });
}

test("administration is told in three languages: Chinese texts are Chinese, and no two languages say the same", () => {
  const [english, simplified, traditional] = [adminEn, adminZhCN, adminZhTW].map((t) => new Map(allOf(t)));
  const names = /^(views|gpus|timeAndAge|countOf|linkFor|shownHint|reportsHint|detail$|detailNames.gpuIndices)/;
  for (const [key, words] of english ?? []) {
    const chinese = [simplified?.get(key), traditional?.get(key)];
    // The hub's own sentence says more than a translation could.
    if (key.startsWith("refusals.") && chinese[0] === undefined) continue;
    if (names.test(key)) continue;
    for (const one of chinese) expect(one, key).toMatch(/\p{Script=Han}/u);
    expect(chinese, key).not.toContain(words);
  }
});

test("why nobody could sign in at the provider is told in Chinese, with the words of the provider", () => {
  const given = {
    host: "id.example",
    error: "e1",
    description: "d1",
    claim: "c1",
    name: "n1",
    setting: "s1",
    why: "w1",
  };
  const said = [saidZhCN, saidZhTW].map(({ failures }) =>
    Object.entries(failures as Readonly<Record<string, (values: object) => string>>).map(([code, say]) => [
      code,
      say({ ...given, seconds: 7 }),
    ]),
  );
  for (const [code = "", words = ""] of said.flat()) {
    expect(words, code).toMatch(/\p{Script=Han}.*。$/u);
    expect(words, code).not.toMatch(/undefined|\p{Script=Han}[,.:;!?]/u);
  }
  const [simplified = [], traditional = []] = said;
  // What is missing in one of them does not compile; what is the same in both was not translated.
  for (const [i, [code, words]] of simplified.entries()) expect(traditional[i]?.[1], code).not.toBe(words);
});
