// What the hub says, in the languages of the page. That none is missing is checked by the compiler.
import { describe, expect, test } from "vitest";
import { cause } from "../hub/cause.ts";
import { notice } from "../hub/notice.ts";
import { reason } from "../hub/reason.ts";
import { issue } from "../hub/report/issue.ts";
import type { Sentence, Words } from "../hub/sentence.ts";
import { trouble } from "../hub/trouble.ts";
import { language } from "../web/choice.ts";
import { saidIn } from "../web/language.ts";
import { reportZhCN } from "../web/text/report-zh-CN.ts";
import { reportZhTW } from "../web/text/report-zh-TW.ts";
import { saidZhCN } from "../web/text/said-zh-CN.ts";
import { saidZhTW } from "../web/text/said-zh-TW.ts";

type Texts = Readonly<Record<string, string>>;
const texts: Texts = Object.fromEntries(
  `address answer aside before cards cert date error example first folder host hostname hosts id ids key message names node one origin other path place second strange task then to url why zone`
    .split(" ")
    .map((name) => [name, `<${name}>`]),
);
/** Values for any sentence: what a new one needs beside these belongs here. */
const values = {
  ...texts,
  ...{ fault: "bad_request", lost: "replaced", now: Date.UTC(2001, 1, 3), until: Date.UTC(2001, 1, 3) },
  ...{ from: Date.UTC(2001, 1, 3), to: Date.UTC(2001, 1, 3) },
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
    mib: 7,
    firstId: 7,
    aheadMs: 7000,
    limitMs: 7000,
    status: 7,
    stepSec: 7,
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

/** Code, and what those are told who may not see addresses and paths. */
const opened = (table: object, say: unknown): [string, string, string][] =>
  Object.entries(table as Table).map(([code, row]) => {
    // Causes that are part of others have no addresses of their own here.
    const { open } = (say as Say)(code, { ...values, why: cause("disk_full") });
    if (open === undefined) throw new Error(`${code} has no open form`);
    return [code, open.text, row(open.values)];
  });

describe.each([
  ["zh-CN", saidZhCN, reportZhCN],
  ["zh-TW", saidZhTW, reportZhTW],
])("%s", (_, said, report) => {
  const all = [
    ...pairs(said.reasons, reason),
    ...pairs(said.notices, notice),
    ...pairs(said.causes, cause),
    ...pairs(report.issues ?? {}, issue),
    ...pairs(said.troubles, trouble),
  ];

  test.each(all)("%s is said in Chinese, with each value that the English sentence has", (_code, english, chinese) => {
    expect(chinese).toMatch(/\p{Script=Han}/u);
    expect(chinese).not.toMatch(/\p{Script=Han}[,.:;!?]|\p{Script=Han} +\p{Script=Han}|undefined|NaN/u);
    const wanted = english.match(/<\w+>|\b7\b|2001/g) ?? [];
    for (const value of wanted) expect(chinese).toContain(value);
  });

  const open = [...opened(said.notices, notice), ...opened(said.causes, cause)];

  test.each(open)("%s is a whole sentence without addresses, paths and texts from elsewhere", (_code, ...words) => {
    for (const text of words) {
      expect(text).not.toMatch(/<(?!(node|host|hosts|date|before|gpus|then|ids|key)>)/);
      expect(text).not.toMatch(/["“「（(]["”」）)]|[:：,，、(（]( ?[.。:：)）]|$)|[^…] {2}|^[ :：]| $|undefined|null/);
    }
  });

  test("no two sentences are the same", () => {
    expect(new Set(all.map(([, , chinese]) => chinese)).size).toBe(all.length);
  });
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
