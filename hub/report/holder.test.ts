import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Zone } from "../../program/zone.ts";
import { PlayedTasks, playedTask, type TaskFault } from "../../test/report/tasks.ts";
import { textOf } from "../sentence.ts";
import { taskReader } from "./holder.ts";
import type { ReportDay, ReportNode, TaskAnswer } from "./report.ts";
import type { TaskSource } from "./settings.ts";

const zone = new Zone("Asia/Taipei");
const day: ReportDay = { date: "2025-08-01", from: 1_753_977_600, to: 1_754_064_000, zone };
const mi300x = [1, 9, 17, 25, 33, 41, 49, 57];
const nodes: readonly ReportNode[] = [
  { name: "colab-gpu1", netdata: "http://127.0.0.1:1", cards: mi300x },
  { name: "colab-gpu2", netdata: "http://127.0.0.1:1", cards: mi300x, ids: "node", first: 17 },
];

let api: PlayedTasks;
let folder: string;
let now: number;
/** Called with each timer; none runs by itself. */
let onTimer: (run: () => void) => void;
let log: string[];

beforeEach(async () => {
  api = await new PlayedTasks().up();
  folder = fs.mkdtempSync(join(tmpdir(), "gohm-holder-"));
  now = Date.parse("2025-08-01T23:45:00+08:00");
  onTimer = () => {};
  log = [];
});

afterEach(async () => {
  await api.down();
  fs.rmSync(folder, { recursive: true });
});

interface Options {
  readonly source?: Partial<TaskSource>;
  readonly nodes?: readonly ReportNode[];
  readonly cards?: readonly number[];
  readonly signal?: AbortSignal;
}

const sourceOf = (more: Partial<TaskSource> = {}): TaskSource => ({
  ...{ url: api.url, token: api.token, tokenFile: "", folder: join(folder, "report-tasks") },
  ...more,
});

type Answer = Omit<TaskAnswer, "issues"> & { readonly issues: readonly string[] };

/** What is read, with the texts of what is wrong. */
async function read(options: Options = {}): Promise<Answer> {
  const say = (text: string): void => void log.push(text);
  const clock = {
    now: () => now,
    after: (_ms: number, run: () => void) => {
      onTimer(run);
      return () => {};
    },
  };
  const reader = taskReader({
    ...{ source: sourceOf(options.source), nodes: options.nodes ?? nodes, clock },
    log: { info: say, warn: say, error: say },
  });
  const { issues, ...answer } = await reader.read(day, () => options.cards ?? mi300x, options.signal);
  return { ...answer, issues: issues.map(textOf) };
}

/** Host, user and index of each GPU, in order. */
const brief = ({ tasks }: Answer): string[] =>
  [...tasks].flatMap(([host, all]) => all.map(({ user, index }) => `${host} ${user} ${index}`));

test("the tasks of a local day are asked for with the token, and found on the GPUs of nodes by their cards", async () => {
  api.tasks = {
    a: playedTask("alice", "colab-gpu1", [
      { uuid: "u1", id: 1 },
      { uuid: "u2", id: 57 },
    ]),
    b: playedTask("bob", "colab-gpu1", [{ uuid: "u3", id: 9 }], { end: "2025-08-01 10:00:00", total_seconds: 12.34 }),
    over: playedTask("carol", "colab-gpu1", [{ uuid: "u4", id: 9 }], { end: "2025-07-31 23:59:59" }),
  };
  const answer = await read();
  expect(answer.issues).toEqual([]);
  expect(brief(answer)).toEqual(["colab-gpu1 alice 0", "colab-gpu1 alice 7", "colab-gpu1 bob 1"]);
  expect(answer.tasks.get("colab-gpu1")?.at(-1)).toEqual({
    ...{ user: "bob", uuid: "u3", id: 9, index: 1, model: "AMD Instinct MI300X", memory: "196592", type: "notebook" },
    ...{ project: "6f1b2c3d-0000-4000-8000-000000000001", image: "rocm/pytorch:latest" },
    ...{ start: "2025-08-01 09:00:00", end: "2025-08-01 10:00:00", seconds: 12.34 },
  });
  expect(answer.tasks.get("colab-gpu1")?.[0]?.end).toBe("");
  expect(api.requests).toEqual([
    {
      path: "/api/v2/consumption/task",
      ...{ start: "2025-08-01 00:00:00", end: "2025-08-01 23:59:59", authorization: `Bearer ${api.token}` },
    },
  ]);
  expect([api.wrong, log]).toEqual([[], []]);
});

