import { expect, test } from "vitest";
import { ServerList } from "./servers.ts";

test("labels are an object of texts, whatever a label is called", () => {
  const labels = { rack: "b2", constructor: "x", 用途: "" };
  const list = new ServerList({ a: { address: "h:1", labels }, b: "h:2", constructor: "h:3" });
  expect(["a", "b", "constructor", "nobody"].map((name) => list.labels(name))).toEqual([
    labels,
    ...[undefined, undefined, undefined],
  ]);
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
