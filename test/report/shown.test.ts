// What REST and the page that is printed say of a report, against the files that were written: not one figure differs.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { application } from "../../hub/http/application.ts";
import { silent } from "../../hub/log.ts";
import { expectedRows, reportDay } from "../../hub/report/day.ts";
import { writeReport } from "../../hub/report/folder.ts";
import type { GpuTask, NodeDay, ReportDay } from "../../hub/report/report.ts";
import { v1 } from "../../hub/view/v1.ts";
import { Zone } from "../../program/zone.ts";
import { jsonOf } from "../answer.ts";
import { noReports, viewOf } from "../view.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-shown-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

const zones = ["UTC", "Asia/Taipei", "America/New_York"].map((name) => new Zone(name));
/** One of 23 hours and one of 25 in New York. */
const dates = ["2025-08-01", "2025-03-09", "2025-11-02"];

/** Percentages: also ties of the second decimal, tiny ones, and whole ones. */
const percent = fc.oneof(
  fc.constantFrom(0, 0.125, 0.135, 1e-7, 99.995, 100),
  fc.double({ min: 0, max: 100, noNaN: true }),
);
const user = fc.constantFrom("", "alice", "王小明", 'a "b", c', "<b>bob</b>");
/** Values of the first rows of a card; undefined for one of which its source has nothing. */
const card = fc.record({ values: fc.option(fc.array(fc.tuple(percent, percent), { maxLength: 6 })), user });

const task = (index: number, user: string): GpuTask => ({
  ...{ user, index, id: index, uuid: `GPU-${index}`, model: "MI300X", memory: "196592", type: "job", project: "p" },
  ...{ image: "i", start: "2025-08-01 00:00:00", end: "", seconds: 60 },
});

/** The lines of the averages: name, mean GPU utilization, mean VRAM use, user. */
function linesOf(date: string): string[][] {
  const text = readFileSync(join(folder, "n1", date, `average_${date}.csv`), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => {
      const [, name = "", gpu = "", vram = "", rest = ""] = /^([^,]*),([^,]*),([^,]*),(.*)$/.exec(line) ?? [];
      return [name, gpu, vram, rest.startsWith('"') ? rest.slice(1, -1).replaceAll('""', '"') : rest];
    });
}

const cells = (html: string, part: string): string[][] => {
  const [, body = ""] = new RegExp(`<${part}>([\\s\\S]*?)</${part}>`).exec(html) ?? [];
  return [...body.matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row = ""]) =>
    [...row.matchAll(/<td[^>]*>(.*?)<\/td>/g)].map(([, cell = ""]) =>
      cell.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&amp;", "&"),
    ),
  );
};

/** A figure of a file as JSON has it. */
const figure = (text: string): number | null => (text === "N/A" ? null : Number(text));
/** The same as the page has it. */
const shown = (text: string): string => (text === "N/A" ? "no data" : `${text} %`);

test("the list, the JSON, the page and the rows of a report say what its files say", async () => {
  let now = 0;
  let zone = zones[0] as Zone;
  const clock = { now: () => now, after: () => () => {} };
  const reports = () => ({ ...noReports(), folder, zone });
  const hub = viewOf({ clock, reports });
  const app = application([await v1.open(hub, {})], { log: silent, entry: hub.identity });
  const ask = (path: string) => app.request(`/api/v1/reports${path}`);
  const check = async (day: ReportDay, cards: readonly { values: [number, number][] | null; user: string }[]) => {
    now = day.to * 1000;
    const times = expectedRows(day, day.to);
    const nodeDay: NodeDay = {
      ...{ node: { name: "n1", host: "n1" }, day, issues: [] },
      cards: cards.map(({ values }, index) => ({
        ...{ index, card: 1 + 8 * index },
        rows: values?.map(([gpu, vram], i) => ({ at: times[i] ?? 0, gpu, vram })),
      })),
    };
    const tasks = cards.flatMap(({ user }, index) => (user === "" ? [] : [task(index, user)]));
    await writeReport(folder, nodeDay, new Map([["n1", tasks]]));
    const lines = linesOf(day.date);
    const [all = []] = lines.splice(-1);
    const details = await jsonOf(await ask(`/n1/${day.date}`));
    const [row] = (await jsonOf(await ask(""))).reports;
    const hasData = lines.some(([, gpu]) => gpu !== "N/A");
    const rows = cards.reduce((sum, { values }) => sum + (values?.length ?? 0), 0);
    for (const one of [row, details]) {
      expect([one.gpu_percent, one.vram_percent]).toEqual(
        hasData ? [figure(all[1] ?? ""), figure(all[2] ?? "")] : [null, null],
      );
      expect([one.rows, one.expected, one.state]).toEqual([
        rows,
        times.length * cards.length,
        rows === 0 ? "empty" : "partial",
      ]);
    }
    expect(
      details.cards.map((one: Record<string, unknown>) => [
        `GPU[${one.index}]`,
        one.gpu_percent,
        one.vram_percent,
        one.user ?? "未使用",
      ]),
    ).toEqual(lines.map(([name, gpu = "", vram = "", user]) => [name, figure(gpu), figure(vram), user]));
    for (const { index, rows } of details.cards as { index: number; rows: Record<string, number>[] }[]) {
      const file = await ask(`/n1/${day.date}/gpu${index}_${day.date}.csv`);
      const written = file.status === 404 ? [] : (await file.text()).trimEnd().split("\n").slice(1);
      expect(rows.map(({ time, gpu_percent, vram_percent }) => [time, gpu_percent, vram_percent])).toEqual(
        written.map((line) => [line.split(",")[0], ...line.split(",").slice(2)].map(Number)),
      );
    }
    const html = await (await ask(`/n1/${day.date}/page`)).text();
    expect(cells(html, "tbody").map(([name, , gpu, vram, , user]) => [name, gpu, vram, user])).toEqual(
      lines.map(([name = "", gpu = "", vram = "", user = ""]) => [
        name,
        shown(gpu),
        shown(vram),
        user === "未使用" ? "not used" : user,
      ]),
    );
    const [total = []] = cells(html, "tfoot");
    expect(total.slice(2, 4)).toEqual(hasData ? [`${all[1]} %`, `${all[2]} %`] : ["no data", "no data"]);
    rmSync(join(folder, "n1"), { recursive: true });
  };
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...zones),
      fc.constantFrom(...dates),
      fc.array(card, { minLength: 1, maxLength: 3 }),
      async (one, date, cards) => {
        zone = one;
        const day = reportDay(zone, date);
        if (day === undefined) throw new Error("the test has a wrong day");
        await check(day, cards);
      },
    ),
    { numRuns: 30 },
  );
});
