// Each rule of test/rule.ts, by an import that breaks it in a house that is made up.
import { expect, test } from "vitest";
import { type Import, importsOf, type Plan, violations } from "./rule.ts";

const plan: Plan = {
  houses: [
    { name: "ground", holds: "", imports: [] },
    { name: "left", holds: "", imports: ["ground"] },
    { name: "right", holds: "", imports: ["ground"] },
    { name: "test", holds: "", imports: ["ground", "left", "right"], own: true },
  ],
  floors: {
    "left/": [["low.ts", "beside.ts"], ["room/", "rows/"], ["high.ts"]],
    "left/room/": [["bottom.ts"], ["top.ts"]],
  },
  contracts: ["left/rows/contract.ts"],
  lists: ["left/rows/"],
  owners: { "left/rows/lib/": "left/rows/one.ts" },
  doors: [{ to: ["left/low/"], from: ["test/door.ts"], why: "shown" }],
  bans: [{ from: "left/rows/", to: "left/low.ts", names: ["Writer"], why: "rows only read" }],
  outside: [{ name: "pack", also: ["@pack"], does: "", in: ["left/low.ts"] }],
};

const files = [
  "ground/stone.ts",
  "left/beside.ts",
  "left/high.ts",
  "left/low.ts",
  "left/low/cellar.ts",
  "left/low.test.ts",
  "left/room/bottom.ts",
  "left/room/top.ts",
  "left/rows/all.ts",
  "left/rows/contract.ts",
  "left/rows/lib/a.ts",
  "left/rows/one.ts",
  "left/rows/two.tsx",
  "right/door.ts",
  "test/door.ts",
];

/** What the plan needs, so that nothing of it is unused. */
const needed: readonly Import[] = [
  { from: "test/door.ts", to: "left/low/cellar.ts", names: ["a"] },
  { from: "left/low.ts", to: "pack/part", names: ["a"] },
];

const broken = (from: string, to: string, ...names: string[]): string[] =>
  violations(files, [...needed, { from, to, names }], plan);

test("a plan that is kept has no violations", () => {
  expect(violations(files, needed, plan)).toEqual([]);
});

test.each([
  ["a lower house", "left/low.ts", "ground/stone.ts"],
  ["a lower floor", "left/high.ts", "left/rows/contract.ts"],
  ["a lower floor of a room", "left/room/top.ts", "left/room/bottom.ts"],
  ["its own private folder", "left/low.ts", "left/low/cellar.ts"],
  ["from a private folder its owner's lower floors", "left/rows/lib/a.ts", "left/low.ts"],
  ["the private folder of what it tests", "left/low.test.ts", "left/low/cellar.ts"],
  ["what tests share, in a test", "left/low.test.ts", "test/door.ts"],
  ["the contract of its room", "left/rows/one.ts", "left/rows/contract.ts"],
  ["a private folder of another name", "left/rows/one.ts", "left/rows/lib/a.ts"],
  ["rows, in the list of them", "left/rows/all.ts", "left/rows/two.tsx"],
  ["a row, in a test", "test/door.ts", "left/rows/one.ts"],
  ["a module of Node", "left/high.ts", "node:fs"],
  ["a declared package under its other name", "left/low.ts", "@pack"],
  ["any package, in a test", "test/door.ts", "other"],
])("allowed: %s", (_, from, to) => {
  expect(broken(from, to, "a")).toEqual([]);
});

test.each([
  ["a house beside it", "left/low.ts", "right/door.ts", "left/ may not import right/"],
  ["a house above it", "ground/stone.ts", "left/low.ts", "ground/ may not import left/"],
  ["what tests share", "left/low.ts", "test/door.ts", "left/ may not import test/"],
  ["a house beside it, in a test", "left/low.test.ts", "right/door.ts", "left/ may not import right/"],
  ["a higher floor", "left/low.ts", "left/high.ts", "floor 2 of left/ is above floor 0"],
  ["a higher floor, from a private folder", "left/low/cellar.ts", "left/high.ts", "floor 2 of left/ is above floor 0"],
  ["a higher floor of a room", "left/room/bottom.ts", "left/room/top.ts", "floor 1 of left/room/ is above floor 0"],
  ["a file beside it", "left/low.ts", "left/beside.ts", "both are on floor 0 of left/"],
  ["a room beside its own", "left/room/top.ts", "left/rows/contract.ts", "both are on floor 1 of left/"],
  ["a sibling in its room", "left/rows/one.ts", "left/rows/two.tsx", "they are siblings in left/rows/"],
  ["a sibling, from a private folder", "left/rows/lib/a.ts", "left/rows/two.tsx", "they are siblings in left/rows/"],
  ["a sibling, from a contract", "left/rows/contract.ts", "left/rows/two.tsx", "they are siblings in left/rows/"],
  ["the list of which it is a row", "left/rows/one.ts", "left/rows/all.ts", "they are siblings in left/rows/"],
  ["a row past its list", "left/high.ts", "left/rows/one.ts", "only left/rows/all.ts names it"],
  ["a private folder", "left/high.ts", "left/low/cellar.ts", "left/low/ is private to left/low.ts"],
  ["a private folder, from tests", "test/more.ts", "left/low/cellar.ts", "left/low/ is private to left/low.ts"],
  ["a private folder of another name", "left/high.ts", "left/rows/lib/a.ts", "lib/ is private to left/rows/one.ts"],
  ["another package", "left/high.ts", "@other/one/deep.js", "left/high.ts imports @other/one, which is not declared"],
  ["a package in another place", "left/high.ts", "pack", "imports pack, which only left/low.ts may name"],
])("not allowed: %s", (_, from, to, message) => {
  expect(broken(from, to, "a")).toContainEqual(expect.stringContaining(message));
});

