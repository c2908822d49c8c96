// A hub with accounts and machines that report by themselves, and the steps that tests of administration share.
import { request } from "node:http";
import { create, toBinary } from "@bufbuild/protobuf";
import type { Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { DiskInfoSchema, HostInfoSchema, NicInfoSchema } from "../../proto/gen/host_pb.js";
import { type Info, machine } from "../host.ts";
import { sampleType } from "../hostile.ts";
import type { HubFolder } from "../hub.ts";
import { start } from "../program.ts";

export const patience = { timeout: 30_000 };
export const administrator = { name: "ada", password: "correct horse battery" };

/** Runs a command of gohm on the hub's machine, and returns its output. */
async function gohm(at: HubFolder, args: readonly string[]): Promise<string> {
  const program = start("gohm.mjs", args, { GOHM_SETTINGS: at.settings, GOHM_DATA: at.data });
  const status = await new Promise<number | null>((done) => program.child.once("close", done));
  if (status !== 0) throw new Error(`gohm ${args.join(" ")} ended with ${status}:\n${program.output()}`);
  return program.output();
}

/** Path of a one-time link for an account, which is created as an administrator if there is none. */
export async function linkFor(at: HubFolder, name: string): Promise<string> {
  const [link = ""] = /#\/link\/[\w-]+/.exec(await gohm(at, ["account", "link", name])) ?? [];
  expect(link).not.toBe("");
  return link;
}

/** A request as a program of another machine makes it, without a browser. */
export function call(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(`${url}${path}`, {
    method,
    headers: { Origin: url, ...(body !== undefined && { "Content-Type": "application/json" }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/** Signs in with the form that the page shows, in a dialog or in place of a page. */
export async function signIn(page: Page, { name, password } = administrator): Promise<void> {
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByLabel("Password", { exact: true }).press("Enter");
}

/** Address of a host's page of administration. */
export const panel = (name: string): string => `#/admin/host/${encodeURIComponent(name)}`;

export const nasty = `<img src=x onerror="window.caught=1"><script>window.caught=1</script>`;

/** What a machine would say whose makers mean harm. */
export function harm(): Info {
  const held = create(HostInfoSchema, machine(Date.now()));
  for (const gpu of held.gpus) gpu.name = nasty;
  held.hostname = nasty;
  held.disks = [create(DiskInfoSchema, { device: nasty, mount: nasty, used: 1n, total: 100n })];
  held.nics = [create(NicInfoSchema, { name: nasty, addresses: [nasty] })];
  return held;
}

/** A machine that reports by itself, as an old exporter does. */
export interface Pusher {
  readonly hostname: string;
  readonly token: string;
  /** Sends a report, and returns the status of the answer and the version of the configuration in it. */
  report(part?: object): Promise<{ status: number; configVersion: number }>;
  config(): Promise<Readonly<Record<string, unknown>>>;
}

const gpu = (index: number): object => ({
  index,
  name: "NVIDIA A100-SXM4-80GB",
  utilizationPct: 0,
  memoryUsedMB: 10,
  memoryTotalMB: 81_920,
  temperatureC: 31,
  powerDrawW: 60,
  powerLimitW: 400,
});

/** Registers a machine. @returns the status if the hub refuses */
export async function register(url: string, hostname: string, gpus = 4): Promise<Pusher | number> {
  const indices = Array.from({ length: gpus }, (_, i) => i);
  const capabilities = {
    cpuCores: 64,
    memoryTotalGB: 503.4,
    gpus: indices.map((index) => ({ index, name: "NVIDIA A100-SXM4-80GB", memoryTotalMB: 81_920 })),
    disks: [
      { mount: "/", totalGB: 879 },
      { mount: "/data", totalGB: 14_000 },
    ],
    nics: [{ name: "eno1", ipv4: "127.0.0.1" }],
  };
  const answer = await call(url, "POST", "/api/monitoring/register", { hostname, capabilities });
  if (answer.status !== 200) return answer.status;
  const { token } = (await answer.json()) as { token: string };
  const headers = { Authorization: `Bearer ${token}` };
  return {
    hostname,
    token,
    async report(part = {}) {
      const body = {
        hostname,
        ip: "127.0.0.1",
        cpuUsagePct: 3,
        cpuCores: 64,
        memoryUsedGB: 12,
        memoryTotalGB: 503.4,
        gpus: indices.map(gpu),
        disks: [{ mount: "/", totalGB: 879, usedGB: 100 }],
        nics: [{ name: "eno1", ipv4: "127.0.0.1", rxMbps: 1, txMbps: 1 }],
        networkRxMbps: 1,
        networkTxMbps: 1,
        uptimeSeconds: 1000,
        processCount: 100,
        loadAvg: [1, 1, 1],
        ...part,
      };
      const told = await call(url, "POST", "/api/monitoring/report", body, headers);
      const { configVersion = -1 } = (await told.json()) as { configVersion?: number };
      return { status: told.status, configVersion };
    },
    async config() {
      return (await (await call(url, "GET", "/api/monitoring/config", undefined, headers)).json()) as Record<
        string,
        unknown
      >;
    },
  };
}

/** Sends a report as hmonitor --server does, which tells the boot of its machine. */
export async function sample(url: string, { token }: Pusher, info: Info): Promise<void> {
  const answer = await fetch(`${url}/api/monitoring/report`, {
    method: "POST",
    headers: { "Content-Type": sampleType, Authorization: `Bearer ${token}`, Date: new Date().toUTCString() },
    body: Buffer.from(toBinary(HostInfoSchema, create(HostInfoSchema, info))),
  });
  expect(answer.status).toBe(200);
}

/** A machine that registers and reports once. @throws Error if the hub refuses it */
export async function pusher(url: string, hostname: string): Promise<Pusher> {
  const made = await register(url, hostname);
  if (typeof made === "number") throw new Error(`${hostname} could not register: ${made}`);
  expect((await made.report()).status).toBe(200);
  return made;
}

/**
 * Waits until a page shows something that it must ask the hub for. It asks every few seconds, and at once when its viewer comes
 * back to the tab, which is what happens here.
 */
export async function sees(what: Locator): Promise<void> {
  await expect.poll(() => lookAgain(what), { ...patience, interval: 200 }).toBe(true);
}

/** Waits in the same way until a page does not show something any more. */
export async function misses(what: Locator): Promise<void> {
  await expect.poll(() => lookAgain(what), { ...patience, interval: 200 }).toBe(false);
}

async function lookAgain(what: Locator): Promise<boolean> {
  await what.page().evaluate(() => void document.dispatchEvent(new Event("visibilitychange")));
  return what.first().isVisible();
}

/** Has a machine at an address of this machine try to register under a name. @returns the status of the answer */
export function claim(url: string, hostname: string, from: string): Promise<number> {
  const body = JSON.stringify({ hostname, capabilities: {} });
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const options = { method: "POST", localAddress: from, agent: false, headers };
    const sent = request(`${url}/api/monitoring/register`, options, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
