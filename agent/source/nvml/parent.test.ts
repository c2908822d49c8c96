import type { ChildProcess } from "node:child_process";
import { EventEmitter } from "node:events";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Hung, Unsupported } from "../source.ts";
import type { ReaderAnswer, ReaderRequest } from "./message.ts";
import { ReaderLink } from "./parent.ts";
import type { Reading } from "./reader.ts";

type Behaviour = (request: ReaderRequest) => ReaderAnswer | "hang" | "die";

/** A reader without a process: it answers as told, and ends when killed unless it is stuck in the kernel. */
class Player extends EventEmitter {
  exitCode: number | null = null;
  signalCode: string | null = null;
  readonly #behave: Behaviour;
  readonly #mortal: boolean;

  constructor(behave: Behaviour, mortal: boolean) {
    super();
    this.#behave = behave;
    this.#mortal = mortal;
  }

  send(request: ReaderRequest): void {
    const answer = this.#behave(request);
    if (answer === "die") this.end("SIGSEGV");
    else if (answer !== "hang") queueMicrotask(() => this.emit("message", answer));
  }

  kill(signal: string): void {
    if (this.#mortal && signal === "SIGKILL") this.end(signal);
  }

  end(signal: string): void {
    this.signalCode = signal;
    this.emit("exit", null, signal);
  }
}

const reading: Reading = { gpus: [], system: { driverVersion: "550" } };
const part: ReaderAnswer = { kind: "reading", reading };
const good: Behaviour = ({ kind }) => (kind === "open" ? { kind: "opened" } : part);
const hangs: Behaviour = ({ kind }) => (kind === "open" ? { kind: "opened" } : "hang");
const sleeps: Behaviour = () => "hang";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function setUp(behaviours: Behaviour[], mortal = true): { link: ReaderLink; players: Player[] } {
  const players: Player[] = [];
  const link = new ReaderLink({
    start: () => {
      const player = new Player(behaviours[Math.min(players.length, behaviours.length - 1)] ?? good, mortal);
      players.push(player);
      return player as unknown as ChildProcess;
    },
    ticks: () => Date.now(),
    deadline: 5000,
  });
  return { link, players };
}

/** Reads, and lets as much time pass as it takes. */
async function outcome(link: ReaderLink, passing = 0): Promise<Reading | Error> {
  const read = link.read(["lib"]).catch((error: unknown) => error as Error);
  await vi.advanceTimersByTimeAsync(passing);
  return read;
}

test("one reader serves all reads", async () => {
  const { link, players } = setUp([good]);
  expect(await outcome(link)).toEqual(reading);
  expect(await outcome(link)).toEqual(reading);
  expect(players).toHaveLength(1);
});

test("a reader that does not answer is killed at the deadline, and the text says what happened", async () => {
  const { link, players } = setUp([hangs]);
  const failed = await outcome(link, 5000);
  expect(failed).toEqual(new Hung("NVML did not answer within 5 s: its reader was stopped"));
  expect(players[0]?.signalCode).toBe("SIGKILL");
});

test("after a failure nothing is started for a second, and each read fails at once with the same text", async () => {
  const { link, players } = setUp([hangs, good]);
  await outcome(link, 5000);
  expect(await outcome(link)).toBeInstanceOf(Hung);
  await vi.advanceTimersByTimeAsync(999);
  expect(await outcome(link)).toBeInstanceOf(Hung);
  expect(players).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(await outcome(link)).toEqual(reading);
  expect(players).toHaveLength(2);
});

test("the pause doubles with each failure up to five minutes, and a good read resets it", async () => {
  const dies: Behaviour = () => "die";
  const onceThenDies = (): Behaviour => {
    let reads = 0;
    return (request) => (request.kind === "read" && reads++ > 0 ? "die" : good(request));
  };
  const { link, players } = setUp([...Array.from({ length: 11 }, () => dies), onceThenDies(), good]);
  const starts: number[] = [];
  for (let second = 0; players.length < 13; second++) {
    const before = players.length;
    await outcome(link);
    if (players.length > before) starts.push(second);
    await vi.advanceTimersByTimeAsync(1000);
  }
  const pauses = starts.slice(1).map((second, i) => second - (starts[i] ?? 0));
  // The last one: good for one read, failed at the next, started again a second later.
  expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 2]);
});

