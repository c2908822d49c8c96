import { expect, test } from "vitest";
import { networkOf } from "./network.ts";

test.each([
  ["10.0.0.5", "10.0.0.5"],
  ["::ffff:10.0.0.5", "10.0.0.5"],
  ["fd00:1:2:3::1", "fd00:1:2:3"],
  ["fd00:1:2:3:ffff::9", "fd00:1:2:3"],
  ["fe80::1%eth0", "fe80:0:0:0"],
  ["no address", "no address"],
])("clients at %s are counted as %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
