import { expect, test } from "vitest";
import { Fault } from "./fault.ts";
import { admit, type Needs, type Principal, port, socket } from "./who.ts";

const needs: readonly Needs[] = ["open", "read", "node", "admin", "owner"];

function allowed(principal: Principal): readonly Needs[] {
  return needs.filter((need) => {
    try {
      admit(principal, need);
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(Fault);
      return false;
    }
  });
}

test.each<[Principal, readonly Needs[]]>([
  [{ kind: "anonymous" }, ["open"]],
  [{ kind: "viewer" }, ["open", "read"]],
  [{ kind: "administrator" }, ["open", "read", "admin"]],
  [{ kind: "node", name: "gpu1" }, ["open", "node"]],
  [{ kind: "owner" }, needs],
])("%j may do %j", (principal, may) => {
  expect(allowed(principal)).toEqual(may);
});

test("an anonymous principal is asked to sign in, any other one is told that it has no right", () => {
  expect(() => admit({ kind: "anonymous" }, "read")).toThrow(expect.objectContaining({ code: "sign_in_needed" }));
  expect(() => admit({ kind: "viewer" }, "admin")).toThrow(expect.objectContaining({ code: "access_denied" }));
});

test("the TCP port offers everything but what is the owner's, and everyone there may read and no more", () => {
  expect(port.offers).toEqual(needs.filter((need) => need !== "owner"));
  expect(allowed(port.identify())).toEqual(["open", "read"]);
  expect(socket.offers).toEqual(needs);
  expect(allowed(socket.identify())).toEqual(needs);
});
