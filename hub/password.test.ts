import { scryptSync } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../test/cases.ts";
import { checkPassword, hashPassword, verifyPassword } from "./password.ts";

const plain = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");

test("a hash is a PHC string of scrypt with N=2^15, r=8, p=1, never the same twice, which only its password opens", async () => {
  const [one, other] = await Promise.all([hashPassword("correct horse"), hashPassword("correct horse")]);
  expect(one).toMatch(/^\$scrypt\$ln=15,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  expect(other).not.toBe(one);
  expect(await verifyPassword("correct horse", one)).toBe(true);
  expect(await verifyPassword("correct horsf", one)).toBe(false);
  expect(await verifyPassword("", one)).toBe(false);
});

test("a hash of other costs, which another version may have written, is compared with its own costs", async () => {
  const salt = Buffer.from("0123456789abcdef");
  const hash = scryptSync("secret", salt, 32, { N: 1024, r: 4, p: 2 });
  const phc = `$scrypt$ln=10,r=4,p=2$${plain(salt)}$${plain(hash)}`;
  expect(await verifyPassword("secret", phc)).toBe(true);
  expect(await verifyPassword("Secret", phc)).toBe(false);
});

test("the same text opens an account whichever way a keyboard composes it", async () => {
  const phc = await hashPassword("schlüsselwort");
  expect(await verifyPassword("schlu\u0308sselwort", phc)).toBe(true);
});

test.each([
  undefined,
  "",
  "x",
  "$scrypt$ln=30,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
  "$argon2id$v=19$m=1$AAAA$AAAA",
])("nobody signs in with the stored hash %j, and finding that out takes as long as with one", async (phc) => {
  const cost = process.cpuUsage();
  expect(await verifyPassword("", phc)).toBe(false);
  const { user } = process.cpuUsage(cost);
  // A hash takes some 90 ms; no comparison without one takes 10.
  expect(user).toBeGreaterThan(10_000);
});

test("at most 2 hashes are made at a time and 32 wait, further ones are refused with the time to wait, and afterwards all is as before", async () => {
  // As a hash of lower costs, which takes a millisecond.
  const cheap = `$scrypt$ln=10,r=1,p=1$${plain(Buffer.alloc(16))}$${plain(Buffer.alloc(32))}`;
  const tried = await Promise.allSettled(Array.from({ length: 40 }, () => verifyPassword("correct horse", cheap)));
  const refused = tried.filter((one) => one.status === "rejected");
  expect(refused).toHaveLength(6);
  expect(refused[0]?.reason).toMatchObject({ code: "too_many_attempts", retryAfter: 5 });
  expect(tried.filter((one) => one.status === "fulfilled" && !one.value)).toHaveLength(34);
  expect(await verifyPassword("correct horse", await hashPassword("correct horse"))).toBe(true);
});

test.each([
  ["short", "alice", /at least 10 characters: it has 5/],
  ["🔑🔑🔑🔑🔑🔒", "alice", /at least 10 characters: it has 6/],
  ["Administrator A", "administrator a", /name of the account/],
  ["１２３４５６７８９０", "alice", /commonest/],
  ["Password123", "alice", /commonest/],
  [" 1234567890 ", "alice", /commonest/],
  ["aaaaaaaaaaaaaaaa", "alice", /two different characters/],
])("the password %j of %s is refused: %s", (password, account, why) => {
  expect(() => checkPassword(password, account)).toThrow(
    expect.objectContaining({ code: "password_weak", message: expect.stringMatching(why) }),
  );
});

test("a password of ten different characters is accepted, in any script", () => {
  for (const one of ["abcdefghik", "correct horse battery", "天地玄黄宇宙洪荒日月", "пароль-не-тот"]) {
    expect(() => checkPassword(one, "alice")).not.toThrow();
  }
});

test("no text makes the check of a password fail otherwise than by a refusal, which does not repeat it", () => {
  const text = fc.oneof(fc.string({ unit: "binary", maxLength: 1024 }), fc.string({ unit: "grapheme" }));
  fc.assert(
    fc.property(text, text, (password, account) => {
      try {
        checkPassword(password, account);
      } catch (error) {
        expect(error).toMatchObject({ code: "password_weak" });
        if (password.length > 3) expect((error as Error).message).not.toContain(`"${password}"`);
      }
    }),
    cases,
  );
});
