// The form beside a program in plain Python that knows only the contract, and beside pandas.
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fixed } from "../../proto/round.ts";
import { cases } from "../../test/cases.ts";
import { top } from "../../test/program.ts";
import { expectedFolder, reportOf, textsOf } from "../../test/report/input.ts";
import { userReport } from "./form.ts";
import { mean } from "./number.ts";

const python = "/usr/bin/python3";

/** Texts of numbers in JSON: of every size and form. */
const jsonText = fc.oneof(
  fc.integer({ min: 0, max: 100 }).map(String),
  fc.integer({ min: 0, max: 10_000 }).map((hundredths) => String(hundredths / 100)),
  // Ties: whole eighths have three decimals.
  fc.integer({ min: 0, max: 800 }).map((eighths) => (eighths / 8).toFixed(3)),
  fc.double({ min: -1e17, max: 1e17, noNaN: true }).map(String),
  fc.double({ min: -1e-3, max: 1e-3, noNaN: true }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e290, max: 1e290 }).map(String),
  fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }).map(String),
  fc.constantFrom("0", "-0", "0.0", "-0.0", "1e2", "1E+16", "1e-05", "1.0", "0.00001", "5e-324", "100.0", "2.675"),
);

/** Texts of every kind, but half of a pair, which Python cannot print. */
const text = fc.string({
  unit: fc.constantFrom(
    ...["a", "B", "7", "é", "王", "😀", ",", '"', "'", "\n", "\r", "\t", " ", "=", "+", "-", "@", "＝"],
    ...["\u001b[31m", "\u0000", "\u007f", "\u0085", "\u2028", "\u200b", "\u202e", "\ufeff", "\u3164", "|"],
  ),
  maxLength: 6,
});
const long = fc.tuple(text, fc.nat({ max: 2000 })).map(([some, count]) => some + "王".repeat(count));
const word = fc.oneof({ weight: 20, arbitrary: text }, { weight: 1, arbitrary: long });

const days = fc.constantFrom(
  ["UTC", "2025-08-01"],
  ["Asia/Taipei", "2025-08-01"],
  ["Asia/Kathmandu", "2024-02-29"],
  ["America/New_York", "2025-03-09"],
  ["America/New_York", "2025-11-02"],
  ["America/New_York", "2025-12-31"],
  ["Australia/Lord_Howe", "2025-04-06"],
  ["Africa/Cairo", "2025-04-25"],
);
const starts: Readonly<Record<string, number>> = {
  "2024-02-29": 1_709_144_100,
  "2025-03-09": 1_741_496_400,
  "2025-04-06": 1_743_858_000,
  "2025-04-25": 1_745_532_000,
  "2025-08-01": 1_753_977_600,
  "2025-11-02": 1_762_056_000,
  "2025-12-31": 1_767_157_200,
};

/** A series as JSON: of some intervals around the day, or of the whole day. */
const series = (date: string) =>
  fc.oneof(
    { weight: 1, arbitrary: fc.constant("null") },
    {
      weight: 6,
      arbitrary: fc
        .uniqueArray(fc.tuple(fc.integer({ min: -3, max: 300 }), fc.oneof(jsonText, fc.constant("null"))), {
          selector: ([place]) => place,
          maxLength: 12,
        })
        .map((rows) => `[${rows.map(([place, value]) => `[${(starts[date] ?? 0) + 600 * place},${value}]`)}]`),
    },
    { weight: 1, arbitrary: jsonText },
    { weight: 1, arbitrary: fc.array(jsonText, { minLength: 1, maxLength: 9 }).map((parts) => `[${parts}]`) },
  );

const task = fc.record({
  user: word,
  uuid: text,
  id: fc.oneof(fc.nat({ max: 99 }), text),
  index: fc.option(fc.nat({ max: 5 }), { nil: undefined }),
  model: text,
  memory: text,
  type: text,
  project: text,
  image: word,
  start: text,
  end: fc.oneof(fc.constant(""), text),
  seconds: fc.oneof(
    fc.nat(),
    fc.nat({ max: 1e6 }).map((quarters) => quarters / 4),
    fc.double({ min: 0, max: 1e23, noNaN: true }),
  ),
});

const node = fc.constantFrom("colab-gpu1", "n_1.a");

/** A line of input. */
const report = days.chain(([zone, date]) =>
  fc
    .record({
      node,
      cards: fc.array(fc.tuple(fc.nat({ max: 99 }), series(date ?? ""), series(date ?? "")), { maxLength: 4 }),
      tasks: fc.dictionary(
        fc.oneof(
          node,
          text.map((name) => `h${name}`),
        ),
        fc.array(task, { maxLength: 3 }),
        { maxKeys: 2 },
      ),
    })
    .map(({ node, cards, tasks }) => {
      const all = cards.map(
        ([card, gpu, vram], index) => `{"index":${index},"card":${card},"gpu":${gpu},"vram":${vram}}`,
      );
      const rest = JSON.stringify({ node, date, zone, tasks });
      return `${rest.slice(0, -1)},"cards":[${all}]}`;
    }),
);

