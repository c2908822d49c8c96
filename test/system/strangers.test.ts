// Machines that nobody has approved, or that are refused, as gohm shows them to administrators.
import type { SpawnSyncReturns } from "node:child_process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { runGohm } from "./gohm.ts";

let at: HubFolder;
let hub: RunningHub;

beforeEach(async () => {
  at = hubFolder();
  at.write({ servers: {} });
  hub = await startHub(at);
});

afterEach(async () => {
  await hub?.stop();
  at.remove();
});

type Env = Readonly<Record<string, string>>;

const gohm = (args: readonly string[], env: Env = { GOHM_DATA: at.data }): SpawnSyncReturns<string> =>
  runGohm(args, env);

/** What a verb prints. @throws if it ends with another status than 0 */
function said(args: readonly string[], env?: Env): string {
  const { status, stdout, stderr } = gohm(args, env);
  expect([args, status, stderr]).toEqual([args, 0, expect.any(String)]);
  return stdout;
}

/** Has a machine ask for its registration. @returns the status */
async function register(hostname: string): Promise<number> {
  const body = JSON.stringify({ hostname, capabilities: {} });
  const headers = { "content-type": "application/json" };
  return (await fetch(`${hub.url}/api/monitoring/register`, { method: "POST", headers, body })).status;
}

test("addresses that were refused are listed, whatever they call themselves, and counted below the hosts", async () => {
  expect(gohm(["node", "list"]).stderr).toBe("");
  for (const [name, form, wanted] of [
    ["\u001b]0;owned\u0007\u009b31mred\u202e", [], /^127\.0\.0\.1 +\]0;owned31mred +not understood \(1\) /m],
    ["a|b\r\n", ["-P"], /^127\.0\.0\.1\|a¦b\|format=2\|/m],
    ["=HYPERLINK(1)", ["--csv"], /^127\.0\.0\.1,'=HYPERLINK\(1\),format=3,/m],
  ] as const) {
    expect(await register(name)).toBe(400);
    const output = said(["node", "refused", ...form]);
    expect(output).not.toMatch(/(?!\r?\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    expect(output.trimEnd().split("\n")).toHaveLength(2);
    expect(output).toMatch(wanted);
  }
  expect(JSON.parse(said(["node", "refused", "--json"])).refusals).toEqual([
    expect.objectContaining({
      address: "127.0.0.1",
      host: "=HYPERLINK(1)",
      counts: [{ reason: "format", code: "bad_request", count: 3 }],
    }),
  ]);
  expect(gohm(["node", "list"]).stderr).toBe("1 address was refused within the last hour: gohm node refused\n");
  expect(gohm(["node", "list", "--json"]).stderr).toBe("");
});

test("gohm status tells administrators how many machines wait for approval, and nobody else", async () => {
  const token = (scope: string): string => said(["token", "create", scope, "--scope", scope]).trim();
  for (const name of ["one", "two"]) expect(await register(name)).toBe(200);
  const wanted = /^waiting +2 for approval \(gohm node list, gohm node approve NAME\)$/m;
  expect(said(["status"])).toMatch(wanted);
  expect(said(["status"], { GOHM_HUB: hub.url, GOHM_HUB_TOKEN: token("admin") })).toMatch(wanted);
  const others = [{ GOHM_HUB: hub.url }, { GOHM_HUB: hub.url, GOHM_HUB_TOKEN: token("read") }];
  for (const env of others) expect(said(["status"], env)).not.toContain("waiting");
  expect(said(["status", "-P"])).toMatch(/^status\|name\|version\|hosts\|open\|notices\n/);
  said(["node", "approve", "one", "two"]);
  // Their first reports are still to come.
  expect(gohm(["status"]).stdout).toMatch(/^hosts +2$/m);
  expect(gohm(["status"]).stdout).not.toContain("waiting");
});
