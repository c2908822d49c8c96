import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { inFile } from "../program/setting.ts";
import { cases } from "../test/cases.ts";
import { addresses, partsOf } from "./servers.ts";
import { parseFile, type Settings, settle, table } from "./settings.ts";

const parsed = (text: string): unknown => parseFile(text, "s.json");
const settled = (text: string | undefined, env: Record<string, string> = {}): Settings =>
  settle({ flags: {}, env }, () => text);

test.each([
  ["\uFEFF{}", {}],
  ['// why\n{"poll": {"interval": 5,}, /* x */}', { poll: { interval: 5 } }],
])("%j is read as what it says", (text, wanted) => {
  expect(parsed(text)).toEqual(wanted);
});

test.each([
  ['{\n  "a": 1\n  "b": 2\n}', "line 3, column 3: comma expected"],
  ['{"a": 1', "line 1, column 8: close brace expected"],
  ['{"a": {"x": 1, "x": 2}}', 'line 1, column 16: the key "x" is there twice'],
  ['{"servers": {"__proto__": "x:1"}}', 'line 1, column 14: the key "__proto__" cannot be used'],
  ["{} {}", "line 1, column 4: end of file expected"],
])("%j is refused with line and column", (text, wanted) => {
  expect(() => parsed(text)).toThrow(`Cannot read s.json: ${wanted}`);
});

test.each(["", " \n\t\r\n", "\uFEFF", "\uFEFF\n"])(
  "an empty file (%j) is refused, with what to write instead",
  (text) => {
    expect(() => parsed(text)).toThrow("Cannot read s.json: the file is empty; write {} for the defaults");
  },
);

test.each([
  ["[", "]", 33],
  ['{"a":', "}", 161],
  ['[{"servers":', "}]", 193],
])("5,000 levels of %s are refused in words", (open, close, column) => {
  expect(() => parsed(open.repeat(5000) + close.repeat(5000))).toThrow(
    `Cannot read s.json: line 1, column ${column}: nested deeper than 32 levels`,
  );
});

test("a value that is too long to print is cut in the message", () => {
  const message = (text: string): string => {
    try {
      settled(text);
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  };
  expect(message(`{"poll": {"interval": "${"9".repeat(100_000)}"}}`).length).toBeLessThan(400);
  expect(message(`{"servers": {"a": "${"x".repeat(100_000)}"}}`).length).toBeLessThan(400);
});

test("any JSON is read as JSON.parse reads it", () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.string().filter((key) => key !== "__proto__"),
        fc.jsonValue(),
      ),
      (held) => {
        const text = JSON.stringify(held);
        fc.pre(!text.includes('"__proto__"'));
        expect(parsed(text)).toEqual(JSON.parse(text));
      },
    ),
    cases,
  );
});

const names = Object.values(table)
  .filter(inFile)
  .map(({ name }) => name);
const values = fc.oneof(
  fc.jsonValue(),
  fc.string({ unit: "binary" }),
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.constantFrom("open", "secret", "login", "hidden", "30d", "1GB", "127.0.0.1:1", "https://h", ["h"], { a: "h:1" }),
  fc.constant("sesame\nsesame"),
);

/** A settings file that gives some settings values. */
function fileOf(given: readonly (readonly [string, unknown])[]): string {
  const file: Record<string, unknown> = {};
  for (const [name, value] of given) {
    const path = name.split(".");
    let at = file;
    for (const part of path.slice(0, -1)) {
      at[part] ??= {};
      at = at[part] as Record<string, unknown>;
    }
    at[path.at(-1) ?? ""] = value;
  }
  return JSON.stringify(file);
}

test("any values of any settings are taken, or refused in short words that show no secret", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...names), values), { maxLength: 4 }), (given) => {
      try {
        expect(Object.keys(settled(fileOf(given)).byName)).toHaveLength(Object.keys(table).length);
      } catch (error) {
        expect(error).toMatchObject({ name: "Fault", code: "setting_bad" });
        const { message } = error as Error;
        expect(message).toMatch(/^(Cannot read |Unknown setting )/);
        expect(message.length).toBeLessThan(1000);
        if (message.includes(".secret") || message.includes(".token")) expect(message).not.toContain("sesame");
      }
    }),
    cases,
  );
});

test("without a file the defaults hold, and the environment comes before the file", () => {
  expect(settled(undefined)).toMatchObject({
    servers: { local: "127.0.0.1:9203" },
    byName: { "poll.interval": 10, "history.max_size": "" },
  });
  expect(settled('{"poll": {"interval": 20}}', { GOHM_POLL_INTERVAL: "30" }).byName["poll.interval"]).toBe(30);
});

