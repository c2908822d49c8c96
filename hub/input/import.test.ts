import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { alice, ImportScene, now, piecewise, row } from "../../test/import.ts";
import { RosterFixture } from "../../test/roster.ts";
import { heading, metrics } from "../csv/form.ts";
import { Fault } from "../fault.ts";

let scene: ImportScene;

beforeEach(() => {
  scene = new ImportScene();
});

afterEach(() => scene.close());

const send: ImportScene["send"] = (...sent) => scene.send(...sent);

/** What history has of a card: its samples of each metric, from the first. */
async function stored(host = "gpu1", key = "#0"): Promise<Record<string, (readonly [string, number])[]>> {
  const series = metrics.map((metric) => ({ host, level: "gpu" as const, key, metric }));
  const read = await scene.model.read({ series, range: { from: 0, to: 2 * now, step: 0 }, of: ["avg"], most: 1e6 });
  const all = read.map(({ t, avg }, i) => [
    metrics[i],
    [...t].map((at, n) => [scene.zone.format(at), avg[n] as number] as const),
  ]);
  return Object.fromEntries(all.filter(([, samples]) => samples?.length));
}

const mib = 1_048_576;

test("a row is a sample of its host at its own time in the hub's zone, with all its readings", async () => {
  const { status, value } = await send(heading + row);
  expect([status, value]).toEqual([
    200,
    {
      ...{ rows: 1, stored: 1, failed: 0, unreadable: 0, half: false, encoding: "ascii", hosts: ["gpu1"], errors: [] },
      from: Date.UTC(2026, 10, 27, 0, 30, 5),
      to: Date.UTC(2026, 10, 27, 0, 30, 5),
      timezone: "Asia/Shanghai",
    },
  ]);
  const at = "2026-11-27 08:30:05";
  expect(await stored()).toEqual({
    gpu_utilization: [[at, 75.25]],
    gpu_memory_utilization: [[at, 12.5]],
    gpu_memory_total: [[at, 81_559 * mib]],
    gpu_memory_used: [[at, 4012.5 * mib]],
    gpu_temperature: [[at, 45]],
    gpu_power: [[at, 120_553]],
    gpu_power_limit: [[at, 700_000]],
    gpu_fan: [[at, 30]],
  });
});

test("an import shows no live host, and a second one changes nothing", async () => {
  await send(heading + row);
  const before = await stored();
  expect((await send(heading + row)).value).toMatchObject({ stored: 1, failed: 0 });
  expect([await stored(), scene.live.hosts()]).toEqual([before, []]);
});

test("rows of several clients, times and cards that are mixed are each at their place", async () => {
  const line = (second: number, gpu: number, client: string, value: number): string =>
    `2026-11-27 08:30:0${second},${gpu},H100,${value},,,,,,,,,${client}\r\n`;
  const text = [line(0, 0, "a", 1), line(0, 1, "b", 2), line(0, 1, "a", 3), line(5, 0, "a", 4), line(0, 2, "a", 5)];
  expect((await send(heading + text.join(""))).value).toMatchObject({ rows: 5, stored: 5, hosts: ["a", "b"] });
  const all = await Promise.all(["#0", "#1", "#2"].map(async (key) => (await stored("a", key)).gpu_utilization));
  expect(all).toEqual([
    [
      ["2026-11-27 08:30:00", 1],
      ["2026-11-27 08:30:05", 4],
    ],
    [["2026-11-27 08:30:00", 3]],
    [["2026-11-27 08:30:00", 5]],
  ]);
});

test.each<[string, string | Uint8Array]>([
  ["LF", `${heading}${row}`.replaceAll("\r", "")],
  ["a byte order mark", `\ufeff${heading}${row}`],
  ["no header", row],
  ["quotes around everything", `${heading}${row}`.replace(/[^,\r\n]+/g, '"$&"')],
  ["a header that comes again", heading + heading + row + heading],
  ["empty lines", `\r\n${heading}\r\n${row}\n\n`],
  ["other columns", `${heading.trimEnd()},note\r\n${row.trimEnd()},"x,\ny"\r\n`],
  ["cells that Excel keeps as text", `${heading}="2026-11-27 08:30:05",="0"${row.slice(21)}`],
  ["a defused name", heading + row.replace("NVIDIA H100", "'=1+1")],
])("%s is read", async (_, body) => {
  await send(heading + row);
  const wanted = await stored();
  await scene.close();
  scene = new ImportScene();
  expect((await send(body)).value).toMatchObject({ stored: 1, failed: 0, unreadable: 0 });
  expect(await stored()).toEqual(wanted);
});

