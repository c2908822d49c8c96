import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { expectedCases, expectedFolder, expectedReport, textsOf } from "../../test/report/input.ts";
import { userReport } from "./form.ts";

describe("the files of a report are those of the folder written by hand", () => {
  test.each(expectedCases)("%s", async (name) => {
    const { nodeDay, tasks, files } = expectedReport(name);
    expect(await textsOf(nodeDay, tasks)).toEqual(files);
  });
});

test("a mean of values that are too large for their sum is printed as Python prints it", async () => {
  const { nodeDay, tasks } = expectedReport("normal");
  const [card] = nodeDay.cards;
  const rows = card?.rows?.map((row) => ({ ...row, gpu: 1e308 }));
  const files = await textsOf({ ...nodeDay, cards: [{ index: 0, card: 1, rows }] }, tasks);
  const [, average = "", summary = ""] = [...files.values()];
  expect(average).toMatch(/^GPU\[0\],inf,\d/m);
  expect(summary).toContain("GPU使用率 = inf%, VRAM");
  expect(summary).toContain("整體平均 GPU 使用率: inf%");
});

test("--user-report prints the tasks of all nodes", () => {
  const { tasks } = expectedReport("tasks");
  expect(userReport("2025-08-01", tasks)).toBe(readFileSync(join(expectedFolder, "tasks", "user-report.txt"), "utf8"));
  expect(userReport("2025-08-01", new Map([["a", []]]))).toBe("沒有 GPU 使用者任務資訊可供顯示\n");
});
