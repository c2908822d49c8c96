import { expect, test } from "vitest";
import type { NodeRecord } from "../book/book.ts";
import { Fault } from "../fault.ts";
import { Roll } from "./roll.ts";

const node = (hostname: string) => ({ hostname }) as NodeRecord;

test("while the book cannot be read, its machines are those of before, and nothing throws", () => {
  let read = (): NodeRecord[] => [node("a"), node("b")];
  const roll = new Roll({ nodes: () => read(), hosts: () => [] });
  expect([...roll.nodes().keys()]).toEqual([]);
  roll.renew();
  expect([...roll.nodes().keys()]).toEqual(["a", "b"]);
  read = () => {
    throw new Fault("book_unusable", "disk full");
  };
  roll.renew();
  expect([...roll.nodes().keys()]).toEqual(["a", "b"]);
  read = () => [node("b")];
  roll.renew();
  expect([...roll.nodes().keys()]).toEqual(["b"]);
});
