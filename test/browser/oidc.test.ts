// Signing in at an OpenID Connect provider, with a real hub and a provider of the tests' own.
import type { Page } from "playwright-core";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { Issuer } from "../issuer.ts";
import { patience } from "./administration.ts";
import { missingBrowser } from "./browser.ts";
import { Lab } from "./lab.ts";

const missing = missingBrowser();
const issuer = await Issuer.start({ secret: "" });
issuer.asks = true;

afterEach(() => {
  issuer.faults = {};
});
afterAll(() => issuer.close());

const account = (page: Page, name: string) => page.getByRole("button", { name: `Account: ${name}` });
const anonymous = (page: Page) => page.getByRole("banner").getByRole("button", { name: "Sign in" });
const oidc = { issuer: issuer.url, client_id: "gohm", insecure: true, name: "Lab ID", admin_groups: ["admins"] };

/** Goes to the provider from the sign-in of a page, and signs in there. */
async function signIn(page: Page): Promise<void> {
  await anonymous(page).click();
  await page.getByRole("link", { name: "Sign in with Lab ID" }).click();
  await page.getByRole("link", { name: "Sign in as alice" }).click();
}

describe.skipIf(missing)(missing ?? "signing in elsewhere in the page", () => {
  const lab = new Lab({ settings: { auth: { oidc } } });

  test("leads to the provider and back to the page, and signing out to the provider's end of the session", async () => {
    const page = await lab.open("#/host/node");
    await signIn(page);
    await account(page, "alice").waitFor(patience);
    expect(page.url()).toBe(`${lab.url}/#/host/node`);
    await account(page, "alice").click();
    await page.getByRole("button", { name: "Sign out", exact: true }).waitFor(patience);
    expect(await page.getByRole("button", { name: "Change password" }).count()).toBe(0);
    const before = issuer.departures.length;
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await anonymous(page).waitFor(patience);
    expect(page.url()).toBe(`${lab.url}/`);
    expect(issuer.departures.slice(before).map((query) => query.get("post_logout_redirect_uri"))).toEqual([
      `${lab.url}/`,
    ]);
  });

  test("says in the viewer's language why it failed, and offers to try again from the same page", async () => {
    issuer.faults = { refusal: { error: "access_denied", error_description: "Not you <b>" } };
    const page = await lab.open("#/host/node", { locale: "zh-TW" });
    await page.getByRole("banner").getByRole("button", { name: "登入" }).click();
    await page.getByRole("link", { name: "使用 Lab ID 登入" }).click();
    await page.getByRole("link", { name: "Sign in as alice" }).click();
    const host = new URL(issuer.url).host;
    await page
      .getByRole("alert")
      .getByText(`登入服務 ${host} 拒絕了登入：access_denied（Not you <b>）。`, { exact: true })
      .waitFor(patience);
    issuer.faults = {};
    await page.getByRole("link", { name: "使用 Lab ID 登入" }).click();
    await page.getByRole("link", { name: "Sign in as alice" }).click();
    await page.getByRole("button", { name: "帳號：alice" }).waitFor(patience);
    expect(page.url()).toBe(`${lab.url}/#/host/node`);
  });

  test("does not take the password sign-in away, and a failure says nothing that an address can choose", async () => {
    const page = await lab.open("#/sign-in/AAAAAAAAAAAAAAAAAAAAAA");
    await page.getByRole("alert").getByText("This sign-in took too long").waitFor(patience);
    await anonymous(page).click();
    await page.getByRole("dialog").getByLabel("Name", { exact: true }).fill("ada");
    await page.getByRole("dialog").getByLabel("Password", { exact: true }).fill("correct horse battery");
    await page.getByRole("dialog").getByLabel("Password", { exact: true }).press("Enter");
    await account(page, "ada").waitFor(patience);
    await page.waitForURL(`${lab.url}/#/`);
  });

  test("shows an administrator which accounts are the provider's: their role is not chosen here", async () => {
    const page = await lab.administer("#/admin/accounts");
    const item = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "alice" }) });
    await item.getByText(`signs in at ${new URL(issuer.url).host}`).waitFor(patience);
    expect(await item.getByRole("button").allTextContents()).toEqual(["Browsers", "Delete"]);
    expect(await item.getByRole("combobox").count()).toBe(0);
  });
});
