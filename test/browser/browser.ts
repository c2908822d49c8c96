// Debian's chromium, driven through playwright-core, for tests and screenshots of the page.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { top } from "../program.ts";

const path = process.env.CHROMIUM ?? "/usr/bin/chromium";

const axe = readFileSync(join(top, "node_modules/axe-core/axe.min.js"), "utf8");

/** Why browser tests cannot run here, or undefined when they can. */
export function missingBrowser(): string | undefined {
  return existsSync(path) ? undefined : `there is no browser at ${path} (set CHROMIUM to one)`;
}

export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: path,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A page with everything it asked the network for, and every error it met. */
export interface Watched {
  readonly page: Page;
  readonly requests: readonly string[];
  readonly errors: readonly string[];
  close(): Promise<void>;
}

export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ locale: "en-US", colorScheme: "light", ...options });
  const page = await context.newPage();
  const requests: string[] = [];
  const errors: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    // That a hub which was stopped cannot be reached is what some tests are about.
    if (message.type() === "error" && !/Failed to load resource|ERR_/.test(message.text())) errors.push(message.text());
  });
  await page.goto(url);
  return { page, requests, errors, close: () => context.close() };
}

/** What axe-core has against the page as it stands: rule, and the elements that break it. */
export async function faultsOf(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`);
  });
}

/**
 * Controls that somebody cannot reach whole, or not hit with a finger: beyond the window, cut by what they stand in, or
 * under 24 pixels (WCAG 2.2, 2.5.8); and texts of the selector `whole` of which a part is not shown.
 */
export async function cutOff(page: Page, whole: string): Promise<string[]> {
  return page.evaluate((selector) => {
    const room = document.documentElement.clientWidth;
    const told = (what: string, element: Element): string =>
      `${what}: ${element.textContent?.trim().slice(0, 40) || element.outerHTML.slice(0, 80)}`;
    const leaves = (element: Element): boolean => {
      const { left, right } = element.getBoundingClientRect();
      let [from, to] = [0, room];
      for (let around = element.parentElement; around !== null; around = around.parentElement) {
        if (getComputedStyle(around).overflowX === "visible") continue;
        const box = around.getBoundingClientRect();
        [from, to] = [Math.max(from, box.left), Math.min(to, box.right)];
      }
      return left < from - 0.5 || right > to + 0.5;
    };
    const controls = [
      ...document.querySelectorAll("main button, main select, main input, header button, header select"),
    ]
      .map((element) => ({ element, box: element.getBoundingClientRect() }))
      .filter(({ box }) => box.width > 0);
    return [
      ...controls.filter(({ element }) => leaves(element)).map(({ element }) => told("not whole", element)),
      ...controls
        .filter(({ box }) => box.width < 23.9 || box.height < 23.9)
        .map(({ element }) => told("too small", element)),
      ...[...document.querySelectorAll(selector)]
        .filter((element) => element.scrollWidth > element.clientWidth)
        .map((element) => told("not all shown", element)),
    ];
  }, whole);
}
