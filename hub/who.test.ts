import { expect, test } from "vitest";
import { head } from "../test/door.ts";
import { Fault } from "./fault.ts";
import { admit, may, type Needs, offered, type Principal, socket } from "./who.ts";

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
  const by = socket.identify(head({ address: "", headers: { authorization: "Bearer x" } }));
  expect(by).toEqual({ kind: "owner", origin: "control" });
  expect(allowed(by, socket.open())).toEqual(needs);
});
