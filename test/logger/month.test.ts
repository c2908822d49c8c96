// A month of the GPU Metrics Logger's records, imported into the hub and exported again: its five questions are answered by
// the hub and, from the exported file, by pandas.
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Zone } from "../../program/zone.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { bare, program } from "../system/gohm.ts";
import { cards, clients, type Month, writeMonth } from "./month.ts";
import { ask, askPandas, differing, type Filter, filtersOf, missingPandas, questionsOf } from "./question.ts";

/** Its clocks are set back in the month: on 26 October the hour from 2 to 3 comes twice. */
const zone = new Zone("Europe/Berlin");
const records = { zone, first: "2025-10-06", days: 30, seconds: 300 };
const change = "2025-10-26";
/** For some hundred thousand rows and two thousand questions, on a busy machine. Milliseconds. */
const patience = 240_000;

/** Imports files into the hub of a folder, as somebody in a shell does. @returns numbers of rows */
async function importFiles(at: HubFolder, ...files: string[]): Promise<{ stored: number; failed: number }> {
  const env = { ...bare, GOHM_DATA: at.data };
  const { stdout } = await promisify(execFile)(process.execPath, [program, "import", "--json", ...files], { env });
  const all = (JSON.parse(stdout) as { files: { stored: number; failed: number }[] }).files;
  const sum = (rows: number[]): number => rows.reduce((total, one) => total + one, 0);
  return { stored: sum(all.map(({ stored }) => stored)), failed: sum(all.map(({ failed }) => failed)) };
}

const period = (start_date: string, end_date = start_date) => ({ start_date, end_date });

const missing = missingPandas();

describe.skipIf(missing !== undefined)(`a month of six clients with eight GPUs${missing ? `: ${missing}` : ""}`, () => {
  let at: HubFolder;
  let hub: RunningHub;
  let written: Month;

  beforeAll(async () => {
    at = hubFolder();
    at.write({ hub: { timezone: zone.name }, history: { retention: { raw: "forever", "5m": "forever" } } });
    const folder = join(at.folder, "records");
    mkdirSync(folder);
    written = writeMonth(folder, records);
    hub = await startHub(at);
    expect(await importFiles(at, folder)).toEqual({ stored: written.rows, failed: 0 });
  }, patience);

  afterAll(async () => {
    await hub?.stop();
    at?.remove();
  });

  test("is exported as it was written, and the hub and pandas give the same five answers for every filter", {
    timeout: patience,
  }, async () => {
    const exported = join(at.folder, "exported");
    mkdirSync(exported);
    const response = await fetch(`${hub.url}/api/v1/export?from=${written.first}&to=${written.last}`);
    const text = await response.text();
    const lines = new Set(written.files.flatMap((file) => readFileSync(file, "utf8").split(/(?<=\n)/)));
    const own = text.split(/(?<=\n)/);
    // Of two records of one GPU with the same time each reading is the newest one that did not fail.
    const others = own.filter((line) => !lines.has(line) && !line.startsWith(`${change} 02:`));
    expect(others.slice(0, 5)).toEqual([]);
    expect(own.length - 1).toBe(written.rows - written.twice);
    writeFileSync(join(exported, basename(written.files[0] ?? "")), text);

    const { first, last, away, late } = written;
    const periods = [
      period(first, last),
      ...[away, late, change, last].map((one) => period(one)),
      period("2025-10-25", "2025-10-27"),
      period("2025-10-31", "2025-11-02"),
      period(last, "2025-11-20"),
      period("2025-09-01"),
      period(last, first),
    ];
    const filters = [...filtersOf(clients, cards), { client_name: "nobody" }, { gpu_id: 8 }];
    // Of a single GPU, of which there are many, the month and the three special days.
    const isOne = ({ client_name, gpu_id }: Filter): boolean => client_name !== undefined && gpu_id !== undefined;
    const questions = filters.flatMap((filter) => questionsOf([filter], isOne(filter) ? periods.slice(0, 4) : periods));
    const [ours, { rows, answers }] = [await ask(hub.url, questions), await askPandas(exported, questions)];
    expect([rows, ours.length]).toEqual([written.rows - written.twice, questions.length]);
    expect(differing(questions, ours, answers).slice(0, 5)).toEqual([]);
  });

  test("has the same answers where its samples are too old to be kept, also if its files came twice", {
    timeout: patience,
  }, async () => {
    const other = hubFolder();
    let second: RunningHub | undefined;
    try {
      other.write({ hub: { timezone: zone.name }, history: { retention: { raw: "1d", "5m": "forever" } } });
      second = await startHub(other);
      const days = written.files.filter((path) => /202510(24|25|26|27)\.csv$/.test(path));
      for (let i = 0; i < 2; i++) expect(await importFiles(other, ...days)).toMatchObject({ failed: 0 });
      const periods = [period("2025-10-25"), period(change), period("2025-10-25", change)];
      const questions = questionsOf(filtersOf(clients.slice(0, 3), 2), periods).filter(
        ({ path, body }) => body.start_date !== undefined && !path.endsWith("realtime"),
      );
      const [wanted, got] = [await ask(hub.url, questions), await ask(second.url, questions)];
      expect(questions.length).toBeGreaterThan(90);
      expect(differing(questions, got, wanted).slice(0, 5)).toEqual([]);
    } finally {
      await second?.stop();
      other.remove();
    }
  });
});
