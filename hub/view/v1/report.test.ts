import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Zone } from "../../../program/zone.ts";
import { jsonOf } from "../../../test/answer.ts";
import { rowsOf, writeFiles } from "../../../test/report/written.ts";
import { noReports, viewOf } from "../../../test/view.ts";
import { application } from "../../http/application.ts";
import { silent } from "../../log.ts";
import { Privacy } from "../../privacy.ts";
import { issue } from "../../report/issue.ts";
import { ReportRuns } from "../../report/runs.ts";
import { session } from "../session.ts";
import { v1 } from "../v1.ts";

let runs: ReportRuns;
const zone = new Zone("Asia/Taipei");
const at = (date: string): number => (zone.startOfDay(date) ?? 0) / 1000;
const nasty = `<img src=x onerror=alert(1)>,"&\u202e`;
let folder: string;
let now: number;
let privacy: Privacy;
let read: "open" | "login";
let nodes: readonly { readonly name: string }[];
let app: ReturnType<typeof application>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-reports-"));
  now = 1000 * at("2025-08-04");
  read = "open";
  runs = new ReportRuns();
  nodes = [];
  const clock = { now: () => now, after: () => () => {} };
  privacy = new Privacy({ now: clock.now, users: "shown" });
  const reports = () => ({ ...noReports(), folder, zone, nodes });
  const hub = viewOf({ clock, privacy, reports, reportRuns: runs, read: () => read });
  app = application([await v1.open(hub, {}), await session.open(hub, {})], { log: silent, entry: hub.identity });
  for (const [node, date] of [
    ["n1", "2025-08-01"],
    ["n10", "2025-08-02"],
    ["n2", "2025-08-02"],
    ["n1", "2025-08-03"],
  ] as const)
    write(node, date);
});

afterEach(() => rmSync(folder, { recursive: true }));

const format = (seconds: number): string => zone.format(seconds * 1000);

/** Two cards with rows: the first has only the first hour, the second the whole day; a third has none. */
function write(node: string, date: string, user = "alice", gpu = 50): string {
  const day = rowsOf(at(date), at(date) + 86_400, (place) => [place < 6 ? gpu : 0, 10]);
  return writeFiles(folder, {
    node,
    date,
    format,
    cards: [
      { card: 1, rows: day.slice(0, 6), user },
      { card: 9, rows: day, user: "" },
      { card: 17, rows: undefined, user: "bob" },
    ],
  });
}

