// Administration on narrow screens, in other languages, in the dark, and for screen readers.
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { addAdministrator } from "../door.ts";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { administrator, call, harm, nasty, openAdministration, panel, patience, pusher } from "./administration.ts";
import { cutOff, faultsOf, missingBrowser, openBrowser, unreadable, type Watched } from "./browser.ts";

const missing = missingBrowser();
let browser: Browser;
let at: HubFolder;
let hub: RunningHub;
let node: PlayedHost;
let evil: PlayedHost;
const opened: Watched[] = [];

describe.skipIf(missing)(missing ?? "how administration looks", () => {
  beforeAll(async () => {
    browser = await openBrowser();
    at = hubFolder();
    node = await playHost(() => machine(Date.now()));
    evil = await playHost(harm);
    at.write({ servers: { node: node.address, evil: evil.address, away: "127.0.0.1:1" }, poll: { interval: 1 } });
    await addAdministrator(at, administrator.name, administrator.password);
    hub = await startHub(at);
    for (const name of ["waits-1", "waits-2", "a-machine-with-a-long-name.somewhere.in.the.lab.example"])
      await pusher(hub.url, name);
    const { page } = await openAdministration(browser, hub.url, "#/admin", opened);
    const headers = { Origin: hub.url };
    const labels = { rack: "7", owner: nasty };
    await page.request.patch(`${hub.url}/api/v1/admin/nodes/evil`, {
      headers,
      data: { group: nasty.slice(0, 64), labels },
    });
    await page.request.post(`${hub.url}/api/v1/admin/accounts`, {
      headers,
      data: { name: nasty.slice(0, 64), role: "viewer" },
    });
    await page.request.post(`${hub.url}/api/v1/admin/tokens`, {
      headers,
      data: { name: nasty.slice(0, 64), scope: "read" },
    });
    await call(hub.url, "POST", "/api/v1/session", { name: "ada", password: "wrong" });
  });

  afterEach(async () => {
    for (const { close, errors } of opened.splice(0)) {
      await close();
      expect(errors).toEqual([]);
    }
  });

  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
    node?.close();
    evil?.close();
    at?.remove();
  });

  const administer = async (options: BrowserContextOptions): Promise<Page> =>
    (await openAdministration(browser, hub.url, "#/admin", opened, options)).page;

  const views = [
    "#/admin",
    ...["node", "evil", "waits-1"].map(panel),
    ...["accounts", "tokens", "audit"].map((view) => `#/admin/${view}`),
  ];
  const shown = async (page: Page, path: string): Promise<void> => {
    await page.goto(`${hub.url}/${path}`);
    await page
      .locator(".admin .table")
      .nth(path.includes("audit") ? 0 : 1)
      .waitFor(patience);
    for (const button of await page.locator("button[aria-expanded=false]:not(.account button)").all())
      await button.click();
  };

  test.each([
    [320, "en-US"],
    [320, "zh-CN"],
    [390, "zh-TW"],
    [768, "en-US"],
  ])(
    "at %i pixels in %s every control is whole and large enough for a finger, and nothing is cut",
    async (width, locale) => {
      const page = await administer({ viewport: { width, height: 800 }, locale, hasTouch: true });
      for (const path of views) {
        await shown(page, path);
        expect(await cutOff(page, ".admin-head a"), path).toEqual([]);
        expect(await unreadable(page), path).toEqual([]);
        const wide = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        expect(wide, path).toBeLessThanOrEqual(0);
      }
    },
  );

  test.each([
    ["light", { colorScheme: "light" }],
    ["dark", { colorScheme: "dark" }],
    ["in Chinese on a phone", { locale: "zh-CN", viewport: { width: 360, height: 740 } }],
  ] as const)("axe finds nothing: %s", async (_, options) => {
    const page = await administer({ ...options, reducedMotion: "reduce" });
    for (const path of views) {
      await shown(page, path);
      expect(await faultsOf(page), path).toEqual([]);
    }
    await page.locator(".account > button").click();
    await page.locator(".popover button").first().click(patience);
    await page.locator("dialog input").nth(1).waitFor(patience);
    expect(await faultsOf(page)).toEqual([]);
  });
});
