// Passwords that are typed for gohm account, in a real terminal: script (util-linux) opens one.
import { spawn, spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { withBook } from "../data.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { programOf } from "../program.ts";
import { bare, program } from "./gohm.ts";

let at: HubFolder;
let hub: RunningHub;

beforeEach(async () => {
  at = hubFolder();
  at.write({ servers: {} });
  hub = await startHub(at);
});

afterEach(async () => {
  await hub.stop();
  at.remove();
});

/** Starts a verb in a terminal of its own, and answers its prompts. @returns what the terminal showed, and the status */
async function typed(args: readonly string[], answers: readonly (readonly [RegExp, string])[]) {
  const line = [process.execPath, program, ...args].map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["-qec", line, "/dev/null"], {
    env: { ...bare, GOHM_DATA: at.data, TERM: "xterm" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((done) => child.once("close", done));
  const shown = programOf(child as unknown as Parameters<typeof programOf>[0], "script");
  try {
    for (const [prompt, answer] of answers) {
      await shown.line(prompt);
      child.stdin.write(answer);
    }
    return { status: await ended, output: shown.output() };
  } finally {
    await shown.stop("SIGKILL");
  }
}

const password = "correct horse 电池";

const twice = (first: string, second = first): readonly (readonly [RegExp, string])[] => [
  [/New password: /, `${first}\r`],
  [/The same again: /, `${second}\r`],
];

describe.skipIf(spawnSync("script", ["--version"]).status !== 0)("in a terminal (script)", () => {
  test("a password is asked for twice and never shown", async () => {
    const { status, output } = await typed(["account", "create", "alice", "--role", "administrator"], twice(password));
    expect([status, output]).toEqual([0, expect.stringMatching(/alice +administrator +set/)]);
    expect(output).not.toContain("horse");
    const changed = await typed(["account", "password", "alice"], twice("x\u007fanother good one\u007f\u007fne"));
    expect([changed.status, changed.output]).toEqual([0, expect.not.stringContaining("another")]);
    const answer = await fetch(`${hub.url}/api/v1/session`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Origin: hub.url },
      body: JSON.stringify({ name: "alice", password: "another good one" }),
    });
    expect(answer.status).toBe(200);
  });

  test("two different passwords, none, and an interruption create no account", async () => {
    const create = ["account", "create", "alice"];
    expect(await typed(create, twice(password, "something else"))).toMatchObject({
      status: 1,
      output: expect.stringContaining("These were two different passwords"),
    });
    for (const key of ["\r", "\u0004"]) {
      expect(await typed(create, [[/New password: /, key]])).toMatchObject({
        status: 1,
        output: expect.stringContaining("No password was given"),
      });
    }
    expect((await typed(create, [[/New password: /, "abc\u0003"]])).status).not.toBe(0);
    await hub.stop();
    expect(withBook(at.data, (book) => book.accounts())).toEqual([]);
  });
});
