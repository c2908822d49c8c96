// Bodies of administration: names that people choose show as they are, wherever they are shown.
import fc from "fast-check";
import { type GenericSchema, safeParse } from "valibot";
import { expect, test } from "vitest";
import { cases } from "../../test/cases.ts";
import { adminRoutes } from "./admin.ts";

const { changeNode, addAccount, addLink, addToken } = adminRoutes;
const bodies: readonly GenericSchema[] = [changeNode, addAccount, addLink, addToken].map(({ body }) => body);

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 70 }),
  fc.string({ unit: "binary", maxLength: 70 }),
  fc.string({
    unit: fc.constantFrom(" ", "a", "é", "e\u0301", "\u200b", "\u202e", "\n", "ｅ", "𝓪", "\ud800", "."),
    maxLength: 12,
  }),
  fc.constantFrom("", "..", "constructor", "__proto__", "x".repeat(64), "机".repeat(65)),
);
const any = <T>(usual: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: fc.jsonValue() });
const label = (value: fc.Arbitrary<unknown>) => any(fc.dictionary(text, value, { maxKeys: 40 }));
const changed = fc.record(
  {
    shown: any(fc.option(text)),
    group: any(fc.option(text)),
    labels: label(any(text)),
    setLabels: label(any(fc.option(text))),
  },
  { requiredKeys: [] },
);
const named = fc.record(
  {
    name: any(text),
    role: any(fc.constantFrom("viewer", "administrator")),
    scope: any(fc.constantFrom("read", "admin")),
  },
  { requiredKeys: [] },
);

/** Texts of a body that people see: names and values. */
const textsIn = (value: unknown): string[] =>
  typeof value === "string"
    ? [value]
    : typeof value === "object" && value !== null
      ? Object.entries(value).flatMap(([key, one]) => [key, ...textsIn(one)])
      : [];

test("any name, group and label is refused in words, or has no hidden character, is not too long, and is the same when it is sent again", () => {
  fc.assert(
    fc.property(fc.constantFrom(...bodies), fc.oneof(changed, named, fc.jsonValue()), (schema, given) => {
      const { success, output, issues } = safeParse(schema, given, { abortEarly: true });
      if (!success) {
        expect(issues[0].message).toMatch(/^(at most|a name|a text|Invalid )/);
        return;
      }
      const texts = textsIn(output);
      expect(texts.filter((one) => /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u.test(one))).toEqual([]);
      expect(texts.filter((one) => one.length > 256)).toEqual([]);
      expect(safeParse(schema, output).output).toEqual(output);
    }),
    cases,
  );
});
