import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Zone } from "../../program/zone.ts";
import { cases } from "../../test/cases.ts";
import { smallDisk } from "../../test/disk.ts";
import { expectedCases, expectedReport, filesIn, textsOf } from "../../test/report/input.ts";
import { expectedRows, reportDay } from "./day.ts";
import { writeReport } from "./folder.ts";
import type { DayTasks, GpuTask, NodeDay, ReportCard, ReportDay, ReportRow } from "./report.ts";

/** Called before and after each look at what is at a path. */
const looked = vi.hoisted(() => ({ at: (_path: unknown): void => {} }));
vi.mock("node:fs/promises", async (original) => {
  const fs = await original<typeof import("node:fs/promises")>();
  const lstat = async (path: string): Promise<unknown> => {
    looked.at(path);
    const found = fs.lstat(path);
    await found.catch(() => undefined);
    looked.at(path);
    return found;
  };
  return { ...fs, lstat };
});

const date = "2025-08-01";
const day = reportDay(new Zone("Asia/Taipei"), date) as ReportDay;
const times = expectedRows(day, Number.POSITIVE_INFINITY);
const isRoot = process.geteuid?.() === 0;

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-report-"));
  path = join(folder, "gpu1", date);
});

afterEach(() => {
  looked.at = () => {};
  rmSync(folder, { recursive: true, force: true });
});

/** Rows at places of the day. */
const rowsAt = (places: readonly number[], gpu = 1.5, vram = 25): ReportRow[] =>
  places.map((place) => ({ at: times[place] ?? 0, gpu, vram }));

const upTo = (count: number): number[] => Array.from({ length: count }, (_, place) => place);

/** A report of cards with these rows. */
const report = (...rows: readonly (readonly ReportRow[] | undefined)[]): NodeDay => ({
  node: { name: "gpu1" },
  day,
  cards: rows.map((of, index): ReportCard => ({ index, card: 1 + 8 * index, rows: of })),
  issues: [],
});

const nobody: DayTasks = new Map();
const heldBy = (user: string): DayTasks => {
  const task: GpuTask = {
    ...{ user, uuid: "GPU-1", id: 1, index: 0, model: "MI300X", memory: "196592", type: "LAB", project: "p" },
    ...{ image: "i", start: "2025-08-01 08:00:00", end: "", seconds: 60 },
  };
  return new Map([["gpu1", [task]]]);
};

describe("a folder is the one written by hand", () => {
  test.each(expectedCases)("%s", async (name) => {
    const { nodeDay, tasks, files } = expectedReport(name);
    expect(await writeReport(folder, nodeDay, tasks)).toMatchObject({ written: true, kept: [] });
    expect(filesIn(join(folder, nodeDay.node.name, nodeDay.day.date))).toEqual(files);
    expect(readdirSync(folder)).toEqual([nodeDay.node.name]);
  });
});

test("a report that is there is not written again", async () => {
  await writeReport(folder, report(rowsAt(upTo(144))), nobody);
  const before = statSync(join(path, `average_${date}.csv`)).ino;
  expect(await writeReport(folder, report(rowsAt(upTo(144))), nobody)).toMatchObject({ written: true, kept: [] });
  expect(statSync(join(path, `average_${date}.csv`)).ino).toBe(before);
});

test("today's report grows, and values of the same rows are those read last", async () => {
  await writeReport(folder, report(rowsAt(upTo(70))), nobody);
  const grown = report(rowsAt(upTo(144), 2));
  expect(await writeReport(folder, grown, nobody)).toMatchObject({ written: true, kept: [] });
  expect(filesIn(path)).toEqual(await textsOf(grown, nobody));
  await writeReport(folder, report(rowsAt(upTo(144), 3)), nobody);
  expect(readFileSync(join(path, `average_${date}.csv`), "utf8")).toContain("GPU[0],3.00,25.00");
});

