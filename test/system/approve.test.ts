// What the shell says of an approval, of the real gohm beside a real hub.
import type { SpawnSyncReturns } from "node:child_process";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HostInfoSchema, SystemInfoSchema } from "../../proto/gen/host_pb.js";
import { type Info, machine, playHost } from "../host.ts";
import { sampleType } from "../hostile.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { runGohm } from "./gohm.ts";

let at: HubFolder;
let hub: RunningHub | undefined;

beforeEach(() => {
  at = hubFolder();
});

afterEach(async () => {
  await hub?.stop();
  hub = undefined;
  at.remove();
});

const gohm = (args: readonly string[]): SpawnSyncReturns<string> => runGohm(args, { GOHM_DATA: at.data });

test("the answer to an approval names the polled host that the machine is", async () => {
  const system = create(SystemInfoSchema, { bootId: "twin", uptime: 100_000n });
  const info = (): Info => ({ ...machine(Date.now()), hostname: "twin", system });
  const played = await playHost(info);
  try {
    at.write({ servers: { "rack-7": played.address }, poll: { interval: 1 } });
    hub = await startHub(at);
    const { url } = hub;
    const post = async (path: string, type: string, body: BodyInit, headers = {}): Promise<{ token?: string }> => {
      const init = { method: "POST", headers: { "Content-Type": type, ...headers }, body };
      const answer = await fetch(`${url}/api/monitoring/${path}`, init);
      expect(answer.status).toBe(200);
      return (await answer.json()) as { token?: string };
    };
    const asked = JSON.stringify({ hostname: "twin", capabilities: {} });
    const { token } = await post("register", "application/json", asked);
    const report = Buffer.from(toBinary(HostInfoSchema, create(HostInfoSchema, info())));
    await post("report", sampleType, report, { Authorization: `Bearer ${token}`, Date: new Date().toUTCString() });
    const state = (): string =>
      JSON.parse(gohm(["node", "list", "--json"]).stdout).nodes.find(({ name }: { name: string }) => name === "rack-7")
        .state;
    await vi.waitFor(() => expect(state()).toBe("answering"), { timeout: 20_000 });
    const { status, stdout, stderr } = gohm(["node", "approve", "twin", "--json"]);
    expect([status, stderr]).toEqual([0, "twin is the same machine as rack-7 and is shown as rack-7 from now on\n"]);
    expect(JSON.parse(stdout)).toMatchObject({ name: "rack-7", registration: { hostname: "twin", state: "approved" } });
  } finally {
    played.close();
  }
});