test("a later task on a GPU replaces the earlier in its place; tasks on a shared card are both there", async () => {
  api.tasks = {
    a: playedTask("alice", "colab-gpu1", [{ uuid: "u1", id: 1 }]),
    b: playedTask("bob", "colab-gpu1", [{ uuid: "u2", id: 9 }]),
    c: playedTask("carol", "colab-gpu1", [{ uuid: "u1", id: 1 }]),
    d: playedTask("dave", "colab-gpu1", [{ uuid: "shared", id: 9 }]),
    e: playedTask("erin", "elsewhere", [{ uuid: "u5", id: 9 }]),
  };
  expect(brief(await read())).toEqual([
    "colab-gpu1 carol 0",
    "colab-gpu1 bob 1",
    "colab-gpu1 dave 1",
    "elsewhere erin undefined",
  ]);
});

test("tasks are taken in the order of the answer, also if their ids are numbers", async () => {
  api.tasks = new Map([
    ["20", playedTask("first", "colab-gpu1", [{ uuid: "u", id: 1 }])],
    ["b", playedTask("second", "colab-gpu1", [{ uuid: "u", id: 1 }])],
    ["3", playedTask("last", "colab-gpu1", [{ uuid: "u", id: 1 }])],
  ]);
  expect(brief(await read())).toEqual(["colab-gpu1 last 0"]);
});

test("ids count through nodes where a node's settings say so, and may be texts", async () => {
  const gpus = [17, "24", 25, 16].map((id, i) => ({ uuid: `u${i}`, id }));
  api.tasks = { a: playedTask("alice", "colab-gpu2", gpus) };
  const answer = await read();
  expect(brief(answer).map((line) => line.split(" ").at(-1))).toEqual(["0", "7", "undefined", "undefined"]);
  expect(answer.issues).toEqual([
    'The task API names GPU "25" of colab-gpu2, whose ids are those from 17 on: check reports.tasks.ids',
  ]);
  // A node whose cards nobody knows, as it is down, has none.
  expect((await read({ cards: [] })).issues).toEqual([]);
});

test("a node whose indices have a gap has its tasks on the right GPUs", async () => {
  const gpus = [0, 2, -1, 1].map((id) => ({ uuid: `u${id}`, id }));
  api.tasks = { a: playedTask("alice", "colab-gpu1", gpus) };
  const { tasks, issues } = await read({ cards: [0, -1, 2] });
  expect(tasks.get("colab-gpu1")?.map(({ index }) => index)).toEqual([0, 2, undefined, undefined]);
  expect(issues).toEqual([expect.stringContaining('GPU "-1" of colab-gpu1, whose ids are 0, 2:')]);
});

test.each([
  [{ ids: "node" }, "colab-gpu1", /count through the nodes, and reports.tasks.first does not have its first one/],
  [{ ids: "card" }, "colab-gpu1", /names GPU "2" of colab-gpu1, whose ids are 1, 9, 17, 25, 33, 41, 49, 57/],
  [{ ids: "card" }, "Colab-GPU1.lab", /names the host "Colab-GPU1.lab", which is not the node colab-gpu1/],
] as const)("settings that do not fit the task API are named: %j, %s", async (more, host, words) => {
  api.tasks = { a: playedTask("alice", host, [{ uuid: "u", id: 2 }]) };
  const { issues, tasks } = await read({ nodes: [{ name: "colab-gpu1", host: "h", ...more }] });
  expect(issues).toEqual([expect.stringMatching(words)]);
  expect(tasks.get(host)?.[0]?.index).toBeUndefined();
});

/** Faults, and what is said of each. */
const failures: readonly (readonly [TaskFault | "away", RegExp])[] = [
  ["away", /cannot be reached: nothing listens there/],
  ["hangs", /cannot be reached: no complete answer within 30 s/],
  ["stalls", /cannot be reached: no complete answer within 30 s/],
  ["slow", /cannot be reached: no complete answer within 30 s/],
  ["html", /answers with HTML instead of JSON/],
  ["unauthorized", /rejects the token \(status 401\): it may have expired/],
  ["broken", /failed \(status 500\)/],
  ["redirects", /redirects to http:[^?]*\/elsewhere\/\*{3}, which is not followed: set reports.tasks.url/],
  ["cut", /cannot be reached: the answer was cut off/],
  ["half", /answers JSON that ends in the middle/],
  ["endless", /cannot be reached: an answer of more than 32 MiB/],
  ["error", /answers another form than tasks by their ids/],
  ["echoes", /rejects the token \(status 403\)/],
];

