// One tab over time: nobody looks at it, the hub is upgraded under it, a proxy in front of the hub wants a sign-in.
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { State } from "../../proto/gen/host_pb.js";
import { type Info, machine, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { faultsOf, missingBrowser, openBrowser, openPage, type Watched } from "./browser.ts";

const missing = missingBrowser();
const patience = { timeout: 30_000 };

let browser: Browser;
let at: HubFolder;
let hub: RunningHub;
let node: PlayedHost;
let divided: PlayedHost;
let watched: Watched;

/** A card in two instances, one without a reading of its memory, and beside it a card that nobody measures. */
function parts(): Info {
  const sampled = BigInt(Date.now());
  const card = { name: "NVIDIA A100", state: State.OK, sampled, memTotal: 40_000_000_000n };
  const part = { ...card, name: "NVIDIA A100 MIG 3g.20gb", parent: "GPU-a" };
  return {
    hostname: "divided",
    sampled,
    gpus: [
      { ...card, id: 0, uuid: "GPU-a", divided: true },
      { ...part, id: 1000, uuid: "MIG-1", memUsed: 0n },
      { ...part, id: 1001, uuid: "MIG-2", memUsed: 19_000_000_000n },
      { ...card, id: 1, uuid: "GPU-b" },
    ],
  };
}

/** Says whether the tab is in front: a browser without a screen calls every tab visible. */
async function look(page: Page, shown: boolean): Promise<void> {
  await page.evaluate((shown) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => !shown });
    document.dispatchEvent(new Event("visibilitychange"));
  }, shown);
}

const asked = (path: string): number => watched.requests.filter((url) => new URL(url).pathname === path).length;
const util = (page: Page) => page.locator("tbody .card .util").first();

