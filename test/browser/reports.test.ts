// Daily reports on the page, from files in a folder, by a hub in this process.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../hub/clock.ts";
import { Privacy } from "../../hub/privacy.ts";
import { issue } from "../../hub/report/issue.ts";
import { ReportRuns } from "../../hub/report/runs.ts";
import { Zone } from "../../program/zone.ts";
import { top } from "../program.ts";
import { rowsOf, writeFiles } from "../report/written.ts";
import { type ServedViews, serveViews } from "../served.ts";
import { noReports, viewOf } from "../view.ts";
import { cutOff, faultsOf, missingBrowser, openBrowser, openPage, unreadable, type Watched } from "./browser.ts";

const missing = missingBrowser();
const patience = { timeout: 30_000 };
const nasty = `<img src=x onerror="window.caught=1">`;
const zone = new Zone("Asia/Taipei");
const days = ["2025-08-01", "2025-08-02"];

describe.skipIf(missing)(missing ?? "daily reports", () => {
  let browser: Browser;
  let served: ServedViews;
  let folder: string;
  let nodes: readonly { readonly name: string }[] = [];
  const privacy = new Privacy({ now: Date.now, users: "shown" });
  const runs = new ReportRuns();
  const opened: Watched[] = [];

  beforeAll(async () => {
    browser = await openBrowser();
    const reports = () => ({ ...noReports(), folder, zone, nodes });
    const web = join(top, "dist", "web");
    served = await serveViews(viewOf({ clock: systemClock, web, privacy, reports, reportRuns: runs }));
  });

  afterAll(async () => {
    await browser?.close();
    await served?.close();
  });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "gohm-reports-"));
    nodes = [];
    privacy.change("shown");
  });

  afterEach(async () => {
    for (const { close, errors } of opened.splice(0)) {
      await close();
      expect(errors).toEqual([]);
    }
    rmSync(folder, { recursive: true });
  });

  /** Reports of two nodes and days; the last of node n2 has data of one card, of half a day. */
  function write(): void {
    for (const date of days) {
      const from = (zone.startOfDay(date) ?? 0) / 1000;
      const rows = rowsOf(from, from + 86_400, (place) => [place % 2 === 0 ? 20 : 40, 12.5]);
      for (const node of ["n1", "n2"]) {
        const isPart = node === "n2" && date === days[1];
        const cards = [
          { card: 1, rows: isPart ? rows.slice(0, 72) : rows, user: "alice" },
          { card: 9, rows: isPart ? undefined : rows, user: node === "n2" ? nasty : "" },
        ];
        writeFiles(folder, { node, date, format: (at) => zone.format(at * 1000), cards });
      }
    }
    const issues = [issue("rows_missing", { gpus: "GPU[0]", missing: 72, expected: 144 })];
    const outcome = { node: "n2", state: "partial", rows: 72, expected: 288, written: true, issues } as const;
    runs.set("n2", { date: days[1] ?? "", at: 0, outcome });
  }

  async function open(hash = "#/reports", options: BrowserContextOptions = {}): Promise<Page> {
    const watched = await openPage(browser, `${served.url}/${hash}`, options);
    opened.push(watched);
    return watched.page;
  }

  const row = (page: Page, day: string, node: string) =>
    page
      .getByRole("region", { name: day })
      .getByRole("row")
      .filter({ has: page.getByRole("link", { name: node }) });

  test("lists them by day and node with averages, coverage, users and downloads, and one card by card", async () => {
    write();
    const page = await open("#/");
    // By the keyboard, from the page that opens first.
    await page.getByRole("link", { name: "Daily reports" }).press("Enter");
    await page.getByRole("heading", { name: "Daily reports", level: 1 }).waitFor(patience);
    expect(await page.locator(".reports h2").allInnerTexts()).toEqual([
      "2025-08-02 Saturday, August 2, 2025",
      "2025-08-01 Friday, August 1, 2025",
    ]);
    const whole = row(page, "2025-08-01", "n1");
    expect((await whole.innerText()).split(/\s+/).join(" ")).toBe(
      "n1 2 cards 30.0% 12.5% complete 288 of 288 rows alice Averages Summary Print view",
    );
    expect(await whole.locator(".spark path").nth(1).getAttribute("d")).toMatch(/^M0 18.2h0(L[\d.]+ 18.2){23}$/);
    expect((await row(page, "2025-08-02", "n2").innerText()).split(/\s+/).join(" ")).toBe(
      `n2 2 cards 30.0% 12.5% rows missing 72 of 288 rows 72 of 144 rows are missing: GPU[0] alice, ${nasty} Averages Summary Print view`,
    );
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      row(page, "2025-08-02", "n2").getByRole("link", { name: "Averages" }).click(),
    ]);
    expect(download.suggestedFilename()).toBe("n2_average_2025-08-02.csv");
    expect(readFileSync(await download.path())).toEqual(
      readFileSync(join(folder, "n2", "2025-08-02", "average_2025-08-02.csv")),
    );
    await row(page, "2025-08-02", "n2").getByRole("link", { name: "n2" }).click();
    await page.getByRole("heading", { name: "n2 2025-08-02" }).waitFor(patience);
    const cards = (await page.locator(".report-table tbody tr").allInnerTexts()).map((text) =>
      text.split(/\s+/).join(" "),
    );
    expect(cards).toEqual([
      "GPU[0] Card 1 30.0% 12.5% 72 of 144 rows alice CSV",
      `GPU[1] Card 9 – – no data ${nasty} –`,
    ]);
    // The half of the day that is missing has its place.
    const drawn = await page.locator(".spark path:not(.floor)").first().getAttribute("d");
    expect(drawn?.match(/L59\.\d+ [\d.]+$/)).not.toBeNull();
    expect(await page.evaluate("window.caught")).toBeUndefined();
    await page.goBack();
    await row(page, "2025-08-02", "n2").waitFor(patience);
  });

  test("a node and days can be chosen, and the choice is there again after one report was looked at", async () => {
    write();
    const page = await open();
    await page.getByLabel("Node").selectOption("n2");
    await page.getByLabel("To").fill("2025-08-01");
    await expect.poll(() => page.locator(".report-table tbody tr").count(), patience).toBe(1);
    await page.getByRole("link", { name: "n2" }).click();
    await page.getByRole("link", { name: "All reports" }).click();
    await page.getByLabel("To").waitFor(patience);
    expect(await page.getByLabel("To").inputValue()).toBe("2025-08-01");
    await expect.poll(() => page.locator(".report-table tbody tr").count(), patience).toBe(1);
    await page.getByLabel("To").fill("2024-08-01");
    await page.getByText("No report fits this filter.").waitFor(patience);
    await page.getByRole("button", { name: "Show everything" }).click();
    await expect.poll(() => page.locator(".report-table tbody tr").count(), patience).toBe(4);
  });

  test("who may not see users gets aliases, no file that names them, and is told so", async () => {
    write();
    privacy.change("hidden");
    const page = await open();
    await page.getByText("Files that name users are for those who sign in.").waitFor(patience);
    expect(await page.locator("body").innerText()).not.toMatch(/alice|img|Averages|Summary/);
    await row(page, "2025-08-01", "n2").getByRole("link", { name: "n2" }).click();
    await page.getByText("GPU[1]").waitFor(patience);
    expect(await page.getByText("#1", { exact: true }).count()).toBe(1);
    expect(await page.getByRole("link", { name: "CSV" }).count()).toBe(2);
  });

  test("without nodes and reports there is no link to them, and their page says how they are set up", async () => {
    const page = await open();
    await page.getByText('"netdata": "http://').waitFor(patience);
    // What is to be done first comes first.
    expect(await page.locator(".empty").innerText()).toMatch(
      /Name nodes[\s\S]*"netdata"[\s\S]*written every day at 23:45/,
    );
    await page.getByText("Sign in").first().waitFor(patience);
    expect(await page.getByRole("link", { name: "Daily reports" }).count()).toBe(0);
    nodes = [{ name: "n7" }];
    const other = await open("#/reports", { locale: "zh-CN" });
    await other.getByText("报告每天 23:45（Asia/Taipei）生成。").waitFor(patience);
    await other.getByText("n7").waitFor(patience);
    await other.getByRole("link", { name: "每日报告" }).waitFor(patience);
    expect(await other.getByText('"netdata"').count()).toBe(0);
    expect(await faultsOf(other)).toEqual([]);
    await other.goto(`${served.url}/#/reports/n7/2025-08-01`);
    await other.getByText("没有 n7 在 2025-08-01 的报告。").waitFor(patience);
  });

  test.each([
    ["light", { viewport: { width: 1280, height: 800 } }],
    ["dark", { viewport: { width: 1280, height: 800 }, colorScheme: "dark" }],
    ["on a phone, in Chinese", { viewport: { width: 320, height: 700 }, locale: "zh-CN", hasTouch: true }],
    ["on a tablet, in traditional Chinese", { viewport: { width: 768, height: 1000 }, locale: "zh-TW" }],
  ] as const)("axe finds nothing, nothing is cut, and every control is large enough: %s", async (_, options) => {
    write();
    const page = await open("#/reports", options);
    for (const hash of ["#/reports", "#/reports/n2/2025-08-02"]) {
      await page.goto(`${served.url}/${hash}`);
      await page.locator(".report-table tbody tr").nth(1).waitFor(patience);
      expect(await faultsOf(page), hash).toEqual([]);
      expect(await cutOff(page, ".reports h1"), hash).toEqual([]);
      expect(await unreadable(page), hash).toEqual([]);
      const [wide, room] = await page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        return [scrollWidth, clientWidth] as const;
      });
      expect(wide, hash).toBeLessThanOrEqual(room);
    }
  });

  test.each(["en", "zh-CN", "zh-TW"])(
    "%s: the coverage of a node of eight cards has one line at 1280 pixels",
    async (locale) => {
      const from = (zone.startOfDay("2025-08-01") ?? 0) / 1000;
      const cards = Array.from({ length: 8 }, (_, card) => ({
        ...{ card, user: "" },
        rows: Array.from({ length: card === 0 ? 100 : 144 }, (_, i) => [from + 600 * (i + 1), 30, 10] as const),
      }));
      writeFiles(folder, { node: "n8", date: "2025-08-01", format: (at) => zone.format(at * 1000), cards });
      const page = await open("#/reports", { viewport: { width: 1280, height: 800 }, locale });
      const coverage = page.locator(".coverage").first();
      await coverage.getByText("1,108").waitFor(patience);
      const lines = await coverage.evaluate((whole) => {
        const range = document.createRange();
        range.selectNodeContents(whole);
        return new Set([...range.getClientRects()].map(({ bottom }) => Math.round(bottom / 8))).size;
      });
      expect(lines).toBe(1);
    },
  );

  test("the page to print has the figures of the file, no script, and one sheet of A4", async () => {
    write();
    const page = await open();
    const [print] = await Promise.all([
      page.waitForEvent("popup"),
      row(page, "2025-08-02", "n2").getByRole("link", { name: "Print view" }).click(),
    ]);
    await print.locator("svg").nth(2).waitFor(patience);
    const cells = async (at: string): Promise<string[][]> =>
      (await print.locator(at).all()).reduce<Promise<string[][]>>(
        async (rows, one) => [...(await rows), await one.locator("td").allInnerTexts()],
        Promise.resolve([]),
      );
    expect(await cells("tbody tr")).toEqual([
      ["GPU[0]", "1", "30.00 %", "12.50 %", "72 of 144", "alice"],
      ["GPU[1]", "9", "no data", "no data", "0 of 144", nasty],
    ]);
    expect(await cells("tfoot tr")).toEqual([["All cards", "", "30.00 %", "12.50 %", "72 of 288", ""]]);
    // Its policy allows its style.
    expect(await print.locator("h1").evaluate((head) => getComputedStyle(head).fontSize)).toBe("21px");
    expect([await print.locator("script").count(), await print.evaluate("window.caught")]).toEqual([0, undefined]);
    expect(await faultsOf(print)).toEqual([]);
    const pdf = (await print.pdf({ preferCSSPageSize: true })).toString("latin1");
    expect([pdf.match(/\/Type\s*\/Page\b/g)?.length, pdf.match(/\/MediaBox \[0 0 59\d[.\d]* 84\d/)?.length]).toEqual([
      1, 1,
    ]);
    for (const [lang, word] of [
      ["zh-CN", "数据完整度"],
      ["zh-TW", "資料完整度"],
    ] as const) {
      await print.goto(`${served.url}/api/v1/reports/n1/2025-08-01/page?lang=${lang}`);
      await print.getByText(word, { exact: true }).waitFor(patience);
      expect(await faultsOf(print), lang).toEqual([]);
    }
    await print.close();
  });
});
