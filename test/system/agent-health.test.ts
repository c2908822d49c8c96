// hmonitor health, as a probe runs it beside an agent.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type Agent, startAgent } from "../agent.ts";
import { hubFolder, type RunningHub, startHub } from "../hub.ts";
import { start } from "../program.ts";

let agent: Agent | undefined;
afterEach(async () => {
  agent?.program.child.kill("SIGCONT");
  await agent?.stop();
  agent = undefined;
});

type Env = Readonly<Record<string, string>>;

async function health(env: Env, ...args: string[]): Promise<{ status: number | null; text: string }> {
  const program = start("hmonitor", ["health", ...args], env);
  if (program.child.exitCode === null) await once(program.child, "close");
  return { status: program.child.exitCode, text: program.output() };
}

const ports = new RegExp(/:\d+/);

/** An agent, and a probe with the same settings but for the ports that it took. */
async function probed(env: Env): Promise<{ status: number | null; text: string }> {
  agent = await startAgent(env);
  const own: Record<string, string> = { GOHM_ALLOW: "127.0.0.0/8", ...env, GOHM_ADDR: `127.0.0.1:${agent.port}` };
  if (env.GOHM_METRICS_ADDR) {
    const [, port = ""] = await agent.program.line(/^Metrics: http:\S+:(\d+)\//m);
    own.GOHM_METRICS_ADDR = env.GOHM_METRICS_ADDR.replace(ports, `:${port}`);
  }
  return await health(own);
}

describe("a working agent is healthy", () => {
  test.each([
    ["asked over gRPC", {}, /^hmonitor answers on 127\.0\.0\.1:\d+\n$/],
    ["asked of its exporter", { GOHM_METRICS_ADDR: "0.0.0.0:0" }, /^hmonitor answers on 127\.0\.0\.1:\d+\n$/],
    [
      "that cuts the machine itself off",
      { GOHM_ALLOW: "10.0.0.5" },
      /^hmonitor resets connections of 127\.0\.0\.1 .*: it is running\n$/,
    ],
    [
      "whose exporter cuts it off",
      { GOHM_ALLOW: "10.0.0.5", GOHM_METRICS_ADDR: "127.0.0.1:0" },
      /^hmonitor resets connections of 127\.0\.0\.1 .*: it is running\n$/,
    ],
  ])("%s", async (_, env: Env, text) => {
    expect(await probed(env)).toEqual({ status: 0, text: expect.stringMatching(text) });
  });
});

test("an agent is ready when its exporter has read the machine, and alive before", async () => {
  agent = await startAgent({ GOHM_METRICS_ADDR: "127.0.0.1:0" });
  const [, port] = await agent.program.line(/^Metrics: http:\S+:(\d+)\//m);
  const env = { GOHM_METRICS_ADDR: `127.0.0.1:${port}` };
  await expect.poll(async () => (await health(env, "--ready")).status, { timeout: 20_000 }).toBe(0);
  const starting = createServer((request, response) => {
    response.writeHead(request.url === "/ready" ? 503 : 200).end("hmonitor answers /metrics\n");
  }).listen(0, "127.0.0.1");
  await once(starting, "listening");
  const own = { GOHM_METRICS_ADDR: `127.0.0.1:${(starting.address() as AddressInfo).port}` };
  expect((await health(own)).status).toBe(0);
  expect(await health(own, "--ready")).toEqual({ status: 1, text: expect.stringContaining("it answers 503") });
  starting.close();
});

describe("an agent is not healthy", () => {
  test.each([
    ["over gRPC", {}],
    ["through its exporter", { GOHM_METRICS_ADDR: "127.0.0.1:0" }],
    ["and would cut the machine off", { GOHM_ALLOW: "10.0.0.5" }],
  ])("when it is stuck: %s", async (_, env: Env) => {
    expect((await probed(env)).status).toBe(0);
    agent?.program.child.kill("SIGSTOP");
    const metrics = /:(\d+)\/metrics/.exec(agent?.program.output() ?? "")?.[1];
    const own = {
      ...env,
      GOHM_ADDR: `127.0.0.1:${agent?.port}`,
      ...(metrics && { GOHM_METRICS_ADDR: `127.0.0.1:${metrics}` }),
    };
    const { status, text } = await health(own);
    expect([status, text]).toEqual([1, expect.stringMatching(/^hmonitor does not answer on \S+: no answer in 5 s\n$/)]);
  });

  test.each([
    ["a hub's gRPC port", "GOHM_ADDR", (hub: RunningHub) => hub.history],
    ["a web page", "GOHM_ADDR", (hub: RunningHub) => new URL(hub.url).host],
    ["a web page where the exporter should be", "GOHM_METRICS_ADDR", (hub: RunningHub) => new URL(hub.url).host],
    ["a hub's gRPC port where the exporter should be", "GOHM_METRICS_ADDR", (hub: RunningHub) => hub.history],
  ])("when another program answers in its place: %s", async (_, setting, address) => {
    const at = hubFolder();
    at.write({ servers: {} });
    const hub = await startHub(at);
    try {
      expect(await health({ [setting]: address(hub) })).toEqual({
        status: 1,
        text: `hmonitor does not answer on ${address(hub)}: another program answers there\n`,
      });
    } finally {
      expect(await hub.stop()).toBe(0);
      at.remove();
    }
  });

  test("when it does not run, nor when there is nothing to ask", async () => {
    agent = await startAgent();
    const addr = `127.0.0.1:${agent.port}`;
    await agent.stop();
    expect(await health({ GOHM_ALLOW: "10.0.0.5" }, "--addr", addr)).toEqual({
      status: 1,
      text: expect.stringContaining(`hmonitor does not answer on ${addr}: connect ECONNREFUSED`),
    });
    expect(await health({ GOHM_SERVER: "http://127.0.0.1:1" })).toEqual({
      status: 1,
      text: "An agent that only reports answers nowhere: there is nothing to ask\n",
    });
    expect((await health({}, "--addr", "127.0.0.1:0")).text).toContain("lets the system choose the port");
  });
});
