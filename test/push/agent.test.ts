// hmonitor --server against a real hub: the built programs on loopback.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Link } from "../../proto/gen/feed_pb.js";
import { type HubFolder, hubFolder, type RunningHub, startHub, type Viewer, view } from "../hub.ts";
import { type LocalHub, localHub } from "../local.ts";
import { missingCompiler, player } from "../nvml/build.ts";
import { h100 } from "../nvml/rig.ts";
import { type Program, start, top } from "../program.ts";

const patience = { timeout: 30_000, interval: 50 };
const missing = missingCompiler();
/** A machine with eight cards, or this one without. */
const machine: Readonly<Record<string, string>> =
  missing === undefined ? { GOHM_ROOT: h100, GOHM_NVML: player(), GOHM_PLAYER: h100 } : { GOHM_NVML: "/nowhere" };
const cards = missing === undefined ? 8 : 0;

/** The status at which a service manager does not start it again, as in the units of systemd. */
const rejected = Number(
  /^RestartPreventExitStatus=(\d+)$/m.exec(readFileSync(join(top, "deploy/systemd/hmonitor.service"), "utf8"))?.[1],
);

let at: HubFolder;
let hub: RunningHub | undefined;
let local: LocalHub | undefined;
let viewer: Viewer | undefined;
const agents: Program[] = [];

beforeEach(() => {
  at = hubFolder();
  at.write({ servers: {} });
});

afterEach(async () => {
  viewer?.close();
  for (const agent of agents.splice(0)) await agent.stop("SIGKILL");
  await hub?.stop();
  await local?.close();
  [hub, local, viewer] = [undefined, undefined, undefined];
  at.remove();
});

function agent(url: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Program {
  const file = join(at.folder, "push.json");
  const program = start("hmonitor", ["--server", url, "--config", file, "--hostname", "dgx", ...args], {
    ...machine,
    ...env,
  });
  agents.push(program);
  return program;
}

async function ends(program: Program): Promise<number | null> {
  if (program.child.exitCode === null) await once(program.child, "close");
  return program.child.exitCode;
}

/** Runs gohm on the hub's machine. @returns its output @throws Error if it fails */
async function gohm(...words: string[]): Promise<string> {
  const args = [join(top, "dist/gohm.mjs"), ...words];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { GOHM_DATA: at.data } });
  return stdout;
}

/** The agent's host, as administrators see it. */
async function node(): Promise<Readonly<Record<string, unknown>>> {
  const { nodes } = JSON.parse(await gohm("node", "list", "--json")) as { nodes: Record<string, unknown>[] };
  return nodes.find(({ name }) => name === "dgx") ?? {};
}

/** Times of the samples of the agent's host in history, Unix milliseconds. */
async function times(url: string): Promise<number[]> {
  const answer = await fetch(`${url}/api/history?host=dgx&metric=processes&step=0`);
  if (answer.status !== 200) return [];
  const { series } = (await answer.json()) as { series: { t: number[] }[] };
  return series.flatMap(({ t }) => t);
}

