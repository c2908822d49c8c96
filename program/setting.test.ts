import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  address,
  bytes,
  duration,
  hostNames,
  hostPort,
  jsonSchema,
  limit,
  load,
  milliseconds,
  number,
  optionsOf,
  type Table,
  text,
  webAddress,
  yes,
} from "./setting.ts";

const table = {
  interval: {
    name: "poll.interval",
    env: "GOHM_POLL_INTERVAL",
    default: 10,
    help: "Seconds between polls.",
    reader: number("seconds", 1, 3600),
  },
  token: {
    name: "token",
    env: "GOHM_TOKEN",
    default: "",
    help: "Shared secret.",
    secret: true,
    reader: text("at least 8 characters", (t) => t.length >= 8),
  },
  data: { name: "data", env: "GOHM_DATA", default: "./data", help: "Folder.", only: "start", reader: text("a folder") },
  verbose: { name: "verbose", env: "GOHM_VERBOSE", default: false, help: "Says more.", reader: yes },
} as const satisfies Table;

const sources = { flags: {}, env: {}, file: {} };

describe("load()", () => {
  test("a flag wins over the environment, that over the file, that over the default", () => {
    const file = { poll: { interval: 4 } };
    const env = { GOHM_POLL_INTERVAL: "3" };
    expect(load(table, { ...sources, flags: { "poll-interval": "2" }, env, file }).interval).toBe(2);
    expect(load(table, { ...sources, env, file }).interval).toBe(3);
    expect(load(table, { ...sources, file }).interval).toBe(4);
    expect(load(table, sources).interval).toBe(10);
  });

  test("a bad value is named with its source, what was wanted and what was given", () => {
    expect(() => load(table, { ...sources, env: { GOHM_POLL_INTERVAL: "0" } })).toThrow(
      'Cannot read setting "poll.interval" (GOHM_POLL_INTERVAL): must be seconds from 1 to 3600: current value is "0"',
    );
    expect(() => load(table, { ...sources, file: { poll: { interval: "fast" } } })).toThrow(
      '(settings file): must be seconds from 1 to 3600: current value is "fast"',
    );
  });

  test.each(["", " "])("an environment variable of %j is not a number by accident", (given) => {
    const read = () => load(table, { ...sources, env: { GOHM_POLL_INTERVAL: given } }).interval;
    if (given === "") expect(read()).toBe(10);
    else expect(read).toThrow("must be seconds");
  });

  test("an unknown key names the nearest known one", () => {
    expect(() => load(table, { ...sources, file: { poll: { intervall: 5 } } })).toThrow(
      'Unknown setting "poll.intervall" in the settings file: did you mean "poll.interval"?',
    );
    expect(() => load(table, { ...sources, file: { interval: 5 } })).toThrow('did you mean "poll.interval"?');
    expect(() => load(table, { ...sources, file: { pol: {} } })).toThrow(/: did you mean "poll"\?$/);
    expect(() => load(table, { ...sources, file: { qqqqqqqq: 5 } })).toThrow(
      /^Unknown setting "qqqqqqqq" in the settings file$/,
    );
  });

  test("a group that is not an object, and a file that is not one, are refused", () => {
    expect(() => load(table, { ...sources, file: { poll: 5 } })).toThrow(
      'Cannot read setting "poll" (settings file): must be an object',
    );
    expect(() => load(table, { ...sources, file: [] })).toThrow("must hold one JSON object");
  });

  test("a setting fixed at start is not taken from the file", () => {
    expect(() => load(table, { ...sources, file: { data: "/x" } })).toThrow('Unknown setting "data"');
  });

  test("a secret can come from a file and never shows in an error", () => {
    const env = { GOHM_TOKEN_FILE: "/run/secret" };
    expect(load(table, { ...sources, env, secret: () => "correct horse" }).token).toBe("correct horse");
    expect(() => load(table, { ...sources, env, secret: () => "short" })).toThrow("current value is (secret)");
  });

  test("no JSON value in the file does anything but load or throw a SettingError", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (whole, interval) => {
        for (const file of [whole, { poll: { interval } }]) {
          try {
            const n = load(table, { ...sources, file }).interval;
            expect(n >= 1 && n <= 3600).toBe(true);
          } catch (error) {
            expect(error).toMatchObject({ name: "SettingError" });
          }
        }
      }),
    );
  });
});