test.each(failures)("an API that is %s leaves the last good answer of the day", async (fault, words) => {
  const other = await new PlayedTasks().up();
  try {
    api.tasks = { a: playedTask("alice", "colab-gpu1", [{ uuid: "u1", id: 1 }]) };
    const good = await read();
    now += 3_600_000;
    const before = api.requests.length;
    onTimer = (run) =>
      void expect
        .poll(() => api.requests.length, { interval: 5 })
        .toBeGreaterThan(before)
        .then(run, run);
    api.elsewhere = `${other.url}/elsewhere/${api.token}?token=${btoa(api.token)}`;
    if (fault === "away") await api.down();
    else api.fault = fault;
    if (fault !== "hangs" && fault !== "stalls" && fault !== "slow") onTimer = () => {};
    const { tasks, issues, isUnknown } = await read();
    expect([tasks, isUnknown]).toEqual([good.tasks, undefined]);
    expect(issues).toEqual([expect.stringMatching(words)]);
    expect(issues[0]).toContain(": users are those of its answer of 2025-08-01 23:45:00");
    expect([log, other.requests]).toEqual([issues, []]);
    expect([...issues, ...log].join()).not.toContain(api.token);
  } finally {
    await other.down();
  }
});

test("without any answer of the day users are unknown, and an answer of another day is no help", async () => {
  api.tasks = { a: playedTask("alice", "colab-gpu1", [{ uuid: "u1", id: 1 }]) };
  await read();
  fs.renameSync(join(folder, "report-tasks/2025-08-01.json"), join(folder, "report-tasks/2025-07-31.json"));
  await api.down();
  const { tasks, issues, isUnknown } = await read();
  expect([tasks.size, isUnknown]).toEqual([0, true]);
  expect(issues).toEqual([
    `The task API at ${api.url} cannot be reached: nothing listens there: no earlier answer of that day is kept, so users are unknown`,
  ]);
});

test("a link-local address, at which clouds have the credentials of a machine, is not asked and named as the reason", async () => {
  for (const url of [
    "http://169.254.169.254",
    "http://[fe80::1]",
    "http://2852039166",
    "https://[::ffff:169.254.0.1]",
  ]) {
    const { issues } = await read({ source: { url } });
    expect(issues[0], url).toContain("cannot be reached: its address is link-local");
  }
});

test("a report that is canceled ends the request, and says nothing", async () => {
  api.fault = "hangs";
  const abort = new AbortController();
  const reading = read({ signal: abort.signal });
  await expect.poll(() => api.requests.length, { interval: 5 }).toBe(1);
  abort.abort();
  expect(await reading).toEqual({ tasks: new Map(), issues: [] });
});

test("only the own user may read the kept answers, of which the newest days remain", async () => {
  api.tasks = { a: playedTask("alice", "colab-gpu1", [{ uuid: "u1", id: 1 }]) };
  const kept = join(folder, "report-tasks");
  await read();
  for (let i = 0; i < 40; i++) {
    fs.writeFileSync(join(kept, `${new Date(1e12 + i * 86_400_000).toISOString().slice(0, 10)}.json`), "{}");
  }
  fs.writeFileSync(join(kept, ".2025-07-01.left.partial"), "{");
  fs.utimesSync(join(kept, ".2025-07-01.left.partial"), now / 1000 - 7200, now / 1000 - 7200);
  await read();
  const files = fs.readdirSync(kept);
  expect([files.length, files.at(-1)]).toEqual([31, "2025-08-01.json"]);
  expect([fs.statSync(kept).mode & 0o777, fs.statSync(join(kept, "2025-08-01.json")).mode & 0o777]).toEqual([
    0o700, 0o600,
  ]);
  expect(fs.readFileSync(join(kept, "2025-08-01.json"), "utf8")).not.toContain(api.token);
});

test("without a data folder nothing is kept, and none is created", async () => {
  const { issues } = await read({ source: { folder: join(folder, "no-hub", "report-tasks") } });
  expect([issues, fs.readdirSync(folder)]).toEqual([[], []]);
});

