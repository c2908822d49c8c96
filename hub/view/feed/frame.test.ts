import { expect, test } from "vitest";
import { busyFleet } from "../../../test/busy-fleet.ts";
import { Live } from "../../live.ts";
import { FeedEncoder } from "./encoder.ts";
import { frame } from "./frame.ts";

test("200 hosts of eight cards at full work are told in 200 KB, and what is new of all of them in 20 KB", () => {
  const fleet = busyFleet(200);
  const live = new Live(() => 0);
  const encoder = new FeedEncoder({
    live,
    clock: { now: () => 0, after: () => () => {} },
    instance: "h",
    interval: () => 10,
    page: () => "",
  });
  const round = (): void => {
    for (const [i, info] of fleet.pass(10).entries()) live.received(`gpu-${i}`, info);
  };
  for (let i = 0; i < 200; i++) live.expect(`gpu-${i}`, `10.20.0.${i}:9203`);
  round();
  encoder.step();
  const first = frame("", encoder.whole()).packed.length;
  round();
  const next = frame("", encoder.step()).packed.length;
  console.log(`first event ${(first / 1000).toFixed(1)} KB, the next ${(next / 1000).toFixed(1)} KB`);
  expect(first).toBeLessThanOrEqual(200_000);
  expect(next).toBeLessThanOrEqual(20_000);
});
