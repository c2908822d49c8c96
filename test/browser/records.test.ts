// A client of the GPU Metrics Logger on the page: it tells its GPUs alone.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Zone } from "../../program/zone.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { faultsOf, missingBrowser, openBrowser, openPage, type Watched } from "./browser.ts";

const missing = missingBrowser();
const patience = { timeout: 30_000 };

describe.skipIf(missing)(missing ?? "a client of the logger on the page", () => {
  let browser: Browser;
  let at: HubFolder;
  let hub: RunningHub;
  let watched: Watched;

  beforeAll(async () => {
    at = hubFolder();
    at.write({ servers: {}, push: { register: "open" }, hub: { timezone: "UTC" } });
    hub = await startHub(at);
    browser = await openBrowser();
    watched = await openPage(browser, `${hub.url}/`);
    const timestamp = new Zone("UTC").format(Date.now());
    const records = Array.from({ length: 8 }, (_, gpu_id) => ({
      ...{ timestamp, gpu_id, gpu_name: "NVIDIA A100-SXM4-80GB", client_name: "lab 1" },
      ...{ utilization_gpu: 90.25, memory_total: 81_920, memory_used: 40_000, memory_free: 41_920 },
    }));
    const body = JSON.stringify(records);
    const { status } = await fetch(`${hub.url}/api/receive-data`, { method: "POST", body });
    expect(status).toBe(200);
  });
  afterAll(async () => {
    await watched?.close();
    await browser?.close();
    await hub?.stop();
    at?.remove();
  });

  test("its cards have their decimals, nobody is said to be absent, and readings that it does not tell are left out", async () => {
    const { page } = watched;
    const host = page.getByRole("region", { name: "lab 1", exact: true });
    await expect.poll(() => host.locator("tbody .card").count(), patience).toBe(8);
    expect(await host.locator("tbody .card").first().textContent()).toContain("90.25%");
    expect(await host.locator(".vitals").count()).toBe(0);
    expect(await page.locator(".column.busy").textContent()).toMatch(/processes unknown/);
    await page.goto(`${hub.url}/#/host/lab%201`);
    await expect.poll(() => page.locator(".whole-card").count(), patience).toBe(8);
    expect(await page.locator(".vitals").count()).toBe(0);
    // No chart of what no record tells: temperature, power, the host, its interfaces.
    await expect.poll(() => page.locator(".plot canvas").count(), patience).toBe(2);
    expect(await page.locator(".plot").count()).toBe(2);
    expect(await page.getByText("No samples in this range yet.").count()).toBe(0);
    expect(await faultsOf(page)).toEqual([]);
  });
});