describe.skipIf(missing)(missing ?? "one tab over time", () => {
  beforeAll(async () => {
    browser = await openBrowser();
    at = hubFolder();
    node = await playHost(() => machine(Date.now()));
    divided = await playHost(parts);
    at.write({ servers: { node: node.address, divided: divided.address }, poll: { interval: 1 } });
    hub = await startHub(at);
  });
  beforeEach(async () => {
    watched = await openPage(browser, "about:blank");
  });
  afterEach(async () => {
    await watched.close();
  });
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
    node?.close();
    divided?.close();
    at?.remove();
  });

  test("a hidden tab holds no connection and sends no requests; in front again it is live at once", async () => {
    const { page } = watched;
    await page.goto(`${hub.url}/#/host/node`);
    await page.locator(".plot[data-points]:not([data-points='0'])").first().waitFor(patience);
    const closed = () => page.waitForEvent("requestfailed", (request) => new URL(request.url()).pathname === "/feed");
    await Promise.all([closed(), look(page, false)]);
    node.answer(() => machine(Date.now(), 66));
    const answered = async (times: number): Promise<void> => {
      const calls = node.calls();
      await expect.poll(() => node.calls(), patience).toBeGreaterThan(calls + times);
    };
    // What was asked before it closed may still be under way.
    await answered(1);
    const before = ["/feed", "/feed/host", "/api/history"].map(asked);
    await answered(2);
    expect(["/feed", "/feed/host", "/api/history"].map(asked)).toEqual(before);
    expect(await page.title()).not.toMatch(/\d/);
    expect(await page.locator(".one").getAttribute("class")).toContain("old");
    await look(page, true);
    await expect.poll(() => util(page).textContent(), patience).toBe("66%");
    await page.getByText("live", { exact: true }).waitFor(patience);
    expect(await page.locator(".one").getAttribute("class")).not.toContain("old");
    // Left by Back or a link, and come back to as it was.
    await Promise.all([closed(), page.evaluate(() => dispatchEvent(new Event("pagehide")))]);
    await page.evaluate(() => dispatchEvent(new Event("pageshow")));
    await page.getByText("live", { exact: true }).waitFor(patience);
    expect(watched.errors).toEqual([]);
  });

  /** Lets the tab get a page of another version than the hub's: the same files, the script under another name. */
  async function older(page: Page, times: number): Promise<() => number> {
    let given = 0;
    let script = "";
    await page.route(`${hub.url}/`, async (route) => {
      const answer = await route.fetch();
      const html = await answer.text();
      script = /src="(app-[^"]+)"/.exec(html)?.[1] ?? "";
      given++;
      const body = given > times ? html : html.replaceAll(script, "app-OLDOLD00.js");
      await route.fulfill({ response: answer, body });
    });
    await page.route("**/app-OLDOLD00.js", async (route) =>
      route.fulfill({ response: await route.fetch({ url: `${hub.url}/${script}` }) }),
    );
    return () => given;
  }

  test("a tab that was open while the hub was upgraded reloads once, and stays where it was", async () => {
    const { page } = watched;
    const given = await older(page, 1);
    let feeds = 0;
    // The first connection is as long as it takes to choose something.
    await page.route("**/feed", (route) => (feeds++ === 0 ? route.abort() : route.continue()));
    await page.goto(hub.url);
    await page.evaluate(() => {
      location.hash = "#/host/node";
      (window as unknown as { old: boolean }).old = true;
    });
    await expect.poll(() => page.evaluate(() => "old" in window), patience).toBe(false);
    await page.locator(".one h1", { hasText: "node" }).waitFor(patience);
    expect(given()).toBe(2);
    expect(await page.locator("script[src]").getAttribute("src")).not.toBe("app-OLDOLD00.js");
    expect(await page.getByText("different versions").count()).toBe(0);
  });

  test("if the server keeps sending an old page, the tab reloads once, and then says so", async () => {
    const { page } = watched;
    const given = await older(page, Number.POSITIVE_INFINITY);
    await page.goto(hub.url);
    await page.getByText("This page and the hub have different versions.").waitFor(patience);
    await page.locator("tbody .card").first().waitFor(patience);
    expect(given()).toBe(2);
    expect(await faultsOf(page)).toEqual([]);
    await page.getByRole("searchbox").fill("node");
    await page.getByRole("button", { name: "Reload" }).click();
    await expect.poll(given, patience).toBe(3);
    await page.locator("tbody .card").first().waitFor(patience);
    expect(await page.getByRole("searchbox").inputValue()).toBe("node");
    // The address has the filter, and nothing else keeps it.
    await page.reload();
    await page.locator("tbody .card").first().waitFor(patience);
    expect(await page.getByRole("searchbox").inputValue()).toBe("node");
    await page.goto(hub.url);
    await page.locator("tbody .card").first().waitFor(patience);
    expect(await page.getByRole("searchbox").inputValue()).toBe("");
  });

  test("a chunk of the page and a language that could not be loaded are loaded by themselves later", async () => {
    const { page } = watched;
    await page.route(/\/(host|zh-CN)-\w+\.js$/, (route) => route.abort());
    await page.goto(`${hub.url}/#/host/node`);
    await page.getByText("could not be fetched").waitFor(patience);
    await page.getByLabel("Language").selectOption("zh-CN");
    await page.unroute(/\/(host|zh-CN)-\w+\.js$/);
    await page.locator(".one").waitFor(patience);
    await page.getByText("所有主机").first().waitFor(patience);
  });

  test("without the chosen language another one stands in for it, and without any the page says in all that it tries again", async () => {
    const { page } = watched;
    const all = /\/(en|zh-CN|zh-TW)-\w+\.js$/;
    await page.route(all, (route) => route.abort());
    await page.goto(`${hub.url}/#/host/node`);
    await page.getByText("The hub cannot be reached. Trying again. 无法连接 hub，正在重试。").waitFor(patience);
    await page.unroute(all);
    await page.route(/\/en-\w+\.js$/, (route) => route.abort());
    await page
      .getByText(/所有主机|所有主機/)
      .first()
      .waitFor(patience);
    expect(await page.getByText("Trying again").count()).toBe(0);
    await page.unroute(/\/en-\w+\.js$/);
    await page.getByText("All hosts").first().waitFor(patience);
  });

  test("details and history that could not be fetched are requested again, also if the host sends nothing new", async () => {
    const { page } = watched;
    const quiet = await playHost(() => machine(Date.now()));
    at.write({
      servers: { node: node.address, divided: divided.address, quiet: quiet.address },
      poll: { interval: 1 },
    });
    await page.goto(hub.url);
    await page.getByRole("region", { name: "quiet" }).locator("tbody .card").first().waitFor(patience);
    quiet.close();
    await page
      .getByRole("region", { name: "quiet" })
      .getByText(/Unreachable for/)
      .waitFor(patience);
    await page.route("**/feed/host?name=quiet", (route) => route.abort());
    await page.route("**/api/history?host=quiet*", (route) => route.abort());
    await page.getByRole("region", { name: "quiet" }).getByRole("link").first().click();
    await page.getByText("could not be fetched").waitFor(patience);
    await page.unroute("**/feed/host?name=quiet");
    await page.locator(".fact-list").waitFor(patience);
    await page.getByText("History cannot be read").waitFor(patience);
    await page.unroute("**/api/history?host=quiet*");
    await page.locator(".plot[data-points]:not([data-points='0'])").first().waitFor(patience);
    at.write({ servers: { node: node.address, divided: divided.address }, poll: { interval: 1 } });
  });

  test.each([
    ["a redirect", { status: 302, headers: { location: "https://sso.example/login" } }],
    ["a page", { status: 200, contentType: "text/html", body: "<h1>Please sign in</h1>" }],
    ["401", { status: 401, body: "no" }],
  ])("a proxy that answers with %s because its login has expired is not shown as a lost hub", async (_, answer) => {
    const { page } = watched;
    await page.route("**/feed", (route) => route.fulfill(answer));
    await page.goto(hub.url);
    const alert = page.getByRole("alert");
    await alert.getByText("requires sign-in").waitFor(patience);
    await Promise.all([page.waitForEvent("domcontentloaded"), alert.getByRole("button", { name: "Reload" }).click()]);
    await page.unroute("**/feed");
    await page.getByText("live", { exact: true }).waitFor(patience);
    expect(await alert.count()).toBe(0);
  });

  test("a divided card and one without readings are not called old while their host answers", async () => {
    const { page } = watched;
    await page.goto(`${hub.url}/#/host/divided`);
    const words = page.locator(".card-list tbody .who");
    await expect
      .poll(() => words.allTextContents(), patience)
      .toEqual(["divided into instances", "free", expect.stringMatching(/no process visible/), "unknown"]);
  });
});
