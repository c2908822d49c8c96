import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Space } from "../machine.ts";
import { parseSpace, type SpaceRequest, SpaceTimeout, spaces } from "./space.ts";

test("reads what stat -f prints, in bytes", () => {
  expect(parseSpace("4096 100 40 35\n")).toEqual({ size: 409_600, free: 163_840, available: 143_360 });
});

test.each(["", "4096 100 40\n", "4096 100 40 -1\n", "stat: x\n"])("%j is no space", (text) => {
  expect(() => parseSpace(text)).toThrow("stat -f answered");
});

test("both ways of asking agree with df on the size", async () => {
  const size = Number(execFileSync("df", ["-B1", "--output=size", "/"], { encoding: "utf8" }).split("\n")[1]);
  const ask = spaces();
  expect((await ask("/", { network: false, deadline: 10_000 })).size).toBe(size);
  expect((await ask("/", { network: true, deadline: 10_000 })).size).toBe(size);
});

test.each([false, true])("a mount that is not there is an error that names it (network: %s)", async (network) => {
  await expect(spaces()("/nowhere/at/all", { network, deadline: 10_000 })).rejects.toThrow("/nowhere/at/all");
});

/** Processes of a name below this one, and below those. */
function below(name: string, root = String(process.pid)): string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    const [, said = "", parent] = /\((.*)\) [^Z] (\d+)/.exec(statOf(pid)) ?? [];
    if (parent !== root) continue;
    if (said === name) found.push(pid);
    found.push(...below(name, pid));
  }
  return found;
}

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return ""; // ended meanwhile
  }
}

test("mounts are asked through shells that stay, as many as are asked at once", async () => {
  const before = below("sh").length;
  const ask = spaces();
  const options = { network: true, deadline: 10_000 };
  for (let i = 0; i < 3; i++)
    await Promise.all(["/", "/proc", "/nowhere"].map((path) => ask(path, options).catch(() => 0)));
  expect(below("sh").length).toBe(before + 3);
  await Promise.all(Array.from({ length: 20 }, (_, i) => ask(`/nowhere/${i}`, options).catch(() => 0)));
  await vi.waitFor(() => expect(below("sh").length).toBe(before + 16));
  expect((await ask("/", options)).size).toBeGreaterThan(0);
});

test.each([
  ["/a\n/proc", "line break"],
  ["/$(touch x)", "No such file"],
  ["/a'b\"c\\", "No such file"],
  ["/*", "No such file"],
])("a mount called %j is asked for by that name, or not at all", async (path, words) => {
  const ask = spaces();
  const options = { network: true, deadline: 10_000 };
  await expect(ask(path, options)).rejects.toThrow(words);
  expect((await ask("/", options)).size).toBe((await ask("/", { ...options, network: false })).size);
});

describe("a mount that hangs", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const space = { size: 3, free: 2, available: 1 };

  /** Questions as they are asked, each answered when the test says so. */
  function asked() {
    const questions: { answer: (space: Space) => void; end: () => void; abandoned: boolean }[] = [];
    const network = (): SpaceRequest => {
      let answer = (_: Space): void => undefined;
      let end = (): void => undefined;
      const promise = new Promise<Space>((resolve) => {
        answer = resolve;
      });
      const ended = new Promise<void>((resolve) => {
        end = resolve;
      });
      const question = { answer, end, abandoned: false };
      questions.push(question);
      const abandon = (): void => {
        question.abandoned = true;
      };
      return { answer: promise, ended, abandon };
    };
    return { questions, ask: spaces({ network, local: network }) };
  }

  const options = { network: true, deadline: 2000 };

  test("is given up at the deadline, and its process with it", async () => {
    const { questions, ask } = asked();
    const answer = expect(ask("/nas", options)).rejects.toThrow(SpaceTimeout);
    await vi.advanceTimersByTimeAsync(1999);
    expect(questions[0]?.abandoned).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await answer;
    expect(questions[0]?.abandoned).toBe(true);
  });

  test("is not asked again while the process is still there", async () => {
    const { questions, ask } = asked();
    const first = expect(ask("/nas", options)).rejects.toThrow(SpaceTimeout);
    await vi.advanceTimersByTimeAsync(2000);
    await first;
    await expect(ask("/nas", options)).rejects.toThrow("still no answer");
    expect(questions.length).toBe(1);
    questions[0]?.end();
    await vi.advanceTimersByTimeAsync(0);
    const third = expect(ask("/nas", options)).rejects.toThrow(SpaceTimeout);
    await vi.advanceTimersByTimeAsync(250);
    await third;
    expect(questions.length).toBe(2);
  });

  test("costs a short wait from then on, until it answers", async () => {
    const { questions, ask } = asked();
    const first = expect(ask("/nas", options)).rejects.toThrow("no answer in 2000 ms");
    await vi.advanceTimersByTimeAsync(2000);
    questions[0]?.end();
    await first;
    const second = expect(ask("/nas", options)).rejects.toThrow("no answer in 250 ms");
    await vi.advanceTimersByTimeAsync(250);
    await second;
    // The answer comes late, yet within the deadline: the mount is trusted again.
    questions[1]?.answer(space);
    questions[1]?.end();
    await vi.advanceTimersByTimeAsync(0);
    const third = ask("/nas", options);
    await vi.advanceTimersByTimeAsync(1000);
    questions[2]?.answer(space);
    expect(await third).toEqual(space);
  });

  test("does not hold up another", async () => {
    const { questions, ask } = asked();
    const hanging = expect(ask("/nas", options)).rejects.toThrow(SpaceTimeout);
    const other = ask("/data", options);
    questions[1]?.answer(space);
    expect(await other).toEqual(space);
    await vi.advanceTimersByTimeAsync(2000);
    await hanging;
  });
});