describe("what is there is never replaced by less", () => {
  test.each<[string, NodeDay]>([
    ["a node without an answer", report(undefined, undefined)],
    ["a node of which not even the cards are known", report()],
    ["charts without data", report([], [])],
    ["the half of a day", report(rowsAt(upTo(72)), rowsAt(upTo(72)))],
    ["a gap, which a source gives as zeros", report(rowsAt(upTo(144), 0, 0), rowsAt(upTo(144), 0, 0))],
  ])("%s", async (_, thin) => {
    const whole = report(rowsAt(upTo(144)), rowsAt(upTo(144), 3));
    await writeReport(folder, whole, nobody);
    expect(await writeReport(folder, thin, nobody)).toMatchObject({ written: false, kept: [0, 1] });
    expect(filesIn(path)).toEqual(await textsOf(whole, nobody));
  });

  test("rows count, also where a card is idle and empty", async () => {
    const whole = report(rowsAt(upTo(144), 0, 0));
    await writeReport(folder, report(rowsAt(upTo(72), 0, 0)), nobody);
    expect(await writeReport(folder, whole, nobody)).toMatchObject({ written: true, kept: [] });
    expect(await writeReport(folder, report(rowsAt(upTo(143), 0, 0)), nobody)).toMatchObject({
      written: false,
      kept: [0],
    });
    expect(filesIn(path)).toEqual(await textsOf(whole, nobody));
    expect((await writeReport(folder, report(rowsAt(upTo(144), 5, 0)), nobody)).kept).toEqual([]);
  });

  test("rows that stay keep the form in which another program wrote them", async () => {
    mkdirSync(path, { recursive: true });
    const theirs = "h\r\n1754007000,2025-08-01 08:10:00,10,1.50\r\n1754007600,2025-08-01 08:20:00,20,2.50\r\n";
    writeFileSync(join(path, `gpu0_${date}.csv`), theirs);
    await writeReport(folder, report(rowsAt([50]), rowsAt([50])), nobody);
    expect(readFileSync(join(path, `gpu0_${date}.csv`), "utf8")).toBe(theirs);
    expect(readFileSync(join(path, `average_${date}.csv`), "utf8")).toContain("GPU[0],15.00,2.00");
  });

  test("rows of other days do not count: a window that was moved had them", async () => {
    mkdirSync(path, { recursive: true });
    const before = Array.from({ length: 144 }, (_, i) => `${day.from - 600 * i},"2025-07-31 00:00:00",1,1\n`);
    writeFileSync(join(path, `gpu0_${date}.csv`), before.join(""));
    expect(await writeReport(folder, report(rowsAt([0])), nobody)).toMatchObject({ written: true, kept: [] });
    expect(filesIn(path)).toEqual(await textsOf(report(rowsAt([0])), nobody));
  });

  test("of one card: the others are new, and averages fit the files that are there", async () => {
    await writeReport(folder, report(rowsAt(upTo(100)), rowsAt(upTo(100))), nobody);
    const lost = report(rowsAt(upTo(144), 2), rowsAt(upTo(9), 7));
    expect(await writeReport(folder, lost, nobody)).toMatchObject({ written: true, kept: [1] });
    expect(filesIn(path)).toEqual(await textsOf(report(rowsAt(upTo(144), 2), rowsAt(upTo(100))), nobody));
  });

  test("a card whose number changed has the new one in the summary, also where its rows stay", async () => {
    await writeReport(folder, report(rowsAt(upTo(144))), nobody);
    const renumbered = { ...report(), cards: [{ index: 0, card: 57, rows: undefined }] };
    await writeReport(folder, renumbered, nobody);
    expect(readFileSync(join(path, `summary_${date}.txt`), "utf8")).toContain("\nGPU[0] -> Card 57\n");
  });

  test("users stay while no task is known, and new ones come to rows that stay", async () => {
    const whole = report(rowsAt(upTo(144)));
    await writeReport(folder, whole, heldBy("Wang, Lei"));
    expect(await writeReport(folder, whole, nobody)).toMatchObject({ written: true, kept: [] });
    expect(filesIn(path)).toEqual(await textsOf(whole, heldBy("Wang, Lei")));
    expect(await writeReport(folder, report(undefined), heldBy("=bo"))).toMatchObject({ written: true, kept: [0] });
    expect(filesIn(path)).toEqual(await textsOf(whole, heldBy("=bo")));
  });

  test("files of the first release, whose numbers are those of cards, stay as they are", async () => {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, `gpu1_${date}.csv`), '時間戳\n1754064600,"2025-08-02 00:10:00",1,2\n');
    writeFileSync(join(path, `average_${date}.csv`), "GPU卡號,平均GPU使用率(%),平均VRAM使用率(%)\ngpu1,1.00,2.00\n");
    const before = filesIn(path);
    expect((await writeReport(folder, report(rowsAt(upTo(144)), rowsAt(upTo(144))), nobody)).written).toBe(false);
    expect(filesIn(path)).toEqual(before);
  });

  test("whatever reports come in whatever order", async () => {
    const rows = fc.option(fc.uniqueArray(fc.nat({ max: 5 }), { maxLength: 6 }), { nil: undefined });
    const some = fc.array(fc.array(rows, { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 4 });
    let number = 0;
    await fc.assert(
      fc.asyncProperty(some, async (reports) => {
        const own = join(folder, String(++number));
        let best: (readonly ReportRow[] | undefined)[] = [];
        for (const [value, cards] of reports.entries()) {
          const given = cards.map(
            (places) =>
              places &&
              rowsAt(
                places.sort((a, b) => a - b),
                value + 1,
              ),
          );
          await writeReport(own, report(...given), nobody);
          best = Array.from({ length: Math.max(best.length, given.length) }, (_, index) => {
            const [old, now] = [best[index], given[index]];
            return (old?.length ?? 0) > (now?.length ?? 0) ? old : (now ?? old);
          });
        }
        const there = filesIn(join(own, "gpu1", date));
        for (const [name, text] of await textsOf(report(...best), nobody))
          expect([name, there.get(name)]).toEqual([name, text]);
      }),
      { numRuns: Math.ceil(cases.numRuns / 60) },
    );
  });
});

