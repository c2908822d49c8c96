import { expect, test } from "vitest";
import { XidAction } from "./gen/host_pb.js";
import { graver, graveXid, xidAction } from "./xid.ts";

test.each([
  [43, XidAction.NONE],
  [45, XidAction.NONE],
  [63, XidAction.NONE],
  [92, XidAction.NONE],
  [13, XidAction.RESTART_PROGRAM],
  [31, XidAction.RESTART_PROGRAM],
  [94, XidAction.RESTART_PROGRAM],
  [54, XidAction.INSPECT],
  [78, XidAction.INSPECT],
  [4711, XidAction.INSPECT],
  [48, XidAction.RESET_GPU],
  [74, XidAction.RESET_GPU],
  [95, XidAction.RESET_GPU],
  [119, XidAction.RESET_GPU],
  [79, XidAction.RESTART_MACHINE],
])("after Xid %i NVIDIA asks for %i", (code, action) => {
  expect(xidAction(code)).toBe(action);
  expect(graveXid(xidAction(code))).toBe(action > XidAction.RESTART_PROGRAM);
});

test("of two codes the more severe counts, of equally severe ones the first", () => {
  expect([graver(undefined, 45), graver(48, 45), graver(45, 48), graver(48, 95), graver(95, 79)]).toEqual([
    45, 48, 48, 48, 79,
  ]);
});
