// Administration on narrow screens, in other languages, in the dark, and for screen readers.
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { machine } from "../host.ts";
import { call, claim, harm, nasty, panel, patience, pusher } from "./administration.ts";
import { cutOff, faultsOf, missingBrowser, unreadable } from "./browser.ts";
import { Lab } from "./lab.ts";

const missing = missingBrowser();

describe.skipIf(missing)(missing ?? "how administration looks", () => {
  const lab = new Lab({
    machines: { node: () => machine(Date.now()), evil: harm },
    settings: { servers: { away: "127.0.0.1:1" } },
  });

  beforeAll(async () => {
    for (const name of ["waits-1", "waits-2", "a-machine-with-a-long-name.somewhere.in.the.lab.example"])
      await pusher(lab.url, name);
    for (let i = 2; i < 10; i++) expect(await claim(lab.url, nasty, `127.0.0.${i}`)).toBe(400);
    const page = await lab.administer();
    const headers = { Origin: lab.url };
    const labels = { rack: "7", owner: nasty };
    await page.request.patch(`${lab.url}/api/v1/admin/nodes/evil`, {
      headers,
      data: { group: nasty.slice(0, 64), labels },
    });
    await page.request.post(`${lab.url}/api/v1/admin/accounts`, {
      headers,
      data: { name: nasty.slice(0, 64), role: "viewer" },
    });
    await page.request.post(`${lab.url}/api/v1/admin/tokens`, {
      headers,
      data: { name: nasty.slice(0, 64), scope: "read" },
    });
    await call(lab.url, "POST", "/api/v1/session", { name: "ada", password: "wrong" });
  });

  const views = [
    "#/admin",
    "#/account",
    ...["node", "evil", "waits-1"].map(panel),
    ...["accounts", "tokens", "audit"].map((view) => `#/admin/${view}`),
  ];
  const shown = async (page: Page, path: string): Promise<void> => {
    await page.goto(`${lab.url}/${path}`);
    await page
      .locator(".admin .table")
      .nth(path.includes("audit") || path === "#/account" ? 0 : 1)
      .waitFor(patience);
    if (path === "#/admin") await page.locator("#refused").waitFor(patience);
    const folded = page.locator("button[aria-expanded=false]:not(.account button)");
    while ((await folded.count()) > 0) await folded.first().click();
  };

  test.each([
    [320, "en-US"],
    [320, "zh-CN"],
    [390, "zh-TW"],
    [768, "en-US"],
  ])(
    "at %i pixels in %s every control is whole and large enough for a finger, and nothing is cut",
    async (width, locale) => {
      const page = await lab.administer("#/admin", { viewport: { width, height: 800 }, locale, hasTouch: true });
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
    const page = await lab.administer("#/admin", { ...options, reducedMotion: "reduce" });
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
