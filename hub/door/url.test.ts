import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../test/cases.ts";
import { basePathOf, belowBase, publicAddress } from "./url.ts";

test.each([
  ["", ""],
  ["https://lab.example", ""],
  ["https://lab.example/", ""],
  ["http://10.0.0.5:5000/gohm", "/gohm"],
  ["https://lab.example/gpu/gohm-2.b/", "/gpu/gohm-2.b"],
  ["https://lab.example/a/../gohm", "/gohm"],
  ["https://lab.example/apis", "/apis"],
])("the address %j has the path %j", (url, path) => {
  expect(publicAddress.parse(url)).toBe(url);
  expect(basePathOf(url)).toBe(path);
});

test.each([
  "https://lab.example//",
  "https://lab.example/a//b",
  "https://lab.example/a;b",
  "https://lab.example/a b",
  "https://lab.example/监控",
  "https://lab.example/%67ohm",
  "https://lab.example/.hidden",
  "https://lab.example\\a;Domain=example",
  "https://lab.example/api",
  "https://lab.example/docs/gohm",
  "https://u:p@lab.example/gohm",
  "https://lab.example/gohm?x",
  "ftp://lab.example/gohm",
  "gohm",
  7,
])("%j is no address of a hub", (url) => {
  expect(publicAddress.parse(url)).toBeUndefined();
});

test.each<[target: string, base: string, below: string | undefined]>([
  ["/", "", "/"],
  ["/gohm/", "/gohm", "/"],
  ["/gohm/api/v1/me?x=/gohm", "/gohm", "/api/v1/me?x=/gohm"],
  ["/gohm", "/gohm", undefined],
  ["/gohm?x", "/gohm", undefined],
  // A proxy cut it off.
  ["/", "/gohm", "/"],
  ["/api/v1/me", "/gohm", "/api/v1/me"],
  ["/gohms/x", "/gohm", "/gohms/x"],
  ["/GOHM/x", "/gohm", "/GOHM/x"],
  ["/x/gohm/y", "/gohm", "/x/gohm/y"],
  ["/gohm/gohm/", "/gohm", "/gohm/"],
  ["/a/b/c", "/a/b", "/c"],
  ["/a/", "/a/b", "/a/"],
  ["http://lab.example/gohm/feed?x", "/gohm", "http://lab.example/feed?x"],
  ["http://lab.example/gohm", "/gohm", undefined],
  ["*", "/gohm", "*"],
  ["", "/gohm", ""],
])("the target %j below %j is %j", (target, base, below) => {
  expect(belowBase(target, base)).toBe(below);
});

test("whether a proxy cuts the base path off or not, the hub sees the same target", () => {
  const path = fc.string({ unit: fc.constantFrom(..."/ab.?#%:@"), maxLength: 30 }).map((text) => `/${text}`);
  fc.assert(
    fc.property(path, fc.constantFrom("/gohm", "/gpu/gohm"), (target, base) => {
      expect(belowBase(base + target, base)).toBe(target);
      expect(belowBase(target, base)).toBe(target);
    }),
    cases,
  );
});
