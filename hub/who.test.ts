import { expect, test } from "vitest";
import { Fault } from "./fault.ts";
import { addressOf, admit, may, type Needs, offered, type Principal, socket } from "./who.ts";

const needs: readonly Needs[] = ["open", "read", "node", "admin", "owner"];

function allowed(principal: Principal, open: boolean): readonly Needs[] {
  return needs.filter((need) => {
    try {
      admit(principal, need, { open });
      expect(may(principal, need, open)).toBe(true);
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(Fault);
      expect(may(principal, need, open)).toBe(false);
      return false;
    }
  });
}

test.each<[Principal, readonly Needs[], readonly Needs[]]>([
  [{ kind: "anonymous" }, ["open"], ["open", "read"]],
  [{ kind: "viewer", name: "bob" }, ["open", "read"], ["open", "read"]],
  [{ kind: "administrator", name: "alice" }, ["open", "read", "admin"], ["open", "read", "admin"]],
  [{ kind: "node", name: "gpu1" }, ["open", "node"], ["open", "read", "node"]],
  [{ kind: "reporter", name: "exporters" }, ["open", "node"], ["open", "read", "node"]],
  [{ kind: "owner" }, needs, needs],
])("%j may do %j, and %j where everyone may read", (principal, closed, open) => {
  expect(allowed(principal, false)).toEqual(closed);
  expect(allowed(principal, true)).toEqual(open);
});

test("an anonymous principal is asked to sign in, any other one is told that it has no right", () => {
  const viewer: Principal = { kind: "viewer", name: "bob" };
  expect(() => admit({ kind: "anonymous" }, "read")).toThrow(expect.objectContaining({ code: "sign_in_needed" }));
  expect(() => admit(viewer, "admin", { open: true })).toThrow(expect.objectContaining({ code: "access_denied" }));
});

test("the TCP port offers everything but what is the owner's, who alone is on the control socket", () => {
  expect(offered).toEqual(needs.filter((need) => need !== "owner"));
  expect(socket.offers).toEqual(needs);
  const by = socket.identify({ method: "GET", header: () => "Bearer x", address: "", peer: "", secure: false });
  expect(by).toEqual({ kind: "owner", origin: "control" });
  expect(allowed(by, socket.open())).toEqual(needs);
});

test.each([
  ["127.0.0.1", undefined, "127.0.0.1"],
  ["127.0.0.1", "10.1.1.1, 10.0.0.9", "10.0.0.9"],
  ["::1", "2001:db8::9", "2001:db8::9"],
  ["127.0.0.1", "10.0.0.9, <b>unknown</b>", "127.0.0.1"],
  ["10.0.0.7", "10.0.0.9", "10.0.0.7"],
])("attempts and refusals of %s, which forwards for %s, are those of %s", (address, forwarded, counted) => {
  const header = (name: string) => (name === "x-forwarded-for" ? forwarded : undefined);
  expect(addressOf({ method: "GET", header, address, peer: address, secure: false })).toBe(counted);
});
