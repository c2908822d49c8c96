import fc from "fast-check";
import { beforeEach, expect, test, vi } from "vitest";
import { cases } from "../test/cases.ts";

// As the page itself writes it.
const location = { hash: "#/?show=mine&query=h100&user=ada+l" };
vi.stubGlobal("location", location);
vi.stubGlobal("history", {
  state: null,
  replaceState(_: unknown, __: string, hash: string) {
    location.hash = hash;
  },
});
const { query, show, user } = await import("./choice.ts");
const { amendAddress } = await import("./route.ts");
const { followFilter } = await import("./filter.ts");

followFilter();
const first = [show.peek(), user.peek(), query.peek()];
// The viewer changes it, without another address.
show.value = "free";
const changed = [show.peek(), location.hash];
const filter = () => [show.peek(), user.peek(), query.peek()];

beforeEach(() => amendAddress("#/?"));

test("an address with a filter is opened with it", () => {
  expect(first).toEqual(["mine", "ada l", "h100"]);
  expect(changed).toEqual(["free", "#/?show=free&query=h100&user=ada+l"]);
});

test("a filter that is chosen is in the address, and one that is not, is not", () => {
  expect(location.hash).toBe("#/");
  show.value = "free";
  expect(location.hash).toBe("#/?show=free");
  query.value = "a & b";
  user.value = "ada";
  expect(new URLSearchParams(location.hash.slice(3)).get("query")).toBe("a & b");
  show.value = "all";
  query.value = "";
  user.value = "";
  expect(location.hash).toBe("#/");
});

test("other pages keep their address, and the filter lasts until one comes back", () => {
  show.value = "trouble";
  amendAddress("#/host/a?show=free");
  user.value = "ada";
  expect([location.hash, filter()]).toEqual(["#/host/a?show=free", ["trouble", "ada", ""]]);
  amendAddress("#/");
  expect(location.hash).toBe("#/?show=trouble&user=ada");
});

test("going back to an address with another filter brings that one", () => {
  show.value = "free";
  amendAddress("#/?query=b200");
  expect(filter()).toEqual(["all", "", "b200"]);
  amendAddress("#/?show=nonsense&other=1");
  expect([location.hash, filter()]).toEqual(["#/", ["all", "", ""]]);
});

test("whatever is typed into search and whatever address is opened, the address brings the same filter again", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 40 });
  fc.assert(
    fc.property(text, text, text, (typed, name, address) => {
      amendAddress(`#/?${address}`);
      query.value = typed;
      user.value = name;
      const { hash } = location;
      const before = filter();
      amendAddress("#/?");
      amendAddress(hash);
      // Without any filter the address says nothing.
      expect([location.hash, filter()]).toEqual([hash, before]);
    }),
    cases,
  );
});
