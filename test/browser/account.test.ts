// Signing in and out, one-time links, accounts, tokens and the audit log in the page, with a real hub.
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { administrator, call, linkFor, patience, sees, signIn } from "./administration.ts";
import { missingBrowser } from "./browser.ts";
import { Lab } from "./lab.ts";

const missing = missingBrowser();
/** A name that leads to this machine in the browser, which takes it for another one: plain http to it is no secure context. */
const plainName = "gohm-hub";

const account = (page: Page, name: string) => page.getByRole("button", { name: `Account: ${name}` });
const anonymous = (page: Page) => page.getByRole("banner").getByRole("button", { name: "Sign in" });

describe.skipIf(missing)(missing ?? "accounts in the page", () => {
  const lab = new Lab({ accounts: false, browser: [`--host-resolver-rules=MAP ${plainName} 127.0.0.1`] });

  test("without an account, the sign-in says how the first administrator is made", async () => {
    const page = await lab.open();
    await anonymous(page).click();
    await page.getByRole("dialog").getByText("gohm account link").waitFor();
    await page.keyboard.press("Escape");
    expect(await page.getByRole("dialog").count()).toBe(0);
    expect(await anonymous(page).evaluate((button) => button === document.activeElement)).toBe(true);
  });

  test("a one-time link makes the first administrator: its token leaves the address at once, and works once", async () => {
    const link = await linkFor(lab.at, administrator.name);
    const token = link.replace("#/link/", "");
    const page = await lab.open(link);
    await page.getByText("For the account ada, an administrator.").waitFor(patience);
    expect(page.url()).toBe(`${lab.url}/#/link`);
    expect(
      await page.evaluate(() => JSON.stringify([history.state, { ...sessionStorage }, { ...localStorage }])),
    ).not.toContain(token);
    const [first, second] = [
      page.getByLabel("New password", { exact: true }),
      page.getByLabel("New password, again", { exact: true }),
    ];
    await first.fill("short");
    await second.fill("other");
    await page.getByRole("button", { name: "Set password" }).click();
    await page.getByText("The two passwords are different.").waitFor();
    await second.fill("short");
    await page.getByRole("button", { name: "Set password" }).click();
    await page
      .getByRole("alert")
      .getByText(/at least \d+ characters/)
      .waitFor(patience);
    expect(await first.getAttribute("aria-invalid")).toBe("true");
    await first.fill(administrator.password);
    await second.fill(administrator.password);
    await second.press("Enter");
    await account(page, "ada").waitFor(patience);
    await page.getByRole("heading", { name: "Administration" }).waitFor(patience);
    expect(page.url()).toBe(`${lab.url}/#/admin`);
    await page.goBack();
    expect(page.url()).not.toContain(token);
    const late = await lab.open(link);
    await late.getByText("This link was used already, or is no longer valid.").waitFor(patience);
    expect(late.url()).toBe(`${lab.url}/#/link`);
  });

  test("a wrong password is said to be wrong beside its field; the right one signs in, and the menu signs out", async () => {
    const page = await lab.open();
    await anonymous(page).click();
    await page.getByRole("dialog").waitFor(patience);
    expect(await page.getByText("not encrypted").count()).toBe(0);
    await signIn(page, { name: "ada", password: "wrong" });
    await page.getByRole("alert").getByText("Name or password is wrong.").waitFor(patience);
    expect(await page.getByLabel("Password", { exact: true }).getAttribute("aria-invalid")).toBe("true");
    await signIn(page);
    await account(page, "ada").waitFor(patience);
    expect(await page.getByRole("dialog").count()).toBe(0);
    await account(page, "ada").press("Enter");
    await page.getByRole("link", { name: "Administration" }).waitFor(patience);
    await page.keyboard.press("Escape");
    expect(await page.getByRole("link", { name: "Administration" }).count()).toBe(0);
    expect(await account(page, "ada").evaluate((button) => button === document.activeElement)).toBe(true);
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await anonymous(page).waitFor(patience);
    await page.goto(`${lab.url}/#/admin`);
    await page.getByRole("heading", { name: "Only for administrators" }).waitFor(patience);
  });

  test("plain http from another machine is said to be not encrypted, and a token is copied there all the same", async () => {
    const page = await lab.open();
    await page.goto(`http://${plainName}:${new URL(lab.url).port}/#/admin/tokens`);
    expect(await page.evaluate(() => [isSecureContext, navigator.clipboard === undefined])).toEqual([false, true]);
    await page.getByText("This connection is not encrypted").waitFor(patience);
    await signIn(page);
    await page.getByRole("button", { name: "Create a token" }).first().click();
    await page.getByLabel("Name", { exact: true }).fill("copied");
    await page.getByRole("button", { name: "Create a token" }).last().click();
    const secret = page.getByLabel("token copied", { exact: true });
    await secret.waitFor(patience);
    const words = await secret.inputValue();
    await page.getByRole("button", { name: "Copy: token copied" }).click();
    await page.getByRole("button", { name: "Copy: token copied" }).getByText("Copied").waitFor(patience);
    await page.getByLabel("Name", { exact: true }).focus();
    await page.keyboard.press("Control+V");
    expect(await page.getByLabel("Name", { exact: true }).inputValue()).toBe(words.slice(0, 64));
    await page.getByRole("button", { name: "I have it" }).click();
    expect(await secret.count()).toBe(0);
  });

  test("a password is changed with the old one, which ends the sessions of other browsers", async () => {
    const [page, other] = [await lab.administer(), await lab.administer()];
    await account(page, "ada").click();
    await page.getByRole("button", { name: "Change password" }).click();
    const dialog = page.getByRole("dialog");
    const fill = async (old: string, next: string, again = next): Promise<void> => {
      await dialog.getByLabel("Current password", { exact: true }).fill(old);
      await dialog.getByLabel("New password", { exact: true }).fill(next);
      await dialog.getByLabel("New password, again", { exact: true }).fill(again);
      await dialog.getByRole("button", { name: "Change password" }).click();
    };
    const next = "another horse battery";
    await fill(administrator.password, next, "something else");
    await dialog.getByText("The two passwords are different.").waitFor(patience);
    await fill("not this one", next);
    await dialog.getByText("This is not your current password.").waitFor(patience);
    await fill(administrator.password, next);
    await dialog.getByText("Changed. Other browsers were signed out.").waitFor(patience);
    await sees(other.getByRole("heading", { name: "Only for administrators" }));
    await fill(next, administrator.password);
    await dialog.getByText("Changed. Other browsers were signed out.").waitFor(patience);
    await page.keyboard.press("Escape");
    await account(page, "ada").waitFor();
  });

  test("signing out everywhere ends the sessions of all browsers", async () => {
    const [page, other] = [await lab.administer(), await lab.administer()];
    await account(page, "ada").click();
    await page.getByRole("button", { name: "Sign out everywhere" }).click();
    await anonymous(page).waitFor(patience);
    await sees(other.getByRole("heading", { name: "Only for administrators" }));
  });

  test("an account is added with a link that its person follows, gets another role and password, and is deleted", async () => {
    const page = await lab.administer("#/admin/accounts");
    await page.getByRole("button", { name: "Add an account" }).click();
    await page.getByLabel("Name", { exact: true }).fill("grace");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByText("grace was added.").waitFor(patience);
    const link = await page.getByLabel("the link", { exact: true }).inputValue();
    expect(link).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#\/link\/[\w-]{20,}$/);
    const hers = await lab.open();
    await hers.goto(link);
    await hers.getByText("For the account grace.").waitFor(patience);
    await hers.getByLabel("New password", { exact: true }).fill("a password of grace");
    await hers.getByLabel("New password, again", { exact: true }).fill("a password of grace");
    await hers.getByRole("button", { name: "Set password" }).click();
    await account(hers, "grace").waitFor(patience);
    expect(hers.url()).toBe(`${lab.url}/#/`);
    await account(hers, "grace").click();
    await hers.getByRole("button", { name: "Sign out", exact: true }).waitFor(patience);
    expect(await hers.getByRole("link", { name: "Administration" }).count()).toBe(0);
    await hers.goto(`${lab.url}/#/admin`);
    await hers.getByText("You are signed in as grace, who may not see this page.").waitFor(patience);

    const item = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "grace" }) });
    await sees(item.getByText("signed in with 1 browser"));
    await item.getByLabel("Role of grace").selectOption("administrator");
    await item.getByText("Role is now: Administrator.").waitFor(patience);
    expect(await item.getByLabel("Role of grace").inputValue()).toBe("administrator");
    await hers.reload();
    await hers.getByRole("navigation", { name: "Administration" }).waitFor(patience);

    await item.getByRole("button", { name: "Set password of grace" }).click();
    await page.getByRole("dialog").getByLabel("New password", { exact: true }).fill("quite another one");
    await page.getByRole("dialog").getByLabel("New password, again", { exact: true }).fill("quite another one");
    await page.getByRole("dialog").getByRole("button", { name: "Set password" }).click();
    await expect.poll(() => page.getByRole("dialog").count(), patience).toBe(0);
    await sees(hers.getByRole("heading", { name: "Only for administrators" }));

    await item.getByRole("button", { name: "Delete grace" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("The account grace was deleted.").waitFor(patience);
    expect(await item.count()).toBe(0);
    const refused = await call(lab.url, "POST", "/api/v1/session", { name: "grace", password: "quite another one" });
    expect(refused.status).toBe(401);
  });

  test("an account may get its password at once, a link later, and its name only once", async () => {
    const page = await lab.administer("#/admin/accounts");
    await page.getByRole("button", { name: "Add an account" }).click();
    await page.getByLabel("Name", { exact: true }).fill("linus");
    await page.getByLabel("I set it now").check();
    await page.getByLabel("New password", { exact: true }).fill("a password of linus");
    await page.getByLabel("New password, again", { exact: true }).fill("a password of linus");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByText("linus was added.").waitFor(patience);
    const signed = await call(lab.url, "POST", "/api/v1/session", { name: "linus", password: "a password of linus" });
    expect(signed.status).toBe(200);
    await page.getByRole("button", { name: "New link for linus" }).click();
    await page.getByRole("heading", { name: "Link for linus" }).waitFor(patience);
    await page.getByLabel("Name", { exact: true }).fill("LINUS");
    await page.getByLabel("By a link").check();
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByRole("alert").getByText("This name is taken.").waitFor(patience);
  });

  test("the last administrator stays one, and the choice shows what the hub says", async () => {
    const page = await lab.administer("#/admin/accounts");
    const item = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "ada" }) });
    const meanwhile: string[] = [];
    await page.route("**/api/v1/admin/accounts/ada", async (route) => {
      meanwhile.push(await item.getByLabel("Role of ada").inputValue());
      await route.continue();
    });
    await item.getByLabel("Role of ada").selectOption("viewer");
    await item.getByText("One administrator who can sign in must remain.").waitFor(patience);
    expect(meanwhile).toEqual(["administrator"]);
    expect(await item.getByLabel("Role of ada").inputValue()).toBe("administrator");
    await item.getByRole("button", { name: "Delete ada" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByText("One administrator who can sign in must remain.").waitFor(patience);
  });

  test("a token is created, shown once, works, and is refused once it is revoked", async () => {
    const page = await lab.administer("#/admin/tokens");
    await page.getByRole("button", { name: "Create a token" }).first().click();
    await page.getByLabel("Name", { exact: true }).fill("script");
    await page.getByRole("radio", { name: /^Administration/ }).check();
    await page.getByLabel("Expires").selectOption({ label: "never expires" });
    await page.getByRole("button", { name: "Create a token" }).last().click();
    const secret = await page.getByLabel("token script", { exact: true }).inputValue(patience);
    const headers = { Authorization: `Bearer ${secret}` };
    expect((await call(lab.url, "GET", "/api/v1/admin/tokens", undefined, headers)).status).toBe(200);
    await page.reload();
    const item = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "script" }) });
    await item.getByText("never expires").waitFor(patience);
    expect(await page.locator("main").textContent()).not.toContain(secret);
    await item.getByRole("button", { name: "Revoke script" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await page.getByText("The token script was revoked.").waitFor(patience);
    expect((await call(lab.url, "GET", "/api/v1/admin/tokens", undefined, headers)).status).toBe(401);
  });

  test("the audit log says who did what, is filtered, and goes back to its beginning", async () => {
    const page = await lab.administer("#/admin/audit");
    const rows = page.locator("tbody tr");
    await rows.filter({ hasText: "token.revoke" }).filter({ hasText: "script" }).first().waitFor(patience);
    await page.getByLabel("What", { exact: true }).fill("account");
    await page.getByLabel("On what", { exact: true }).fill("grace");
    await page.getByRole("button", { name: "Filter" }).click();
    await expect.poll(() => rows.filter({ hasNotText: "account." }).count(), patience).toBe(0);
    expect(await rows.filter({ hasText: "account.delete" }).count()).toBe(1);
    expect(await rows.first().textContent()).toContain("administrator ada");
    await page.getByLabel("Who", { exact: true }).fill("ada");
    await page.getByRole("button", { name: "Filter" }).click();
    await rows.filter({ hasText: "account.delete" }).waitFor(patience);
    await page.getByLabel("Who", { exact: true }).fill("");
    // More entries than a page has.
    for (let i = 0; i < 30; i++) {
      const answer = await page.request.post(`${lab.url}/api/v1/admin/tokens`, {
        headers: { Origin: lab.url },
        data: { name: `many-${i}`, scope: "read" },
      });
      expect(answer.status()).toBe(200);
      const gone = await page.request.delete(`${lab.url}/api/v1/admin/tokens/many-${i}`, {
        headers: { Origin: lab.url },
      });
      expect(gone.status()).toBe(200);
    }
    await page.getByLabel("What", { exact: true }).fill("token.create");
    await page.getByLabel("On what", { exact: true }).fill("");
    await page.getByRole("button", { name: "Filter" }).click();
    await rows.filter({ hasText: "many-29" }).waitFor(patience);
    await page.getByLabel("What", { exact: true }).fill("token");
    await page.getByRole("button", { name: "Filter" }).click();
    await expect.poll(() => rows.count(), patience).toBe(50);
    await page.getByRole("button", { name: "Older entries" }).click();
    await expect.poll(() => rows.count(), patience).toBeGreaterThan(60);
    const times = await rows.evaluateAll((all) => all.map((row) => row.textContent));
    expect(new Set(times).size).toBeGreaterThan(30);
    await page.getByLabel("Who", { exact: true }).fill("nobody");
    await page.getByRole("button", { name: "Filter" }).click();
    await page.getByText("No entry fits.").waitFor(patience);
  });
});
