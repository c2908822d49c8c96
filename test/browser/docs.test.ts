// /docs and /redoc of a real hub in a real browser that reaches nothing else.
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { BrowserContextOptions, Page } from "playwright-core";
import { afterEach, describe, expect, test } from "vitest";
import { patience } from "./administration.ts";
import { faultsOf, missingBrowser } from "./browser.ts";
import { Lab } from "./lab.ts";

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly "x-needs": string;
  readonly responses: Readonly<Record<string, { readonly content?: object }>>;
}

/**
 * Rules of axe that Swagger UI and ReDoc break by themselves: colours of labels, the order of their headings, the roles of
 * what they fold, fields without names. Whatever else is found is ours to mend.
 */
const theirs = {
  swagger: [
    "color-contrast",
    "heading-order",
    "label",
    "landmark-unique",
    "nested-interactive",
    "region",
    "scrollable-region-focusable",
    "select-name",
  ],
  redoc: ["heading-order", "label-content-name-mismatch"],
} as const;

const dark: BrowserContextOptions = { colorScheme: "dark" };
const phone: BrowserContextOptions = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

describe.skipIf(missingBrowser() !== undefined)("the documentation of the interface", () => {
  const lab = new Lab({ accounts: false });
  let proxy: Server | undefined;

  afterEach(() => {
    proxy?.closeAllConnections();
    proxy?.close();
    proxy = undefined;
  });

  interface Opened {
    readonly page: Page;
    /** Warnings and errors in the console, where the browser also says what it does not load; and requests of other hosts. */
    readonly noise: string[];
  }

  async function open(options: BrowserContextOptions = {}): Promise<Opened> {
    const { page } = await lab.watch("api/health", options);
    const noise: string[] = [];
    page.on("console", (message) => {
      if (["warning", "error"].includes(message.type())) noise.push(message.text());
    });
    page.on("request", (request) => {
      const url = request.url().replace(/^blob:/, "");
      if (!url.startsWith(`${lab.url}/`) && !url.startsWith("data:")) noise.push(`elsewhere: ${url}`);
    });
    return { page, noise };
  }

  async function go(page: Page, path: string, url: string = lab.url): Promise<void> {
    await page.goto(`${url}/${path}`);
    await page.locator("html[data-shown]").waitFor({ ...patience, state: "attached" });
  }

  async function operations(): Promise<(Operation & { readonly method: string })[]> {
    const { paths } = (await (await fetch(`${lab.url}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, Operation>>;
    };
    return Object.values(paths).flatMap((at) => Object.entries(at).map(([method, one]) => ({ ...one, method })));
  }

  /** Gives a page a document with some operations only: axe looks at every element. */
  async function shorten(page: Page, paths: readonly string[]): Promise<void> {
    await page.route("**/openapi.json", async (route) => {
      const document = (await (await route.fetch()).json()) as { paths: Record<string, object> };
      const some = Object.fromEntries(paths.map((path) => [path, document.paths[path]]));
      await route.fulfill({ json: { ...document, paths: some } });
    });
  }

  /** How far a page is wider than its window. */
  const excess = (page: Page): Promise<number> =>
    page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

  test("Swagger UI shows every operation, and lets people try those that only read", async () => {
    const { page, noise } = await open();
    let changed = 0;
    // Opens all at once; one click after the other takes many times as long.
    await page.route("**/docs/start.js", async (route) => {
      const answer = await route.fetch();
      const body = (await answer.text()).replaceAll('docExpansion:"list"', () => {
        changed++;
        return 'docExpansion:"full"';
      });
      await route.fulfill({ response: answer, body });
    });
    await go(page, "docs");
    expect(changed).toBe(1);
    const all = await operations();
    const ids = (some: readonly Operation[]): string[] =>
      some.map(({ operationId, tags }) => `operations-${tags[0]}-${operationId}`).sort();
    const blocks = page.locator(".opblock.is-open:has(.opblock-body)");
    await expect.poll(() => blocks.count(), patience).toBe(all.length);
    expect(await blocks.evaluateAll((every) => every.map(({ id }) => id).sort())).toEqual(ids(all));
    const reads = all.filter(
      ({ method, "x-needs": needs, responses }) =>
        (method === "get" || needs === "read") && !("text/event-stream" in (responses[200]?.content ?? {})),
    );
    expect(reads.length).toBeGreaterThan(10);
    const offered = page.locator(".opblock:has(.try-out__btn)");
    expect(await offered.evaluateAll((every) => every.map(({ id }) => id).sort())).toEqual(ids(reads));
    expect(await excess(page)).toBe(0);
    expect(noise).toEqual([]);
  });

  test.each([
    ["/api/health", "#/hub/health", {}, "200", '"status": "ok"'],
    // What may be left out is not sent.
    ["/api/history?host=gpu1&metric=gpu_utilization,gpu_power", "#/history/history", dark, "404", "host_unknown"],
  ])("Swagger UI opens the operation of a link, and sends %s", async (url, link, options, status, text) => {
    const { page, noise } = await open(options);
    await shorten(page, ["/api/health", "/api/history", "/api/v1/session"]);
    await go(page, `docs${link}`);
    const block = page.locator(".opblock.is-open");
    await block.locator(".try-out__btn").click(patience);
    await block.locator(".execute").click(patience);
    const answer = block.locator(".live-responses-table");
    await answer.locator(".response-col_status", { hasText: status }).waitFor(patience);
    expect(await answer.textContent()).toContain(text);
    expect(await block.locator(".request-url").textContent()).toContain(`${lab.url}${url}`);
    expect(await page.locator("html.dark-mode").count()).toBe(options === dark ? 1 : 0);
    expect(await faultsOf(page, theirs.swagger)).toEqual([]);
    // The browser's console also has the answer 404.
    expect(noise.filter((one) => status === "200" || !one.includes("404"))).toEqual([]);
  });

  test("ReDoc shows every operation, goes to that of a link, and finds one", async () => {
    const { page, noise } = await open();
    await go(page, "redoc#tag/admin/operation/audit");
    const all = await operations();
    const sections = page.locator('[data-section-id*="/operation/"]');
    const ids = await sections.evaluateAll((every) =>
      every.map((one) => (one as HTMLElement).dataset.sectionId).sort(),
    );
    expect(ids).toEqual(all.map(({ tags, operationId }) => `tag/${tags[0]}/operation/${operationId}`).sort());
    const linked = page.locator('[data-section-id="tag/admin/operation/audit"]');
    const distance = async (): Promise<number> => Math.abs((await linked.boundingBox())?.y ?? Infinity);
    await expect.poll(distance, patience).toBeLessThan(80);
    await page.locator(".search-input").fill("sessions");
    await page
      .locator('[data-role="search:results"] li', { hasText: "Ends all sessions of the account of this request" })
      .waitFor(patience);
    expect(await excess(page)).toBe(0);
    expect(noise).toEqual([]);
  });

  test.each(["light", "dark"])("ReDoc has the theme that the viewer chose on the page: %s", async (theme) => {
    const { page, noise } = await open();
    await page.evaluate((chosen) => localStorage.setItem("gohm.theme", chosen), theme);
    await shorten(page, ["/api/history", "/api/receive-data", "/api/v1/session", "/api/v1/admin/nodes/{name}"]);
    await go(page, "redoc");
    expect(await page.locator(`html[data-theme=${theme}]`).count()).toBe(1);
    expect(await faultsOf(page, theirs.redoc)).toEqual([]);
    expect(noise).toEqual([]);
  });

  test("both fit on a phone", async () => {
    const { page, noise } = await open(phone);
    await shorten(page, ["/api/history", "/api/v1/session"]);
    await go(page, "docs#/history/history");
    await page.locator(".opblock.is-open .opblock-body").waitFor(patience);
    expect(await excess(page)).toBe(0);
    await go(page, "redoc");
    expect(await excess(page)).toBe(0);
    expect(noise).toEqual([]);
  });

  test.each([
    [
      "en-US",
      "The description of the interface cannot be shown: 503 The hub is starting. Reload this page to try again.",
    ],
    ["zh-CN", "无法显示接口说明：503 The hub is starting。请重新加载页面再试。"],
    ["zh-TW", "無法顯示介面說明：503 The hub is starting。請重新載入頁面再試一次。"],
  ])("a document that is refused is said, and why: %s", async (locale, text) => {
    const { page } = await open({ locale });
    const error = { code: "busy", message: "The hub is starting." };
    await page.route("**/openapi.json", (route) => route.fulfill({ status: 503, json: { error } }));
    for (const path of locale === "en-US" ? ["docs", "redoc"] : ["docs"]) {
      await page.goto(`${lab.url}/${path}`);
      const message = page.getByRole("alert");
      await message.waitFor(patience);
      expect(await message.textContent(), path).toBe(text);
    }
  });

  test("below a path of a proxy requests go to that path, too", async () => {
    proxy = createServer((incoming, outgoing) => {
      const url = incoming.url ?? "";
      if (!url.startsWith("/gohm/")) return void outgoing.writeHead(404).end();
      const passed = request(lab.url + url.slice("/gohm".length), { headers: incoming.headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      });
      passed.on("error", () => outgoing.destroy()).end();
    });
    await new Promise<void>((done) => proxy?.listen(0, "127.0.0.1", done));
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/gohm`;
    const { page } = await open();
    await shorten(page, ["/api/health"]);
    await go(page, "docs#/hub/health", url);
    const block = page.locator("#operations-hub-health.is-open");
    await block.locator(".try-out__btn").click(patience);
    await block.locator(".execute").click(patience);
    await block.locator(".live-responses-table", { hasText: '"status": "ok"' }).waitFor(patience);
    expect(await block.locator(".request-url").textContent()).toContain(`${url}/api/health`);
  });
});
