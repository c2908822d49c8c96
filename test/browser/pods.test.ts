// A node of Kubernetes on the page: a real agent, and a kubelet that has given two cards to pods.
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Agent, startAgent } from "../agent.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { type PlayedKubelet, playKubelet } from "../kubelet.ts";
import { top } from "../program.ts";
import { faultsOf, missingBrowser, openBrowser, openPage, type Watched } from "./browser.ts";

const missing = missingBrowser();
const patience = { timeout: 30_000 };
const uid = "b3a1f0de-5c2d-4e7f-8a9b-0c1d2e3f4a5b";

describe.skipIf(missing)(missing ?? "pods on the page", () => {
  let folder: string;
  let kubelet: PlayedKubelet;
  let browser: Browser;
  let at: HubFolder;
  let hub: RunningHub;
  let agent: Agent;
  let watched: Watched;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "pods-"));
    const root = join(folder, "host");
    cpSync(join(top, "test/capture/ubuntu24.04-x86_64__8x-mi300x__rocm-6.4"), root, { recursive: true });
    // Without this it is no captured machine but one whose root is mounted here, and is read like any live one.
    rmSync(join(root, "capture.json"));
    writeFileSync(join(root, "proc/301440/cgroup"), `0::/kubepods/burstable/pod${uid}/${"ab".repeat(32)}\n`);
    mkdirSync(join(root, `var/log/pods/lab_train-0_${uid}`), { recursive: true });
    const socket = join(root, "var/lib/kubelet/pod-resources/kubelet.sock");
    mkdirSync(dirname(socket), { recursive: true });
    kubelet = await playKubelet(socket, {
      "lab/train-0": { worker: { "amd.com/gpu": ["0000:1b:00.0"] } },
      "lab/waits": { main: { "amd.com/gpu": ["0000:cd:00.0"] } },
    });
    agent = await startAgent({ GOHM_ROOT: root, GOHM_NVML: join(root, "none") });
    at = hubFolder();
    at.write({ servers: { node: `127.0.0.1:${agent.port}` }, poll: { interval: 1 } });
    hub = await startHub(at);
    browser = await openBrowser();
    watched = await openPage(browser, `${hub.url}/`);
  });
  afterAll(async () => {
    await watched?.close();
    await browser?.close();
    await hub?.stop();
    await agent?.stop();
    kubelet?.close();
    at?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test("a card that is allocated to a pod is not free, and shows the pod though nothing runs there", async () => {
    const { page } = watched;
    const rows = page.getByRole("region", { name: "node", exact: true }).locator("tbody .card");
    await expect.poll(() => rows.count(), patience).toBe(8);
    const [, , , , , , seventh, eighth] = await rows.allTextContents();
    expect(seventh).toMatch(/held.*lab\/waits/);
    expect(seventh).not.toMatch(/no process visible/);
    expect(eighth).toMatch(/free/);
    await page.getByRole("button", { name: "lab/waits" }).first().click();
    await expect.poll(() => rows.count(), patience).toBe(1);
  });

  test("the host's page names the pod of each process, and the containers that hold each card", async () => {
    const { page } = watched;
    await page.goto(`${hub.url}/#/host/node`);
    const cards = page.locator(".whole-card");
    await expect.poll(() => cards.count(), patience).toBe(8);
    expect(await cards.nth(0).textContent()).toMatch(/python3.*lab\/train-0/);
    expect(await cards.nth(0).locator(".behind").textContent()).toContain("lab/train-0 (worker)");
    expect(await cards.nth(6).locator(".behind").textContent()).toContain("lab/waits (main)");
    expect(watched.errors).toEqual([]);
    expect(await faultsOf(page)).toEqual([]);
  });
});
