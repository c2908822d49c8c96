import { expect, test } from "vitest";
import { table as agent } from "../agent/settings.ts";
import { table as hub } from "../hub/settings.ts";

test("a hub waits longer than an agent waits for a hung driver, so that such a host still answers", () => {
  expect(hub.deadline.default).toBeGreaterThan(agent.deadline.default + 1);
});
