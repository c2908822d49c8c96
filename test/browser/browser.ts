// Debian's chromium, driven through playwright-core, for tests and screenshots of the page.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { top } from "../program.ts";

const path = process.env.CHROMIUM ?? "/usr/bin/chromium";

const axe = readFileSync(join(top, "node_modules/axe-core/axe.min.js"), "utf8");

/** Returns the reason why browser tests cannot run; undefined if they can. */
export function missingBrowser(): string | undefined {
  return existsSync(path) ? undefined : `there is no browser at ${path} (set CHROMIUM to one)`;
}

/** @param options further options of the command line */
export function openBrowser(options: readonly string[] = []): Promise<Browser> {
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
      ...options,
    ],
  });
}

/** A page with the URLs of its requests and its errors. */
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
    // Some tests stop the hub: failed requests are expected there.
    if (message.type() === "error" && !/Failed to load resource|ERR_/.test(message.text())) errors.push(message.text());
  });
  await page.goto(url);
  return { page, requests, errors, close: () => context.close() };
}

/**
 * Returns the accessibility violations that axe-core finds, each as rule and elements.
 * @param without rules that are not held
 */
export async function faultsOf(page: Page, without: readonly string[] = []): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(
    async (rules) => {
      const { axe } = window as unknown as {
        axe: { run(options: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
      };
      const { violations } = await axe.run({ rules, resultTypes: ["violations"] });
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`);
    },
    Object.fromEntries(without.map((rule) => [rule, { enabled: false }])),
  );
}

/**
 * Returns controls that are not usable: outside the window, clipped by an ancestor, or smaller than 24 pixels (WCAG 2.2,
 * 2.5.8); and elements of the selector `whole` whose text is clipped.
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

/**
 * Returns texts that are not readable: outside the window, clipped by an ancestor without a title that has the whole text,
 * wrapped within a short word, or overlapping.
 */
export async function unreadable(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    const found = new Set<string>();
    const seen: { text: string; element: Element; box: DOMRect }[] = [];
    // Without this, elements outside the window have no layout.
    for (const host of document.querySelectorAll<HTMLElement>(".host")) host.style.contentVisibility = "visible";
    const known = new Map<Element, { box: DOMRect; title: string }>([
      [document.body, { box: new DOMRect(-1e6, -1e6, 2e6, 2e6), title: "" }],
    ]);
    /** Returns the visible box of an element's content, and the title that applies to it. */
    const shownIn = (element: Element): { box: DOMRect; title: string } => {
      const found = known.get(element);
      if (found !== undefined) return found;
      const around = element.parentElement === null ? undefined : shownIn(element.parentElement);
      let { box = new DOMRect(), title = "" } = around ?? {};
      if (getComputedStyle(element).overflowX !== "visible") box = meet(box, element.getBoundingClientRect());
      title = element.getAttribute("title") ?? title;
      known.set(element, { box, title });
      return { box, title };
    };
    const meet = (one: DOMRect, other: DOMRect): DOMRect => {
      const [left, top] = [Math.max(one.left, other.left), Math.max(one.top, other.top)];
      const [right, bottom] = [Math.min(one.right, other.right), Math.min(one.bottom, other.bottom)];
      return new DOMRect(left, top, Math.max(0, right - left), Math.max(0, bottom - top));
    };
    const look = (node: Node, element: Element): void => {
      const text = node.textContent?.trim() ?? "";
      if (text === "" || element.closest(".spoken, .skip, .tools, option, script") !== null) return;
      const range = document.createRange();
      range.selectNodeContents(node);
      const boxes = [...range.getClientRects()].filter(({ width, height }) => width > 0 && height > 0);
      const inside = shownIn(element);
      const whole = inside.title.includes(text);
      if (/^[\x21-\x7e]{1,12}$/.test(text) && new Set(boxes.map(({ top }) => Math.round(top))).size > 1) {
        found.add(`broken: ${text}`);
      }
      for (const box of boxes) {
        const shown = meet(box, inside.box);
        if (!whole && (shown.width < box.width - 1 || shown.height < box.height - 3)) found.add(`cut: ${text}`);
        if (shown.width <= 0 || shown.height <= 0) continue;
        if (shown.left < -0.5 || shown.right > room + 0.5) found.add(`outside: ${text}`);
        seen.push({ text, element, box: shown });
      }
    };
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node !== null; node = walk.nextNode()) {
      if (node.parentElement !== null) look(node, node.parentElement);
    }
    seen.sort((a, b) => a.box.top - b.box.top);
    for (const [i, { text, element, box }] of seen.entries()) {
      for (let j = i + 1; j < seen.length; j++) {
        const other = seen[j];
        if (other === undefined || other.box.top > box.bottom - 4) break;
        const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
        const down = Math.min(box.bottom, other.box.bottom) - other.box.top;
        if (element !== other.element && across > 1.5 && down > 4) found.add(`over: ${text} / ${other.text}`);
      }
    }
    return [...found];
  });
}