test.each([
  ["0.0.0.0:9203", "0.0.0.0", 9203],
  ["[::1]:80", "::1", 80],
  ["node7.lab:65535", "node7.lab", 65_535],
])("address %s is host %s and port %d", (value, host, port) => {
  expect(address.parse(value)).toBe(value);
  expect(hostPort(value)).toEqual({ host, port });
});

test.each(["", "9203", "host", "host:", "host:65536", "::1:80", "a b:1", "[::1]", 9203])(
  "%j is no address",
  (value) => {
    expect(address.parse(value)).toBeUndefined();
  },
);

test("rows are options of a command line, with their variable and default; those of the file alone are none", () => {
  const only = { name: "servers", env: "", default: {}, help: "Machines.", only: "file", reader: yes } as const;
  const options = optionsOf({ ...table, only });
  expect(options.map(({ name, value }) => [name, value])).toEqual([
    ["poll-interval", "VALUE"],
    ["token", "VALUE"],
    ["data", "VALUE"],
    ["verbose", undefined],
  ]);
  expect(options[0]?.help).toBe("Seconds between polls. (GOHM_POLL_INTERVAL; default 10)");
  expect([options[3]?.bare?.("false"), options[3]?.bare?.("info"), options[0]?.bare]).toEqual([true, false, undefined]);
});

test("the JSON Schema nests as the file does and leaves out what is fixed at start", () => {
  expect(jsonSchema(table, "Settings")).toMatchObject({
    additionalProperties: false,
    properties: { poll: { properties: { interval: { minimum: 1, maximum: 3600, default: 10 } } } },
  });
  expect(JSON.stringify(jsonSchema(table, "Settings"))).not.toContain('"data"');
});

test.each<readonly [string, number]>([
  ["1h", 3_600_000],
  ["36h", 129_600_000],
  ["30d", 2_592_000_000],
  ["2w", 1_209_600_000],
  ["1y", 31_536_000_000],
  ["forever", Number.POSITIVE_INFINITY],
  ...["", "0d", "30", "1.5d", "-1d", "30 d", "1m", "Forever", "999999h", "1yforever"].map(
    (bad) => [bad, Number.NaN] as const,
  ),
])('"%s" is %d milliseconds', (text, wanted) => {
  expect(milliseconds(text)).toBe(wanted);
  expect(duration("1h").parse(text)).toBe(Number.isNaN(wanted) ? undefined : text);
});

test.each<readonly [string, number]>([
  ["20GB", 20e9],
  ["1.5 TiB", 1.5 * 2 ** 40],
  ["64MB", 64e6],
  ...["20", "20gb", "-1GB", "1kB", "GB", "1.GB", "1e3GB", "20GB "].map((bad) => [bad, Number.NaN] as const),
])('"%s" is %d bytes', (text, wanted) => {
  expect(bytes(text)).toBe(wanted);
  expect(limit("64MB").parse(text)).toBe(Number.isNaN(wanted) ? undefined : text);
});

test("what is shorter or smaller than the least is refused, and an empty size is no limit", () => {
  expect([duration("2d").parse("47h"), duration("2d").parse("48h")]).toEqual([undefined, "48h"]);
  expect([limit("64MB").parse("63MB"), limit("64MB").parse("")]).toEqual([undefined, ""]);
});

test.each<readonly [unknown, readonly string[] | undefined]>([
  ["", []],
  [[], []],
  ["gpus.lab.example", ["gpus.lab.example"]],
  ["a.lab, B_1.lab.,,c", ["a.lab", "B_1.lab.", "c"]],
  [
    ["a.lab", "c"],
    ["a.lab", "c"],
  ],
  ...[
    "*",
    "*.lab",
    "a.lab:80",
    "http://a.lab",
    "a..lab",
    ".lab",
    "a b",
    "ü.lab",
    "[::1]",
    [1],
    [["a"]],
    7,
    null,
    {},
  ].map((bad) => [bad, undefined] as const),
])("names of hosts in %j are %j", (value, wanted) => {
  expect(hostNames.parse(value)).toEqual(wanted);
});

test.each([
  ["", true],
  ["https://gpus.lab.example", true],
  ["http://10.0.0.5:5000/gohm/", true],
  ["gpus.lab.example", false],
  ["ftp://gpus.lab.example", false],
  ["https://me:secret@gpus.lab.example", false],
  ["https://gpus.lab.example/?x", false],
  ["https://gpus.lab.example/#x", false],
  ["https:// gpus", false],
  ["https://", false],
])("that %j is an address to open the page at is %s", (value, wanted) => {
  expect(webAddress.parse(value)).toBe(wanted ? value : undefined);
});