test("a reader that crashes is named with its signal and replaced", async () => {
  const { link, players } = setUp([({ kind }) => (kind === "open" ? { kind: "opened" } : "die"), good]);
  expect(String(await outcome(link))).toBe("Error: NVML's reader was ended by SIGSEGV");
  await vi.advanceTimersByTimeAsync(1000);
  expect(await outcome(link)).toEqual(reading);
  expect(players).toHaveLength(2);
});

test("a reader that ended between two reads is told by the next one", async () => {
  const { link, players } = setUp([good]);
  await outcome(link);
  players[0]?.end("SIGKILL");
  expect(String(await outcome(link))).toBe("Error: NVML's reader was ended by SIGKILL");
});

test("a missing driver is unsupported, its reader does not stay, and it is looked for again after a minute", async () => {
  const { link, players } = setUp([
    () => ({ kind: "failed", message: "NVML: Driver Not Loaded (9)", lacks: "driver" }),
    good,
  ]);
  expect(await outcome(link)).toEqual(new Unsupported("NVML: Driver Not Loaded (9)"));
  expect(players[0]?.signalCode).toBe("SIGKILL");
  await vi.advanceTimersByTimeAsync(59_999);
  expect(await outcome(link)).toBeInstanceOf(Unsupported);
  expect(players).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(await outcome(link)).toEqual(reading);
});

test("a driver that takes long to open is waited for beyond one read, for a minute", async () => {
  const { link, players } = setUp([sleeps]);
  const first = await outcome(link, 5000);
  expect(String(first)).toBe("Hung: NVML is still starting after 5 s: GPUs that sleep are being woken");
  expect(players[0]?.signalCode).toBeNull();
  await vi.advanceTimersByTimeAsync(50_000);
  expect(String(await outcome(link, 5000))).toContain("did not answer within 60 s");
  expect(players[0]?.signalCode).toBe("SIGKILL");
});

test("readers that cannot be killed are abandoned, but never more than two", async () => {
  const { link, players } = setUp([hangs], false);
  await outcome(link, 5000);
  await vi.advanceTimersByTimeAsync(1000);
  await outcome(link, 5000);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(String(await outcome(link))).toContain("2 of its readers cannot be killed");
  expect(players).toHaveLength(2);
  players[0]?.end("SIGKILL");
  void outcome(link);
  expect(players).toHaveLength(3);
});

test("the caller's signal ends a read, and its reader", async () => {
  const { link, players } = setUp([hangs]);
  const abort = new AbortController();
  const reading = link.read(["lib"], abort.signal).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(0);
  abort.abort();
  expect(await reading).toBeInstanceOf(Hung);
  expect(players[0]?.signalCode).toBe("SIGKILL");
});

test("close ends the reader", async () => {
  const { link, players } = setUp([good]);
  await outcome(link);
  link.close();
  expect(players[0]?.signalCode).toBe("SIGKILL");
});

const paused = new Error("paused");

test("a pause ends the reader at once, and none is started before it is over", async () => {
  const { link, players } = setUp([good]);
  await outcome(link);
  await link.pause(60_000, paused);
  expect(players[0]?.signalCode).toBe("SIGKILL");
  await vi.advanceTimersByTimeAsync(59_999);
  expect(() => link.refuse()).toThrow(paused);
  expect(await outcome(link)).toBe(paused);
  expect(players).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  link.refuse();
  expect(await outcome(link)).toEqual(reading);
  expect(players).toHaveLength(2);
});

test("a pause in the middle of a read is that read's failure, and not one that is paused for again", async () => {
  const { link } = setUp([hangs, good]);
  const read = link.read(["lib"]).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(0);
  await link.pause(5000, paused);
  expect(await read).toBe(paused);
  await vi.advanceTimersByTimeAsync(5000);
  expect(await outcome(link)).toEqual(reading);
});

test("a pause can be ended, and so can the wait after a failure", async () => {
  const { link, players } = setUp([good, hangs, good]);
  await outcome(link);
  await link.pause(60_000, paused);
  link.resume();
  await outcome(link, 5000);
  expect(await outcome(link)).toBeInstanceOf(Hung);
  link.resume();
  expect(await outcome(link)).toEqual(reading);
  expect(players).toHaveLength(3);
});

test("a pause says so when a reader cannot be ended", async () => {
  const { link } = setUp([good], false);
  await outcome(link);
  const pause = link.pause(60_000, paused).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(2000);
  expect(await pause).toEqual(new Hung("NVML hangs in the kernel: its reader cannot be ended; restart the machine"));
});
