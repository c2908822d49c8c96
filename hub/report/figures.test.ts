import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cases } from "../../test/cases.ts";
import { expectedCases, expectedFolder, expectedReport } from "../../test/report/input.ts";
import { listReports, readFigures } from "./figures.ts";
import type { ReportFigures } from "./report.ts";

const date = "2025-08-01";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-figures-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Puts files into the folder of a day. @returns their folder */
function put(files: Readonly<Record<string, string | Buffer>>, node = "gpu1"): string {
  const path = join(folder, node, date);
  mkdirSync(path, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

/** What there is of cards. */
const shown = (figures: ReportFigures | undefined) =>
  figures?.cards.map(({ index, card, gpu, vram, user, rows }) => [index, card, gpu, vram, user, rows.length]);

const heading = "時間戳,日期時間,GPU使用率(%),VRAM使用率(%)\n";
const average = `average_${date}.csv`;

describe("a report is read back as it was written", () => {
  test.each(expectedCases)("%s", async (name) => {
    const { nodeDay, tasks } = expectedReport(name);
    const { node, day, cards } = nodeDay;
    const figures = await readFigures(join(expectedFolder, name), node.name, day.date);
    expect(figures?.cards.map(({ index, card }) => [index, card])).toEqual(
      cards.map(({ index, card }) => [index, card]),
    );
    for (const [place, { rows }] of (figures?.cards ?? []).entries()) {
      expect(rows).toEqual((cards[place]?.rows ?? []).map(({ at, gpu, vram }) => ({ at, gpu, vram })));
    }
    const users = new Map((tasks.get(node.name) ?? []).map(({ index, user }) => [index, user]));
    // A text from elsewhere is on one line.
    const line = (user: string | undefined): string | undefined => user?.replace("\n", " ").replaceAll("\u001b", " ");
    expect(figures?.cards.map(({ user }) => user)).toEqual(cards.map(({ index }) => line(users.get(index))));
  });
});

test.each([
  ["normal", 4.81, 20.81, 1152, 1152],
  ["hours-23", 1.5, 25, 138, 138],
  ["hours-25", 1.5, 25, 150, 150],
  ["missing", 2, 5, 3, 864],
  ["down", 0, 0, 0, 432],
  ["unknown", 0, 0, 0, 0],
])("figures of %s", async (name, gpu, vram, rows, expected) => {
  const { node, day } = expectedReport(name).nodeDay;
  expect(await readFigures(join(expectedFolder, name), node.name, day.date)).toMatchObject({
    gpu,
    vram,
    rows,
    expected,
  });
});

test("a card without data has no means", async () => {
  const figures = await readFigures(join(expectedFolder, "missing"), "colab-gpu4", date);
  expect(shown(figures)?.slice(0, 3)).toEqual([
    [0, 1, undefined, undefined, "ann", 0],
    [1, 9, undefined, undefined, undefined, 0],
    [2, 17, 1.5, 4, undefined, 2],
  ]);
});

describe("reports of the tool before GOHM", () => {
  test("of the first release: cards by their numbers, without users", async () => {
    put({
      [`gpu1_${date}.csv`]: `${heading}1753977600,"2025-08-01 00:00:00",1.5,2\n1753978200,"2025-08-01 00:10:00",2.5,2\n`,
      [`gpu9_${date}.csv`]: heading,
      [average]: "GPU卡號,平均GPU使用率(%),平均VRAM使用率(%)\ngpu1,2.00,2.00\ngpu9,N/A,N/A\n全部平均,2.00,2.00\n",
      [`summary_${date}.txt`]: "偵測到的 GPU 卡: 1 9\n",
    });
    const figures = await readFigures(folder, "gpu1", date);
    expect(shown(figures)).toEqual([
      [0, 1, 2, 2, undefined, 2],
      [1, 9, undefined, undefined, undefined, 0],
    ]);
    expect(figures?.gpu).toBe(2);
  });

  test("with lines of Windows, a byte order mark, and times without quotes", async () => {
    put({
      [`gpu0_${date}.csv`]: `\ufeff${heading}1754006400,2025-08-01 00:00:00,1.5,2.0\n`.replaceAll("\n", "\r\n"),
      [average]: `\ufeffGPU編號,平均GPU使用率(%),平均VRAM使用率(%),使用者\nGPU[0],1.50,2.00,bo\n`.replaceAll(
        "\n",
        "\r\n",
      ),
    });
    expect(shown(await readFigures(folder, "gpu1", date))).toEqual([[0, undefined, 1.5, 2, "bo", 1]]);
  });

  test("users with commas and quotes, which it did not quote", async () => {
    put({
      [average]: 'GPU[0],1.00,2.00,Wang, Lei\nGPU[1],1.00,2.00,a "b"\nGPU[2],1.00,2.00,未使用\nGPU[3],1.00,2.00\n',
    });
    const users = (await readFigures(folder, "gpu1", date))?.cards.map(({ user }) => user);
    expect(users).toEqual(["Wang, Lei", 'a "b"', undefined, undefined]);
  });

  test("without averages, as it was interrupted: means are those of the rows", async () => {
    put({
      [`gpu3_${date}.csv`]: `${heading}1754007000,"2025-08-01 00:10:00",0.12,1\n1754007600,"2025-08-01 00:20:00",0.13,2\n`,
    });
    expect(await readFigures(folder, "gpu1", date)).toMatchObject({
      cards: [{ index: 3, gpu: 0.12, vram: 1.5 }],
      gpu: 0.12,
      vram: 1.5,
    });
  });
});

test("rows that another program did not sort ascend, and one of two of a time is left out", async () => {
  const rows = [1754007600, 1754006400, 1754007000, 1754007000].map((at, i) => `${at},"2025-08-01 00:00:00",${i},0\n`);
  put({ [`gpu0_${date}.csv`]: heading + rows.join("") });
  const [card] = (await readFigures(folder, "gpu1", date))?.cards ?? [];
  expect(card?.rows.map(({ at, gpu }) => [at, gpu])).toEqual([
    [1754006400, 1],
    [1754007000, 3],
    [1754007600, 0],
  ]);
});

describe("what others put into the folder", () => {
  test("local times that no zone has do not change how many rows a day has", async () => {
    const rows = ["2025-08-01 00:10:00", "1925-08-01 00:20:00"].map(
      (time, i) => `${1754007000 + 600 * i},"${time}",1,2\n`,
    );
    put({ [`gpu0_${date}.csv`]: heading + rows.join("") });
    expect(await readFigures(folder, "gpu1", date)).toMatchObject({ rows: 2, expected: 144 });
  });

  test.each(["..", "a/b", "", "a\0"])("%j is no name of a node", async (node) => {
    mkdirSync(join(folder, "a", "b"), { recursive: true });
    expect(await readFigures(folder, node, date)).toBeUndefined();
  });

  test.each(["2025-02-30", "..", "2025-8-1", ""])("%j is no date", async (text) => {
    put({ [average]: "GPU[0],1.00,2.00,bo\n" });
    expect(await readFigures(folder, "gpu1", text)).toBeUndefined();
  });

  test("a number has no more characters than the longest that Python prints of a float", async () => {
    const cells = ["-1.7976931348623157e+308", "-2.2250738585072014e-308", `1${"0".repeat(24)}`, `0.${"1".repeat(23)}`];
    const rows = cells.map((cell, i) => `${1754006400 + 600 * i},"2025-08-01 00:00:00",${cell},0\n`);
    put({ [`gpu0_${date}.csv`]: heading + rows.join("") });
    const [card] = (await readFigures(folder, "gpu1", date))?.cards ?? [];
    expect(card?.rows.map(({ gpu }) => gpu)).toEqual([-Number.MAX_VALUE, -(2 ** -1022)]);
  });

  test("links are not followed, neither to files nor to folders", async () => {
    const secret = join(folder, "secret");
    writeFileSync(secret, "GPU[0],1.00,2.00,bo\n");
    symlinkSync(secret, join(put({ [`gpu1_${date}.csv`]: heading }), average));
    expect(shown(await readFigures(folder, "gpu1", date))).toEqual([
      [1, undefined, undefined, undefined, undefined, 0],
    ]);
    symlinkSync(join(folder, "gpu1"), join(folder, "gpu2"));
    expect(await readFigures(folder, "gpu2", date)).toBeUndefined();
    mkdirSync(join(folder, "gpu3"));
    symlinkSync(join(folder, "gpu1", date), join(folder, "gpu3", date));
    expect(await readFigures(folder, "gpu3", date)).toBeUndefined();
    expect(await listReports(folder)).toEqual([{ node: "gpu1", date }]);
  });

  test("pipes, folders and huge files are not read", async () => {
    const path = put({ [average]: "GPU[0],1.00,2.00,bo\n", [`gpu2_${date}.csv`]: "" });
    execFileSync("/usr/bin/mkfifo", [join(path, `gpu0_${date}.csv`), join(path, `summary_${date}.txt`)]);
    mkdirSync(join(path, `gpu1_${date}.csv`));
    truncateSync(join(path, `gpu2_${date}.csv`), 2 ** 40);
    expect(shown(await readFigures(folder, "gpu1", date))).toEqual([
      [0, undefined, 1, 2, "bo", 0],
      [2, undefined, undefined, undefined, undefined, 0],
    ]);
  });

  test("more cards than a node can have are left out", async () => {
    put({ [average]: Array.from({ length: 5000 }, (_, i) => `GPU[${i}],1.00,2.00,bo\n`).join("") });
    expect((await readFigures(folder, "gpu1", date))?.cards).toHaveLength(256);
  });

  test("a user cannot steer a terminal, or be longer than a line", async () => {
    put({ [average]: `GPU[0],1,2,\u001b[2Ja\u202eb\nGPU[1],1,2,${"x".repeat(9999)}\nGPU[2],1,2,"'=1"\n` });
    const users = (await readFigures(folder, "gpu1", date))?.cards.map(({ user }) => user);
    expect(users).toEqual([" [2Ja b", "x".repeat(1024), "=1"]);
  });

  test("whatever files contain, figures are finite, and rows ascend", async () => {
    const piece = fc.constantFrom(
      ...[
        "GPU[0]",
        "GPU[99999]",
        "gpu9",
        "全部平均",
        ",",
        "\n",
        "\r\n",
        '"',
        "N/A",
        "nan",
        "1e999",
        "-1e308",
        "0.14",
        "1e308",
      ],
      ...[
        '1754007000,"2025-08-01 00:10:00",1,2',
        '1754007000,"2025-08-01 00:10:00",3,4',
        "1754006400",
        "9999-99-99 99:99:99",
      ],
      ...["GPU[0] -> Card 7", "\u0000", "\ud800", "未使用", "1".repeat(300), "GPU[0],1.00,2.00,bo", "=1", " "],
    );
    const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
    await fc.assert(
      fc.asyncProperty(text, text, text, async (rows, averages, summary) => {
        put({ [`gpu0_${date}.csv`]: rows, [average]: averages, [`summary_${date}.txt`]: summary });
        const figures = await readFigures(folder, "gpu1", date);
        const numbers = figures?.cards.flatMap((card) => [
          card.gpu ?? 0,
          card.vram ?? 0,
          ...card.rows.flatMap(Object.values),
        ]);
        expect([figures?.gpu, figures?.vram, figures?.expected, ...(numbers ?? [])].every(Number.isFinite)).toBe(true);
        for (const { rows } of figures?.cards ?? []) {
          expect(rows.every(({ at }, i) => at > (rows[i - 1]?.at ?? 0))).toBe(true);
        }
      }),
      { numRuns: Math.ceil(cases.numRuns / 8) },
    );
  });
});

describe("reports of a folder", () => {
  test("are listed by day, the newest first, then by node; nothing else is", async () => {
    for (const name of [
      "gpu2/2025-08-01",
      "gpu1/2025-08-01",
      "gpu1/2025-07-31",
      "gpu1/2024-02-29",
      "gpu1/2025-02-29",
      "gpu1/plots",
      "a b/2025-08-01",
    ]) {
      mkdirSync(join(folder, name), { recursive: true });
    }
    for (const name of ["2025-08-01", "gpu1/2025-08-02"]) writeFileSync(join(folder, name), "");
    const all = [
      { node: "gpu1", date: "2025-08-01" },
      { node: "gpu2", date: "2025-08-01" },
      { node: "gpu1", date: "2025-07-31" },
      { node: "gpu1", date: "2024-02-29" },
    ];
    expect(await listReports(folder)).toEqual(all);
    expect(await listReports(folder, { from: "2025-07-31", to: "2025-07-31" })).toEqual(all.slice(2, 3));
    expect(await listReports(folder, { to: "2025-07-31" })).toEqual(all.slice(2));
  });

  test("without the folder there are none", async () => {
    expect(await listReports(join(folder, "none"))).toEqual([]);
    expect(await readFigures(join(folder, "none"), "gpu1", date)).toBeUndefined();
  });

  test("of many nodes and days are listed with turns for others", async () => {
    for (let node = 0; node < 20; node++) {
      for (let day = 1; day <= 40; day++) {
        const month = day > 30 ? "07" : "06";
        mkdirSync(join(folder, `gpu${node}`, `2025-${month}-${String(((day - 1) % 30) + 1).padStart(2, "0")}`), {
          recursive: true,
        });
      }
    }
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const list = await listReports(folder);
    isDone = true;
    expect(list).toHaveLength(800);
    expect(turns).toBeGreaterThan(20);
  });
});
