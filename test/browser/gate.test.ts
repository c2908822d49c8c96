// Where people are signed in, people whom a proxy has signed in, and their own cards, in the page with a real hub.
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { machine } from "../host.ts";
import { patience, sees } from "./administration.ts";
import { missingBrowser } from "./browser.ts";
import { Lab } from "./lab.ts";

const missing = missingBrowser();
const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0";

const account = (page: Page, name: string) => page.getByRole("button", { name: `Account: ${name}` });
const anonymous = (page: Page) => page.getByRole("banner").getByRole("button", { name: "Sign in" });
const cards = (page: Page) => page.locator("tbody .card");

/** A machine on which ada and grace hold a card each. */
function shared() {
  const made = machine(Date.now());
  for (const proc of made.gpus?.[0]?.procs ?? []) proc.username = "ada";
  for (const proc of made.gpus?.[1]?.procs ?? []) proc.username = "grace";
  return made;
}

describe.skipIf(missing)(missing ?? "who is signed in where", () => {
  // The browser is the proxy: what it adds to requests is what one would.
  const lab = new Lab({
    machines: { node: shared },
    settings: { auth: { proxy: { from: "127.0.0.1", admin_groups: ["gpu-admins"] } } },
  });

  test("the page of the account lists its browsers, and signs out another one and itself", async () => {
    const page = await lab.administer();
    const other = await lab.administer("#/admin", { userAgent: firefox });
    await account(page, "ada").click();
    await page.getByRole("link", { name: "Where you are signed in" }).click();
    await page.getByRole("heading", { name: "Where you are signed in" }).waitFor(patience);
    await expect.poll(() => page.url(), patience).toBe(`${lab.url}/#/account`);
    const items = page.getByRole("listitem");
    await expect.poll(() => items.count(), patience).toBe(2);
    expect(await items.filter({ hasText: "this browser" }).count()).toBe(1);
    expect(await items.filter({ hasText: "Firefox 115, Linux" }).textContent()).toMatch(
      /signed in from 127\.0\.0\.1: .* with the password.* last used /,
    );
    await page.getByRole("button", { name: "Sign out Firefox 115, Linux (127.0.0.1)" }).click();
    await page.getByText("Firefox 115, Linux was signed out.").waitFor(patience);
    expect(await items.count()).toBe(1);
    await sees(other.getByRole("heading", { name: "Only for administrators" }));
    await items.getByRole("button").click();
    await anonymous(page).waitFor(patience);
    await page.getByText("This page is for people with an account.").waitFor(patience);
  });

  test("an administrator signs out one browser of an account", async () => {
    const page = await lab.administer("#/admin/accounts");
    const other = await lab.administer("#/admin", { userAgent: firefox });
    await page.reload();
    await page.getByRole("button", { name: "Browsers of ada" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: /^Sign out Firefox/ }).click();
    await dialog.getByText("Firefox 115, Linux was signed out.").waitFor(patience);
    await sees(other.getByRole("heading", { name: "Only for administrators" }));
    expect(await account(page, "ada").count()).toBe(1);
  });

  test("signed in by a proxy, one has the name and the right that it says, and signs out there", async () => {
    const page = await lab.open("", { extraHTTPHeaders: { "Remote-User": "grace@lab.example" } });
    await account(page, "grace@lab.example").click();
    await page.getByText("The proxy in front of the hub has signed you in; sign out there.").waitFor(patience);
    expect(await page.getByRole("button", { name: /^Sign out|Change password/ }).count()).toBe(0);
    await page.goto(`${lab.url}/#/admin`);
    await page.getByText("You are signed in as grace@lab.example, who may not see this page.").waitFor(patience);
    const headers = { "Remote-User": "grace@lab.example", "Remote-Groups": "users,gpu-admins" };
    const admin = await lab.open("#/admin/accounts", { extraHTTPHeaders: headers });
    await admin.getByRole("button", { name: "Add an account" }).click();
    await admin.getByLabel("Name", { exact: true }).fill("linus");
    await admin.getByRole("button", { name: "Add", exact: true }).click();
    await admin.getByText("linus was added.").waitFor(patience);
    await admin.goto(`${lab.url}/#/admin/audit`);
    await admin.getByText("grace@lab.example").first().waitFor(patience);
  });

  test("one's own cards are found by the name of the account, the address has the filter, and another name can be chosen", async () => {
    const page = await lab.open("#/?show=mine", { extraHTTPHeaders: { "Remote-User": "grace@lab.example" } });
    await expect.poll(() => cards(page).count(), patience).toBe(1);
    expect(await cards(page).textContent()).toContain("grace");
    // Where the line of filters is full, order and view go to the next one together.
    const parts = page.locator(".tools select[aria-label], .tools .switch");
    for (let width = 1300; width > 1000; width -= 20) {
      await page.setViewportSize({ width, height: 800 });
      const tops = await parts.evaluateAll((all) => all.map((one) => Math.round(one.getBoundingClientRect().top)));
      expect([tops.length, new Set(tops).size], `${width} px`).toEqual([2, 1]);
    }
    await page.getByLabel("I am").selectOption("ada");
    await sees(cards(page).first().getByText("ada"));
    await page.reload();
    await sees(cards(page).first().getByText("ada"));
    await expect.poll(() => page.url(), patience).toBe(`${lab.url}/#/?show=mine`);
    await page.getByRole("button", { name: /^All/ }).click();
    await expect.poll(() => page.url(), patience).toBe(`${lab.url}/#/`);
    // Whoever else signs in here has not chosen it.
    const other = await lab.open("#/?show=mine", { extraHTTPHeaders: { "Remote-User": "nobody" } });
    await other.getByText("No card fits this filter.").waitFor(patience);
    expect(await other.getByLabel("I am").inputValue()).toBe("");
  });

  test("a filter comes along with links and with Back", async () => {
    const page = await lab.open("#/?user=ada");
    await page.getByRole("button", { name: "Only ada ✕" }).waitFor(patience);
    await page.locator("main a[href='#/host/node']").first().click();
    await page.getByRole("link", { name: "All hosts" }).last().click();
    await page.getByRole("button", { name: "Only ada ✕" }).waitFor(patience);
    await expect.poll(() => page.url(), patience).toBe(`${lab.url}/#/?user=ada`);
    await page.goBack();
    await page.goBack();
    await page.getByRole("button", { name: "Only ada ✕" }).click();
    await expect.poll(() => page.url(), patience).toBe(`${lab.url}/#/`);
  });
});