const ask = async (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  app.request(`/api/v1/reports${path}`, { headers });
const json = async (path: string) => jsonOf(await ask(path));
const listed = async (query: string): Promise<string[]> =>
  ((await json(query)).reports as { node: string; date: string }[]).map(({ node, date }) => `${date.slice(8)} ${node}`);
const code = async (answer: Response): Promise<unknown[]> => [answer.status, (await answer.json()).error.code];

test.each([
  ["", ["03 n1", "02 n2", "02 n10", "01 n1"]],
  ["?from=2025-08-02", ["03 n1", "02 n2", "02 n10"]],
  ["?from=2025-08-02&to=2025-08-02", ["02 n2", "02 n10"]],
  ["?to=2025-08-01", ["01 n1"]],
  ["?node=n1", ["03 n1", "01 n1"]],
  ["?node=n1&node=n10&to=2025-08-02", ["02 n10", "01 n1"]],
  ["?node=n", []],
])("reports%s are those that fit, the latest day first and nodes in the order of people", async (query, wanted) => {
  expect(await listed(query)).toEqual(wanted);
});

test("pages of the list follow one another by the cursor", async () => {
  const first = await json("?limit=3");
  expect([first.total, first.reports.length]).toEqual([4, 3]);
  const rest = await json(`?limit=3&cursor=${first.next}`);
  expect(rest).toMatchObject({ reports: [{ node: "n1", date: "2025-08-01" }], next: null });
});

test("a row has averages, coverage, users and the hours of its day", async () => {
  const [row] = (await json("?node=n2")).reports;
  expect(row).toMatchObject({
    state: "partial",
    ...{ gpu_percent: 26.04, vram_percent: 10, rows: 150, expected: 432, cards: 3, users: ["alice", "bob"] },
    files: ["gpu0_2025-08-02.csv", "gpu1_2025-08-02.csv", "average_2025-08-02.csv", "summary_2025-08-02.txt"],
  });
  expect(row.hours).toEqual([50, ...Array(23).fill(0)]);
});

test("a day that has not ended is running, and only its rows until now are expected", async () => {
  now = 1000 * (at("2025-08-02") + 3600 + 599);
  const [row] = (await json("?node=n2")).reports;
  expect([row.state, row.expected]).toEqual(["running", 18]);
});

test("a node without data is empty: its averages are unknown, not 0", async () => {
  writeFiles(folder, { node: "off", date: "2025-08-03", format, cards: [{ card: 1, rows: undefined, user: "" }] });
  const [row] = (await json("?node=off")).reports;
  expect(row).toMatchObject({ state: "empty", gpu_percent: null, vram_percent: null, rows: 0, users: [] });
  const details = await json("/off/2025-08-03");
  expect(details.cards).toMatchObject([{ index: 0, card: 1, gpu_percent: null, user: null, rows: [] }]);
});

test("the list names the nodes of the settings, too, and says whether there are any", async () => {
  expect(await json("?to=2025-08-01")).toMatchObject({ nodes: ["n1", "n2", "n10"], configured: false });
  nodes = [{ name: "n3" }, { name: "n1" }];
  expect(await json("?limit=1")).toMatchObject({ nodes: ["n1", "n2", "n3", "n10"], configured: true, time: "23:45" });
});

test("files that were written again are read again", async () => {
  const before = (await ask("?node=n2")).headers.get("etag") ?? "";
  expect((await ask("?node=n2", { "if-none-match": before })).status).toBe(304);
  renameSync(write("other", "2025-08-02", "alice", 100), join(folder, "new"));
  rmSync(join(folder, "n2", "2025-08-02"), { recursive: true });
  renameSync(join(folder, "new"), join(folder, "n2", "2025-08-02"));
  const answer = await ask("?node=n2", { "if-none-match": before });
  expect([answer.status, (await answer.json()).reports[0].gpu_percent]).toEqual([200, 52.08]);
  // As the old tool does it, where they are.
  write("n2", "2025-08-02", "carol", 100);
  expect((await json("?node=n2")).reports[0].users).toEqual(["carol", "bob"]);
});

test("what checks found is with the report that they looked at, for those who may see the users", async () => {
  const values = { gpus: "GPU[0]", missing: 138, expected: 144 };
  const issues = [issue("rows_missing", values), "connection refused by 127.0.0.1:1"];
  const outcome = { node: "n1", state: "partial", rows: 6, expected: 144, written: true, issues } as const;
  runs.set("n1", { date: "2025-08-03", at: now, outcome });
  const wanted = [
    { code: "rows_missing", values, text: "138 of 144 rows are missing: GPU[0]" },
    { code: null, values: {}, text: "connection refused by 127.0.0.1:1" },
  ];
  const shown = async () => (await json("?node=n1")).reports.map((row: { issues: unknown }) => row.issues);
  expect(await shown()).toEqual([wanted, []]);
  expect((await json("/n1/2025-08-03")).issues).toEqual(wanted);
  // A day that is made up afterwards has its own.
  runs.set("n1", { date: "2025-08-01", at: now, outcome: { ...outcome, issues: issues.slice(1) } });
  expect(await shown()).toEqual([wanted, wanted.slice(1)]);
  expect(runs.last("n1")?.date).toBe("2025-08-03");
  privacy.change("hidden");
  expect(await shown()).toEqual([[], []]);
});

test("one report has the rows of each card", async () => {
  const details = await json("/n1/2025-08-01");
  expect(details).toMatchObject({ node: "n1", date: "2025-08-01", timezone: "Asia/Taipei", rows: 150, expected: 432 });
  expect([details.from, details.to]).toEqual([at("2025-08-01"), at("2025-08-01") + 86_400]);
  expect(details.cards.map(({ rows }: { rows: unknown[] }) => rows.length)).toEqual([6, 144, 0]);
  expect(details.cards[0]).toMatchObject({ index: 0, card: 1, gpu_percent: 50, vram_percent: 10, user: "alice" });
  expect(details.cards[1].rows[0]).toEqual({ time: at("2025-08-01") + 600, gpu_percent: 50, vram_percent: 10 });
});

test.each([
  ["gpu1_2025-08-01.csv", "text/csv; charset=utf-8"],
  ["average_2025-08-01.csv", "text/csv; charset=utf-8"],
  ["summary_2025-08-01.txt", "text/plain; charset=utf-8"],
])("%s is sent byte for byte, as a file of its node", async (file, type) => {
  const answer = await ask(`/n1/2025-08-01/${file}`);
  expect(answer.headers.get("content-type")).toBe(type);
  expect(answer.headers.get("content-disposition")).toBe(`attachment; filename="n1_${file}"`);
  const bytes = Buffer.from(await answer.arrayBuffer());
  expect(bytes.equals(readFileSync(join(folder, "n1", "2025-08-01", file)))).toBe(true);
  const again = await ask(`/n1/2025-08-01/${file}`, { "if-none-match": answer.headers.get("etag") ?? "" });
  expect(again.status).toBe(304);
});

test("a file of any size is sent whole", async () => {
  const path = join(folder, "n1", "2025-08-01", "gpu1_2025-08-01.csv");
  const large = Buffer.alloc(5 * 2 ** 20 + 7, "0123456789abc\n");
  writeFileSync(path, large);
  const answer = await ask("/n1/2025-08-01/gpu1_2025-08-01.csv");
  expect(Buffer.from(await answer.arrayBuffer()).equals(large)).toBe(true);
});

test.each([
  "/n1/2025-08-01/gpu2_2025-08-01.csv",
  "/n1/2025-08-01/gpu01_2025-08-01.csv",
  "/n1/2025-08-01/gpu1_2025-08-02.csv",
  "/n1/2025-08-01/average_2025-08-03.csv",
  "/n1/2025-08-01/secret_2025-08-01.csv",
  "/n1/2025-08-02/average_2025-08-02.csv",
  "/nobody/2025-08-01/average_2025-08-01.csv",
  "/%2e%2e/2025-08-01/average_2025-08-01.csv",
  "/n1%2F..%2Fn1/2025-08-01/average_2025-08-01.csv",
  "/n1/2025-08-01/..%2Faverage_2025-08-01.csv",
  "/n1/2025-08-01/link_2025-08-01.csv",
  "/linked/2025-08-01/average_2025-08-01.csv",
  "/n1/2025-08-04/average_2025-08-04.csv",
  "/n1/2025-08-05/average_2025-08-05.csv",
  "/n1/2025-08-06/average_2025-08-06.csv",
])("%s is not there", async (path) => {
  writeFileSync(join(folder, "n1", "2025-08-01", "secret_2025-08-01.csv"), "secret");
  symlinkSync(join(folder, "n1"), join(folder, "linked"));
  symlinkSync(join(folder, "n1", "2025-08-01"), join(folder, "n1", "2025-08-04"));
  for (const date of ["2025-08-05", "2025-08-06"]) mkdirSync(join(folder, "n1", date));
  symlinkSync("/etc/passwd", join(folder, "n1", "2025-08-05", "average_2025-08-05.csv"));
  mkdirSync(join(folder, "n1", "2025-08-06", "average_2025-08-06.csv"));
  const answer = await ask(path);
  expect([answer.status, await answer.text()]).toEqual([404, expect.not.stringContaining("secret\n")]);
});

test.each([
  ["?from=2025-8-1", "bad_request"],
  ["?to=2025-02-30", "bad_request"],
  ["?limit=201", "bad_request"],
  ["?day=2025-08-01", "bad_request"],
  ["/n1/2025-08-32", "bad_request"],
  ["/n1/today", "bad_request"],
  ["/n1/2025-08-09", "report_unknown"],
  ["/n1/2025-08-09/page", "report_unknown"],
  ["/n1/2025-08-01/page?lang=fr", "bad_request"],
])("%s is refused: %s", async (path, wanted) => {
  expect(await code(await ask(path))).toEqual([wanted === "bad_request" ? 400 : 404, wanted]);
});

test("CSV has a line for each report, and no formula", async () => {
  write("n2", "2025-08-02", "=1+1");
  const text = await (await ask("?node=n2", { accept: "text/csv" })).text();
  expect(text.split("\r\n")).toEqual([
    "date,node,state,gpu_percent,vram_percent,rows,expected,cards,users,issues",
    "2025-08-02,n2,partial,26.04,10,150,432,3,'=1+1; bob,",
    "",
  ]);
});

test.each(["initials", "hidden"] as const)(
  "privacy.users %s: figures have aliases, and files that name people are for those who sign in",
  async (users) => {
    privacy.change(users);
    const [row] = (await json("?node=n2")).reports;
    const { cards } = await json("/n2/2025-08-02");
    const alias = users === "hidden" ? "#1" : "a.";
    expect([row.users[0], cards[0].user, cards[1].user]).toEqual([alias, alias, null]);
    expect(row.files).toEqual(["gpu0_2025-08-02.csv", "gpu1_2025-08-02.csv"]);
    const page = await (await ask("/n2/2025-08-02/page")).text();
    expect([page.includes(alias), page.includes("alice")]).toEqual([true, false]);
    for (const file of ["average_2025-08-02.csv", "summary_2025-08-02.txt", "average_2025-08-02.csv"])
      expect(await code(await ask(`/n2/2025-08-02/${file}`))).toEqual([401, "sign_in_needed"]);
    // Whether there is such a report makes no difference.
    expect(await code(await ask("/n2/2025-08-09/average_2025-08-09.csv"))).toEqual([401, "sign_in_needed"]);
    expect((await ask("/n2/2025-08-02/gpu0_2025-08-02.csv")).status).toBe(200);
  },
);

test("with auth.read login nobody else is answered", async () => {
  read = "login";
  for (const path of ["", "/n1/2025-08-01", "/n1/2025-08-01/page", "/n1/2025-08-01/gpu0_2025-08-01.csv"])
    expect(await code(await ask(path))).toEqual([401, "sign_in_needed"]);
});

test("the page may load nothing, and shows names as text", async () => {
  write("n2", "2025-08-02", nasty);
  const answer = await ask("/n2/2025-08-02/page?lang=zh-TW");
  const html = await answer.text();
  expect(answer.headers.get("content-security-policy")).toMatch(
    /^default-src 'none'; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
  );
  expect(html).toContain("&lt;img src=x onerror=alert(1)&gt;,&quot;&amp;");
  expect(html).not.toMatch(/<img|<script|style=|\u202e|https?:/);
  expect(html).toContain('<html lang="zh-TW">');
});

test("the page is told that there are reports, or that there will be, if its viewer may read them", async () => {
  const told = async () => (await jsonOf(await app.request("/api/v1/me"))).reports;
  expect(await told()).toBe(true);
  read = "login";
  expect(await told()).toBeUndefined();
  read = "open";
  runs = new ReportRuns();
  rmSync(folder, { recursive: true });
  expect(await told()).toBeUndefined();
  mkdirSync(join(folder, ".cache"), { recursive: true });
  writeFileSync(join(folder, "notes.txt"), "");
  expect(await told()).toBeUndefined();
  nodes = [{ name: "n1" }];
  expect(await told()).toBe(true);
});

test("an empty folder, and none, are an empty list", async () => {
  rmSync(folder, { recursive: true });
  expect(await json("")).toMatchObject({ reports: [], nodes: [], configured: false, total: 0, next: null });
  mkdirSync(folder);
  expect(await listed("")).toEqual([]);
});
