import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { UsageError } from "../../program/line.ts";
import { PlayedNetdata, type PlayedNode } from "../../test/report/netdata.ts";
import { PlayedTasks, playedTask } from "../../test/report/tasks.ts";
import { type WantedNode, wantedFiles } from "../../test/report/wanted.ts";
import { lineLog } from "../log.ts";
import { commands } from "./all.ts";
import { type Context, checkWords, Failure, type HubClient, invocationOf, Misuse } from "./command.ts";
import { show, sinkOf } from "./output.ts";
import { report } from "./report.ts";

const date = "2025-08-01";
/** The day in Taipei, which has no summer time. */
const from = Date.parse(`${date}T00:00:00+08:00`) / 1000;
const ends = Array.from({ length: 144 }, (_, i) => from + (i + 1) * 600);

let folder: string;
let netdata: PlayedNetdata;
let api: PlayedTasks;

beforeEach(async () => {
  folder = fs.mkdtempSync(join(tmpdir(), "gohm-report-"));
  const node = (): PlayedNode => ({
    cards: [1, 9].map((card) => ({ card, gpu: () => "12.5", vram: () => (card === 1 ? "0.125" : "45") })),
  });
  netdata = await PlayedNetdata.start({ "colab-gpu1": node(), "colab-gpu2": node() });
  api = await new PlayedTasks().up();
  settle({});
});

afterEach(async () => {
  await netdata.stop();
  await api.down();
  fs.rmSync(folder, { recursive: true });
});

const nodesOf = (...names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, { netdata: `${netdata.url(name)}/` }]));

/** Writes the settings. */
function settle(reports: Readonly<Record<string, unknown>>): void {
  const token = join(folder, "token");
  fs.writeFileSync(token, api.token, { mode: 0o600 });
  const all = {
    ...{ timezone: "Asia/Taipei", folder: join(folder, "reports"), nodes: nodesOf("colab-gpu1", "colab-gpu2") },
    ...{ tasks: { url: api.url, token_file: token }, ...reports },
  };
  fs.writeFileSync(join(folder, "settings.json"), JSON.stringify({ reports: all }));
}

interface Result {
  readonly status: number | undefined;
  readonly stdout: string;
  /** Without the times of its lines. */
  readonly stderr: string;
  /** What was drawn on the terminal. */
  readonly drawn: string;
  /** That, and the lines between. */
  readonly terminal: string;
}

