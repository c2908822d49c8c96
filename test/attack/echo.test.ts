// Peers that quote what they were shown: their words go to the log and the page, secrets must not.
import { mkdtempSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { playHost } from "../host.ts";
import { hubFolder, startHub, view } from "../hub.ts";
import { json, TestPortal } from "../portal.ts";
import { type Program, start } from "../program.ts";

const secret = "enrolment-secret-0042";
let portal: TestPortal;
let folder: string;
const ends: (() => unknown)[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-echo-"));
  portal = new TestPortal();
  portal.secret = secret;
  await portal.up();
});

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  await portal.down();
  rmSync(folder, { recursive: true, force: true });
});

/** Says back all that a request said, in a text and in an object. */
const echo =
  (status: number, form: (text: string) => unknown = (text) => text) =>
  (request: IncomingMessage, response: ServerResponse, body: Buffer): void => {
    const [shown = ""] = /"secret":"[^"]*"/.exec(body.toString("utf8")) ?? [];
    json(response, status, { error: form(`bad: ${request.headers.authorization} ${shown}`) });
  };

function report(): Program {
  const args = ["--server", portal.url, "--hostname", "n1", "--config", join(folder, "push.json")];
  const agent = start("hmonitor", args, { HOME: folder, GOHM_SECRET: secret });
  ends.push(() => agent.stop());
  return agent;
}

test.each([
  ["register", 500],
  ["register", 403],
] as const)(
  "an answer to %s with status %i that quotes the registration secret does not bring it into the log",
  async (part, status) => {
    portal.faults[part] = echo(status);
    const agent = report();
    await agent.line(/bad: /);
    expect(agent.output()).not.toContain(secret);
  },
);

test("a token quoted in an answer is not logged, and neither is it when the agent stops", async () => {
  portal.faults.report = echo(500, (text) => [{ msg: text }]);
  const agent = report();
  await agent.line(/takes no report: .*bad: /);
  portal.faults.report = echo(401);
  await agent.line(/rejects the token in .*bad: /);
  const [token = ""] = portal.nodes.values();
  expect(token).not.toBe("");
  expect(agent.output()).not.toContain(token);
});

test("the hub's token, quoted by a machine, is neither on the page nor in the log", async () => {
  const token = "poll-token-0042";
  const host = await playHost(() => new Error(`no call for "Bearer ${token}"`));
  const at = hubFolder();
  at.write({ servers: { a: host.address }, poll: { interval: 1, token } });
  const hub = await startHub(at);
  const viewer = view(hub.url);
  ends.push(
    () => viewer.close(),
    () => hub.stop(),
    () => host.close(),
    () => at.remove(),
  );
  await vi.waitFor(() => expect(viewer.hosts.get("a")?.reason).toContain("no call for"), { timeout: 20_000 });
  await hub.line(/a cannot be reached: .*no call for/);
  expect([viewer.hosts.get("a")?.reason, hub.output()].join("\n")).not.toContain(token);
  expect(await (await fetch(`${hub.url}/api/health`)).text()).not.toContain(token);
});
