import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../test/cases.ts";
import { reason } from "./reason.ts";
import { cleanWords, speaker, textOf } from "./sentence.ts";

const say = speaker(
  {
    plain: () => "all is well",
    of: ({ name, count }: { readonly name: string; readonly count: number }) => `${name} has ${count}`,
  },
  { limit: 64 },
);

test("a sentence has a code, its values, and the English text that is made of them", () => {
  expect(say("plain")).toEqual({ code: "plain", values: {}, text: "all is well" });
  expect(say("of", { name: "gpu1", count: 3 })).toEqual({
    code: "of",
    values: { name: "gpu1", count: 3 },
    text: "gpu1 has 3",
  });
});

test("no text and no value hides characters or is longer than its limit, whatever a peer said", () => {
  const clean = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]*$/u;
  const fits = (text: string, limit: number): boolean => clean.test(text) && Buffer.byteLength(text) <= limit;
  const words = fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), fc.string({ unit: "grapheme" }));
  fc.assert(
    fc.property(words, (name) => {
      const { values, text } = say("of", { name, count: 1 });
      expect([fits(text, 64), fits(values.name as string, 64)]).toEqual([true, true]);
      const refused = reason("refused", { address: "x:1", answer: name });
      expect([fits(refused.text, 1024), fits(refused.values.answer as string, 1024)]).toEqual([true, true]);
      expect(fits(textOf(cleanWords(name, 64)), 64)).toBe(true);
    }),
    cases,
  );
});
