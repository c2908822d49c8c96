// What the hub says of its hosts and of itself, as a page in another language shows it.
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { addAdministrator } from "../door.ts";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { administrator, call, patience, register } from "./administration.ts";
import { missingBrowser, openBrowser, openPage, type Watched } from "./browser.ts";

const missing = missingBrowser();
let browser: Browser;
let at: HubFolder;
let hub: RunningHub;
let node: PlayedHost;
let opened: Watched | undefined;

describe.skipIf(missing)(missing ?? "what the hub says, on a page in another language", () => {
  beforeAll(async () => {
    browser = await openBrowser();
    at = hubFolder();
    node = await playHost(() => machine(Date.now()));
    const servers = { node: node.address, away: "127.0.0.1:1" };
    at.write({ servers, poll: { interval: 1 } });
    await addAdministrator(at, administrator.name, administrator.password);
    hub = await startHub(at);
    const pushing = await register(hub.url, "gpu7");
    if (typeof pushing === "number") throw new Error(`gpu7 could not register: ${pushing}`);
    const headers = { Authorization: `Bearer ${pushing.token}` };
    expect((await call(hub.url, "POST", "/api/monitoring/report", {}, headers)).status).toBe(400);
    await call(hub.url, "POST", "/api/v1/session", { name: administrator.name, password: "wrong" });
    at.write("{ broken");
  });

  afterEach(async () => {
    const { close, errors } = opened ?? {};
    opened = undefined;
    await close?.();
    expect(errors).toEqual([]);
  });

  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
    node?.close();
    at?.remove();
  });

  async function open(path: string, locale: string): Promise<Page> {
    opened = await openPage(browser, `${hub.url}/${path}`, { locale });
    return opened.page;
  }

  async function administer(path: string, locale: string): Promise<Page> {
    const page = await open(path, locale);
    const fields = page.locator(".gate input");
    await fields.first().fill(administrator.name, patience);
    await fields.last().fill(administrator.password);
    await fields.last().press("Enter");
    await page.locator(".admin-head").waitFor(patience);
    return page;
  }

  const languages = [
    {
      locale: "en-US",
      reason: "connection refused at 127.0.0.1:1: is hmonitor running there?",
      notice: ". The previous settings remain in effect.",
      trouble: 'A report was refused: The report must have a "hostname".',
      action: "sign-in session.create refused",
      entry: "registration node.register",
      details: "state: waits for approval",
    },
    {
      locale: "zh-CN",
      reason: "127.0.0.1:1 拒绝连接：那里是否运行着 hmonitor？",
      notice: "设置有误，仍沿用之前的设置：",
      trouble: '有一次上报被拒绝：内容无效（The report must have a "hostname".）',
      action: "登录 session.create 被拒绝",
      entry: "注册 node.register",
      details: "状态：等待批准",
    },
    {
      locale: "zh-TW",
      reason: "127.0.0.1:1 拒絕連線：那裡是否有 hmonitor 在執行？",
      notice: "設定有誤，仍沿用先前的設定：",
      trouble: '有一次回報被拒絕：內容無效（The report must have a "hostname".）',
      action: "登入 session.create 被拒絕",
      entry: "註冊 node.register",
      details: "狀態：等待核准",
    },
  ];

  test.each(languages)(
    "$locale: why a host is down, and a message about the hub",
    async ({ locale, reason, notice }) => {
      const page = await open("#/host/away", locale);
      await page.locator(".standing", { hasText: reason }).waitFor(patience);
      await page.locator(".banner.held", { hasText: notice }).waitFor(patience);
      expect(await page.locator(".banner.held").textContent()).toContain("settings.json");
      await page.goto(`${hub.url}/#/`);
      await page.locator(`.trouble-line[title*="${reason}"]`).waitFor(patience);
    },
  );

  test.each(languages)(
    "$locale: what is wrong with reports, and what was done, with the code by which entries are found",
    async ({ locale, reason, trouble, action, entry, details }) => {
      const page = await administer("#/admin", locale);
      await page.locator("tbody tr", { hasText: "away" }).getByText(reason).waitFor(patience);
      // One that waits shows where it is approved that something is wrong.
      await page
        .getByRole("listitem")
        .filter({ hasText: "gpu7" })
        .locator(".word.broken")
        .getByText("1")
        .waitFor(patience);
      await page.goto(`${hub.url}/#/admin/host/gpu7`);
      await page.locator(".problems", { hasText: trouble }).waitFor(patience);
      await page.goto(`${hub.url}/#/admin/audit`);
      const rows = page.locator("tbody tr");
      await rows.filter({ hasText: action }).first().waitFor(patience);
      await rows.filter({ hasText: entry }).filter({ hasText: details }).waitFor();
    },
  );
});
