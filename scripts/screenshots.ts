// Makes the pictures under docs/images/: real agents that play captured machines, a real hub, a real browser.
// node scripts/screenshots.ts [FOLDER] [NAME…]; the default folder is docs/images.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { systemClock } from "../hub/clock.ts";
import { openStore } from "../hub/history/sqlite/store.ts";
import type { Measured } from "../hub/history/store.ts";
import { lineLog } from "../hub/log.ts";
import { openBrowser, openPage } from "../test/browser/browser.ts";
import { a100, type Change, desk, h100, playMachine, playStorage, work } from "../test/browser/scene.ts";
import { type Place, place, startHub } from "../test/hub.ts";

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

const wide = { viewport: { width: 1440, height: 1000 } };
const shots: readonly Shot[] = [
  { name: "fleet-light", options: wide },
  { name: "fleet-dark", options: { ...wide, colorScheme: "dark" } },
  { name: "host", options: { viewport: { width: 1440, height: 1180 } }, hash: "#/host/h100-1", prepare: toCharts },
  {
    name: "phone",
    options: { viewport: { width: 360, height: 760 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
  },
  { name: "zh", options: { ...wide, locale: "zh-CN" } },
];

async function toCharts(page: Page): Promise<void> {
  await page.getByRole("button", { name: "24 h", exact: true }).click();
  await page.waitForFunction(() => {
    const plots = [...document.querySelectorAll(".plot")];
    return plots.length > 4 && plots.every((plot) => Number(plot.getAttribute("data-points")) > 200);
  });
  await page.locator(".history").scrollIntoViewIfNeeded();
  await page.evaluate(() => document.querySelector(".history")?.scrollIntoView());
}

/** A day of samples for the machine whose charts are shown, in the shape of its capture. */
function fillHistory(at: Place): void {
  const log = lineLog(() => {}, systemClock.now);
  const store = openStore({ folder: at.data, clock: systemClock, log, keepDays: () => 15, trouble: () => {} });
  const now = Date.now();
  for (let t = now - 24 * 3_600_000; t < now - 20_000; t += 20_000) {
    const hours = (t - now) / 3_600_000;
    // The machine was away for a while.
    if (hours > -9.5 && hours < -8.7) continue;
    store.append({
      host: "h100-1",
      at: t,
      devices: [hostAt(hours), nicAt(hours), ...uuids.map((key, i) => cardAt(key, i, hours))],
    });
  }
  store.close();
}

/** Those of the capture. */
const uuids = [
  "GPU-2b6f1d54-4c1e-9a37-5e0d-7a1c3f8e9b02",
  "GPU-8f0e6a1c-97d2-3b54-c6a8-10d4e2b7f593",
  "GPU-d41c7e98-0b3a-6f25-8e17-5c9a2d60b4f1",
];

let seed = 7;
function noise(): number {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  return seed / 2_147_483_648;
}

function cardAt(key: string, index: number, hours: number): Measured {
  const training = hours > -17 + index * 0.1 && !(hours > -5 && hours < -4.4);
  const load = training ? 92 + noise() * 7 : index === 2 ? 18 + 16 * noise() : 0;
  const values = new Map([
    ["gpu_utilization", Math.round(load)],
    ["gpu_memory_used", training ? 79.4e9 : 1.6e9],
    ["gpu_temperature", Math.round(33 + load * 0.32 + index * 2 + noise() * 2)],
    ["gpu_power", Math.round((75 + load * 6.1 + noise() * 30) * 1000)],
  ]);
  return { level: "gpu", key, index, values };
}

function hostAt(hours: number): Measured {
  const busy = hours > -17 ? 31 + 9 * noise() + 6 * Math.sin(hours) : 4 + 3 * noise();
  const values = new Map([
    ["cpu_utilization", busy],
    ["cpu_iowait", noise() * 1.5],
    ["memory_used", (hours > -17 ? 610e9 : 140e9) + 20e9 * Math.sin(hours * 2)],
    ["swap_used", 0],
    ["load1", busy * 1.9],
  ]);
  return { level: "host", key: "", values };
}

function nicAt(hours: number): Measured {
  const values = new Map([
    ["network_receive", Math.round(hours > -17 ? 2.1e9 * (0.8 + 0.3 * noise()) : 4e6 * noise())],
    ["network_transmit", Math.round(hours > -17 ? 1.9e9 * (0.8 + 0.3 * noise()) : 2e6 * noise())],
  ]);
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

async function main(folder: string, names: readonly string[], extra: readonly Shot[]): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const at = place();
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
      work(join(scratch, name), 8 + ((i * 13) % 37) + Math.random() * 6, 2e7 * (i + 1));
    }
  }, 1000);
  const hub = await startHub(at);
  const browser = await openBrowser();
  try {
    const { page, close } = await openPage(browser, hub.url, wide);
    await page.waitForFunction((n) => document.querySelectorAll(".host .cards").length >= n, played.length);
    await played.find(({ name }) => name === "h100-3")?.program.stop();
    await page.waitForSelector(".host.old");
    await page.waitForTimeout(65_000 * (names.includes("quick") ? 0 : 1));
    await close();
    const wanted = [...shots, ...extra].filter(
      ({ name }) => names.length === 0 || names.includes("quick") || names.includes(name),
    );
    for (const shot of wanted) await shoot(browser, hub.url, folder, shot);
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

const [folder = "docs/images", ...names] = process.argv.slice(2);
await main(folder, names, []);
