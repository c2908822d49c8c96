import { expect, test } from "vitest";
import { Lane } from "./lane.ts";

/** Questions whose work ends when the test says so. */
class Questions {
  readonly lane = new Lane();
  readonly begun: string[] = [];
  readonly #ends = new Map<string, () => void>();

  /** Asks. @returns "done", or the code of the error */
  ask(name: string, address: string, signal = new AbortController().signal): Promise<string> {
    const work = (): Promise<string> => {
      this.begun.push(name);
      return new Promise((done) => this.#ends.set(name, () => done("done")));
    };
    return this.lane.ask({ address, signal }, work).catch((error) => error.code);
  }

  async end(name: string): Promise<void> {
    this.#ends.get(name)?.();
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }
}

test("four questions are worked on at a time, and two of one address; the next begins when one has ended", async () => {
  const questions = new Questions();
  const first = questions.ask("a1", "a");
  for (const name of ["a2", "a3", "b1", "b2", "c1"]) void questions.ask(name, name.slice(0, 1));
  await questions.end("");
  expect(questions.begun).toEqual(["a1", "a2", "b1", "b2"]);
  await questions.end("a1");
  expect([await first, questions.begun.slice(4)]).toEqual(["done", ["a3"]]);
  await questions.end("b1");
  expect(questions.begun.slice(5)).toEqual(["c1"]);
});

test("a question whose client goes away while it waits, or before, is never worked on", async () => {
  const questions = new Questions();
  const client = new AbortController();
  for (const name of ["a1", "a2"]) void questions.ask(name, "a");
  const waiting = questions.ask("a3", "a", client.signal);
  client.abort();
  expect([await waiting, await questions.ask("b1", "b", client.signal)]).toEqual(["canceled", "canceled"]);
  await questions.end("a1");
  expect(questions.begun).toEqual(["a1", "a2"]);
});

test("of one address 64 questions are kept, of all 128; another is refused until one has ended", async () => {
  const questions = new Questions();
  for (let i = 0; i < 64; i++) void questions.ask(`a${i}`, "a");
  expect(await questions.ask("a64", "a")).toBe("busy");
  for (let i = 0; i < 64; i++) void questions.ask(`b${i}`, "b");
  expect(await questions.ask("c0", "c")).toBe("busy");
  for (const name of ["a0", "b0"]) await questions.end(name);
  const last = questions.ask("c1", "c");
  // It comes next but one, after all others have had one turn more.
  for (const name of ["b2", "a2", "a3"]) await questions.end(name);
  await questions.end("c1");
  expect(await last).toBe("done");
});