test.each([
  ['{"history": {"keep_days": 9}}', /"history\.keep_days".*days from 10 to 3650: current value is 9/],
  [
    '{"history": {"retention": {"raw": "30"}}}',
    /"history\.retention\.raw" \(settings file\): must be a time like "36h".*no shorter than "1d": current value is "30"$/,
  ],
  [
    '{"history": {"retention": {"5m": "23h"}}}',
    /"history\.retention\.5m".*no shorter than "1d": current value is "23h"/,
  ],
  ['{"history": {"retention": {"2m": "1y"}}}', /Unknown setting "history\.retention\.2m"/],
  ['{"history": {"retention": "30d"}}', /"history\.retention" \(settings file\): must be an object/],
  [
    '{"history": {"retention": {"raw": "2y"}}}',
    /"history\.retention\.5m": must be no shorter than "history\.retention\.raw": current value is "1y"/,
  ],
  [
    '{"history": {"keep_days": 400}}',
    /"history\.retention\.5m": must be no shorter than "history\.keep_days": current value is "1y"/,
  ],
  [
    '{"history": {"retention": {"1h": "2y", "1d": "1y"}}}',
    /"history\.retention\.1d": must be no shorter than "history\.retention\.1h": current value is "1y"/,
  ],
  ['{"history": {"max_size": "20"}}', /"history\.max_size".*a size like "20GB".*current value is "20"/],
  ['{"history": {"max_size": "1MB"}}', /"history\.max_size".*no less than "64MB"/],
  ['{"servers": ["a"]}', /"servers".*must be an object of name/],
  ['{"servers": {"a": "host:99999"}}', /"servers\.a".*current value is "host:99999"/],
  [`{"servers": {"${"x".repeat(65)}": "host:1"}}`, /a name must be 1 to 64/],
  ['{"servers": {"a": {"address": "host"}}}', /"servers\.a\.address": must be .*current value is "host"/],
  ['{"servers": {"a": {"group": "lab"}}}', /"servers\.a\.address": must be .*current value is missing/],
  [
    '{"servers": {"a": {"address": "h:1", "group": ""}}}',
    /"servers\.a\.group": must be a name of 1 to 64 characters.*""/,
  ],
  ['{"servers": {"a": {"address": "h:1", "group": "x\\ny"}}}', /"servers\.a\.group".*no.* control character.*"x\\ny"/],
  ['{"servers": {"a": {"address": "h:1", "group": 7}}}', /"servers\.a\.group".*current value is 7/],
  ['{"servers": {"a": {"address": "h:1", "rack": "r"}}}', /Unknown setting "servers\.a\.rack"/],
  ['{"servers": {"a": {"address": "h:1", "labels": ["r"]}}}', /"servers\.a\.labels": must be an object.*\["r"\]/],
  ['{"servers": {"a": {"address": "h:1", "labels": {"rack": 7}}}}', /"servers\.a\.labels\.rack".*current value is 7/],
  ['{"servers": {"a": {"address": "h:1", "labels": {"": "x"}}}}', /"servers\.a\.labels".*1 to 64 characters.*""/],
  [`{"servers": {"a": {"address": "h:1", "labels": {"r": "${"x".repeat(257)}"}}}}`, /at most 256 characters/],
  [
    JSON.stringify({
      servers: { a: { address: "h:1", labels: Object.fromEntries([..."x".repeat(33)].map((x, i) => [x + i, ""])) } },
    }),
    /"servers\.a\.labels": must be an object of at most 32 texts/,
  ],
  ['{"servers": {"a": ["h:1"]}}', /"servers\.a": must be .*current value is \["h:1"\]/],
  ['{"data": "/x"}', /Unknown setting "data"/],
  ['{"auth": {"oidc": {"issuer": "https://id.lab"}}}', /"auth\.oidc\.client_id".*the name under which.*it is empty/],
  [
    '{"auth": {"oidc": {"issuer": "http://id.lab", "client_id": "gohm"}}}',
    /"auth\.oidc\.issuer".*must begin with https.*auth\.oidc\.insecure allows that.*"http:\/\/id\.lab"/,
  ],
  ['{"auth": {"oidc": {"session": 0}}}', /"auth\.oidc\.session".*hours from 1 to 2160/],
  ['{"auth": {"oidc": {"scopes": "profile"}}}', /"auth\.oidc\.scopes".*"openid" among them/],
])("%s is refused", (text, wanted) => {
  expect(() => settled(text)).toThrow(wanted);
});

test("a server is an address, or an address with the group it belongs to", () => {
  const text = '{"servers": {"a": "h:1", "b": {"address": "tls://h:2", "group": "实验室 1"}, "c": {"address": "h:3"}}}';
  const { servers } = settled(text);
  expect(Object.fromEntries(addresses(servers))).toEqual({ a: "h:1", b: "tls://h:2", c: "h:3" });
  const named = ["a", "b", "c", "nobody", "constructor"].map((name) => partsOf(servers, name)?.group);
  expect(named).toEqual([undefined, "实验室 1", undefined, undefined, undefined]);
});

test("settings.example.json is what it says: the defaults", () => {
  const example = settled(readFileSync(new URL("../settings.example.json", import.meta.url), "utf8"));
  expect(example).toEqual(settled(undefined));
});
