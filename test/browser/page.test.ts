// The page as people use it: a real browser, the real hub, a real agent that plays a captured machine.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  DiskInfoSchema,
  HostInfoSchema,
  NicInfoSchema,
  ProcInfoSchema,
  SystemInfoSchema,
} from "../../proto/gen/host_pb.js";
import { type Info, machine, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { missingCompiler } from "../nvml/build.ts";
import { cutOff, faultsOf, missingBrowser, openBrowser, openPage, type Watched } from "./browser.ts";
import { h100, type PlayedMachine, playMachine, playStorage } from "./scene.ts";

const missing = missingBrowser() ?? missingCompiler();
const nasty = `<img src=x onerror="window.caught=1"><script>window.caught=1</script>`;
const patience = { timeout: 30_000 };

let browser: Browser;
let at: HubFolder;
let hub: RunningHub;
let agent: PlayedMachine;
let node: PlayedHost;
let evil: PlayedHost;
let storage: { address: string; close(): void };
let scratch = "";
const opened: Watched[] = [];

/** What a machine would say whose users and makers mean harm. */
function harm(): Info {
  const held = create(HostInfoSchema, machine(Date.now()));
  const [gpu] = held.gpus;
  if (gpu !== undefined) {
    gpu.name = nasty;
    gpu.err = nasty;
    gpu.procs = [create(ProcInfoSchema, { pid: 1, username: nasty, basename: nasty, mem: 1n })];
  }
  held.hostname = nasty;
  held.disks = [create(DiskInfoSchema, { device: nasty, mount: nasty, used: 99n, total: 100n })];
  held.nics = [create(NicInfoSchema, { name: nasty, addresses: [nasty], rxRate: 1n, txRate: 1n })];
  held.system = create(SystemInfoSchema, { os: nasty, kernel: nasty });
  return held;
}

async function open(path = "", options: Parameters<typeof openPage>[2] = {}): Promise<Watched> {
  const watched = await openPage(browser, `${hub.url}/${path}`, options);
  opened.push(watched);
  return watched;
}

const host = (page: Page, name: string) => page.getByRole("region", { name, exact: true });
const cardsOf = (page: Page, name: string) => host(page, name).locator("tbody .card");

async function fits(page: Page): Promise<void> {
  const [wide, room] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  expect(wide).toBeLessThanOrEqual(room ?? 0);
}

describe.skipIf(missing)(missing ?? "the page", () => {
  beforeAll(async () => {
    browser = await openBrowser();
    at = hubFolder();
    scratch = mkdtempSync(join(tmpdir(), "gohm-page-"));
    agent = await playMachine(join(scratch, "h100"), { capture: h100 });
    node = await playHost(() => machine(Date.now()));
    evil = await playHost(harm);
    storage = await playStorage();
    const servers = { h100: agent.address, node: node.address, evil: evil.address, store: storage.address };
    at.write({ servers, poll: { interval: 1 } });
    hub = await startHub(at);
  });

  afterEach(async () => {
    for (const { close } of opened.splice(0)) await close();
  });

  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
    await agent?.program.stop();
    node?.close();
    evil?.close();
    storage?.close();
    at?.remove();
    if (scratch !== "") rmSync(scratch, { recursive: true, force: true });
  });

  test("shows every card of a real agent with what it does and who holds it", async () => {
    const { page } = await open();
    await cardsOf(page, "h100").nth(7).waitFor();
    expect(await cardsOf(page, "h100").count()).toBe(8);
    await expect.poll(() => page.locator("h1 strong").textContent(), patience).toBe("1");
    const [first, sixth, last] = [0, 6, 7].map((i) => cardsOf(page, "h100").nth(i));
    expect(await first?.textContent()).toMatch(/H100 80GB HBM3.*%.*74\.5\/79\.6 GiB.*°C.*700 W.*alice python3/);
    expect(await sixth?.getAttribute("class")).toContain("free");
    expect(await last?.getAttribute("class")).toContain("held");
    expect(await last?.textContent()).toContain("carol");
  });

  test("a host without GPUs shows its CPU, memory and disks, and is not listed as a trouble", async () => {
    const { page } = await open();
    await expect
      .poll(() => host(page, "store").textContent(), patience)
      .toMatch(/CPU7%.*31\/125 GiB.*97% \/tank\/home/);
    expect(await host(page, "store").locator("table").count()).toBe(0);
    expect(await page.locator(".column.broken").textContent()).toContain("storedisk /tank/home is 97% full");
  });

  test("new values appear by themselves, and no element is added for them", async () => {
    const { page } = await open();
    const util = cardsOf(page, "node").first().locator(".util");
    await util.waitFor();
    node.answer(() => machine(Date.now(), 71));
    await expect.poll(() => util.textContent(), patience).toBe("71%");
    const count = (): Promise<number> => page.evaluate(() => document.querySelectorAll("*").length);
    const before = await count();
    for (const load of [12, 83, 47, 55, 90]) {
      node.answer(() => machine(Date.now(), load));
      await expect.poll(() => util.textContent(), patience).toBe(`${load}%`);
    }
    expect(await count()).toBe(before);
  });

  test("filters by user, by what is free, and by what is searched", async () => {
    const { page } = await open();
    await cardsOf(page, "h100").nth(7).waitFor();
    await page.getByRole("button", { name: /^Free/ }).click();
    await expect.poll(() => page.locator("tbody .card").count(), patience).toBe(1);
    await page.getByRole("button", { name: /^All/ }).click();
    await page.locator(".holder button", { hasText: "alice" }).click();
    await expect.poll(() => page.locator("tbody .card").count(), patience).toBe(4);
    await page.getByRole("button", { name: "Only alice ✕" }).click();
    await page.getByRole("searchbox").fill("ollama");
    await expect.poll(() => page.locator("tbody .card").count(), patience).toBe(1);
    await page.getByRole("searchbox").fill("no such thing");
    await page.getByRole("button", { name: "Show everything" }).click();
    await expect.poll(() => cardsOf(page, "h100").count(), patience).toBe(8);
    await page.getByRole("button", { name: "Mine" }).click();
    await page.getByLabel("I am").selectOption("bob");
    await expect.poll(() => page.locator("tbody .card").count(), patience).toBe(1);
  });

  test("one tap copies the variables that restrict a command to the free cards", async () => {
    const { page } = await open("", { permissions: ["clipboard-read", "clipboard-write"] });
    await page.locator(".place", { hasText: "h100" }).getByRole("button").click();
    await expect
      .poll(() => page.evaluate(() => navigator.clipboard.readText()), patience)
      .toBe("CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=6");
  });

  test("names that contain markup are text, on every page", async () => {
    const { page, errors } = await open();
    await cardsOf(page, "evil").first().waitFor();
    expect(await cardsOf(page, "evil").first().textContent()).toContain(nasty);
    await page.getByRole("button", { name: "Map" }).click();
    await page.locator("canvas").hover({ position: { x: 120, y: 12 } });
    await page.goto(`${hub.url}/#/host/evil`);
    await page.locator(".plot[data-points]:not([data-points='0'])").first().waitFor();
    await page.locator(".plot .u-over").first().hover();
    expect(await page.locator(".one").textContent()).toContain(nasty);
    expect(await page.evaluate(() => (window as unknown as { caught?: number }).caught)).toBeUndefined();
    expect(await page.locator("main img, main script").count()).toBe(0);
    expect(errors).toEqual([]);
  });

  test("a host page shows details and charts that grow, for each range, and a card's line can be hidden", async () => {
    const { page } = await open("#/host/h100");
    const plot = page.locator(".plot", { hasText: "Utilization" }).first();
    const points = async (): Promise<number> => Number(await plot.getAttribute("data-points"));
    await expect.poll(points, patience).toBeGreaterThan(1);
    const before = await points();
    await expect.poll(points, patience).toBeGreaterThan(before);
    expect(await page.locator(".one").textContent()).toMatch(
      /driver 550\.54\.15 · CUDA 12\.4.*0000:1b:00\.0.*power limit.*201440.*alice/,
    );
    // Of a captured processor no load is known, so there is no chart of it.
    expect(await page.locator(".plot").count()).toBe(7);
    for (const range of ["15 min", "6 h", "24 h", "3 d", "10 d", "30 d", "1 y", "all"]) {
      await page.getByRole("button", { name: range, exact: true }).click();
      await expect.poll(points, patience).toBeGreaterThan(0);
    }
    const third = page.getByRole("button", { name: "Show or hide card 3" });
    await third.click();
    expect(await third.getAttribute("aria-pressed")).toBe("false");
  });

  test("a host the hub does not know is said to be unknown", async () => {
    const { page } = await open("#/host/nobody");
    await page.getByText('The hub knows no host named "nobody".').waitFor();
  });

  test.each([
    ["fleet", ""],
    ["host page", "#/host/h100"],
    ["host page without GPUs", "#/host/store"],
    ["page of a host with endless names", "#/host/evil"],
  ])("the %s fits 360 pixels without scrolling sideways", async (_, path) => {
    const { page } = await open(path, { viewport: { width: 360, height: 740 } });
    await page
      .locator(path === "" ? "tbody .card" : ".one")
      .first()
      .waitFor();
    await fits(page);
    if (path !== "") await page.locator(".plot").first().waitFor();
    await fits(page);
  });

  test.each([
    [320, "en-US"],
    [320, "zh-CN"],
    [390, "en-US"],
    [390, "zh-TW"],
    [768, "en-US"],
    [768, "zh-CN"],
  ])(
    "at %i pixels in %s every control is whole and large enough for a finger, and no number is cut",
    async (width, locale) => {
      const { page } = await open("", { viewport: { width, height: 800 }, locale, hasTouch: true });
      await cardsOf(page, "h100").nth(7).waitFor();
      await page.locator(".holder", { hasText: "dmitri" }).waitFor();
      // What has an endless name is cut, and told whole in its title.
      const short = ".holder:not(:has([title*='<'])) button, .vital dd:not(:has(.mount))";
      expect(await cutOff(page, short)).toEqual([]);
      await page.locator(".tools .switch button").nth(1).click();
      await page.locator("canvas").waitFor();
      expect(await cutOff(page, short)).toEqual([]);
      await page.goto(`${hub.url}/#/host/h100`);
      await page.locator(".plot[data-points]:not([data-points='0'])").first().waitFor();
      expect(await page.locator(".history .switch button").count()).toBe(9);
      expect(await cutOff(page, ".vital dd, td.model")).toEqual([]);
    },
  );

  test("the map shows the card under the arrow keys, opens its host with Enter, and fits a phone", async () => {
    const { page } = await open("", { viewport: { width: 360, height: 740 } });
    await page.getByRole("button", { name: "Map" }).click();
    await page.locator("canvas").focus();
    await page.keyboard.press("ArrowRight");
    await page.locator(".heat-detail", { hasText: "evil" }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.locator(".heat-detail", { hasText: "h100card 0" }).waitFor();
    await fits(page);
    await page.keyboard.press("Enter");
    await page.locator(".one h1", { hasText: "h100" }).waitFor();
  });

  test("speaks the browser's language, then the chosen one, also after a reload", async () => {
    const { page } = await open("", { locale: "zh-CN" });
    await page.getByText("谁在占用").waitFor();
    expect(await page.locator("html").getAttribute("lang")).toBe("zh-CN");
    await page.getByLabel("语言").selectOption("zh-TW");
    await page.getByText("誰在佔用").waitFor();
    await page.reload();
    await page.getByText("誰在佔用").waitFor();
    expect(await page.locator("html").getAttribute("lang")).toBe("zh-TW");
    await page.getByLabel("語言").selectOption("en");
    await page.getByText("Held by").waitFor();
  });

  test("is dark if the system is, until another scheme is chosen, also after a reload", async () => {
    const { page } = await open("", { colorScheme: "dark" });
    const theme = (): Promise<string | null> => page.locator("html").getAttribute("data-theme");
    await expect.poll(theme, patience).toBe("dark");
    await page.getByRole("button", { name: /^Theme/ }).click();
    expect(await theme()).toBe("light");
    await page.reload();
    await expect.poll(theme, patience).toBe("light");
    await page.emulateMedia({ colorScheme: "light" });
    await page.getByRole("button", { name: /^Theme/ }).click();
    await page.getByRole("button", { name: /^Theme/ }).click();
    await expect.poll(theme, patience).toBe("light");
    await page.emulateMedia({ colorScheme: "dark" });
    await expect.poll(theme, patience).toBe("dark");
  });

  test("no request goes to another host, and there are no errors", async () => {
    const { page, requests, errors } = await open();
    await page.locator("tbody .card").first().waitFor();
    await page.getByRole("button", { name: "Map" }).click();
    await page.locator("canvas").waitFor();
    await page.goto(`${hub.url}/#/host/h100`);
    await page.locator(".plot[data-points]:not([data-points='0'])").first().waitFor();
    expect(requests.length).toBeGreaterThan(5);
    expect(requests.filter((url) => new URL(url).origin !== hub.url)).toEqual([]);
    expect(errors).toEqual([]);
  });

  test.each([
    ["light", { colorScheme: "light" }],
    ["dark", { colorScheme: "dark" }],
    ["in Chinese on a phone", { locale: "zh-CN", viewport: { width: 360, height: 740 } }],
  ] as const)("axe finds nothing: %s", async (_, options) => {
    const { page } = await open("", { ...options, reducedMotion: "reduce" });
    await cardsOf(page, "h100").nth(7).waitFor();
    expect(await faultsOf(page)).toEqual([]);
    await page.locator(".switch button").nth(1).click();
    await page.locator("canvas").waitFor();
    expect(await faultsOf(page)).toEqual([]);
    await page.goto(`${hub.url}/#/host/h100`);
    await page.locator(".plot[data-points]:not([data-points='0'])").first().waitFor();
    expect(await faultsOf(page)).toEqual([]);
  });
});
