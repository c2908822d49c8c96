// Charts and figures of a machine that has much of everything: cards, interfaces, swap, long names, a past with gaps.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Info, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { valuesOf } from "../model.ts";
import { openHistory } from "../store.ts";
import { missingBrowser, openBrowser, openPage, unreadable, type Watched } from "./browser.ts";

const missing = missingBrowser();
const patience = { timeout: 30_000 };
const minute = 60_000;
const GiB = 1024n ** 3n;
const users = [
  "ada",
  "bob.the-builder.with.a.long.name@corp.example.com",
  "王大锤实验室共享账号",
  "postdoc-from-elsewhere",
];
const long = "gpu-cluster-a100-rack17-unit0042.hpc.university.example.edu";

let browser: Browser;
let at: HubFolder;
let hub: RunningHub;
let node: PlayedHost;
let other: PlayedHost;
/** The page of the machine, in English, which several tests look at. */
let watched: Watched;

type GPU = NonNullable<Info["gpus"]>[number];

function gpu(id: number): GPU {
  return {
    id,
    uuid: `GPU-${id}`,
    name: "NVIDIA RTX 6000 Ada Generation",
    memUsed: BigInt(id) * 5n * GiB,
    memTotal: 80n * GiB,
    utilization: id === 3 ? 100 : id * 5,
    temp: 40 + id,
    // A sender that knows decimals, of which the whole numbers are the rounded ones.
    ...(id === 5 && { utilizationExact: 25.25, memUtilization: 12, memUtilizationExact: 12.49 }),
    power: id === 5 ? 1_312_340 : 1_300_000,
    powerLimit: 1_400_000,
    fanspeed: 100,
    state: 1,
    eccUncorrected: id === 4 ? 123_456n : 0n,
    procs: Array.from({ length: id === 9 ? 40 : id % 5 }, (_, pid) => ({
      pid: 4_194_304 - pid,
      username: users[pid % users.length] ?? "",
      basename: pid === 1 ? "训练程序" : "python3.11-with-a-long-program-name",
      ...(pid === 2 ? { job: "123456_7", podName: "llm-pretraining-job-0", podNamespace: "a-team-with-a-name" } : {}),
      mem: BigInt(pid + 1) * GiB,
      utilization: 100,
    })),
  };
}

/** Twelve interfaces, of which the ninth carries everything; four times as much swap as memory. */
function crammed(cards: readonly number[], first = 0): Info {
  return {
    agentVersion: "0",
    sampled: BigInt(Date.now()),
    hostname: "crammed",
    gpus: cards.map(gpu),
    cpu: { busy: 100, threads: 384 },
    memory: { total: 64n * GiB, used: 60n * GiB, swapTotal: 256n * GiB, swapUsed: 150n * GiB },
    system: { load1: 1371.4, load5: 1200, load15: 99, os: "Ubuntu", osVersion: "22.04.4 LTS", uptime: 4_000_000n },
    disks: [
      {
        device: "server:/export",
        mount: "/mnt/shared/projects/datasets/imagenet",
        fstype: "nfs4",
        used: 97n,
        total: 100n,
      },
    ],
    nics: Array.from({ length: 12 }, (_, i) => ({
      name: i < 4 ? `enp${i}s0f0np0` : `ibp${i}s0`,
      addresses: [`10.1.${i}.5`, `fe80::1234:5678:9abc:def${i}`],
      rxRate: i === 8 ? 953_000_000n : 0n,
      txRate: i === 8 ? 702_000_000n : 0n,
      speed: 50_000_000_000n,
      up: true,
    })).slice(first),
  };
}

const sixteen = Array.from({ length: 16 }, (_, id) => id);

/** A sample a minute from 55 to 30 minutes ago, then a single one, 10 minutes ago. */
function fill(folder: string, now: number): void {
  const store = openHistory(folder);
  const minutes = [...Array.from({ length: 26 }, (_, i) => 55 - i), 10];
  for (const before of minutes) {
    const host = { load1: 3, cpu_utilization: 40, memory_used: 60e9, swap_used: 150e9 };
    store.append({
      host: "crammed",
      at: now - before * minute,
      devices: [
        { level: "host", key: "", values: valuesOf("host", host) },
        { level: "nic", key: "ibp8s0", values: valuesOf("nic", { network_receive: 9e8, network_transmit: 7e8 }) },
        // Was busy then, and is idle and last in the list now.
        { level: "nic", key: "ibp11s0", values: valuesOf("nic", { network_receive: 5e8, network_transmit: 5e8 }) },
      ],
    });
  }
  store.close();
}