test.each([
  [["Reader"], false],
  [["Reader", "Writer"], true],
  [["*"], true],
])("of %j, the writer may not be imported: %s", (names, banned) => {
  const found = broken("left/rows/one.ts", "left/low.ts", ...names);
  expect(found).toEqual(banned ? ["left/rows/one.ts imports Writer of left/low.ts: rows only read"] : []);
});

test("a circle is found once", () => {
  const step = (from: string, to: string): Import => ({ from: `right/${from}.ts`, to: `right/${to}.ts`, names: [] });
  const steps = [step("start", "a"), step("a", "b"), step("b", "c"), step("c", "a"), step("c", "end")];
  expect(violations(files, [...needed, ...steps], plan)).toEqual([
    "a circle: right/a.ts → right/b.ts → right/c.ts → right/a.ts",
  ]);
});

test.each<[string, Partial<Plan>, string]>([
  ["a file on no floor", { floors: { "left/": [["low.ts"]] } }, "left/high.ts has 0 floors in left/"],
  [
    "a file on two floors",
    { floors: { "left/room/": [["bottom.ts", "top.ts"], ["top.ts"]] } },
    "left/room/top.ts has 2 floors in left/room/",
  ],
  [
    "a floor for a private folder beside its owner's",
    { floors: { "left/": [["low/"], ["low.ts", "beside.ts", "high.ts", "room/", "rows/"]] } },
    "left/low/cellar.ts has 2 floors in left/",
  ],
  ["an entry twice", { floors: { "ground/": [["stone.ts", "stone.ts"]] } }, "ground/stone.ts is there twice"],
  ["an entry without file", { floors: { "ground/": [["stone.ts", "sand/"]] } }, "ground/sand/ (floor) is not there"],
  ["a contract without file", { contracts: ["left/rows/deed.ts"] }, "left/rows/deed.ts (contract) is not there"],
  ["a list that is none", { lists: ["left/room/"] }, "left/room/all.ts (list) is not there"],
  ["an owner without file", { owners: { "left/rows/lib/": "left/rows/x.ts" } }, "left/rows/x.ts (owner) is not there"],
  [
    "a ban on nothing",
    { bans: [{ from: "left/rows/", to: "left/x.ts", names: [], why: "" }] },
    "left/x.ts (ban) is not there",
  ],
  [
    "a door to what nobody imports",
    { doors: [{ to: ["left/low/", "left/rows/lib/"], from: ["test/door.ts"], why: "shown" }] },
    "nobody needs the door to left/rows/lib/ (shown)",
  ],
  [
    "a door for those who import nothing of it",
    { doors: [{ to: ["left/low/"], from: ["test/door.ts", "right/"], why: "shown" }] },
    "right/ needs no door to left/low/",
  ],
  [
    "a place that does not name its package",
    { outside: [{ name: "pack", does: "", in: ["left/low.ts", "left/high.ts"] }] },
    "left/high.ts does not name pack",
  ],
])("not in a plan: %s", (_, changed, message) => {
  expect(violations(files, needed, { ...plan, ...changed })).toContain(message);
});

test("imports are read from every form of statement, with the names that they have at home", () => {
  const text = `
import { one, type Two as Second } from "./a.ts";
import type {
  Three,
} from "../b.ts";
import whole, * as all from "pack/deep.js";
import "./style.css";
export { four } from "./c/d.ts";
// import { no } from "./comment.ts";
const late = await import("../late.ts");
type Later = typeof import("./later.ts");
const native = require(join(top, "node_modules", "@pack", "file.node"));
`;
  expect(importsOf("left/rows/one.ts", text)).toEqual([
    { from: "left/rows/one.ts", to: "left/rows/a.ts", names: ["one", "Two"] },
    { from: "left/rows/one.ts", to: "left/b.ts", names: ["Three"] },
    { from: "left/rows/one.ts", to: "pack/deep.js", names: ["*"] },
    { from: "left/rows/one.ts", to: "left/rows/c/d.ts", names: ["four"] },
    { from: "left/rows/one.ts", to: "left/rows/style.css", names: ["*"] },
    { from: "left/rows/one.ts", to: "left/late.ts", names: ["*"] },
    { from: "left/rows/one.ts", to: "left/rows/later.ts", names: ["*"] },
    { from: "left/rows/one.ts", to: "@pack", names: ["*"] },
  ]);
});