interface Options {
  readonly isTerminal?: boolean;
  readonly hub?: Partial<HubClient>;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command line. @throws Failure, Misuse */
async function gohm(line: string, { isTerminal = false, hub, env = {} }: Options = {}): Promise<Result> {
  const { command, line: read } = invocationOf(["report", ...line.split(" ").filter(Boolean)], commands);
  checkWords(command, read.words);
  const texts = { out: "", err: "", drawn: "" };
  let terminal = "";
  const streamOf = (name: keyof typeof texts): Writable =>
    new Writable({
      write(piece, _encoding, done) {
        texts[name] += piece;
        terminal += piece;
        done();
      },
    });
  const out = streamOf("out");
  const err = streamOf("err");
  const given = {
    flags: read.flags,
    env: { GOHM_SETTINGS: join(folder, "settings.json"), GOHM_DATA: join(folder, "data"), ...env },
  };
  const context: Context = {
    ...{ words: read.words, given, version: "1", commands },
    all: (option) => read.lists?.[option] ?? [],
    log: lineLog((text) => void err.write(text.slice(25)), Date.now),
    hub: () => hub as HubClient,
    print: (text) => void out.write(`${text}\n`),
    output: () => out,
    note: (text) => void err.write(`${text}\n`),
    terminal: {
      input: process.stdin,
      prompts: Object.assign(streamOf("drawn"), isTerminal ? { isTTY: true, columns: 60 } : {}),
    },
    show: (listing) => show(listing, read.flags, sinkOf(out, given)),
  };
  const status = await report.run(context).catch((error: unknown) => {
    throw error instanceof UsageError ? new Misuse(command, error.message) : error;
  });
  return { status, stdout: texts.out, stderr: texts.err, drawn: texts.drawn, terminal };
}

/** Nodes are written in any order. */
const linesOf = (text: string): string[] => text.trimEnd().split("\n").sort();

const node1: WantedNode = {
  node: "colab-gpu1",
  date,
  offsets: [[0, 8 * 3600]],
  cards: [
    { card: 1, rows: ends.map((at) => [at, "12.5", "0.125"]), means: ["12.50", "0.12"], user: "alice" },
    { card: 9, rows: ends.map((at) => [at, "12.5", "45"]), means: ["12.50", "45.00"] },
  ],
  overall: ["12.50", "22.56"],
  tasks: `
colab-gpu1 GPU 任務資訊:
  GPU 1: alice
    - GPU 型號: AMD Instinct MI300X
    - GPU 記憶體: 196592 MB
    - 任務類型: notebook
    - 專案 UUID: 6f1b2c3d-0000-4000-8000-000000000001
    - 映像檔: rocm/pytorch:latest
    - 開始時間: 2025-08-01 09:00:00
    - 狀態: 執行中
    - 使用時長: 3600.0 秒
    - GPU UUID: u1

`,
};

const filesOf = (node: string, root = join(folder, "reports")): Record<string, string> => {
  const at = join(root, node, date);
  return Object.fromEntries(fs.readdirSync(at).map((name) => [name, fs.readFileSync(join(at, name), "utf8")]));
};

test("a day of nodes becomes their files, its tasks and a table", async () => {
  api.tasks = { t: playedTask("alice", "colab-gpu1", [{ uuid: "u1", id: 1 }]) };
  const { status, stdout, stderr } = await gohm(date);
  expect(status).toBe(0);
  expect(filesOf("colab-gpu1")).toEqual(wantedFiles(node1));
  expect(filesOf("colab-gpu2")[`average_${date}.csv`]).toContain("GPU[0],12.50,0.12,未使用\n");
  expect(linesOf(stderr)).toEqual([
    "info colab-gpu1: complete, 288 of 288 rows",
    "info colab-gpu2: complete, 288 of 288 rows",
  ]);
  expect(stdout.startsWith("\n=== 2025-08-01 GPU 使用者任務報告 ===\n")).toBe(true);
  const table = stdout.split(`${"=".repeat(60)}\n\n`).at(-1);
  expect(table?.split("\n").map((line) => line.split(/ +/))).toEqual([
    ["NODE", "STATE", "ROWS", "EXPECTED", "WRITTEN"],
    ["colab-gpu1", "complete", "288", "288", "yes"],
    ["colab-gpu2", "complete", "288", "288", "yes"],
    [""],
  ]);
});

test("without tasks the table stands alone, and a date may lack zeros; --data-dir names the folder", async () => {
  const other = join(folder, "other");
  const { status, stdout } = await gohm(`2025-8-1 --data-dir ${other} --node colab-gpu2`);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^NODE .*\ncolab-gpu2 .*\n$/);
  expect([fs.readdirSync(other), fs.existsSync(join(folder, "reports"))]).toEqual([["colab-gpu2"], false]);
});

test("--json has every node with what is wrong, and nothing else", async () => {
  netdata.nodes.set("colab-gpu2", { cards: [], fault: "html" });
  api.fault = "broken";
  const { status, stdout, stderr } = await gohm(`${date} --json`);
  const { nodes, ...more } = JSON.parse(stdout);
  expect([status, nodes[0], nodes[1].state, nodes[1].issues.length > 0]).toEqual([
    0,
    { node: "colab-gpu1", state: "complete", rows: 288, expected: 288, issues: [], written: true },
    "failed",
    true,
  ]);
  expect(more).toEqual({
    ...{ date, timezone: "Asia/Taipei", folder: join(folder, "reports") },
    tasks: { issues: [expect.stringContaining("failed (status 500)")] },
  });
  expect(stderr).toContain("warn The task API at ");
  expect(stderr).toContain(`warn colab-gpu2: ${nodes[1].issues[0]}\n`);
});

test("without one complete node the status is 3, and what there is was written", async () => {
  for (const name of ["colab-gpu1", "colab-gpu2"]) {
    const cards = [{ card: 1, gpu: (at: number) => (at > from + 43_200 ? 1 : undefined), vram: () => 1 }];
    netdata.nodes.set(name, { cards, ...(name === "colab-gpu2" ? { fault: "down" as const } : {}) });
  }
  settle({ nodes: { ...nodesOf("colab-gpu1"), "colab-gpu2": { netdata: netdata.url("colab-gpu2"), cards: [1, 9] } } });
  api.tasks = { t: playedTask("alice", "colab-gpu1", [{ uuid: "u1", id: 1 }]) };
  const { status, stdout } = await gohm(`${date} --csv`);
  expect(status).toBe(3);
  expect(stdout.split("\r\n").map((line) => line.split(",").slice(0, 4).join())).toEqual([
    "node,state,rows,expected",
    "colab-gpu1,partial,72,144",
    "colab-gpu2,failed,0,288",
    "",
  ]);
  expect(filesOf("colab-gpu2")[`average_${date}.csv`]).toContain("GPU[1],N/A,N/A,未使用\n全部平均,0.00,0.00,");
  expect(Object.keys(filesOf("colab-gpu1"))).toContain(`gpu0_${date}.csv`);
});

