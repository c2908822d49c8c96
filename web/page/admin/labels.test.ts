import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { labelsOf, sameLabels, typedLabels } from "./labels.ts";

test.each([
  [[], { labels: {} }],
  [[{ key: " rack ", value: " 7 " }], { labels: { rack: "7" } }],
  [[{ key: "", value: " " }], { labels: {} }],
  [[{ key: "gpu", value: "" }], { labels: { gpu: "" } }],
  [[{ key: " ", value: "7" }], { fault: { line: 0, kind: "empty" } }],
  [
    [
      { key: "a", value: "1" },
      { key: "a ", value: "2" },
    ],
    { fault: { line: 1, kind: "twice" } },
  ],
])("%j are the labels %j", (typed, made) => {
  expect(labelsOf(typed)).toEqual(
    "labels" in made ? { labels: Object.assign(Object.create(null), made.labels) } : made,
  );
});

test("any names and values come through typing unchanged, also those that objects have by themselves", () => {
  const word = fc.string({ minLength: 1 }).map((text) => text.trim() || "x");
  const key = fc.oneof(word, fc.constantFrom("constructor", "toString", "__proto__"));
  fc.assert(
    fc.property(fc.uniqueArray(fc.record({ key, value: word }), { selector: ({ key }) => key }), (typed) => {
      const made = labelsOf(typed);
      if ("fault" in made) throw new Error(made.fault.kind);
      const back = typedLabels(made.labels);
      expect(new Set(back.map((label) => JSON.stringify(label)))).toEqual(
        new Set(typed.map((label) => JSON.stringify(label))),
      );
      expect(sameLabels(back, typed.toReversed())).toBe(true);
    }),
    cases,
  );
});
