// What the logger's routes do with questions that are not as they should be, and with those that may not ask.
import { beforeEach, expect, test } from "vitest";
import { LoggerFixture } from "../../../test/logger-query.ts";
import { mostDays } from "../../route/logger-query.ts";

let scene: LoggerFixture;
beforeEach(async () => {
  scene = new LoggerFixture();
  await scene.open();
});

const json = { "Content-Type": "application/json" };
const post = (query: string, body: string, headers: Record<string, string> = json) =>
  scene.request(`/api/gpu/${query}`, { method: "POST", body, headers });

const refused = (loc: readonly string[], msg: unknown) => ({
  success: false,
  detail: "資料格式驗證失敗",
  error_code: "VALIDATION_ERROR",
  errors: [{ loc, msg, type: expect.any(String) }],
});

const from = (text: unknown): string => JSON.stringify({ start_date: text, end_date: "2026-11-28" });
const day = 'The body\'s "start_date" must be a day that exists, in the form "2026-11-28".';

test.each<readonly [query: string, body: string, loc: readonly string[], msg: unknown]>([
  ...["statistics", "hourly-usage", "daily-usage", "list", "realtime"].flatMap((query) => [
    [query, "", ["body"], "The body is not valid JSON."] as const,
    [query, '{"client_name":', ["body"], "The body is not valid JSON."] as const,
    [query, "[]", ["body"], "The body must be an object."] as const,
    [query, "null", ["body"], "The body must be an object."] as const,
    [query, '"3"', ["body"], "The body must be an object."] as const,
  ]),
  ...["statistics", "hourly-usage", "daily-usage"].flatMap((query) =>
    ["2026-02-30", "2026-1-2", "20261128", "28/11/2026", "2026-11-28 00:00:00", "today", " 2026-11-28", 20261128].map(
      (text) => [query, from(text), ["body", "start_date"], day] as const,
    ),
  ),
  ["hourly-usage", from(""), ["body", "start_date"], day],
  ["daily-usage", from(null), ["body", "start_date"], day],
  ["hourly-usage", '{"end_date":"2026-11-28"}', ["body", "start_date"], 'The body must have the key "start_date".'],
  ["daily-usage", '{"start_date":"2026-11-28"}', ["body", "end_date"], 'The body must have the key "end_date".'],
  ...['"x"', '""', "1.5", '"1.5"', "true", "[1]", "1e400", '"1e2"', "9007199254740993"].map(
    (id) =>
      ["realtime", `{"gpu_id":${id}}`, ["body", "gpu_id"], 'The body\'s "gpu_id" must be a whole number.'] as const,
  ),
  ["list", '{"client_name":5}', ["body", "client_name"], 'The body\'s "client_name" must be text.'],
  [
    "hourly-usage",
    '{"start_date":"2020-01-01","end_date":"2120-01-01"}',
    ["body", "end_date"],
    `From 2020-01-01 to 2120-01-01 are 36525 days: an answer has ${mostDays} at most.`,
  ],
])("%s %s is refused with the place %j", async (query, body, loc, msg) => {
  const answer = await post(query, body);
  expect([answer.status, await answer.json()]).toEqual([422, refused(loc, msg)]);
});

test.each<readonly [query: string, body: string, places: object]>([
  ["daily-usage", "{}", { start_date: "missing", end_date: "missing" }],
  ["hourly-usage", '{"end_date":"tomorrow"}', { start_date: "missing", end_date: "check" }],
  [
    "statistics",
    '{"start_date":5,"end_date":"2026-02-30","gpu_id":1.5,"client_name":7}',
    { start_date: "string", end_date: "check", gpu_id: "safe_integer", client_name: "string" },
  ],
])("%s %s is refused with every wrong place", async (query, body, places) => {
  const answer = await post(query, body);
  const { errors } = (await answer.json()) as { errors: { loc: string[]; type: string }[] };
  expect([answer.status, Object.fromEntries(errors.map(({ loc, type }) => [loc.slice(1).join(), type]))]).toEqual([
    422,
    places,
  ]);
});

test("the longest range is answered, one more day is not", async () => {
  const range = (end_date: string): string => JSON.stringify({ start_date: "2020-01-01", end_date });
  for (const query of ["hourly-usage", "daily-usage"]) {
    expect((await post(query, range("2030-01-07"))).status).toBe(200);
    expect((await post(query, range("2030-01-08"))).status).toBe(422);
  }
});

test.each<Record<string, string>>([
  {},
  { "Content-Type": "text/plain" },
  { "Content-Type": "application/json; charset=utf-8" },
])("a body is JSON, whatever the headers %j say of its type", async (headers) => {
  expect((await post("list", "{}", headers)).status).toBe(200);
});

test("with auth.read login they are for those who may read, but for what a client asks at its start", async () => {
  scene.read = "login";
  for (const query of ["statistics", "hourly-usage", "daily-usage", "list", "realtime"]) {
    const answer = await post(query, "{");
    expect([answer.status, await answer.json()]).toEqual([
      401,
      { success: false, detail: expect.any(String), error_code: "SIGN_IN_NEEDED" },
    ]);
  }
  expect((await scene.request("/health")).status).toBe(200);
});

test("pages of any site may ask, and each path says in the logger's words what it does not have", async () => {
  for (const path of ["/api/gpu/statistics", "/api/gpu/realtime", "/health"]) {
    const headers = { Origin: "http://other.example", "Access-Control-Request-Method": "POST" };
    const answer = await scene.request(path, { method: "OPTIONS", headers });
    expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([200, "*"]);
  }
  const refusals: unknown[] = [];
  for (const path of ["/api/gpu/statistics", "/api/gpu/nothing"]) {
    const answer = await scene.request(path);
    refusals.push([answer.status, await answer.json()]);
  }
  expect(refusals).toEqual([
    [405, { success: false, detail: "This path takes POST: the method was GET.", error_code: "METHOD_REFUSED" }],
    [404, { success: false, detail: "There is nothing at this path.", error_code: "PAGE_UNKNOWN" }],
  ]);
});

test("its state has the hub's local time with microseconds and without an offset", async () => {
  const answer = await scene.request("/health");
  expect(await answer.json()).toEqual({ status: "healthy", timestamp: "2026-11-28T08:30:05.123000" });
});

test("a client is found by its name as its records have it, however that is composed", async () => {
  scene.put("2026-11-27 08:00:00", { gpu_utilization: 10 }, { host: "caf\u00e9 1" });
  for (const client_name of ["caf\u00e9 1", "cafe\u0301 1", " caf\u00e9 1 "]) {
    expect(await scene.ask("list", { client_name })).toMatchObject([{ client_name: "caf\u00e9 1" }]);
  }
  expect(await scene.ask("list", { client_name: "cafe 1" })).toEqual([]);
});
