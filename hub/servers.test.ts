import { expect, test } from "vitest";
import { ServerList } from "./servers.ts";

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
