import fc from "fast-check";
import { expect, test } from "vitest";
import { tokenCheck } from "./token.ts";

test("without a token everybody is let in, whatever they show", () => {
  expect(tokenCheck("")("")).toBe(true);
  expect(tokenCheck("")("anything")).toBe(true);
});

test("only the very same token is let in", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string(), (token, shown) => {
      expect(tokenCheck(token)(shown)).toBe(shown === token);
      expect(tokenCheck(token)(token)).toBe(true);
    }),
  );
});
