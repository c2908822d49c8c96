import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { SettingError } from "../program/setting.ts";
import { exporterAt, exporterTable, loadExporter } from "./toml.ts";

const given = (text: string, env: Record<string, string> = {}) => loadExporter(env, [{ path: "exporter.toml", text }]);

test("the defaults are those of the earlier exporter: everything shown, on 0.0.0.0:8080", () => {
  expect(loadExporter({})).toEqual({ host: "0.0.0.0", port: 8080, off: new Set() });
});

test("a whole file of the earlier exporter is taken", () => {
  const names = [
    ..."node_info node_uptime cpu_cores cpu_threads cpu_usage cpu_used_cores memory_total memory_used".split(" "),
    ..."memory_available memory_usage gpu_count gpu_used_count gpu_type_count gpu_memory_total gpu_memory_used".split(
      " ",
    ),
    ..."gpu_memory_free gpu_utilization gpu_temperature gpu_power_draw gpu_power_limit".split(" "),
  ];
  const text = `[server]
host = "127.0.0.1"
port = 9100

[metrics]
collect_interval_secs = 15

[metrics.enabled]
${names.map((name) => `${name} = ${name !== "gpu_power_limit"}`).join("\n")}
`;
  expect(given(text)).toEqual({ host: "127.0.0.1", port: 9100, off: new Set(["gpu_power_limit"]) });
  for (const name of names) expect(exporterTable[name]?.name).toBe(`metrics.enabled.${name}`);
});

test("further metrics have switches by their catalogue name", () => {
  expect(given("[metrics.enabled]\ngpu_fan = false\ndisk_used = false").off).toEqual(new Set(["gpu_fan", "disk_used"]));
});

test("the environment wins over the file, and an empty variable is none", () => {
  const file = '[server]\nhost = "127.0.0.1"\nport = 9100';
  const env = { APP__SERVER__PORT: "9200", APP__SERVER__HOST: "", APP__METRICS__ENABLED__LOAD1: "false" };
  expect(given(file, env)).toEqual({ host: "127.0.0.1", port: 9200, off: new Set(["load1"]) });
});

test.each([
  [
    "[server]\nprot = 1",
    'exporter.toml: Unknown setting "server.prot" in the settings file: did you mean "server.port"?',
  ],
  ["[metrics.enabled]\ngpu_temprature = true", 'did you mean "metrics.enabled.gpu_temperature"?'],
  ["[metrcs]\nx = 1", 'exporter.toml: Unknown setting "metrcs"'],
  ["server = 1", 'exporter.toml: Cannot read setting "server" (settings file): must be an object'],
  [
    '[server]\nport = "many"',
    'Cannot read setting "server.port" (settings file): must be a port from 0 to 65535: current value is "many"',
  ],
  ["[server]\nport = 80.5", "current value is 80.5"],
  [
    "[metrics.enabled]\nload1 = 1",
    'Cannot read setting "metrics.enabled.load1" (settings file): must be true or false',
  ],
  ["[server\nport = 1", "exporter.toml: line 1, column "],
  [`x = ${"[".repeat(5000)}`, "exporter.toml: "],
  // A dotted key nests as deep as an array of arrays.
  [`server.port.${"a.".repeat(20_000)}b = 1`, "must be a port from 0 to 65535: current value is too deeply nested"],
])("%j is refused by name", (text, message) => {
  expect(() => given(text)).toThrow(SettingError);
  expect(() => given(text)).toThrow(message);
});

test.each([
  ["false", true],
  ["False", true],
  ["off", true],
  ["NO", true],
  ["0", true],
  ["true", false],
  ["on", false],
])("APP__METRICS__ENABLED__CPU_USAGE=%s leaves it out: %s", (value, off) => {
  expect(loadExporter({ APP__METRICS__ENABLED__CPU_USAGE: value }).off.has("cpu_usage")).toBe(off);
});

test("a word that is neither yes nor no is refused by its variable", () => {
  for (const word of ["maybe", "constructor"]) {
    expect(() => loadExporter({ APP__METRICS__ENABLED__CPU_USAGE: word })).toThrow(`current value is "${word}"`);
  }
});

/** A folder with these files under config/. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "exporter-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "config"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, "config", name), text);
  return folder;
}

const nothing = { metricsAddr: "", exporterConfig: "" };

test("where no file is named, config/default.toml and then config/local.toml are read, and the environment wins", () => {
  const folder = folderOf({
    "default.toml": '[server]\nhost = "127.0.0.1"\nport = 9100\n[metrics.enabled]\nload1 = false\ncpu_cores = false',
    "local.toml": "[server]\nport = 9200\n[metrics.enabled]\ncpu_cores = true",
  });
  expect(exporterAt(nothing, {}, folder)).toMatchObject({ address: "127.0.0.1:9200", off: new Set(["load1"]) });
  expect(exporterAt(nothing, { APP__SERVER__PORT: "9300" }, folder).address).toBe("127.0.0.1:9300");
  const named = join(folder, "config", "local.toml");
  expect(exporterAt({ ...nothing, exporterConfig: named }, {}, folder).address).toBe("0.0.0.0:9200");
});

test("a mistake in one of them is told with its path, and a file of another form is refused", () => {
  const wrong = folderOf({ "default.toml": "", "local.toml": "[server]\nprot = 1" });
  expect(() => exporterAt(nothing, {}, wrong)).toThrow(
    `${join(wrong, "config/local.toml")}: Unknown setting "server.prot"`,
  );
  const yaml = folderOf({ "default.yaml": "server: {}" });
  expect(() => exporterAt(nothing, {}, yaml)).toThrow(
    /^Cannot read .*default\.yaml: the exporter's settings must be TOML/,
  );
  expect(exporterAt(nothing, {}, join(yaml, "config")).address).toBe("0.0.0.0:8080");
});

test("whatever the text, it is settings or a SettingError", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        given(text);
      } catch (error) {
        if (!(error instanceof SettingError)) throw error;
      }
    }),
  );
});

test.each([
  ["", {}, "0.0.0.0:8080"],
  ["", { APP__SERVER__PORT: "9100" }, "0.0.0.0:9100"],
  ["", { APP__SERVER__HOST: "::" }, "[::]:8080"],
  ["", { APP__SERVER__HOST: "[::1]" }, "[::1]:8080"],
  ["[::1]:9200", { APP__SERVER__PORT: "9100" }, "[::1]:9200"],
])("with the address %j and %j the exporter listens on %s", (metricsAddr, env, addr) => {
  expect(exporterAt({ metricsAddr, exporterConfig: "" }, env).address).toBe(addr);
});