test("--user-report prints the tasks of the day, asks no node and writes nothing", async () => {
  api.tasks = {
    t: playedTask("alice", "colab-gpu1", [{ uuid: "u1", id: 1 }]),
    u: playedTask("\u001b[31mbob", "elsewhere", [{ uuid: "u2", id: 9 }], {
      ...{ end: "2025-08-01 10:00:00", total_seconds: 59.96 },
    }),
  };
  const { status, stdout, stderr } = await gohm(`${date} --user-report`);
  expect([status, stderr, netdata.requests, fs.existsSync(join(folder, "reports"))]).toEqual([0, "", [], false]);
  expect(stdout).not.toContain("\u001b");
  const end = `${"=".repeat(60)}\n`;
  expect(stdout.startsWith(`\n=== ${date} GPU 使用者任務報告 ===\n${end}`)).toBe(true);
  expect(
    stdout.endsWith(`  結束時間: 2025-08-01 10:00:00\n  狀態: 已完成\n  使用時長: 60.0 秒\n  GPU UUID: u2\n\n${end}`),
  ).toBe(true);
  api.tasks = {};
  expect((await gohm(`${date} --user-report`)).stdout).toBe("沒有 GPU 使用者任務資訊可供顯示\n");
});

test("a file in the place of the folder is named as such", async () => {
  const file = join(folder, "token");
  const { status, stderr } = await gohm(`${date} --node colab-gpu1 --data-dir ${file}`);
  expect(status).toBe(3);
  expect(stderr).toContain(`cannot be written to ${file}: ${file} is a file, and must be a folder\n`);
});

test("--node selects tasks, too, whatever hosts the API has", async () => {
  api.tasks = {
    t: playedTask("alice", "colab-gpu1", [{ uuid: "u1", id: 1 }]),
    u: playedTask("bob", "colab-gpu2", [{ uuid: "u2", id: 9 }]),
  };
  for (const more of ["--user-report", "--skip-task-info --user-report", ""]) {
    const { status, stdout } = await gohm(`${date} --node colab-gpu2 ${more}`.trim());
    expect([status, stdout.includes("alice")]).toEqual([0, false]);
    expect(stdout.includes("bob")).toBe(!more.startsWith("--skip"));
  }
  await expect(gohm(`${date} --user-report --node colab-gpu3`)).rejects.toThrow('no node "colab-gpu3"');
});

test("--skip-task-info does not ask the task API", async () => {
  await gohm(`${date} --skip-task-info`);
  expect((await gohm(`${date} --skip-task-info --user-report`)).stdout).toContain("沒有");
  expect(api.requests).toEqual([]);
  expect(filesOf("colab-gpu1")[`average_${date}.csv`]).toContain("GPU[0],12.50,0.12,未使用\n");
});

test("rows that are there are kept when a node has fewer now", async () => {
  await gohm(date);
  const before = filesOf("colab-gpu1");
  netdata.nodes.set("colab-gpu1", { cards: [1, 9].map((card) => ({ card })), fault: "empty" });
  const { status, stderr } = await gohm(`${date} --node colab-gpu1`);
  // Nothing is lost: the report is as whole as it was.
  expect([status, filesOf("colab-gpu1")]).toEqual([0, before]);
  expect(stderr).toContain("info colab-gpu1: complete, 288 of 288 rows; files that are there were kept\n");
});

test("on a terminal a bar shows how far it is, and only what is not complete has a line, without a time", async () => {
  const whole = await gohm(date, { isTerminal: true });
  expect(whole.drawn).toContain(`\r\x1b[K[${"#".repeat(12)}${"-".repeat(12)}] 50 % 1/2 nodes`);
  expect(whole.stderr).toBe("");
  netdata.nodes.set("colab-gpu2", { cards: [1, 9].map((card) => ({ card })), fault: "empty" });
  const { stderr: kept } = await gohm(date, { isTerminal: true });
  expect(kept).toBe("colab-gpu2: complete, 288 of 288 rows; files that are there were kept\n");
  fs.rmSync(join(folder, "reports", "colab-gpu2"), { recursive: true });
  const { stderr, terminal } = await gohm(date, { isTerminal: true });
  expect(linesOf(stderr).filter((line) => !line.startsWith("colab-gpu2: "))).toEqual([]);
  expect(stderr).toContain("colab-gpu2: failed, 0 of ");
  // The bar is removed before a line, and before the table.
  for (const text of [whole.terminal, terminal]) expect(text).not.toMatch(/nodes[^\r]/);
});

