import { expect, test } from "vitest";
import { Zone } from "../../../program/zone.ts";
import { Fault } from "../../fault.ts";
import { Reception } from "./reception.ts";

const reception = (): Reception =>
  new Reception({
    zone: new Zone("UTC"),
    address: "10.0.0.5",
    clientOf: () => Promise.reject(new Error("no client was expected")),
    tooMany: () => new Fault("body_too_large", "too many"),
    written: async () => {},
  });

/** A body that is there as a whole, so that reading it waits for nothing. */
async function* bodyOf(text: string): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

/** Turns that others have until a promise is done. */
async function turnsDuring(done: Promise<unknown>): Promise<number> {
  let [turns, isOver] = [0, false];
  const end = (): void => {
    isOver = true;
  };
  done.then(end, end);
  while (!isOver) {
    await new Promise(setImmediate);
    turns++;
  }
  return turns;
}

test.each<readonly [what: string, element: string, count: number]>([
  ["numbers that only Python writes", `[${Array(16_000).fill("NaN").join()}]`, 64],
  ["nested lists", "[".repeat(32_000) + "]".repeat(32_000), 64],
  ["an element that is too long", "[".repeat(2_000_000) + "]".repeat(2_000_000), 1],
  ["small ones", "0", 20_000],
])("others have a turn while %s are parsed", async (_what, element, count) => {
  const elements = Array(count).fill(element);
  const one = reception();
  const received = one.receive(bodyOf(`[${elements.join()}]`));
  // A turn for each piece of a body, or some dozen elements.
  const least = Math.max((count * element.length) / 262_144, count / 64);
  expect(await turnsDuring(received)).toBeGreaterThanOrEqual(Math.floor(least));
  expect(await received).toMatchObject({ received: 0, failed: count });
});

test("a long record with more values than any record has costs no time: it is bad", async () => {
  const values = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`x${i}`, 1]));
  const record = { client_name: "lab1", gpu_id: 0, timestamp: "2026-11-28 08:30:05", ...values };
  expect(await reception().receive(bodyOf(JSON.stringify([record])))).toMatchObject({ received: 0, failed: 1 });
});
