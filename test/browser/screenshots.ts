// Takes the screenshots in docs/images/ with agents that play captured machines, a hub, and a browser.
// node test/browser/screenshots.ts            screenshots for the documentation
// node test/browser/screenshots.ts FOLDER     also other states of the page, to check changes
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import type { DeviceSample } from "../../hub/history/store.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { valuesOf } from "../model.ts";
import { top } from "../program.ts";
import { openHistory } from "../store.ts";
import { openBrowser, openPage } from "./browser.ts";
import { a100, type Change, desk, h100, playMachine, playStorage, work } from "./scene.ts";

const machines: Readonly<Record<string, Change>> = {
  "h100-1": { capture: h100, hostname: "h100-1", address: "10.30.1.11" },
  "h100-2": {
    capture: h100,
    hostname: "h100-2",
    address: "10.30.1.12",
    free: [2, 3, 5],
    users: { alice: "zhangwei", bob: "liting", carol: "bob", dmitri: "zhangwei" },
  },
  "a100-1": { capture: a100, hostname: "a100-1", address: "10.30.1.21" },
  "a100-2": {
    capture: a100,
    hostname: "a100-2",
    address: "10.30.1.22",
    free: [3],
    users: { grace: "chenyu", heidi: "mei" },
    mend: 2,
    nvml: [
      [/(ClocksEventReasons 1 : 0) 96/, "$1 0"],
      [/(EccErrors 1 1 0 : 0) 2/, "$1 0"],
      [/(Temperature 1 0 : 0) 88~2/, "$1 61~3"],
    ],
  },
  "desk-4090": { capture: desk, hostname: "desk-4090", address: "10.20.4.32", users: { farid: "mei" } },
  "h100-3": { capture: h100, hostname: "h100-3", address: "10.30.1.13", free: [0, 1] },
};

interface Shot {
  readonly name: string;
  readonly options: BrowserContextOptions;
  readonly hash?: string;
  readonly full?: boolean;
  readonly prepare?: (page: Page) => Promise<void>;
}

