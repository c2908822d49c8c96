import { expect, test } from "vitest";
import { Troubles } from "./trouble.ts";

let now = 0;

test("each topic of a host has its last text, without hidden characters, until it is removed or has lasted long enough", () => {
  now = 0;
  const troubles = new Troubles(() => now);
  troubles.set("a", "clock", "slow");
  troubles.set("a", "reports", "lost\u202e\n 1", 1000);
  troubles.set("b", "clock", "fast");
  troubles.set("a", "clock", "slower");
  expect([troubles.of("a"), troubles.of("b"), troubles.of("c")]).toEqual([["lost 1", "slower"], ["fast"], []]);
  now = 1000;
  expect(troubles.of("a")).toEqual(["slower"]);
  troubles.set("a", "clock", undefined);
  troubles.set("c", "clock", undefined);
  troubles.forget("b");
  expect([troubles.of("a"), troubles.of("b"), troubles.of("c")]).toEqual([[], [], []]);
});

test("texts, topics and hosts are bounded: the newest are kept", () => {
  const troubles = new Troubles(() => 0);
  for (let i = 0; i < 5000; i++) troubles.set("a", `topic ${i}`, `${i} ${"数".repeat(2000)}`);
  const texts = troubles.of("a");
  expect([texts.length, texts.at(-1)?.startsWith("4999 ")]).toEqual([8, true]);
  for (const text of texts) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(512);
  for (let i = 0; i < 5000; i++) troubles.set(`host ${i}`, "topic", "text");
  const held = Array.from({ length: 5000 }, (_, i) => troubles.of(`host ${i}`).length);
  expect([held.reduce((sum, count) => sum + count, 0), held.at(-1), troubles.of("a")]).toEqual([1024, 1, []]);
});
