import { expect, test } from "vitest";
import { Troubles, trouble } from "./trouble.ts";

let now = 0;

const refused = (message: string) => trouble("report_refused", { fault: "bad_request", message });

test("each topic of a host has its last trouble, without hidden characters, until it is removed or has lasted long enough", () => {
  now = 0;
  const troubles = new Troubles(() => now);
  troubles.set("a", "clock", trouble("clock_ahead", { skewMs: 31_400 }));
  troubles.set("a", "reports", refused("lost\u202e\n 1"), 1000);
  troubles.set("b", "clock", trouble("clock_wrong"));
  troubles.set("a", "clock", trouble("clock_behind", { skewMs: 95_000 }));
  const behind = expect.stringMatching(/^Its clock is 95 s behind the hub's: /);
  expect([troubles.of("a"), troubles.of("c")]).toEqual([["A report was refused: lost 1", behind], []]);
  expect(troubles.sentences("a").map(({ code, values }) => [code, values])).toEqual([
    ["report_refused", { fault: "bad_request", message: "lost 1" }],
    ["clock_behind", { skewMs: 95_000 }],
  ]);
  expect(troubles.of("b")).toHaveLength(1);
  now = 1000;
  expect(troubles.of("a")).toEqual([behind]);
  troubles.set("a", "clock", undefined);
  troubles.set("c", "clock", undefined);
  troubles.forget("b");
  expect([troubles.of("a"), troubles.of("b"), troubles.of("c")]).toEqual([[], [], []]);
});

test("texts, topics and hosts are bounded: the newest are kept", () => {
  const troubles = new Troubles(() => 0);
  for (let i = 0; i < 5000; i++) troubles.set("a", `topic ${i}`, refused(`${i} ${"数".repeat(2000)}`));
  const texts = troubles.of("a");
  expect([texts.length, texts.at(-1)?.startsWith("A report was refused: 4999 ")]).toEqual([8, true]);
  for (const text of texts) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(512);
  for (const { values } of troubles.sentences("a")) {
    expect(Buffer.byteLength(JSON.stringify(values))).toBeLessThanOrEqual(1024);
  }
  for (let i = 0; i < 5000; i++) troubles.set(`host ${i}`, "topic", trouble("too_much"));
  const held = Array.from({ length: 5000 }, (_, i) => troubles.of(`host ${i}`).length);
  expect([held.reduce((sum, count) => sum + count, 0), held.at(-1), troubles.of("a")]).toEqual([1024, 1, []]);
});
