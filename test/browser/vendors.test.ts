// Machines with AMD and Intel GPUs on the page: real agents that play captured machines, no driver library.
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Agent, startAgent } from "../agent.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { top } from "../program.ts";
import { faultsOf, missingBrowser, openBrowser, openPage, type Watched } from "./browser.ts";

const missing = missingBrowser();
const patience = { timeout: 30_000 };
const machines = {
  mi300x: "ubuntu24.04-x86_64__8x-mi300x__rocm-6.4",
  laptop: "fedora42-x86_64__laptop__intel-and-sleeping-radeon",
};

describe.skipIf(missing)(missing ?? "AMD and Intel on the page", () => {
  let browser: Browser;
  let at: HubFolder;
  let hub: RunningHub;
  let watched: Watched;
  const agents: Agent[] = [];

  beforeAll(async () => {
    browser = await openBrowser();
    at = hubFolder();
    const servers: Record<string, string> = {};
    for (const [name, folder] of Object.entries(machines)) {
      const root = join(top, "test", "capture", folder);
      const agent = await startAgent({ GOHM_ROOT: root, GOHM_NVML: join(root, "none") });
      agents.push(agent);
      servers[name] = `127.0.0.1:${agent.port}`;
    }
    at.write({ servers, poll: { interval: 1 } });
    hub = await startHub(at);
    watched = await openPage(browser, `${hub.url}/`);
  });
  afterAll(async () => {
    await watched?.close();
    await browser?.close();
    await hub?.stop();
    for (const agent of agents) await agent.stop();
    at?.remove();
  });

  const rows = (page: Page, name: string) =>
    page.getByRole("region", { name, exact: true }).locator("tbody .card").allTextContents();

  test("integrated graphics are shown as such and not counted, a sleeping card counts as free", async () => {
    const { page } = watched;
    await expect.poll(async () => (await rows(page, "laptop")).length, patience).toBe(2);
    const [radeon, inside] = await rows(page, "laptop");
    expect(radeon).toMatch(/RX 6600M.*free.*asleep/);
    expect(inside).toMatch(/Iris Xe Graphics.*integrated in the processor/);
    expect(inside).not.toMatch(/free|held|0 B/);
    // Two MI300X and the laptop's card, of nine that count.
    await expect.poll(() => page.locator("h1").textContent(), patience).toMatch(/^3 ?free of 9 cards/);
  });

  test("users of MI300X, and which two are free, are shown without a driver library", async () => {
    const { page } = watched;
    await expect.poll(async () => (await rows(page, "mi300x")).length, patience).toBe(8);
    const [first, , , , fifth, , seventh] = await rows(page, "mi300x");
    expect(first).toMatch(/MI300X.*100%.*159\/192 GiB.*78°C.*742\/750 W.*python3/);
    expect(fifth).toMatch(/vllm/);
    expect(seventh).toMatch(/MI300X.*free/);
    expect(await page.locator(".offer", { hasText: "MI300X" }).textContent()).toMatch(/2.*of 8.*mi300x/);
    expect(await page.locator(".place button[title*=HIP_VISIBLE_DEVICES]").first().getAttribute("title")).toContain(
      "HIP_VISIBLE_DEVICES=6,7",
    );
  });

  test("no errors, and no accessibility violations", async () => {
    expect(watched.errors).toEqual([]);
    expect(await faultsOf(watched.page)).toEqual([]);
  });
});
