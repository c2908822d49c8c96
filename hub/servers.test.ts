import fc from "fast-check";
import { expect, test } from "vitest";
import { SettingError } from "../program/setting.ts";
import { cases } from "../test/cases.ts";
import { ServerList, servers } from "./servers.ts";

test("labels are an object of texts, whatever a label is called", () => {
  const labels = { rack: "b2", constructor: "x", 用途: "" };
  const list = new ServerList({ a: { address: "h:1", labels }, b: "h:2", constructor: "h:3" });
  expect(["a", "b", "constructor", "nobody"].map((name) => list.labels(name))).toEqual([
    labels,
    ...[undefined, undefined, undefined],
  ]);
});

test.each(["", ".", "..", "...", "a b", "a/b", "a".repeat(65)])("%j is no name of a server", (name) => {
  expect(() => servers.parse({ [name]: "h:1" })).toThrow(
    /Cannot read setting "servers": a name must be 1 to 64 letters.*current value is/,
  );
});

test("listeners are called when a server has changed, and find the new list; nothing is called for the same one", () => {
  const list = new ServerList({ a: "h:1" });
  const heard: unknown[] = [];
  const stop = list.onChange(() => heard.push([...list.addresses()], list.group("b")));
  list.change({ a: "h:1" });
  expect(heard).toEqual([]);
  list.change({ a: "h:1", b: { address: "tls://h:2", group: "lab" } });
  expect(heard.splice(0)).toEqual([
    [
      ["a", "h:1"],
      ["b", "tls://h:2"],
    ],
    "lab",
  ]);
  stop();
  list.change({});
  expect([heard, list.addresses().size]).toEqual([[], 0]);
});

const label = fc.oneof(
  fc.string({ unit: "binary", maxLength: 70 }),
  fc.constantFrom("rack", "__proto__", "constructor", "", "\n"),
);
const labels = fc.oneof(
  fc.dictionary(label, fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), fc.jsonValue()), { maxKeys: 40 }),
  fc.jsonValue(),
);

test("labels of any kind are either texts within the limits, which are read as they are, or are refused by their name", () => {
  fc.assert(
    fc.property(labels, (given) => {
      const written: unknown = JSON.parse(JSON.stringify({ a: { address: "h:1", labels: given } }));
      try {
        const read = servers.parse(written);
        const entries = Object.entries(new ServerList(read ?? {}).labels("a") ?? {});
        expect(entries).toEqual(Object.entries(given as object));
        expect(entries.length).toBeLessThanOrEqual(32);
        for (const [name, value] of entries) {
          expect([name, value].join("")).not.toMatch(/\p{Cc}/u);
          expect([...name].length).toBeGreaterThanOrEqual(1);
          expect([...name].length).toBeLessThanOrEqual(64);
          expect([...value].length).toBeLessThanOrEqual(256);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(SettingError);
        expect((error as Error).message).toMatch(/"servers\.a\.labels/);
      }
    }),
    cases,
  );
});

const place = fc.constantFrom("h:1", "tls://gpu.lab:65535", "[::1]:9", "h:0", "h:65536", "h", "http://h:1", " h:1");
const name = fc.oneof(
  fc.string({ unit: fc.constantFrom(..."aZ9._-"), maxLength: 66 }),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom("__proto__", "constructor", "toString", "", ".", "a/b", "机器"),
);
const server = fc.oneof(
  place,
  fc.jsonValue(),
  fc.record(
    { address: fc.oneof(place, fc.jsonValue()), group: fc.oneof(fc.string({ unit: "binary" }), fc.jsonValue()) },
    { requiredKeys: [] },
  ),
);

test("servers of any names, addresses and groups are read as they are, or refused in words that say which one", () => {
  fc.assert(
    fc.property(fc.dictionary(name, server, { maxKeys: 4 }), (given) => {
      const written = JSON.parse(JSON.stringify(given)) as Record<string, unknown>;
      try {
        const list = new ServerList(servers.parse(written) ?? {});
        expect([...list.addresses().keys()]).toEqual(Object.keys(written));
        for (const [name, address] of list.addresses()) {
          expect(name).toMatch(/^(?!\.+$)[A-Za-z0-9._-]{1,64}$/);
          expect(address).toMatch(/^(tls:\/\/)?(\[[0-9a-f:.]+\]|[^\s:/[\]]+):\d{1,5}$/i);
          expect(list.group(name) ?? "").not.toMatch(/\p{Cc}/u);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(SettingError);
        expect((error as Error).message).toMatch(/^(Cannot read|Unknown) setting "servers/);
        expect((error as Error).message.length).toBeLessThan(2000);
      }
    }),
    cases,
  );
});