test("no answer is kept behind a link, to which another user of the data folder may have led root", async () => {
  fs.mkdirSync(join(folder, "elsewhere"));
  fs.symlinkSync(join(folder, "elsewhere"), join(folder, "report-tasks"));
  await read();
  expect(log).toEqual([expect.stringContaining("report-tasks is not a directory")]);
  expect(fs.readdirSync(join(folder, "elsewhere"))).toEqual([]);
});

test.skipIf(process.getuid?.() !== 0)("what root keeps belongs to the owner of the data folder", async () => {
  fs.chownSync(folder, 65_534, 65_533);
  await read();
  for (const name of ["report-tasks", "report-tasks/2025-08-01.json"]) {
    const { uid, gid } = fs.statSync(join(folder, name));
    expect([name, uid, gid]).toEqual([name, 65_534, 65_533]);
  }
});

test("an answer that cannot be kept, or is damaged, is named, and the report has what there is", async () => {
  api.tasks = { a: playedTask("alice", "colab-gpu1", [{ uuid: "u1", id: 1 }]) };
  fs.writeFileSync(join(folder, "report-tasks"), "");
  const { tasks, issues } = await read();
  expect([tasks.size, issues]).toEqual([1, []]);
  expect(log).toEqual([
    expect.stringMatching(
      /^The answer of the task API cannot be kept for an outage: .*report-tasks is not a directory/,
    ),
  ]);
  fs.rmSync(join(folder, "report-tasks"));
  await read();
  fs.writeFileSync(join(folder, "report-tasks/2025-08-01.json"), '{"at": 1}\n{"user": "x"}\n');
  api.fault = "broken";
  expect((await read()).issues).toEqual([
    expect.stringMatching(/^The last answer of the task API cannot be read: .*2025-08-01.json is damaged$/),
    expect.stringMatching(/users are unknown$/),
  ]);
});

test("the token is read anew from its file for each report", async () => {
  const tokenFile = join(folder, "token");
  fs.writeFileSync(tokenFile, "old\n", { mode: 0o600 });
  expect((await read({ source: { token: "", tokenFile } })).issues).toEqual([
    expect.stringContaining("rejects the token"),
  ]);
  fs.writeFileSync(tokenFile, `Bearer ${api.token}\r\n`);
  expect((await read({ source: { token: "", tokenFile } })).issues).toEqual([]);
  fs.chmodSync(tokenFile, 0o644);
  expect((await read({ source: { token: "", tokenFile } })).issues).toEqual([]);
  expect(log.slice(-1)).toEqual([
    `Every user of this machine can read the token in ${tokenFile} (reports.tasks.token_file): chmod o-rwx ${tokenFile}`,
  ]);
  expect(api.requests.map(({ authorization }) => authorization)).toEqual([
    "Bearer old",
    ...Array.from({ length: 2 }, () => `Bearer ${api.token}`),
  ]);
});

test.each([
  [" \n", /is empty/],
  ["secret\nsecond", /has characters that no token has/],
  ["秘密secret", /has characters that no token has/],
  [undefined, /there is no such file/],
])("a file with the token %j is refused without a request, and its text is in no message", async (text, words) => {
  const tokenFile = join(folder, "token");
  if (text !== undefined) fs.writeFileSync(tokenFile, text, { mode: 0o600 });
  const { issues } = await read({ source: { token: "", tokenFile } });
  expect(issues).toEqual([expect.stringMatching(words)]);
  expect([api.requests, issues.join().includes("secret")]).toEqual([[], false]);
});

test("without a token nothing is asked", async () => {
  const { issues } = await read({ source: { token: "" } });
  expect(issues).toEqual([expect.stringContaining("There is no token for the task API (reports.tasks.token_file,")]);
  expect(api.requests).toEqual([]);
});

test("a value that says nothing of users is in the log, and makes no user doubtful", async () => {
  api.tasks = { a: playedTask("alice", "colab-gpu1", [{ uuid: "u1", id: 1 }], { total_seconds: "soon" as never }) };
  const answer = await read();
  expect([brief(answer), answer.issues]).toEqual([["colab-gpu1 alice 0"], []]);
  expect(log).toEqual(['The task API: Task a has "total_seconds" that are not a number']);
});