/** Which of 60 columns of a chart, one for each minute of the hour, have a coloured pixel. */
async function minutesDrawn(page: Page, title: string): Promise<boolean[]> {
  return page.evaluate((name) => {
    const plot = [...document.querySelectorAll(".plot")].find((one) =>
      one.querySelector("figcaption")?.textContent?.startsWith(name),
    );
    const canvas = plot?.querySelector("canvas");
    const over = plot?.querySelector(".u-over");
    const context = canvas?.getContext("2d");
    if (canvas == null || over == null || context == null) return [];
    const [outer, inner] = [canvas.getBoundingClientRect(), over.getBoundingClientRect()];
    const scale = canvas.width / outer.width;
    const left = (inner.left - outer.left) * scale;
    const wide = (inner.width * scale) / 60;
    return Array.from({ length: 60 }, (_, i) => {
      const { data } = context.getImageData(Math.round(left + i * wide), 0, Math.ceil(wide), canvas.height);
      return data.some((_, p) => {
        if (p % 4 !== 0 || (data[p + 3] ?? 0) < 85) return false;
        const [red = 0, green = 0, blue = 0] = data.slice(p, p + 3);
        return Math.max(red, green, blue) - Math.min(red, green, blue) > 60;
      });
    });
  }, title);
}

async function open(path: string, options: Parameters<typeof openPage>[2] = {}): Promise<Watched> {
  const opened = await openPage(browser, `${hub.url}/${path}`, options);
  await opened.page
    .locator(path === "" ? ".host .cards" : ".plot[data-points]:not([data-points='0'])")
    .first()
    .waitFor();
  return opened;
}

const caption = (page: Page): Promise<string> =>
  page.locator(".plot figcaption", { hasText: "Network" }).locator(".keys").innerText();

