import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { machineOf } from "../../../test/machine.ts";
import { HangGuard } from "./hang.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a card that answers gives its text, one that refuses gives none, and nothing is left waiting", async () => {
  const gate = new HangGuard(machineOf({ files: { "/a": "97\n" } }), 1000);
  expect(await gate.ask("/a")).toBe("97\n");
  expect(await gate.ask("/b")).toBe("");
  expect(vi.getTimerCount()).toBe(0);
});

test("a card whose driver keeps its reader holds one reader, costs its patience once, and is asked again when it came back", async () => {
  let asked = 0;
  let answer = (_: string): void => undefined;
  const machine = machineOf({
    readApart: () => {
      asked++;
      return new Promise((resolve) => {
        answer = resolve;
      });
    },
  });
  const gate = new HangGuard(machine, 1000);
  const first = gate.ask("/a");
  await vi.advanceTimersByTimeAsync(1000);
  expect(await first).toBeUndefined();
  expect(await gate.ask("/a")).toBeUndefined();
  expect(asked).toBe(1);
  answer("1");
  await vi.advanceTimersByTimeAsync(0);
  const again = gate.ask("/a");
  answer("2");
  expect(await again).toBe("2");
});
