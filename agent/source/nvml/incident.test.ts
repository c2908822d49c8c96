import { expect, test } from "vitest";
import { State, XidAction } from "../../../proto/gen/host_pb.js";
import type { NvmlGpu } from "./gpu.ts";
import { Incidents } from "./incident.ts";

/** What is known after readings, each of which is a card as NVML's reader gives it. */
function after(...readings: (NvmlGpu | ((incidents: Incidents) => void))[]): NvmlGpu {
  const incidents = new Incidents();
  let shown: NvmlGpu = {};
  let now = 0n;
  for (const each of readings) {
    if (typeof each === "function") {
      each(incidents);
      continue;
    }
    now++;
    shown = { uuid: "GPU-a", state: State.OK, xidCount: 0n, ...each };
    incidents.take(shown, now);
  }
  const { uuid: _, state: __, energy: ___, ...rest } = shown;
  return rest;
}

const events = (...codes: number[]): NvmlGpu =>
  codes.length === 0
    ? {}
    : { xidCount: BigInt(codes.length), xidLast: codes.at(-1) ?? 0, xidWorst: Math.max(...codes) };

const broken = { xidWorst: 48, xidWorstTime: 1n, xidAction: XidAction.RESET_GPU };

test("a card without events has none", () => {
  expect(after({})).toEqual({ xidCount: 0n });
});

test("harmless events behind a grave one do not hide it, in one reading or in several", () => {
  expect(after(events(48, 45))).toEqual({ ...broken, xidCount: 2n, xidLast: 45, xidTime: 1n });
  expect(after(events(48), events(45), {})).toEqual({ ...broken, xidCount: 2n, xidLast: 45, xidTime: 2n });
});

test("events that ask for nothing are told as such", () => {
  expect(after(events(63))).toMatchObject({ xidWorst: 63, xidAction: XidAction.NONE });
  expect(after(events(63), events(31))).toMatchObject({ xidWorst: 31, xidAction: XidAction.RESTART_PROGRAM });
});

const reset = { xidCount: 2n };

test("a reset, which the energy counter shows, clears all but the count", () => {
  expect(after({ energy: 5000n, ...events(48, 45) }, { energy: 6000n })).toMatchObject(broken);
  expect(after({ energy: 5000n, ...events(48, 45) }, { energy: 40n })).toEqual(reset);
  // A driver that has no value for a moment.
  expect(after({ energy: 5000n, ...events(48, 45) }, { energy: 0n }, {}, { energy: 5001n })).toMatchObject(broken);
});

test("an event behind a reset counts", () => {
  expect(after({ energy: 5000n, ...events(79) }, { energy: 40n, ...events(48) })).toMatchObject({
    xidCount: 2n,
    xidWorst: 48,
  });
});

test("a card that was lost and is read again was reset", () => {
  expect(after(events(48, 45), { state: State.LOST })).toMatchObject(broken);
  expect(after(events(48, 45), { state: State.LOST }, {})).toEqual(reset);
});

test("after the driver was let go of, a card without such a counter counts as reset, one with it only if it shows that", () => {
  const release = (incidents: Incidents): void => incidents.release();
  expect(after(events(48, 45), release, {})).toEqual(reset);
  expect(after({ energy: 5000n, ...events(48, 45) }, release, { energy: 6000n })).toMatchObject(broken);
  expect(after({ energy: 5000n, ...events(48, 45) }, release, { energy: 10n })).toEqual(reset);
});

test("another driver in the kernel clears all cards", () => {
  expect(after({ energy: 5000n, ...events(48, 45) }, (incidents) => incidents.reload(), { energy: 6000n })).toEqual(
    reset,
  );
});
