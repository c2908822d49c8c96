import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { HostInfoSchema } from "../proto/gen/host_pb.js";
import { Live, type LiveHost } from "./live.ts";

const info = create(HostInfoSchema, { hostname: "a" });

function scene(): { live: Live; at: (now: number) => void; host: () => LiveHost; changes: () => number } {
  let now = 0;
  let changes = 0;
  const live = new Live(() => now);
  live.onChange(() => changes++);
  live.expect("a", "x:1");
  const host = (): LiveHost => live.host("a") ?? expect.fail("a is not known");
  return {
    live,
    at: (next) => {
      now = next;
    },
    host,
    changes: () => changes,
  };
}

test("a link goes from idle over dialling to open, to waiting, and open again", () => {
  const { live, at, host } = scene();
  expect(host().link).toEqual({ state: "idle", since: 0 });
  at(1);
  live.dialling("a");
  expect(host().link).toEqual({ state: "dialling", since: 1 });
  at(2);
  live.received("a", info);
  expect(host()).toMatchObject({ link: { state: "open", since: 2 }, seen: 2, info });
  at(3);
  live.received("a", info);
  expect(host()).toMatchObject({ link: { state: "open", since: 2 }, seen: 3 });
  at(4);
  live.failed("a", "gone");
  at(5);
  live.dialling("a");
  live.failed("a", "still gone");
  expect(host()).toMatchObject({ link: { state: "waiting", since: 4, reason: "still gone" }, seen: 3 });
});

test("the last report is kept when a link is no longer open, which says that it is not current, however new it is", () => {
  const { live, host } = scene();
  live.received("a", info);
  expect(host()).toMatchObject({ link: { state: "open" }, info });
  live.failed("a", "gone");
  expect(host()).toMatchObject({ link: { state: "waiting" }, info });
});

test("a number is never given to a second host, and a new address voids what was heard from the old one", () => {
  const { live, host } = scene();
  live.received("a", info);
  const { number } = host();
  live.expect("a", "y:1");
  expect(host()).toMatchObject({ number, address: "y:1", link: { state: "idle" } });
  expect(host().info).toBeUndefined();
  live.forget("a");
  live.expect("a", "y:1");
  expect(host().number).not.toBe(number);
});

test("listeners are told of changes and only of changes", () => {
  const { live, changes } = scene();
  live.failed("a", "gone");
  live.notice("settings", "bad");
  const before = changes();
  live.failed("a", "gone");
  live.notice("settings", "bad");
  live.expect("a", "x:1");
  live.received("stranger", info);
  live.forget("stranger");
  expect(changes()).toBe(before);
  live.notice("settings", undefined);
  expect(changes()).toBe(before + 1);
  expect(live.notices()).toEqual([]);
});