test("columns in another order are found by the header, and those that are missing are unknown", async () => {
  const text = "client_name,Power_Draw,gpu_id,timestamp\ngpu1,99.5,3,2026-11-27 08:30:05\n";
  expect((await send(text)).value).toMatchObject({ stored: 1, failed: 0 });
  expect(await stored("gpu1", "#3")).toEqual({ gpu_power: [["2026-11-27 08:30:05", 99_500]] });
});

test("a file without client_name needs the name of its client", async () => {
  const text = "timestamp,gpu_id,utilization_gpu\n2026-11-27 08:30:05,0,7\n";
  const refused = await send(text);
  expect([refused.status, refused.value.error.message]).toEqual([
    400,
    'The first line must have the columns client_name: it is "timestamp,gpu_id,utilization_gpu"; of such a file, name the client in the request (gohm import --client NAME).',
  ]);
  expect((await send(text, "?client=old%20server")).value).toMatchObject({ hosts: ["old server"], stored: 1 });
  const names = new RosterFixture();
  names.write({ hosts: [{ name: "gpu7", shown: "Blue" }] });
  scene.reopen({ roster: names.roster });
  expect((await send(text, "?client=Blue")).value).toMatchObject({ hosts: ["gpu7"], stored: 1 });
});

test.each([
  ["75", 75],
  ["75.0", 75],
  ["7.5e1", 75],
  [" 75 ", 75],
  ["+75", 75],
  [".5", 0.5],
  ["", undefined],
  ["N/A", undefined],
  ["[Not Supported]", undefined],
  ["nan", undefined],
  ["None", undefined],
])("a cell %j is %j", async (cell, value) => {
  const { value: answer } = await send(`${heading}2026-11-27 08:30:05,0,,${cell},1,,,,,,,,gpu1\r\n`);
  expect(answer).toMatchObject({ stored: 1, unreadable: 0 });
  expect((await stored()).gpu_utilization?.[0]?.[1]).toBe(value);
});

test("a total of 0, as a driver that fails has it, is not known, and used memory is", async () => {
  const text = "timestamp,gpu_id,memory_total,memory_used,client_name\n2026-11-27 08:30:05,0,0,7,gpu1\n";
  expect((await send(text)).value).toMatchObject({ stored: 1, unreadable: 0 });
  expect(await stored()).toEqual({ gpu_memory_used: [["2026-11-27 08:30:05", 7 * mib]] });
});

test("a cell that is no number is counted, and the rest of its row is stored", async () => {
  const { value } = await send(`${heading}2026-11-27 08:30:05,0,,=75+1,0x10,,,,warm,,,50,gpu1\r\n`);
  expect(value).toMatchObject({ stored: 1, failed: 0, unreadable: 3 });
  expect(await stored()).toEqual({ gpu_fan: [["2026-11-27 08:30:05", 50]] });
});