describe("an agent that pushes to a hub", () => {
  test("sends whole samples, loses none in an outage, and is live again afterwards", async () => {
    hub = await startHub(at, { GOHM_PUSH_REGISTER: "open" });
    const { url } = hub;
    const program = agent(url, ["--interval", "1", "--debug"]);
    viewer = view(url);
    await vi.waitFor(() => expect(viewer?.hosts.get("dgx")?.link).toBe(Link.OPEN), patience);
    expect(viewer.hosts.get("dgx")?.info?.gpus).toHaveLength(cards);
    await vi.waitFor(async () => expect((await times(url)).length).toBeGreaterThan(1), patience);
    viewer.close();

    await hub.stop();
    const down = Date.now();
    await program.line(/(ECONNREFUSED[^\n]*; trying again[\s\S]*){3}/);
    hub = await startHub(at, { GOHM_PUSH_REGISTER: "open", GOHM_HUB_ADDR: new URL(url).host });
    const [, stored] = await program.line(/takes reports again: (\d+) samples? kept meanwhile/);
    const back = Date.now();
    viewer = view(url);
    await vi.waitFor(() => expect(viewer?.hosts.get("dgx")?.link).toBe(Link.OPEN), patience);
    // Every stored sample is there once and at its own time, beside those before and after.
    const all = await vi.waitFor(async () => {
      const found = await times(url);
      expect(found.filter((time) => time > down).length).toBeGreaterThan(Number(stored));
      return found;
    }, patience);
    expect(all.filter((time) => time < down).length).toBeGreaterThan(1);
    expect(all.filter((time) => time > down && time < back).length).toBeGreaterThanOrEqual(Number(stored) - 1);
    expect(all).toEqual([...new Set(all)].toSorted((a, b) => a - b));
    expect(await program.stop()).toBe(0);
  });

  test("registers once, waits, is approved and configured by gohm, and ends when its token is reset", async () => {
    hub = await startHub(at);
    const program = agent(hub.url, ["--interval", "1"]);
    await vi.waitFor(
      async () => expect(await node()).toMatchObject({ state: "waiting", seen: expect.any(Number) }),
      patience,
    );
    expect(await node()).toMatchObject({
      ...{ name: "dgx", ways: ["push"], configVersion: 0, trouble: [] },
      capabilities: { gpus: expect.objectContaining({ length: cards }) },
    });
    expect(program.output()).toContain("as dgx (registered): dgx is registered and waits for approval");
    const { token } = JSON.parse(readFileSync(join(at.folder, "push.json"), "utf8")) as { token: string };
    expect(program.output() + hub.output()).not.toContain(token);

    expect(await gohm("node", "approve", "dgx")).toContain("dgx");
    const config = { gpuIndices: [2], diskMounts: [], nicNames: [] };
    await gohm("node", "set", "dgx", "--config", JSON.stringify(config));
    viewer = view(hub.url);
    await vi.waitFor(() => expect(viewer?.hosts.get("dgx")?.info?.nics).toEqual([]), patience);
    expect(viewer.hosts.get("dgx")?.info?.gpus.map(({ id }) => id)).toEqual(cards === 0 ? [] : [2]);
    await vi.waitFor(async () => expect(await node()).toMatchObject({ taken: { version: 1 }, config }), patience);
    expect(await node()).toMatchObject({ state: "answering", skewMs: expect.any(Number) });

    // It starts again with its token.
    expect(await program.stop()).toBe(0);
    const { seen } = await node();
    const again = agent(hub.url, ["--interval", "1"]);
    await vi.waitFor(async () => expect((await node()).seen).toBeGreaterThan(Number(seen)), patience);
    await gohm("node", "reset", "dgx");
    expect(await ends(again)).toBe(rejected);
    const log = JSON.parse(await gohm("audit", "--json")) as { entries: { action: string; target: string }[] };
    expect(log.entries.map(({ action }) => action).reverse()).toEqual([
      ...["node.register", "node.approve", "node.configure", "node.reset"],
    ]);
  });

  test("ends with what to do when its token is reset, and registers once more without its file", async () => {
    local = await localHub({ push: { register: "open" } });
    const { url, live } = local;
    const program = agent(url, ["--interval", "1"]);
    await vi.waitFor(() => expect(live.host("dgx")?.link.state).toBe("open"), patience);
    await local.reset("dgx");
    expect(await ends(program)).toBe(rejected);
    expect(program.output()).toContain(`rejects the token in ${join(at.folder, "push.json")}`);
    rmSync(join(at.folder, "push.json"));
    agent(url, ["--interval", "1"]);
    await vi.waitFor(() => expect(local?.node("dgx").reset).toBe(false), patience);
  });

  test("a hub that wants a secret registers it with the secret only", async () => {
    local = await localHub({ push: { register: "secret", secret: "open sesame" } });
    const { url, live } = local;
    const stranger = agent(url);
    expect(await ends(stranger)).toBe(rejected);
    expect(stranger.output()).toContain("It says: Invalid registration secret");
    expect(existsSync(join(at.folder, "push.json"))).toBe(false);
    agent(url, ["--interval", "1"], { GOHM_SECRET: "open sesame" });
    await vi.waitFor(() => expect(live.host("dgx")?.link.state).toBe("open"), patience);
    expect(local.log.lines.join()).not.toContain("sesame");
  });
});
