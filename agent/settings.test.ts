import { expect, test } from "vitest";
import { UsageError } from "../program/line.ts";
import { load, optionsOf } from "../program/setting.ts";
import { exporterEnabled, parseCommandLine, pauseSeconds, servesGrpc, table } from "./settings.ts";

const given = (args: string[], env: Record<string, string> = {}) =>
  load(table, { flags: parseCommandLine(args).flags, env, file: {} });

test("the defaults are those of the first GOHM", () => {
  expect(given([])).toMatchObject({ addr: "0.0.0.0:9203", allow: "127.0.0.1/32", root: "/", network: "10.0.0.0/8" });
});

test("a flag wins over the environment", () => {
  expect(given(["--addr", "127.0.0.1:1"], { GOHM_ADDR: "127.0.0.1:2" }).addr).toBe("127.0.0.1:1");
  expect(given([], { GOHM_ADDR: "127.0.0.1:2" }).addr).toBe("127.0.0.1:2");
});

test("a value may stand after a blank or after =", () => {
  expect(parseCommandLine(["--allow=::1", "--addr", "[::]:1"]).flags).toEqual({ allow: "::1", addr: "[::]:1" });
});

test("a switch needs no value, and takes one after =", () => {
  expect(given(["--exporter", "--dcgm-names=false"])).toMatchObject({ exporter: true, dcgmNames: "" });
  expect(parseCommandLine(["--exporter", "info"]).words).toEqual(["info"]);
});

test.each([
  [["--dcgm-names", "new"], "--dcgm-names takes its value after an equals sign: --dcgm-names=new"],
  [["info", "--nogpu", "true"], "--nogpu takes its value after an equals sign: --nogpu=true"],
])("%j is refused: a flag that may go without a value never takes the next word", (args, message) => {
  expect(() => parseCommandLine(args)).toThrow(message);
});

test.each([
  ["--dcgm-names", "old"],
  ["--dcgm-names=true", "old"],
  ["--dcgm-names=old", "old"],
  ["--dcgm-names=new", "new"],
  ["--dcgm-names=both", "both"],
  ["--dcgm-names=false", ""],
])("%s means %j", (flag, names) => {
  expect(given([flag]).dcgmNames).toBe(names);
  expect(given([], { GOHM_DCGM_NAMES: flag.split("=")[1] ?? "true" }).dcgmNames).toBe(names);
});

test("words and flags may stand in any order", () => {
  expect(parseCommandLine(["capture", "--users", "DIR"])).toEqual({
    flags: { users: true },
    words: ["capture", "DIR"],
  });
});

test.each([
  ["--alow", "There is no option --alow: did you mean --allow?"],
  ["--hlep", "There is no option --hlep: did you mean --help?"],
  ["-x", "There is no option --x"],
  ["--allow", "--allow needs a value after it"],
])("%s is refused: %s", (arg, message) => {
  expect(() => parseCommandLine([arg])).toThrow(UsageError);
  expect(() => parseCommandLine([arg])).toThrow(message);
});

test.each([
  ["GOHM_ADDR", "9203"],
  ["GOHM_ADDR", "0.0.0.0:70000"],
  ["GOHM_NETWORK", "10/8"],
  ["GOHM_NETWORK", "fd00::/8"],
  ["GOHM_NETWORK", "10.0.0.0/33"],
  ["GOHM_READ_DEADLINE", "0"],
  ["GOHM_READ_DEADLINE", "soon"],
  ["GOHM_METRICS_ADDR", "8080"],
  ["GOHM_EXPORTER", "maybe"],
  ["GOHM_DCGM_NAMES", "newer"],
  ["GOHM_LOG_LEVEL", "loud"],
])("%s=%s is refused by name", (env, value) => {
  expect(() => given([], { [env]: value })).toThrow(env);
});

test.each([
  [[], {}, false],
  [[], { APP__SERVER__HOST: "", APP__SERVER__PORT: "", GOHM_METRICS_ADDR: "", NODE_NAME: "n" }, false],
  [["--exporter"], {}, true],
  [["--exporter=false"], {}, false],
  [["--exporter-config", "x.toml"], {}, true],
  [[], { GOHM_METRICS_ADDR: "127.0.0.1:1" }, true],
  [[], { APP__SERVER__HOST: "127.0.0.1" }, true],
  [[], { APP__SERVER__PORT: "1" }, true],
])("%j with %j asks for the exporter is %s", (args, env: Record<string, string>, expected) => {
  expect(exporterEnabled(given(args, env), env)).toBe(expected);
});

test("a pause is a minute unless seconds are given", () => {
  expect(pauseSeconds(undefined)).toBe(60);
  expect([pauseSeconds("0"), pauseSeconds("3600")]).toEqual([0, 3600]);
});

test.each(["-1", "3601", "1.5", "soon", "", true])("--for %s is refused", (given) => {
  expect(() => pauseSeconds(given)).toThrow(UsageError);
});

test.each([
  ["http://hub:5000", "http://hub:5000"],
  ["https://hub.lab/", "https://hub.lab"],
  ["HTTPS://Hub.lab:443/below//", "https://hub.lab/below"],
  ["http://[fd00::1]:5000", "http://[fd00::1]:5000"],
])("--server %s is %s: one hub has one name in the token file", (given_, server) => {
  expect(given(["--server", given_]).server).toBe(server);
});

test.each([
  "hub:5000",
  "hub",
  "ftp://hub",
  "http://",
  "http://hub:99999",
  "http://me:secret@hub",
  "http://hub/?a",
  "http://h b",
])("--server %s is refused", (value) => {
  expect(() => given(["--server", value])).toThrow('Cannot read setting "server" (--server)');
});

test("a switch needs no value and takes none from what follows", () => {
  const { flags, words } = parseCommandLine(["--nogpu", "info", "--debug=false"]);
  expect([flags, words]).toEqual([{ nogpu: true, debug: "false" }, ["info"]]);
  expect(given(["--nogpu", "--debug=false"])).toMatchObject({ nogpu: true, debug: false });
  expect(() => given(["--nogpu=maybe"])).toThrow("must be true or false");
});

test.each([
  [[], {}, true],
  [["--server", "http://hub"], {}, false],
  [["--server", "http://hub"], { GOHM_ADDR: "" }, false],
  [["--server", "http://hub"], { GOHM_ADDR: "127.0.0.1:1" }, true],
  [["--server", "http://hub", "--addr", "127.0.0.1:1"], {}, true],
  [[], { GOHM_SERVER: "http://hub" }, false],
  [["--logger-config", "client_config.ini"], {}, false],
  [[], { GOHM_LOGGER_CONFIG: "client_config.ini", GOHM_ADDR: "127.0.0.1:1" }, true],
])("with %j and %j it listens: %s", (args, env, expected) => {
  const { flags } = parseCommandLine(args);
  expect(servesGrpc(given(args, env), { flags, env })).toBe(expected);
});

test("help names the values of a setting that has some words for values", () => {
  for (const [name, words] of [
    ["log-level", ["error", "warn", "info", "debug"]],
    ["dcgm-names", ["old", "new", "both"]],
  ] as const) {
    const help = optionsOf(table).find((option) => option.name === name)?.help ?? "";
    expect([name, words.filter((word) => !help.includes(`(${word}`))]).toEqual([name, []]);
  }
});
