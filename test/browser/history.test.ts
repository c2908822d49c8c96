// A month of history in a real browser: what happened once, for one sample, is still to be seen.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { valuesOf } from "../model.ts";
import { openHistory } from "../store.ts";
import { missingBrowser, openBrowser, openPage, type Watched } from "./browser.ts";

const missing = missingBrowser();
const minute = 60_000;
const day = 1440 * minute;
const patience = { timeout: 30_000 };

let browser: Browser;
let at: HubFolder;
let host: PlayedHost;
let hub: RunningHub;
let watched: Watched;

/** 400 days of an idle card, one sample an hour and then one a minute; two weeks ago it computed for one sample. */
function fill(folder: string): void {
  const store = openHistory(folder);
  const now = Math.floor(Date.now() / minute) * minute;
  const spike = now - 14 * day;
  for (let t = now - 400 * day; t < now; t += t < now - 20 * day ? 60 * minute : minute) {
    const values = valuesOf("gpu", { gpu_utilization: t === spike ? 100 : 4 });
    store.append({ host: "node", at: t, devices: [{ level: "gpu", key: "GPU-0", index: 0, values }] });
  }
  store.close();
}

/** How high the highest painted line of the utilization chart reaches, 0 to 1, without the grid, which is grey. */
async function height(page: Page): Promise<number> {
  return page.evaluate(() => {
    const plot = [...document.querySelectorAll(".plot")].find((one) => one.textContent?.includes("Utilization"));
    const canvas = plot?.querySelector("canvas");
    const over = plot?.querySelector(".u-over");
    const context = canvas?.getContext("2d");
    if (canvas == null || over == null || context == null) return 0;
    const scale = canvas.width / canvas.getBoundingClientRect().width;
    const [outer, inner] = [canvas.getBoundingClientRect(), over.getBoundingClientRect()];
    const box = [inner.left - outer.left, inner.top - outer.top, inner.width, inner.height].map((n) =>
      Math.round(n * scale),
    );
    const [left = 0, top = 0, width = 0, tall = 0] = box;
    const { data } = context.getImageData(left, top, width, tall);
    for (let i = 0; i < data.length; i += 4) {
      const [red = 0, green = 0, blue = 0, alpha = 0] = data.slice(i, i + 4);
      const colour = Math.max(red, green, blue) - Math.min(red, green, blue);
      // As strong as a line that somebody sees: a third of full colour on what is painted there.
      if (colour > 60 && alpha > 85) return 1 - Math.floor(i / 4 / width) / tall;
    }
    return 0;
  });
}

describe.skipIf(missing)(missing ?? "a month of history", () => {
  beforeAll(async () => {
    browser = await openBrowser();
    at = hubFolder();
    fill(at.data);
    host = await playHost(() => machine(Date.now(), 4));
    at.write({ servers: { node: host.address }, poll: { interval: 1 } });
    hub = await startHub(at, { GOHM_HISTORY_RETENTION_RAW: "2y", GOHM_HISTORY_RETENTION_5M: "2y" });
    watched = await openPage(browser, `${hub.url}/#/host/node`);
  }, 120_000);

  afterAll(async () => {
    await watched?.close();
    await browser?.close();
    await hub?.stop();
    host?.close();
    at?.remove();
  });

  async function choose(range: string): Promise<void> {
    const { page } = watched;
    const loaded = page.waitForResponse((answer) => answer.url().includes("/api/history") && answer.ok());
    await page.getByRole("button", { name: range, exact: true }).click();
    await loaded;
    await page.locator(".plot[data-points]:not([data-points='0'])").first().waitFor();
  }

  test("a spike of one sample is seen two weeks, a month, a year and all of history later, and not where it is not", async () => {
    await watched.page.locator(".plot canvas").first().waitFor(patience);
    await choose("3 d");
    await expect.poll(() => height(watched.page), patience).toBeGreaterThan(0.02);
    await expect.poll(() => height(watched.page), patience).toBeLessThan(0.2);
    for (const range of ["30 d", "1 y", "all"]) {
      await choose(range);
      await expect.poll(() => height(watched.page), patience).toBeGreaterThan(0.9);
    }
    expect(watched.errors).toEqual([]);
  });
});