test("bad rows are counted and named by their lines, and cost no other row", async () => {
  const cells = (time: string, gpu: string, client: string): string => `${time},${gpu},,50,,,,,,,,,${client}\r\n`;
  const text = [
    cells("2026-02-30 00:00:00", "0", "gpu1"),
    cells("2026-11-27 08:30:05", "0", "gpu1"),
    cells("2026-11-27 08:30:05", "-1", "gpu1"),
    cells("2026-11-27 08:30:05", "", "gpu1"),
    cells("2026-11-27 08:30:05", "1", ""),
    cells("2026-11-27 08:30:05", "1", "../../etc"),
    cells("2026-11-27 08:30:05", "1", "\u202etoor"),
    cells("2026-11-27 08:30:05", "1", "=cmd|' /C calc'!A0"),
    cells("2010-01-01 00:00:00", "0", "gpu1"),
    cells("2030-01-01 00:00:00", "0", "gpu1"),
    'x,"y"z\r\n',
    cells("2026-11-27 08:30:05", "2", "gpu1"),
  ];
  const { value } = await send(heading + text.join(""));
  expect(value).toMatchObject({ rows: 12, stored: 2, failed: 10, hosts: ["gpu1"] });
  const errors = value.errors.map(({ line, message }: { line: number; message: string }) => `${line} ${message}`);
  expect(errors.sort((a: string, b: string) => Number.parseInt(a, 10) - Number.parseInt(b, 10))).toEqual([
    '2 timestamp must be a time as 2026-11-28 08:30:05: it is "2026-02-30 00:00:00"',
    '4 gpu_id must be a whole number from 0 to 999999: it is "-1"',
    "5 gpu_id must be a whole number from 0 to 999999: it is empty",
    expect.stringMatching(/^6 client_name must be 1 to 64 letters, .*: it is empty$/),
    expect.stringMatching(/^7 client_name .*: it is "..\/..\/etc"$/),
    expect.stringMatching(/^8 client_name .*: it is "toor"$/),
    expect.stringMatching(/^9 client_name .*: it is "=cmd/),
    "10 its time must be from December 2019 up to now: it is 2010-01-01 00:00:00 in the time zone Asia/Shanghai (hub.timezone)",
    "11 its time must be from December 2019 up to now: it is 2030-01-01 00:00:00 in the time zone Asia/Shanghai (hub.timezone)",
    "12 its quotes are wrong",
  ]);
});

test("of many bad rows the first twenty are named", async () => {
  const { value } = await send(heading + "x\r\n".repeat(1000));
  expect([value.failed, value.errors.length, value.errors[19].line]).toEqual([1000, 20, 21]);
});

test.each<[string, string, number, boolean]>([
  ["half a name", row.slice(0, -3), 1, true],
  ["half a row", row.slice(0, 40), 1, true],
  ["a whole row whose name the file has", row.trimEnd(), 2, false],
  ["an open quote", `${row.slice(0, 22)}"NVI`, 1, true],
])("a last line without an end: %s", async (_, last, count, half) => {
  const before = row.replace("08:30:05", "08:30:00");
  const { value } = await send(heading + before + last);
  expect(value).toMatchObject({ stored: count, half, failed: half ? 1 : 0, hosts: ["gpu1"] });
  if (half) expect(value.errors).toEqual([{ line: 3, message: "the line stops half-way" }]);
});

test.each<[string, string | Uint8Array]>([
  ["a PDF", "%PDF-1.7\n1 0 obj"],
  ["a ZIP archive, as .xlsx and .ods are", Buffer.from("PK\u0003\u0004xxxx")],
  ["an Excel workbook", Buffer.from([0xd0, 0xcf, 0x11, 0xe0, 1, 2])],
  ["compressed by gzip", gzipSync(heading + row)],
  ["text in UTF-16", Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(heading, "utf16le")])],
  ["HTML or XML", "<!DOCTYPE html><html></html>"],
  ["JSON", `[{"timestamp": "2026-11-27 08:30:05"}]`],
  ["no text", Buffer.from([1, 0, 0, 0, 5])],
])("%s is refused by its name", async (what, body) => {
  const { status, value } = await send(body);
  expect([status, value.error.code]).toEqual([415, "media_type_refused"]);
  expect(value.error.message).toContain(`it is ${what}`);
  expect(scene.audit).toEqual([]);
});

test.each<[string, string]>([
  ["timestamp;gpu_id;client_name\n", "The columns are separated by semicolons"],
  ["timestamp\tgpu_id\tclient_name\n", "The columns are separated by tabs"],
  ["name,value\n1,2\n", 'The first line must have the columns timestamp, gpu_id, client_name: it is "name,value"'],
])("%j is refused", async (text, message) => {
  const { status, value } = await send(text);
  expect([status, value.error.code, value.error.message.startsWith(message)]).toEqual([400, "bad_request", true]);
});

test("names in GBK are read as such, and the answer says so", async () => {
  const name = Buffer.from([0xbb, 0xfa, 0xb7, 0xbf]);
  const line = Buffer.from("2026-11-27 08:30:05,0,,50,,,,,,,,,");
  const { value } = await send(Buffer.concat([Buffer.from(heading), line, name, Buffer.from("\r\n")]));
  expect(value).toMatchObject({ encoding: "gb18030", hosts: ["机房"], stored: 1 });
});

test("an empty file has no rows", async () => {
  for (const body of ["", heading, "\ufeff", "\r\n"]) {
    expect((await send(body)).value).toMatchObject({ rows: 0, stored: 0, failed: 0, half: false, from: null });
  }
  expect(scene.audit).toEqual([]);
});