describe("whole or not at all", () => {
  test.skipIf(!isRoot)("a disk that is full half-way leaves all files as they were", async () => {
    const disk = smallDisk("1m");
    try {
      const half = report(...upTo(8).map(() => rowsAt(upTo(72))));
      const whole = report(...upTo(8).map(() => rowsAt(upTo(144))));
      await writeReport(disk.path, half, nobody);
      disk.fill(24_576);
      await expect(writeReport(disk.path, whole, nobody)).rejects.toMatchObject({ code: "ENOSPC" });
      expect(filesIn(join(disk.path, "gpu1", date))).toEqual(await textsOf(half, nobody));
      const other = { ...whole, node: { name: "gpu2" } };
      await expect(writeReport(disk.path, other, nobody)).rejects.toMatchObject({ code: "ENOSPC" });
      expect(existsSync(join(disk.path, "gpu2"))).toBe(false);
      disk.free();
      await writeReport(disk.path, whole, nobody);
      expect(filesIn(join(disk.path, "gpu1", date))).toEqual(await textsOf(whole, nobody));
      disk.remount("ro");
      await expect(writeReport(disk.path, other, nobody)).rejects.toMatchObject({ code: "EROFS" });
    } finally {
      disk.remove();
    }
  });

  test("what a program that was killed left is removed, and mended", async () => {
    const whole = report(rowsAt(upTo(144)));
    await writeReport(folder, whole, nobody);
    mkdirSync(join(path, ".partial"));
    writeFileSync(join(path, ".partial", `gpu0_${date}.csv`), "half");
    const gone = Date.now() / 1000 - 31;
    utimesSync(join(path, ".partial"), gone, gone);
    // It had renamed the rows, but not the averages.
    writeFileSync(join(path, `average_${date}.csv`), "GPU編號\nGPU[0],9.99,9.99,未使用\n");
    await writeReport(folder, whole, nobody);
    expect(filesIn(path)).toEqual(await textsOf(whole, nobody));
  });

  test("programs that write at the same time come one after the other", async () => {
    const counts = [10, 144, 72, 1, 100, 30];
    await Promise.all(counts.map((count) => writeReport(folder, report(rowsAt(upTo(count), count)), nobody)));
    expect(filesIn(path)).toEqual(await textsOf(report(rowsAt(upTo(144), 144)), nobody));
  });

  test("a folder that another program takes, as the one before it is done, is left to it", async () => {
    const part = join(path, ".partial");
    mkdirSync(part, { recursive: true });
    const steps = [
      () => rmSync(part, { recursive: true }),
      () => mkdirSync(join(part, "other"), { recursive: true }),
      () => rmSync(part, { recursive: true }),
    ];
    looked.at = (what) => void (what === part && steps.shift()?.());
    await writeReport(folder, report(rowsAt([0])), nobody);
    expect(steps).toEqual([]);
  });

  test("a program that another took for gone writes its report anew, and does not mix it with the other's", async () => {
    await writeReport(folder, report(rowsAt(upTo(9))), nobody);
    let taken = 0;
    looked.at = (what) => {
      if (what !== join(path, `average_${date}.csv`) || ++taken > 2) return;
      rmSync(join(path, ".partial"), { recursive: true });
    };
    await writeReport(folder, report(rowsAt(upTo(144))), nobody);
    expect(taken).toBeGreaterThan(2);
    expect(filesIn(path)).toEqual(await textsOf(report(rowsAt(upTo(144))), nobody));
    taken = Number.NEGATIVE_INFINITY;
    await expect(writeReport(folder, report(rowsAt(upTo(144), 3)), nobody)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("a folder in the place of a file is an error, and no file is changed", async () => {
    await writeReport(folder, report(rowsAt(upTo(9))), nobody);
    rmSync(join(path, `summary_${date}.txt`));
    mkdirSync(join(path, `summary_${date}.txt`));
    const before = readFileSync(join(path, `gpu0_${date}.csv`), "utf8");
    await expect(writeReport(folder, report(rowsAt(upTo(10))), nobody)).rejects.toThrow("is a directory");
    expect(readFileSync(join(path, `gpu0_${date}.csv`), "utf8")).toBe(before);
  });
});

describe("others may write to the folder", () => {
  const outside = (): string => {
    const other = join(folder, "outside");
    mkdirSync(other);
    return other;
  };

  test.each(["..", ".", "", "a/b", "../outside", "a\0b", "a b", "x".repeat(65)])(
    "%j is no name of a node",
    async (name) => {
      await expect(writeReport(folder, { ...report(), node: { name } }, nobody)).rejects.toThrow("The name of a node");
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  test("a link to a folder is not followed", async () => {
    const other = outside();
    const reports = join(folder, "reports");
    mkdirSync(reports);
    symlinkSync(other, join(reports, "gpu1"));
    await expect(writeReport(reports, report(rowsAt([0])), nobody)).rejects.toThrow("is a symbolic link");
    rmSync(join(reports, "gpu1"));
    mkdirSync(join(reports, "gpu1"));
    symlinkSync(other, join(reports, "gpu1", date));
    await expect(writeReport(reports, report(rowsAt([0])), nobody)).rejects.toThrow("is a symbolic link");
    expect(readdirSync(other)).toEqual([]);
  });

  test("a link to a file is replaced, and what it leads to stays", async () => {
    const secret = join(outside(), "secret");
    writeFileSync(secret, "secret");
    mkdirSync(path, { recursive: true });
    for (const name of [`gpu0_${date}.csv`, `average_${date}.csv`, ".partial"]) symlinkSync(secret, join(path, name));
    await writeReport(folder, report(rowsAt([0])), nobody);
    expect(filesIn(path)).toEqual(await textsOf(report(rowsAt([0])), nobody));
    expect(readFileSync(secret, "utf8")).toBe("secret");
  });

  test("the folder of reports may be a link, and is made if it is not there", async () => {
    symlinkSync(outside(), join(folder, "link"));
    await writeReport(join(folder, "link", "new", "reports"), report(rowsAt([0])), nobody);
    expect(readdirSync(join(folder, "outside", "new", "reports", "gpu1", date))).toHaveLength(3);
  });

  test("a file in the place of the folder is an error", async () => {
    writeFileSync(join(folder, "file"), "");
    await expect(writeReport(join(folder, "file"), report(), nobody)).rejects.toMatchObject({ code: "EEXIST" });
  });

  test.skipIf(process.platform !== "linux")("a folder in which none can be made ends it", async () => {
    for (const one of ["/proc/gohm-report", "/proc/gohm-report/of/days"]) {
      await expect(writeReport(one, report(), nobody)).rejects.toMatchObject({ code: "ENOENT" });
    }
  });

  test("a FIFO in the place of a file blocks nothing", async () => {
    mkdirSync(path, { recursive: true });
    for (const name of [`gpu0_${date}.csv`, `summary_${date}.txt`]) execFileSync("/usr/bin/mkfifo", [join(path, name)]);
    await writeReport(folder, report(rowsAt([0])), nobody);
    expect(filesIn(path)).toEqual(await textsOf(report(rowsAt([0])), nobody));
  });
});

test.each([
  [0o775, 0o775, 0o644],
  [0o750, 0o750, 0o640],
  [0o700, 0o700, 0o600],
])("who may read a folder with rights %o may read what is in it", async (mode, folders, files) => {
  chmodSync(folder, mode);
  await writeReport(folder, report(rowsAt([0])), nobody);
  const modes = [join(folder, "gpu1"), path, join(path, `gpu0_${date}.csv`), join(path, `summary_${date}.txt`)];
  expect(modes.map((one) => statSync(one).mode & 0o777)).toEqual([folders, folders, files, files]);
});

test.skipIf(!isRoot)(
  "files that root writes belong to the owner of the folder, so that the hub can replace them",
  async () => {
    chownSync(folder, 65_534, 65_534);
    await writeReport(join(folder, "data", "reports"), report(rowsAt([0])), nobody);
    const names = ["data", "data/reports", "data/reports/gpu1", `data/reports/gpu1/${date}`];
    const all = [...names, `${names.at(-1)}/gpu0_${date}.csv`].map((name) => statSync(join(folder, name)));
    expect(all.map(({ uid, gid }) => [uid, gid])).toEqual(all.map(() => [65_534, 65_534]));
  },
);