/** Most reports that are asked for at a time; half of it on average. */
const batch = 40;

interface PythonReport {
  readonly files: Readonly<Record<string, string>>;
  readonly users: string;
}

describe.skipIf(!existsSync(python))("a program in plain Python", () => {
  let child: ChildProcessWithoutNullStreams;
  let lines: AsyncIterator<string>;

  beforeAll(() => {
    child = spawn(python, [join(top, "test", "report", "collect.py")]);
    child.stderr.pipe(process.stderr);
    lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  });

  afterAll(async () => {
    const closed = once(child, "close");
    child.stdin.end();
    await closed;
  });

  test("makes the same bytes of numbers, users, tasks and gaps of every kind", async () => {
    // Some at a time: the two programs wait for each other less often.
    const some = fc.array(report, { minLength: 1, maxLength: batch });
    await fc.assert(
      fc.asyncProperty(some, async (inputs) => {
        child.stdin.write(inputs.map((input) => `${input}\n`).join(""));
        const theirs = await Promise.all(
          inputs.map(async () => JSON.parse((await lines.next()).value) as PythonReport),
        );
        for (const [place, input] of inputs.entries()) {
          const { nodeDay, tasks } = reportOf(input);
          const files = Object.fromEntries(await textsOf(nodeDay, tasks));
          expect({ files, users: userReport(nodeDay.day.date, tasks) }).toEqual(theirs[place]);
        }
      }),
      { numRuns: Math.ceil(cases.numRuns / (batch / 2)) },
    );
  });
});

const hasPandas = existsSync("/usr/lib/python3/dist-packages/pandas");

/** What a script prints for the JSON of its input. */
function askPython(script: string, input: unknown): unknown {
  const options = { input: JSON.stringify(input), encoding: "utf8", maxBuffer: 2 ** 28 } as const;
  const { stdout, stderr } = spawnSync(python, ["-c", script], options);
  return JSON.parse(stdout || JSON.stringify(stderr));
}

test.skipIf(!hasPandas)("means are those of pandas, to the last digit", () => {
  // Two decimals, as most readings have: one mean of 144 is half-way between two others.
  const columns = fc.sample(
    fc.oneof(
      fc.array(
        fc.noBias(fc.nat({ max: 10_000 })).map((hundredths) => hundredths / 100),
        { minLength: 144, maxLength: 144 },
      ),
      fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 1, maxLength: 300 }),
    ),
    { numRuns: 2000, seed: 13 },
  );
  const script = `
import json, sys
import pandas
columns = json.load(sys.stdin)
json.dump([pandas.Series(column, dtype=float).mean() for column in columns], sys.stdout)
`;
  const means = askPython(script, columns) as number[];
  const differing = columns.filter((column, i) => !Object.is(mean(column), means[i]));
  expect(differing).toEqual([]);
  // The order of the additions matters: added one after the other, some are printed differently.
  const inOrder = columns.filter((column, i) => {
    const sum = column.reduce((all, one) => all + one, 0);
    return fixed(sum / column.length, 2) !== fixed(means[i] ?? 0, 2);
  });
  expect(inOrder.length).toBeGreaterThan(0);
});

test.skipIf(!hasPandas)("pandas and awk read users and means, whatever the users are called", () => {
  const folder = (name: string, node: string): string => join(expectedFolder, name, node, "2025-08-01");
  const script = `
import json, subprocess, sys
import pandas
def read(folder):
    path = f"{folder}/average_2025-08-01.csv"
    table = pandas.read_csv(path)
    awk = subprocess.run(["awk", "-F,", "NR>1 {print $1, $2}", path], capture_output=True, text=True, check=True)
    return {
        "users": list(table["使用者"]),
        "gpu": [None if pandas.isna(value) else value for value in table["平均GPU使用率(%)"]],
        "awk": awk.stdout.splitlines()[-2:],
    }
json.dump([read(folder) for folder in json.load(sys.stdin)], sys.stdout)
`;
  expect(askPython(script, [folder("tasks", "colab-gpu1"), folder("missing", "colab-gpu4")])).toEqual([
    {
      users: [
        ...["Wang, Lei", "bob", 'a "b" c', "eve GPU[9],1,1,x", "'=cmd|' /C calc'!A0", " [31mred [0m"],
        "所有使用者",
      ],
      gpu: [0, 1, 2, 3, 4, 5, 2.5],
      awk: ["GPU[5] 5.00", "全部平均 2.50"],
    },
    {
      users: ["ann", "未使用", "未使用", "未使用", "未使用", "未使用", "所有使用者"],
      gpu: [null, null, 1.5, 2.5, null, null, 2],
      awk: ["GPU[5] N/A", "全部平均 2.00"],
    },
  ]);
});
