import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../test/cases.ts";
import { HostAllowlist, nameIn, namesOf } from "./names.ts";

test.each([
  ["gpus.lab", "gpus.lab"],
  ["GPUs.Lab:5000", "gpus.lab"],
  ["gpus.lab.:80", "gpus.lab"],
  ["localhost:", "localhost"],
  ["127.0.0.1:5000", "127.0.0.1"],
  ["[::1]:5000", "::1"],
  ["[FD00::1]", "fd00::1"],
  ["::1", undefined],
  ["[gpus]", undefined],
  ["[1.2]", undefined],
  ["a b", undefined],
  ["a@b", undefined],
  ["a/b", undefined],
  ["a:b", undefined],
  ["a:123456", undefined],
  ["[::1]:65535", "::1"],
  ["[::1]:65536", undefined],
  ["", undefined],
  [".", undefined],
  ["ü.example", undefined],
  ["a,b", undefined],
])("the name in Host: %s is %s", (host, name) => {
  expect(nameIn(host)).toBe(name);
});

test("a machine's names are its host name, long and short, what its files make of it, and that of mDNS; nobody else's", () => {
  const hosts = [
    "127.0.0.1 localhost",
    "127.0.1.1 hub.lab.example hub   # its own line",
    "10.0.0.7 hub.evil.example other",
    "10.0.0.8 gpu1.lab.example gpu1 hub2",
    "# 10.0.0.9 hub.comment.example hub",
    "",
  ].join("\n");
  const resolv = "nameserver 10.0.0.1\nsearch lab.example. cs.example\n";
  expect([...namesOf("Hub", { hosts, resolv })].sort()).toEqual([
    "hub",
    "hub.cs.example",
    "hub.lab.example",
    "hub.local",
  ]);
  expect([...namesOf("hub.campus.example", { hosts: "", resolv: "" })].sort()).toEqual([
    "hub",
    "hub.campus.example",
    "hub.local",
  ]);
});

const parts = [
  "gpus.lab.example",
  "GPUS.LAB.EXAMPLE",
  "localhost",
  "evil.example",
  "127.0.0.1",
  "[::1]",
  "::ffff:1.2.3.4",
];
const marks = [
  ".",
  ":",
  ":80",
  ":99999",
  "@",
  "/",
  "[",
  "]",
  ",",
  " ",
  "\0",
  "\n",
  "\u202e",
  "ｅ",
  "%2e",
  "a",
  "-",
  "_",
];
const host = fc.oneof(
  fc.array(fc.constantFrom(...parts, ...marks), { maxLength: 6 }).map((all) => all.join("")),
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.string({ unit: fc.constantFrom(..."aZ0.-_:[]@"), maxLength: 300 }),
);

test.each([
  ["127.0.0.1:5000", "gpus.lab.example", undefined],
  ["127.0.0.1:5000", "GPUS.lab.example:8443", undefined],
  ["gpus.lab.example", "gpus.lab.example", undefined],
  // A page of another site, whose name was made to point to the proxy.
  ["127.0.0.1:5000", "evil.example", "name_refused"],
  ["gpus.lab.example", "evil.example", "name_refused"],
  ["evil.example", "gpus.lab.example", "name_refused"],
  ["127.0.0.1:5000", "a b", "bad_request"],
  ["127.0.0.1:5000", "", "bad_request"],
])("a proxy that asks as %s for a client that called it %s is refused: %s", (host, called, code) => {
  const list = new HostAllowlist(() => ["gpus.lab.example"]);
  const fault = list.refuse({ url: "/", httpVersion: "1.1", rawHeaders: ["Host", host], headers: { host } }, called);
  expect(fault?.code).toBe(code);
  if (code === "bad_request") expect(fault?.message).toContain("X-Forwarded-Host");
});

test("whatever the header Host is, it is refused in one short sentence, or is an address, a name without a dot, or one of the hub's", () => {
  const list = new HostAllowlist(() => ["GPUs.lab.example."]);
  fc.assert(
    fc.property(host, (given) => {
      const request = { url: "/", httpVersion: "1.1", rawHeaders: ["Host", given], headers: { host: given } };
      const fault = list.refuse(request as unknown as IncomingMessage);
      if (fault === undefined) {
        const name = nameIn(given) ?? "none";
        const own = isIP(name) !== 0 || !name.includes(".") || name === "gpus.lab.example";
        expect([given, name, own]).toEqual([given, expect.not.stringMatching(/^none$|[^a-z0-9:._-]/), true]);
      } else {
        expect(["bad_request", "name_refused"]).toContain(fault.code);
        expect(fault.message).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        expect(fault.message.length).toBeLessThan(1000);
      }
    }),
    cases,
  );
});
