import fc from "fast-check";
import { expect, test } from "vitest";
import { redact } from "./redact.ts";

test("no secret stays in a text, whatever it consists of, also in JSON", () => {
  fc.assert(
    fc.property(fc.string(), fc.string({ minLength: 4 }), fc.string(), (before, secret, after) => {
      fc.pre(!/^\*+$/.test(secret));
      expect(redact(`${before}${secret}${after}`, [secret])).not.toContain(secret);
      const json = JSON.stringify({ error: `${before}${secret}` });
      expect(redact(json, [secret])).not.toContain(JSON.stringify(secret).slice(1, -1));
    }),
  );
});

test("a secret that contains another one leaves nothing behind, and no secret changes nothing", () => {
  expect(redact("token abcdef", ["abc", "abcdef"])).toBe("token ***");
  expect(redact("token abcdef", ["", ""])).toBe("token abcdef");
});
