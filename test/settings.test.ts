import { expect, test } from "vitest";
import { table as agent } from "../agent/settings.ts";
import { table as poll } from "../hub/input/poll/settings.ts";

test("a hub waits longer than an agent waits for a hung driver, so that such a host still answers", () => {
  expect(poll.deadline.default).toBeGreaterThan(agent.deadline.default + 1);
});