describe.skipIf(missing)(missing ?? "charts", () => {
  beforeAll(async () => {
    browser = await openBrowser();
    at = hubFolder();
    fill(at.data, Date.now());
    node = await playHost(() => crammed(sixteen));
    other = await playHost(() => crammed([0, 1], 8));
    at.write({ servers: { crammed: node.address, [long]: other.address }, poll: { interval: 1 } });
    hub = await startHub(at);
    watched = await open("#/host/crammed");
  });

  afterAll(async () => {
    await watched?.close();
    await browser?.close();
    await hub?.stop();
    node?.close();
    other?.close();
    at?.remove();
  });

  test("samples a minute apart are joined by a line though polls are every second, a single one is a point, the rest is a gap", async () => {
    const { page } = watched;
    for (const title of ["CPU", "Load"]) {
      await expect.poll(async () => (await minutesDrawn(page, title)).some(Boolean), patience).toBe(true);
      const drawn = await minutesDrawn(page, title);
      // The clock goes on while the page opens.
      expect(drawn.slice(7, 29)).not.toContain(false);
      expect(drawn.slice(32, 48)).not.toContain(true);
      expect(drawn.slice(48, 52)).toContain(true);
      expect(drawn.slice(52, 57)).not.toContain(true);
    }
  });

  test("swap beyond the size of the memory is on the chart", async () => {
    const { page } = watched;
    const orange = (): Promise<number> =>
      page.evaluate(() => {
        const plot = [...document.querySelectorAll(".plot")].find((one) => one.textContent?.includes("Swap"));
        const canvas = plot?.querySelector("canvas");
        const data = canvas?.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
        return data.filter((red, i) => i % 4 === 0 && red > (data[i + 2] ?? 0) + 70 && (data[i + 3] ?? 0) > 80).length;
      });
    await expect.poll(orange, patience).toBeGreaterThan(100);
  });

  test("of forty processes of a card the twelve with the most memory are listed, and the rest when asked for", async () => {
    const { page } = watched;
    const card = page.getByRole("article", { name: "card 9" });
    const rows = card.locator(".listing tbody tr");
    expect(await rows.count()).toBe(12);
    expect(await rows.first().textContent()).toContain("40 GiB");
    await card.getByRole("button", { name: "28 more" }).click();
    await expect.poll(() => rows.count(), patience).toBe(40);
  });

  test("under the cursor the nearest lines are listed, and how many more there are", async () => {
    const { page } = watched;
    const over = page.locator(".plot .u-over").first();
    const tip = over.locator(".tip");
    await over.scrollIntoViewIfNeeded();
    const { width = 0 } = (await over.boundingBox()) ?? {};
    await over.hover({ position: { x: width - 2, y: 40 } });
    await expect.poll(() => tip.locator("span").count(), patience).toBe(12);
    expect(await tip.innerText()).toContain("4 more");
  });

  test("decimals of a sender that knows them are on its card, on the map and under the cursor; others have whole numbers", async () => {
    const { page } = watched;
    const util = (id: number) =>
      page.getByRole("article", { name: `card ${id}`, exact: true }).locator(".util .figure");
    expect([await util(5).innerText(), await util(4).innerText()]).toEqual(["25.25%", "20%"]);
    expect(await page.getByRole("article", { name: "card 5", exact: true }).innerText()).toContain("12.49%");
    const tipOf = async (title: string): Promise<string> => {
      const plot = page.locator(".plot", { has: page.locator("figcaption", { hasText: title }) }).first();
      const over = plot.locator(".u-over");
      await over.scrollIntoViewIfNeeded();
      const { width = 0 } = (await over.boundingBox()) ?? {};
      await expect
        .poll(async () => {
          await over.hover({ position: { x: width - 2, y: title === "Utilization" ? 110 : 5 } });
          return over.locator(".tip").innerText();
        }, patience)
        .toMatch(/card 5/);
      return over.locator(".tip").innerText();
    };
    const utilization = await tipOf("Utilization");
    expect(utilization).toMatch(/card 5\s*25\.25%/);
    expect(utilization).toMatch(/card 4\s*20%/);
    expect(await tipOf("Power")).toMatch(/card 5\s*1312\.34 W/);
    const map = await open("");
    await map.page.getByRole("button", { name: "Map" }).click();
    await map.page.locator("canvas").focus();
    for (let card = 0; card <= 5; card++) await map.page.keyboard.press("ArrowRight");
    await map.page.locator(".heat-detail", { hasText: "card 5" }).waitFor();
    expect(await map.page.locator(".heat-detail").innerText()).toContain("25.25%");
    await map.close();
  });

  test("sixteen cards have sixteen strokes, and each keeps its own, hidden or not, when others go", async () => {
    const { page } = watched;
    const legend = page.locator(".history-head .legend button");
    const strokes = (): Promise<Record<string, string>> =>
      legend.evaluateAll((all) =>
        Object.fromEntries(
          all.map((one) => [one.textContent?.trim(), `${one.ariaPressed} ${one.querySelector("svg")?.outerHTML}`]),
        ),
      );
    await expect.poll(() => legend.count(), patience).toBe(16);
    await page.getByRole("button", { name: "Show or hide card 9" }).click();
    const before = await strokes();
    expect(new Set(Object.values(before)).size).toBe(16);
    const left = sixteen.filter((id) => id !== 1 && id !== 8);
    node.answer(() => crammed(left));
    await expect.poll(() => legend.count(), patience).toBe(14);
    expect(await strokes()).toEqual(Object.fromEntries(left.map((id) => [String(id), before[id]])));
    // Also for somebody who comes now.
    const late = await open("#/host/crammed");
    const marks = (page: Page) =>
      page.locator(".history-head .legend svg").evaluateAll((all) => all.map((one) => one.outerHTML));
    expect(await marks(late.page)).toEqual(await marks(page));
    node.answer(() => crammed(sixteen));
    await late.close();
  });

  test("the busiest interfaces of the range are charted, what is left out is counted, and people can choose", async () => {
    const { page } = watched;
    await expect.poll(() => caption(page), patience).toMatch(/^ibp8s0\s+ibp11s0\s/);
    await page.getByRole("button", { name: "4 of 12 shown" }).click();
    await page.getByRole("button", { name: "ibp11s0", exact: true }).click();
    await page.getByRole("button", { name: "3 of 12 shown" }).waitFor();
    expect(await caption(page)).not.toContain("ibp11s0");
    await page.locator(".choice").getByRole("button", { name: "All" }).click();
    await page.getByRole("button", { name: "12 of 12 shown" }).waitFor();
    const samples = await page
      .locator(".plot .keys", { hasText: "enp3s0f0np0" })
      .locator("svg")
      .evaluateAll((all) => all.map((one) => one.outerHTML));
    expect(new Set(samples).size).toBe(12);
    await page.getByRole("button", { name: "Busiest" }).click();
    await expect.poll(() => caption(page), patience).toMatch(/^ibp8s0\s+ibp11s0\s/);
  });

  test.each([
    ["en-US", 1280],
    ["zh-CN", 320],
  ])("no label of an axis is cut in any range: %s at %i pixels", async (locale, width) => {
    const { page, close } = await open(`#/host/${long}`, { locale, viewport: { width, height: 900 } });
    await page.evaluate(() => {
      const seen = { all: 0, cut: [] as string[] };
      Object.assign(window, { seen });
      const draw = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...rest) {
        const { e } = this.getTransform();
        const wide = this.measureText(text).width;
        const left = x + e - (this.textAlign === "right" ? wide : this.textAlign === "center" ? wide / 2 : 0);
        seen.all++;
        if (left < -0.5 || left + wide > this.canvas.width + 0.5) seen.cut.push(text);
        draw.call(this, text, x, y, ...rest);
      };
    });
    for (const button of await page.locator(".history-head .switch button").all()) {
      const loaded = page.waitForResponse((answer) => answer.url().includes("/api/history") && answer.ok());
      await button.click();
      await loaded;
    }
    const seen = (): Promise<{ all: number; cut: string[] }> =>
      page.evaluate(() => (window as unknown as { seen: { all: number; cut: string[] } }).seen);
    await expect.poll(async () => (await seen()).all, patience).toBeGreaterThan(100);
    expect((await seen()).cut).toEqual([]);
    await close();
  });

  test.each([
    ["the fleet", ""],
    ["the page of a host", "#/host/crammed"],
  ])("every text of %s can be read at every width from 320 to 1920, in every language", async (_, path) => {
    // Both sides of every limit in the style sheets, and what is between.
    const limits = [345, 700, 900, 1180, 1300, 1400].flatMap((width) => [width, width + 1]);
    const languages = {
      en: [320, 360, 480, 800, 1040, 1220, 1250, 1920, ...limits],
      "zh-CN": limits,
      "zh-TW": [320, 1220],
    };
    const { page, close } = await open(path, { reducedMotion: "reduce" });
    const found: string[] = [];
    for (const [language, widths] of Object.entries(languages)) {
      await page.locator("header select").selectOption(language);
      for (const width of widths) {
        await page.setViewportSize({ width, height: 900 });
        found.push(...(await unreadable(page)).map((text) => `${language} ${width} ${text}`));
      }
    }
    expect(found).toEqual([]);
    await close();
  });

  test("a dark page is printed dark on white, with its charts, and comes back dark", async () => {
    const { page, close } = await open("#/host/crammed", { colorScheme: "dark" });
    const look = (): Promise<(string | undefined)[]> =>
      page.evaluate(() => [
        document.documentElement.dataset.theme,
        document.querySelector<SVGPathElement>(".history-head .legend path")?.getAttribute("stroke") ?? "",
      ]);
    const drawn = (rgb: readonly number[]): Promise<boolean> =>
      page.evaluate((wanted) => {
        const canvas = document.querySelector<HTMLCanvasElement>(".plot canvas");
        const data = canvas?.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
        return data.some((_, i) => i % 4 === 0 && wanted.every((value, c) => data[i + c] === value));
      }, rgb);
    const [light, dark] = ["#2f2ec6", "#2c6dff"] as const;
    const coloured = (hex: string) => [1, 3, 5].map((from) => Number.parseInt(hex.slice(from, from + 2), 16));
    expect(await look()).toEqual(["dark", dark]);
    await page.emulateMedia({ media: "print" });
    await expect.poll(look, patience).toEqual(["light", light]);
    await expect.poll(() => drawn(coloured(light)), patience).toBe(true);
    expect(await drawn(coloured(dark))).toBe(false);
    await page.setViewportSize({ width: 720, height: 1000 });
    expect(await unreadable(page)).toEqual([]);
    await page.emulateMedia({ media: "screen" });
    await expect.poll(look, patience).toEqual(["dark", dark]);
    await close();
  });
});
