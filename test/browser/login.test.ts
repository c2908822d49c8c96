// What the page shows to those who are not signed in, where the hub requires it or hides the names of users.
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { linkFor, patience, signIn } from "./administration.ts";
import { missingBrowser } from "./browser.ts";
import { Lab } from "./lab.ts";

const missing = missingBrowser();
const account = (page: Page, name: string) => page.getByRole("button", { name: `Account: ${name}` });
const anonymous = (page: Page) => page.getByRole("banner").getByRole("button", { name: "Sign in" });

describe.skipIf(missing)(missing ?? "a hub that requires sign-in", () => {
  const lab = new Lab({ settings: { auth: { read: "login" } } });

  test("the page shows the sign-in and goes on by itself after it, also in another tab, and shows nothing once signed out", async () => {
    const page = await lab.open("#/host/node");
    await page.getByRole("heading", { name: "Sign in" }).waitFor(patience);
    await page.getByText("This page is for people with an account.").waitFor(patience);
    expect(await page.locator("body").textContent()).not.toContain("H100");
    expect(await page.getByRole("alert").count()).toBe(0);
    const other = await page.context().newPage();
    await other.goto(lab.url);
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
  });

  test("a one-time link is followed without a sign-in", async () => {
    const page = await lab.open(await linkFor(lab.at, "second"));
    await page.getByText("For the account second, an administrator.").waitFor(patience);
    await page.getByText("At least 10 characters.").waitFor();
  });
});

describe.skipIf(missing)(missing ?? "a hub that everybody may read", () => {
  const lab = new Lab();

  test("what the hub sends depends on the viewer: the feed begins anew with the sign-in and after it", async () => {
    const { page, requests } = await lab.watch();
    const feeds = (): number => requests.filter((url) => url === `${lab.url}/feed`).length;
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
  });
});