test("a node of a host is read from the history of the hub, by the numbers of its cards", async () => {
  settle({ nodes: { "h100-1": { host: "node4", cards: [3, 7, 8] } } });
  const asked: unknown[] = [];
  const call = async (_route: unknown, args: unknown) => {
    asked.push(args);
    const t = ends.slice(0, 143);
    const of = (index: number) => ({ index, t, gpu_percent: t.map(() => 50), vram_percent: t.map(() => 1 / 3) });
    const empty = { index: 1, t: [], gpu_percent: [], vram_percent: [] };
    return { host: "node4", gpus: [of(2), empty, of(0)], issues: ["\u001b[2Jodd"] };
  };
  const { status, stderr } = await gohm(date, { hub: { call: call as HubClient["call"] } });
  expect([status, asked]).toEqual([3, [{ host: "node4", from: from * 1000, to: (from + 86_400) * 1000 }]]);
  const files = filesOf("h100-1");
  expect(Object.keys(files)).toEqual([
    `average_${date}.csv`,
    `gpu0_${date}.csv`,
    `gpu2_${date}.csv`,
    `summary_${date}.txt`,
  ]);
  expect(files[`gpu2_${date}.csv`]?.split("\n")[1]).toBe(`${ends[0]},"2025-08-01 00:10:00",50.0,0.3333333333333333`);
  expect(files[`summary_${date}.txt`]).toContain("GPU[0] -> Card 3\nGPU[1] -> Card 7\nGPU[2] -> Card 8\n");
  expect(stderr).toContain("warn h100-1: [2Jodd\n");
  expect(stderr).not.toContain("\u001b");
});

test("a hub that does not run costs the nodes of its history alone", async () => {
  settle({ nodes: { "h100-1": { host: "node4" }, ...nodesOf("colab-gpu1") } });
  const call = async (): Promise<never> => {
    throw new Failure("No hub runs on the data folder /x");
  };
  const { status, stderr } = await gohm(date, { hub: { call } });
  expect(status).toBe(0);
  expect(stderr).toContain("warn h100-1: No hub runs on the data folder /x\n");
});

test.each([
  ["2025-13-01", '"2025-13-01" is not a day: DATE must be a date in the form YYYY-MM-DD'],
  ["01.08.2025", '"01.08.2025" is not a day: DATE must be a date in the form YYYY-MM-DD'],
  ["2025-02-29", "YYYY-MM-DD"],
  ["2999-12-31", /^2999-12-31 is in the future: in the time zone Asia\/Taipei today is \d{4}-\d\d-\d\d$/],
  [`${date} --node colab-gpu3`, 'There is no node "colab-gpu3" in reports.nodes: there are colab-gpu1, colab-gpu2'],
])("gohm report %s fails with status 1: %s", async (line, words) => {
  const error = await gohm(line).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(Failure);
  if (typeof words === "string") expect((error as Failure).message).toContain(words);
  else expect((error as Failure).message).toMatch(words);
  expect([netdata.requests, api.requests]).toEqual([[], []]);
});

test("a token in the settings is not taken for that of another setting", async () => {
  settle({ tasks: { url: api.url, token: "eyJ" } });
  await expect(gohm(date)).rejects.toThrow(/"reports\.tasks\.token" .*did you mean "reports\.tasks\.token_file"\?$/);
});

test("a token that others may read is warned of, by the name of its file alone", async () => {
  settle({ tasks: { url: api.url } });
  const path = join(folder, "token");
  const run = async (mode: number): Promise<string> => {
    fs.chmodSync(path, mode);
    const { status, stderr } = await gohm(date, { env: { GOHM_REPORTS_TASKS_TOKEN_FILE: path } });
    expect([status, stderr.includes(api.token)]).toEqual([0, false]);
    return stderr;
  };
  expect(await run(0o644)).toContain(
    `warn Every user of this machine can read the secret in ${path}: chmod o-rwx ${path}\n`,
  );
  expect(await run(0o600)).not.toContain("warn");
  expect(api.wrong).toEqual([]);
});

test("settings without nodes are explained", async () => {
  settle({ nodes: {} });
  await expect(gohm(date)).rejects.toThrow(/no nodes of daily reports .*"reports": \{"nodes": .*docs\/reports\.md/);
});

test.each([
  [`${date} --user-report --json`, "--user-report has no form but its own. See gohm help report."],
  [`${date} --data-dir=`, "--data-dir wants a folder: it was given nothing. See gohm help report."],
  [`--date ${date}`, "There is no option --date: give the date as a word of its own. See gohm help report."],
  [`${date} --frob`, "There is no option --frob. See gohm help report."],
  [`${date} 2025-08-02`, `gohm report wants at most one date: it was given "${date} 2025-08-02"`],
])("gohm report %s ends with status 2", async (line, words) => {
  const error = await gohm(line).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(Misuse);
  expect([(error as Misuse).status, (error as Misuse).message.startsWith(words)]).toEqual([2, true]);
  expect([netdata.requests, fs.existsSync(join(folder, "reports"))]).toEqual([[], false]);
});