test("only administrators may import, and what they import is in the audit log", async () => {
  scene.who = { kind: "viewer", name: "bob", origin: "10.0.0.8" };
  expect((await send(heading + row)).status).toBe(403);
  scene.who = { kind: "anonymous", origin: "10.0.0.8" };
  expect((await send(heading + row)).status).toBe(401);
  expect(await stored()).toEqual({});
  scene.who = alice;
  await send(`${heading}${row}x\r\n`, "?name=gpu_metrics_20261127.csv");
  const entry = { by: "administrator", name: "history.import", target: "gpu_metrics_20261127.csv" };
  expect(scene.audit).toEqual([{ ...entry, details: { rows: 1, failed: 1 } }]);
});

test("of a body that stops half-way, the rows that came are stored, and the whole file can be sent again", async () => {
  const body = piecewise();
  const answer = send(body.stream);
  body.put(heading + row + row.slice(0, 30));
  await new Promise((done) => setImmediate(done));
  body.fail(Object.assign(new Error("aborted"), { code: "ECONNRESET" }));
  expect((await answer).value.error.code).toBe("canceled");
  expect((await stored()).gpu_fan).toHaveLength(1);
  expect(scene.audit).toHaveLength(1);
  const later = row.replace(":05", ":10");
  await send(heading + row + later);
  expect((await stored()).gpu_fan).toHaveLength(2);
});

test("a third file at the same time is refused, and taken once one of the others has ended", async () => {
  const bodies = [piecewise(), piecewise()];
  const answers = bodies.map(({ stream }) => send(stream));
  expect((await send(heading + row)).value.error.code).toBe("busy");
  for (const { end } of bodies) end();
  for (const { status } of await Promise.all(answers)) expect(status).toBe(200);
  expect((await send(heading + row)).status).toBe(200);
});

test("an import waits while the history cannot take more, and ends when it fails", async () => {
  const full = new Fault("history_unwritable", "The disk is full.");
  const asked = Promise.withResolvers<void>();
  const takes = Promise.withResolvers<void>();
  let calls = 0;
  const ready = (): Promise<void> => {
    asked.resolve();
    return ++calls > 1 ? Promise.reject(full) : takes.promise;
  };
  scene.reopen({ history: { known: () => scene.model.known(), ready } });
  const times = Array.from({ length: 6000 }, (_, i) => scene.zone.format(Date.UTC(2026, 10, 27) + 1000 * i));
  const answer = send(heading + times.map((time) => row.replace("2026-11-27 08:30:05", time)).join(""));
  await asked.promise;
  const waiting = (await stored()).gpu_fan?.length ?? 0;
  expect([waiting > 1000, waiting < 3000]).toEqual([true, true]);
  takes.resolve();
  expect((await answer).value.error).toEqual({ code: "history_unwritable", message: full.message });
});

test("an administrator whose session ends while a file is read cannot go on", async () => {
  const times = Array.from({ length: 6000 }, (_, i) => scene.zone.format(Date.UTC(2026, 10, 27) + 1000 * i));
  const ready = async (): Promise<void> => {
    scene.who = { kind: "anonymous", origin: "10.0.0.7" };
  };
  scene.reopen({ history: { known: () => scene.model.known(), ready } });
  const { status } = await send(heading + times.map((time) => row.replace("2026-11-27 08:30:05", time)).join(""));
  expect(status).toBe(401);
  expect((await stored()).gpu_fan?.length).toBeLessThan(5000);
});

test("a file of more clients than machines are likely costs no more names than that", async () => {
  const text = Array.from({ length: 1500 }, (_, i) => `2026-11-27 08:30:05,0,,50,,,,,,,,,host${i}\r\n`).join("");
  const { value } = await send(heading + text);
  expect([value.stored, value.failed, value.hosts.length]).toEqual([1000, 500, 1000]);
});

test("memory that no card has, as 1e300 MB, is not known", async () => {
  const text = "timestamp,gpu_id,memory_total,memory_used,client_name\n2026-11-27 08:30:05,0,1e300,7,gpu1\n";
  expect((await send(text)).value).toMatchObject({ stored: 1, failed: 0 });
  expect(await stored()).toEqual({ gpu_memory_used: [["2026-11-27 08:30:05", 7 * mib]] });
});
