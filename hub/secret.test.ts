import { expect, test } from "vitest";
import { hashOf, newSecret } from "./secret.ts";

test("a secret has 256 random bits, in characters that a header, a cookie and an address can hold", () => {
  const made = Array.from({ length: 1000 }, newSecret);
  expect(made.filter((one) => !/^[A-Za-z0-9_-]{43}$/.test(one))).toEqual([]);
  expect(new Set(made).size).toBe(1000);
});

test("what is stored of a secret is its SHA-256", () => {
  expect(Buffer.from(hashOf("abc")).toString("hex")).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});
