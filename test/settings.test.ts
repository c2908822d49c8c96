import { expect, test } from "vitest";
import { table as agent } from "../agent/settings.ts";
import { table as hub } from "../hub/settings.ts";
import { secretWarnings } from "../program/secret.ts";

test("a hub waits longer than an agent waits for a hung driver, so that such a host still answers", () => {
  const deadline = Object.values(hub).find(({ name }) => name === "poll.deadline")?.default;
  expect(deadline).toBeGreaterThan(agent.deadline.default + 1);
});

test.each([
  [agent, "token", "GOHM_TOKEN"],
  [agent, "secret", "GOHM_SECRET"],
  [hub, "poll-token", "GOHM_POLL_TOKEN"],
])("a secret on the command line is warned of, without what it is: --%s", (table, flag, env) => {
  const [warning = "", ...more] = secretWarnings(table, { flags: { [flag]: "open sesame" }, env: {} }, []);
  expect(warning).toContain(`can see --${flag} in the list of processes: give it with ${env}_FILE or ${env}`);
  expect(warning).not.toContain("sesame");
  expect(more).toEqual([]);
  expect(secretWarnings(table, { flags: {}, env: { [env]: "open sesame" } }, [])).toEqual([]);
});
