import fc from "fast-check";
import { expect, test } from "vitest";
import { SettingError } from "../program/setting.ts";
import { parseAllow } from "./allow.ts";

test.each([
  ["127.0.0.1/32", "127.0.0.1", true],
  ["127.0.0.1/32", "127.0.0.2", false],
  ["127.0.0.1", "127.0.0.1", true],
  ["10.0.0.0/8", "10.255.1.2", true],
  ["10.0.0.0/8", "11.0.0.1", false],
  ["10.1.2.3/8", "10.9.9.9", true],
  ["10.0.0.0/8,192.168.1.5", "192.168.1.5", true],
  [" 10.0.0.0/8 , 192.168.1.5 ", "10.0.0.1", true],
  ["0.0.0.0/0", "203.0.113.9", true],
  ["0.0.0.0/0", "::1", false],
  ["::/0", "2001:db8::1", true],
  ["::/0", "203.0.113.9", false],
  ["::1", "::1", true],
  ["fd00::/8", "fd12::7", true],
  ["fe80::/10", "fe80::1%eth0", true],
  // A dual-stack listener sees IPv4 peers like this.
  ["10.0.0.0/8", "::ffff:10.1.2.3", true],
  ["10.0.0.0/8", "::ffff:11.1.2.3", false],
  ["::ffff:10.0.0.0/104", "10.1.2.3", true],
  ["::ffff:10.0.0.1", "10.0.0.1", true],
  ["127.0.0.1/32", "", false],
  ["127.0.0.1/32", "banana", false],
])("%j: peer %s comes in is %s", (text, peer, expected) => {
  expect(parseAllow(text).allows(peer)).toBe(expected);
});

test.each([
  "banana",
  "",
  "10.0.0.0/33",
  "10.0.0.0/",
  "10.0.0.0/-1",
  "10.0.0.0/8/8",
  "10.0.0.0/+8",
  "10.0.0.0/ 8",
  "10.0.0.0/8.5",
  // These mean something to a lenient parser: 10.0.0.1, 8.0.0.0 and 10.0.0.0.
  "10.1/16",
  "010.0.0.0/8",
  "0xa.0.0.0/8",
  "::1/129",
  "::ffff:10.0.0.0/95",
  "fe80::1%eth0",
  "localhost",
  "10.0.0.0-10.0.0.9",
])("%j is refused, and the message names it", (piece) => {
  const parsing = () => parseAllow(`127.0.0.1,${piece}`);
  expect(parsing).toThrow(SettingError);
  expect(parsing).toThrow(`GOHM_ALLOW): must be networks or addresses`);
  expect(parsing).toThrow(`${JSON.stringify(piece.trim())} is not one`);
});

const number = (address: string): number => address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);

test("a network lets in exactly the addresses that share its first bits", () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.ipV4(), (base, bits, peer) => {
      const size = 2 ** (32 - bits);
      const inside = Math.floor(number(base) / size) === Math.floor(number(peer) / size);
      const { allows } = parseAllow(`${base}/${bits}`);
      return allows(peer) === inside && allows(`::ffff:${peer}`) === inside;
    }),
    { numRuns: 500 },
  );
});

test("neighbours of a network's ends are out", () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 1, max: 32 }), (base, bits) => {
      const size = 2 ** (32 - bits);
      const first = Math.floor(number(base) / size) * size;
      const dotted = (n: number): string => [24, 16, 8, 0].map((shift) => Math.floor(n / 2 ** shift) % 256).join(".");
      const { allows } = parseAllow(`${base}/${bits}`);
      return (
        allows(dotted(first)) &&
        allows(dotted(first + size - 1)) &&
        (first === 0 || !allows(dotted(first - 1))) &&
        (first + size === 2 ** 32 || !allows(dotted(first + size)))
      );
    }),
  );
});

test("any IPv6 address lets itself in and no other", () => {
  fc.assert(
    fc.property(fc.ipV6(), fc.ipV6(), (one, other) => {
      const { allows } = parseAllow(one);
      const same = new URL(`http://[${one}]`).hostname === new URL(`http://[${other}]`).hostname;
      return allows(one) && (same || !allows(other));
    }),
  );
});

test("whatever the text, it is a list or a SettingError", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parseAllow(text).allows(text);
      } catch (error) {
        if (!(error instanceof SettingError)) throw error;
      }
    }),
  );
});
