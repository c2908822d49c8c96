// Many machines on one page.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub, view } from "../hub.ts";
import { missingBrowser, openBrowser, openPage } from "./browser.ts";
import { crowd } from "./scene.ts";

const missing = missingBrowser();
const patience = { timeout: 20_000 };
let browser: Browser;
let at: HubFolder;
let hub: RunningHub;
let hosts: PlayedHost[] = [];
let load = 0;

describe.skipIf(missing)(missing ?? "the page with many machines", () => {
  beforeAll(async () => {
    browser = await openBrowser();
    at = hubFolder();
    hosts = await Promise.all(Array.from({ length: 30 }, (_, i) => playHost(() => crowd(i, load))));
    const servers = Object.fromEntries(hosts.map(({ address }, i) => [`node${i}`, address]));
    at.write({ servers, poll: { interval: 1 } });
    hub = await startHub(at);
  });

  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
    for (const host of hosts) host.close();
    at?.remove();
  });

  test("a host out of sight is not drawn again at every tick, and is up to date when it comes into sight", async () => {
    const { page, close } = await openPage(browser, hub.url, { viewport: { width: 1440, height: 900 } });
    const utilOf = (name: string) =>
      page.getByRole("region", { name, exact: true }).locator("tbody .card .util").nth(2).textContent();
    await expect.poll(() => page.locator("tbody .card").count(), patience).toBe(240);
    const far = await utilOf("node29");
    const shown = (host: number): string => `${crowd(host, load).gpus[2]?.utilization}%`;
    const viewer = view(hub.url);
    load = 7;
    await expect.poll(() => `${viewer.hosts.get("node29")?.info?.gpus[2]?.utilization}%`, patience).toBe(shown(29));
    viewer.close();
    // What comes now comes after that.
    load = 8;
    await expect.poll(() => utilOf("node0"), patience).toBe(shown(0));
    expect(await utilOf("node29")).toBe(far);
    expect(far).not.toBe(shown(29));
    await page.getByRole("region", { name: "node29", exact: true }).scrollIntoViewIfNeeded();
    await expect.poll(() => utilOf("node29"), patience).toBe(shown(29));
    await close();
  });

  test("the most free hosts come first when asked for", async () => {
    const { page, close } = await openPage(browser, hub.url);
    await expect.poll(() => page.locator("tbody .card").count(), patience).toBe(240);
    await page.getByLabel("Sort").selectOption("free");
    const free = await page
      .locator(".host")
      .evaluateAll((all) => all.map((host) => host.querySelectorAll(".card.free").length));
    expect(free).toEqual(free.toSorted((a, b) => b - a));
    expect(free[0]).toBeGreaterThan(free.at(-1) ?? 0);
    await close();
  });

  test("Back and the link to the list return to the opened host, at its scroll position and with the focus", async () => {
    const { page, close } = await openPage(browser, hub.url, { viewport: { width: 1200, height: 800 } });
    await expect.poll(() => page.locator("tbody .card").count(), patience).toBe(240);
    const link = page.getByRole("region", { name: "node21", exact: true }).getByRole("link");
    const top = (): Promise<number> => link.evaluate((element) => Math.round(element.getBoundingClientRect().top));
    const focused = (): Promise<string | undefined> => page.evaluate(() => document.activeElement?.textContent ?? "");
    await link.scrollIntoViewIfNeeded();
    const before = await top();
    expect(await page.evaluate(() => scrollY)).toBeGreaterThan(2000);
    await link.focus();
    await page.keyboard.press("Enter");
    await page.locator(".one h1", { hasText: "node21" }).waitFor();
    // A new page begins at its top, for those who hear it, too.
    expect(await page.evaluate(() => [scrollY, document.activeElement?.id])).toEqual([0, "main"]);
    await page.goBack();
    await expect.poll(focused, patience).toBe("node21");
    await expect.poll(async () => Math.abs((await top()) - before), patience).toBeLessThanOrEqual(2);
    await link.click();
    await page.getByRole("link", { name: "← All hosts" }).click();
    await expect.poll(focused, patience).toBe("node21");
    await expect.poll(async () => Math.abs((await top()) - before), patience).toBeLessThanOrEqual(2);
    await page.reload();
    await expect.poll(async () => Math.abs((await top()) - before), patience).toBeLessThanOrEqual(2);
    await close();
  });

  test("the map goes on showing the card that was chosen when hosts before it leave the list", async () => {
    const { page, close } = await openPage(browser, hub.url);
    await page.getByRole("button", { name: "Map" }).click();
    await page.locator("canvas").focus();
    for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowDown");
    const shown = page.locator(".heat-detail b");
    expect(await shown.textContent()).toBe("node3");
    await page.getByLabel("Sort").selectOption("free");
    expect(await shown.textContent()).toBe("node3");
    await page.getByRole("searchbox").fill("node1");
    await expect.poll(() => shown.count()).toBe(0);
    await close();
  });
});
