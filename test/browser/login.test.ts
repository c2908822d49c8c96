// What the page shows to those who are not signed in, where the hub requires it or hides the names of users.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addAdministrator } from "../door.ts";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { administrator, linkFor, patience, signIn } from "./administration.ts";
import { missingBrowser, openBrowser, openPage } from "./browser.ts";

const missing = missingBrowser();
const account = (page: Page, name: string) => page.getByRole("button", { name: `Account: ${name}` });
const anonymous = (page: Page) => page.getByRole("banner").getByRole("button", { name: "Sign in" });

describe.skipIf(missing)(missing ?? "a hub that requires sign-in", () => {
  let at: HubFolder;
  let hub: RunningHub;
  let node: PlayedHost;
  let browser: Browser;

  beforeAll(async () => {
    browser = await openBrowser();
    at = hubFolder();
    node = await playHost(() => machine(Date.now()));
    at.write({ servers: { node: node.address }, poll: { interval: 1 }, auth: { read: "login" } });
    await addAdministrator(at, administrator.name, administrator.password);
    hub = await startHub(at);
  });

  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
    node?.close();
    at?.remove();
  });

  test("the page shows the sign-in and goes on by itself after it, also in another tab, and shows nothing once signed out", async () => {
    const { page, errors, close } = await openPage(browser, `${hub.url}/#/host/node`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor(patience);
    await page.getByText("This page is for people with an account.").waitFor(patience);
    expect(await page.locator("body").textContent()).not.toContain("H100");
    expect(await page.getByRole("alert").count()).toBe(0);
    const other = await page.context().newPage();
    await other.goto(hub.url);
    await other.getByRole("heading", { name: "Sign in" }).waitFor(patience);
    await signIn(page);
    await page.locator(".one h1", { hasText: "node" }).waitFor(patience);
    await other.bringToFront();
    await other.locator("tbody .card").first().waitFor(patience);
    await page.bringToFront();
    await account(page, "ada").click();
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor(patience);
    expect(await page.locator("body").textContent()).not.toContain("H100");
    await other.getByRole("heading", { name: "Sign in" }).waitFor(patience);
    expect(await other.locator("body").textContent()).not.toContain("H100");
    expect(errors).toEqual([]);
    await close();
  });

  test("a one-time link is followed without a sign-in", async () => {
    const { page, close } = await openPage(browser, `${hub.url}/${await linkFor(at, "second")}`);
    await page.getByText("For the account second, an administrator.").waitFor(patience);
    await page.getByText("At least 10 characters.").waitFor();
    await close();
  });
});

test.skipIf(missing)(
  "what the hub sends depends on the viewer: the feed begins anew with the sign-in and after it",
  async () => {
    const browser = await openBrowser();
    const at = hubFolder();
    const node = await playHost(() => machine(Date.now()));
    try {
      at.write({ servers: { node: node.address }, poll: { interval: 1 } });
      await addAdministrator(at, administrator.name, administrator.password);
      const hub = await startHub(at);
      try {
        const { page, requests, errors } = await openPage(browser, hub.url);
        const feeds = (): number => requests.filter((url) => url === `${hub.url}/feed`).length;
        await page.locator("tbody .card").nth(1).waitFor(patience);
        expect(feeds()).toBe(1);
        await anonymous(page).click();
        await signIn(page);
        await account(page, "ada").click(patience);
        await expect.poll(feeds, patience).toBe(2);
        await page.locator("tbody .card").nth(1).waitFor(patience);
        await page.getByRole("button", { name: "Sign out", exact: true }).click();
        await anonymous(page).waitFor(patience);
        await page.locator("tbody .card").nth(1).waitFor(patience);
        expect(feeds()).toBe(3);
        expect(errors).toEqual([]);
      } finally {
        await hub.stop();
      }
    } finally {
      await browser.close();
      node.close();
      at.remove();
    }
  },
);
