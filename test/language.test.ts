// What the hub says, in the languages of the page. That none is missing is checked by the compiler.
import { describe, expect, test } from "vitest";
import { notice } from "../hub/notice.ts";
import { reason } from "../hub/reason.ts";
import type { Sentence } from "../hub/sentence.ts";
import { trouble } from "../hub/trouble.ts";
import { adminZhCN } from "../web/text/admin-zh-CN.ts";
import { adminZhTW } from "../web/text/admin-zh-TW.ts";
import { zhCN } from "../web/text/zh-CN.ts";
import { zhTW } from "../web/text/zh-TW.ts";

type Texts = Readonly<Record<string, string>>;
const texts: Texts = Object.fromEntries(
  `address answer aside before cert date error example first folder host hostname key message mib names node one origin other path second why zone`
    .split(" ")
    .map((name) => [name, `<${name}>`]),
);
/** Values for any sentence: what a new one needs beside these belongs here. */
const values = {
  ...texts,
  ...{ fault: "bad_request", lost: "replaced", now: Date.UTC(2001, 1, 3), until: Date.UTC(2001, 1, 3) },
  ...{
    deadlineMs: 7000,
    retryMs: 7000,
    skewMs: 7000,
    differenceMs: 7000,
    behindMs: 7000,
    failed: 7,
    most: 7,
    left: 7,
    others: 7,
    more: 7,
    gpus: 7,
    kib: 7,
    missing: 7,
    expected: 7,
    count: 7,
  },
};

type Table = Readonly<Record<string, (values: object) => string>>;
type Say = (code: string, values: object) => Sentence;

/** Code, English and the other language. */
const pairs = (table: object, say: unknown): [string, string, string][] =>
  Object.entries(table as Table).map(([code, row]) => [code, (say as Say)(code, values).text, row(values)]);

describe.each([
  ["zh-CN", zhCN, adminZhCN],
  ["zh-TW", zhTW, adminZhTW],
])("%s", (_, text, admin) => {
  const all = [...pairs(text.reasons, reason), ...pairs(text.notices, notice), ...pairs(admin.troubleTexts, trouble)];

  test.each(all)("%s is said in Chinese, with each value that the English sentence has", (_code, english, chinese) => {
    expect(chinese).toMatch(/\p{Script=Han}/u);
    expect(chinese).not.toMatch(/\p{Script=Han}[,.:;!?]|\p{Script=Han} +\p{Script=Han}|undefined|NaN/u);
    const wanted = english.match(/<\w+>|\b7\b|2001/g) ?? [];
    for (const value of wanted) expect(chinese).toContain(value);
  });

  test("no two sentences are the same", () => {
    expect(new Set(all.map(([, , chinese]) => chinese)).size).toBe(all.length);
  });
});