const phone = { viewport: { width: 360, height: 760 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
const wide = { viewport: { width: 1440, height: 1000 } };
const shots: readonly Shot[] = [
  { name: "fleet-light", options: wide },
  { name: "fleet-dark", options: { ...wide, colorScheme: "dark" } },
  { name: "host", options: { viewport: { width: 1440, height: 1180 } }, hash: "#/host/h100-1", prepare: toCharts },
  { name: "phone", options: phone },
  { name: "zh", options: { ...wide, locale: "zh-CN" } },
];

const others: readonly Shot[] = [
  { name: "map", options: wide, prepare: toMap },
  { name: "map-dark", options: { ...wide, colorScheme: "dark" }, prepare: toMap },
  { name: "fleet-whole", options: { viewport: { width: 1100, height: 900 } }, full: true },
  { name: "host-top", options: wide, hash: "#/host/a100-1" },
  {
    name: "host-dark-zh",
    options: { ...wide, colorScheme: "dark", locale: "zh-CN" },
    hash: "#/host/h100-1",
    full: true,
    prepare: toCharts,
  },
  { name: "host-gone", options: wide, hash: "#/host/h100-3" },
  {
    name: "phone-rows",
    options: phone,
    prepare: (page) => page.locator(".tools").evaluate((tools) => tools.scrollIntoView()),
  },
  { name: "phone-host", options: { ...phone, locale: "zh-TW" }, hash: "#/host/desk-4090", full: true },
];

async function toMap(page: Page): Promise<void> {
  await page.locator(".tools .switch button").nth(1).click();
  await page.locator("canvas").focus();
  await page.keyboard.press("ArrowRight");
}

async function toCharts(page: Page): Promise<void> {
  await page.locator(".history .switch button").nth(3).click();
  await page.waitForFunction(() => {
    const plots = [...document.querySelectorAll(".plot")];
    return plots.length > 4 && plots.every((plot) => Number(plot.getAttribute("data-points")) > 200);
  });
  // Shows the last cards and the charts below them.
  await page
    .locator(".whole-card")
    .nth(-3)
    .evaluate((card) => card.scrollIntoView());
}

/** Writes one day of samples for the machine whose charts are shown, with the devices of its capture. */
function fillHistory(at: HubFolder): void {
  const keys = readFileSync(join(top, "test/capture", h100, "nvml.txt"), "utf8").match(/GPU-[0-9a-f-]+/g) ?? [];
  const store = openHistory(at.data);
  const now = Date.now();
  for (let t = now - 24 * 3_600_000; t < now - 20_000; t += 20_000) {
    const hours = (t - now) / 3_600_000;
    // The machine was away for a while.
    if (hours > -9.5 && hours < -8.7) continue;
    store.append({
      host: "h100-1",
      at: t,
      devices: [hostAt(hours), nicAt(hours), ...keys.map((key, i) => cardAt(key, i, hours))],
    });
  }
  store.close();
}

let seed = 7;
function noise(): number {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  return seed / 2_147_483_648;
}

function cardAt(key: string, index: number, hours: number): DeviceSample {
  const { load, memory } = doing(index, hours);
  const values = valuesOf("gpu", {
    gpu_utilization: Math.round(load),
    gpu_memory_used: memory,
    gpu_temperature: Math.round(31 + load * 0.32 + index * 0.7 + noise()),
    gpu_power: Math.round((72 + load * 6.1 + noise() * 24) * 1000),
  });
  return { level: "gpu", key, index, values };
}

/** Simulates a training on four cards with one restart, an inference server with a daily pattern, a notebook, an idle card. */
function doing(index: number, hours: number): { load: number; memory: number } {
  if (index < 4) {
    const training = hours > -17 + index * 0.05 && !(hours > -5 && hours < -4.4);
    return training ? { load: 91 + noise() * 8, memory: 78.9e9 } : { load: 0, memory: 0.6e9 };
  }
  if (index === 4) return { load: Math.max(2, 45 + 38 * Math.sin(hours / 3.8) + 8 * noise()), memory: 72.9e9 };
  if (index === 5)
    return { load: hours > -7 ? 78 + 12 * noise() : 30 + 8 * noise(), memory: hours > -7 ? 22.4e9 : 13.5e9 };
  if (index === 6) return { load: 0, memory: 0.6e9 };
  return { load: hours > -11 && hours < -10.2 ? 55 + 20 * noise() : 0, memory: hours > -11 ? 31.7e9 : 0.6e9 };
}

function hostAt(hours: number): DeviceSample {
  const busy = hours > -17 ? 31 + 9 * noise() + 6 * Math.sin(hours) : 4 + 3 * noise();
  const values = valuesOf("host", {
    cpu_utilization: busy,
    cpu_iowait: noise() * 1.5,
    memory_used: (hours > -17 ? 610e9 : 140e9) + 20e9 * Math.sin(hours * 2),
    swap_used: 0,
    load1: busy * 1.1,
  });
  return { level: "host", key: "", values };
}

function nicAt(hours: number): DeviceSample {
  const values = valuesOf("nic", {
    network_receive: Math.round(hours > -17 ? 2.1e9 * (0.8 + 0.3 * noise()) : 4e6 * noise()),
    network_transmit: Math.round(hours > -17 ? 1.9e9 * (0.8 + 0.3 * noise()) : 2e6 * noise()),
  });
  return { level: "nic", key: "ens6f0", values };
}

async function shoot(browser: Browser, url: string, folder: string, shot: Shot): Promise<void> {
  const { page, close } = await openPage(browser, `${url}/${shot.hash ?? ""}`, shot.options);
  await page.waitForSelector(shot.hash === undefined ? ".cards tbody .card" : ".one");
  await page.waitForTimeout(1500);
  await shot.prepare?.(page);
  await page.waitForTimeout(500);
  await page.screenshot({ path: join(folder, `${shot.name}.png`), fullPage: shot.full ?? false });
  await close();
}

async function shootLoss(browser: Browser, hub: RunningHub, folder: string): Promise<void> {
  const { page, close } = await openPage(browser, hub.url, wide);
  await page.waitForSelector(".cards tbody .card");
  await hub.stop();
  await page.getByRole("alert").waitFor();
  await page.waitForTimeout(2500);
  await page.screenshot({ path: join(folder, "lost.png") });
  await close();
}

async function main(folder: string, every: boolean): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const at = hubFolder();
  const scratch = mkdtempSync(join(tmpdir(), "gohm-scene-"));
  const played = await Promise.all(
    Object.entries(machines).map(async ([name, change]) => ({
      name,
      ...(await playMachine(join(scratch, name), change)),
    })),
  );
  const storage = await playStorage();
  const addresses = [...played.map(({ name, address }) => [name, address]), ["storage-1", storage.address]];
  at.write({ servers: Object.fromEntries(addresses), poll: { interval: 1, deadline: 2 } });
  fillHistory(at);
  const moving = setInterval(() => {
    for (const [i, { name }] of played.entries()) {
      // The machine with a history continues at its level.
      const [busy, bytes] = i === 0 ? [30, 2e9] : [8 + ((i * 13) % 37), 2e7 * (i + 1)];
      work(join(scratch, name), busy + Math.random() * 6, bytes / 4);
    }
    // Several times between two polls, so that every poll sees a change.
  }, 250);
  const hub = await startHub(at);
  const browser = await openBrowser();
  try {
    const { page, close } = await openPage(browser, hub.url, wide);
    await page.waitForFunction((n) => document.querySelectorAll(".host .cards").length >= n, played.length);
    await played.find(({ name }) => name === "h100-3")?.program.stop();
    await page.waitForSelector(".host.old");
    await close();
    for (const shot of every ? [...shots, ...others] : shots) await shoot(browser, hub.url, folder, shot);
    if (every) await shootLoss(browser, hub, folder);
  } finally {
    clearInterval(moving);
    await browser.close();
    await hub.stop();
    await Promise.all(played.map(({ program }) => program.stop()));
    storage.close();
    at.remove();
    rmSync(scratch, { recursive: true, force: true });
  }
}

const [folder] = process.argv.slice(2);
await main(folder ?? "docs/images", folder !== undefined);
