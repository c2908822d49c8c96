import { expect, test } from "vitest";
import { isLinkLocal, networkOf } from "./network.ts";

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

test.each([
  ["169.254.169.254", true],
  ["169.254.0.1", true],
  ["::ffff:169.254.169.254", true],
  ["::ffff:a9fe:a9fe", true],
  ["fe80::1", true],
  ["fe80::1%eth0", true],
  ["febf::1", true],
  ["fd00:ec2::254", true],
  ["169.253.255.255", false],
  ["10.0.0.5", false],
  ["127.0.0.1", false],
  ["fec0::1", false],
  ["fd00::254", false],
  ["gpu1", false],
  ["", false],
])("%s: link-local is %s", (address, wanted) => {
  expect(isLinkLocal(address)).toBe(wanted);
});
