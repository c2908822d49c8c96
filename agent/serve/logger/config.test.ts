import fc from "fast-check";
import { expect, test } from "vitest";
import { SettingError } from "../../../program/setting.ts";
import { cases } from "../../../test/cases.ts";
import { parseLoggerConfig } from "./config.ts";

/** A file with what it must name, and lines after the section that each belongs to. */
function file(lines: Readonly<Record<string, string>> = {}): string {
  const needed: Readonly<Record<string, string>> = {
    AUTHENTICATION: "client_name = gpu-client-001",
    MONITORING: "",
    SERVER: "server_host = http://10.0.0.5\nserver_port = 5000\napi_endpoint = /api/receive-data",
    NETWORK: "",
    GPU_METRICS: "",
    LOGGING: "",
  };
  return Object.entries(needed)
    .map(([section, own]) => `[${section}]\n${lines[section] ?? own}\n`)
    .join("");
}

const read = (lines: Readonly<Record<string, string>> = {}) => parseLoggerConfig(file(lines), "client.ini");

test("what a file does not name is as in the client", () => {
  expect(read()).toEqual({
    clientName: "gpu-client-001",
    interval: 5,
    server: "http://10.0.0.5:5000",
    endpoint: "/api/receive-data",
    connectionTimeout: 30,
    readTimeout: 60,
    network: { maxRetries: 3, retryDelay: 5, retryBackoff: 2, batchSize: 10, batchInterval: 30 },
    readings: { utilization: true, memory: true, temperature: true, power: true, fanSpeed: true },
    logging: { level: "info", file: "", console: true, size: 50 * 1024 * 1024, keep: 10 },
    unknown: [],
  });
});

test("every key of the six sections is read", () => {
  const config = read({
    AUTHENTICATION: "client_name = 實驗室 一",
    MONITORING: "interval_seconds = 0.5",
    SERVER:
      "server_host: https://gpu.example/\nserver_port: 443\napi_endpoint: /in\nconnection_timeout: 3\nread_timeout: 4.5",
    NETWORK: "max_retries = 0\nretry_delay = 1\nretry_backoff = 1.5\nbatch_size = 1_000\nbatch_interval = 0",
    GPU_METRICS:
      "include_utilization = Off\ninclude_memory = no\ninclude_temperature = FALSE\ninclude_power = 0\ninclude_fan_speed = false",
    LOGGING:
      "log_level = warning\nlog_file = ./logs/client.log\nconsole_output = no\nlog_max_size = 1\nlog_backup_count = 2",
  });
  expect(config).toEqual({
    clientName: "實驗室 一",
    interval: 0.5,
    server: "https://gpu.example:443",
    endpoint: "/in",
    connectionTimeout: 3,
    readTimeout: 4.5,
    network: { maxRetries: 0, retryDelay: 1, retryBackoff: 1.5, batchSize: 1000, batchInterval: 0 },
    readings: { utilization: false, memory: false, temperature: false, power: false, fanSpeed: false },
    logging: { level: "warn", file: "./logs/client.log", console: false, size: 1024 * 1024, keep: 2 },
    unknown: [],
  });
});

test.each([
  ["DEBUG", "debug"],
  ["Info", "info"],
  ["WARN", "warn"],
  ["ERROR", "error"],
  ["CRITICAL", "error"],
])("Python's level %s is %s", (level, expected) => {
  expect(read({ LOGGING: `log_level = ${level}` }).logging.level).toBe(expected);
});

test("a log file of size 0 is never rotated", () => {
  expect(read({ LOGGING: "log_max_size = 0" }).logging.size).toBe(Number.POSITIVE_INFINITY);
});

const server = "server_host = http://10.0.0.5\nserver_port = 5000\napi_endpoint = /in\n";

test.each([
  [
    "AUTHENTICATION",
    "client_name =",
    '[AUTHENTICATION] client_name: must be a name of 1 to 253 characters: current value is ""',
  ],
  ["AUTHENTICATION", "", "[AUTHENTICATION] client_name is missing: must be a name of 1 to 253 characters"],
  [
    "MONITORING",
    "interval_seconds = 0",
    '[MONITORING] interval_seconds: must be seconds from 0.1 to 3600: current value is "0"',
  ],
  [
    "MONITORING",
    "interval_seconds = 5 # s",
    '[MONITORING] interval_seconds: must be seconds from 0.1 to 3600: current value is "5 # s"',
  ],
  [
    "SERVER",
    "server_port = 1\napi_endpoint = /",
    '[SERVER] server_host is missing: must be an address with its scheme and without its port, like "http://10.0.0.5"',
  ],
  [
    "SERVER",
    server.replace("http://", ""),
    '[SERVER] server_host: must be an address with its scheme and without its port, like "http://10.0.0.5": current value is "10.0.0.5"',
  ],
  [
    "SERVER",
    server.replace(".5\n", ".5:5000\n"),
    '[SERVER] server_host: must be an address with its scheme and without its port, like "http://10.0.0.5": current value is "http://10.0.0.5:5000"',
  ],
  [
    "SERVER",
    server.replace(".5\n", ".5:80\n"),
    '[SERVER] server_host: must be an address with its scheme and without its port, like "http://10.0.0.5": current value is "http://10.0.0.5:80"',
  ],
  [
    "SERVER",
    server.replace("5000", "70000"),
    '[SERVER] server_port: must be a port from 1 to 65535: current value is "70000"',
  ],
  [
    "SERVER",
    server.replace("5000", "http"),
    '[SERVER] server_port: must be a port from 1 to 65535: current value is "http"',
  ],
  [
    "SERVER",
    server.replace("/in", "in"),
    '[SERVER] api_endpoint: must be a path like "/api/receive-data": current value is "in"',
  ],
  ["NETWORK", "max_retries = 1.5", '[NETWORK] max_retries: must be a number from 0 to 1000: current value is "1.5"'],
  ["NETWORK", "retry_delay = inf", '[NETWORK] retry_delay: must be seconds from 0 to 3600: current value is "inf"'],
  ["NETWORK", "retry_backoff = nan", '[NETWORK] retry_backoff: must be a factor from 0 to 100: current value is "nan"'],
  [
    "NETWORK",
    "batch_size = -1",
    '[NETWORK] batch_size: must be a number of records from 0 to 10000: current value is "-1"',
  ],
  [
    "GPU_METRICS",
    "include_power = maybe",
    '[GPU_METRICS] include_power: must be yes, no, true, false, on, off, 1 or 0: current value is "maybe"',
  ],
  [
    "LOGGING",
    "log_level = LOUD",
    '[LOGGING] log_level: must be DEBUG, INFO, WARNING, ERROR or CRITICAL: current value is "LOUD"',
  ],
  ["LOGGING", "log_file = 5%", '[LOGGING] log_file: "%" must be written "%%"'],
  ["LOGGING", "log_file\n", 'line 14: neither a "key = value" nor a [section]'],
])("in [%s], %j is refused", (section, lines, message) => {
  expect(() => read({ [section]: lines })).toThrow(new SettingError(`Cannot read client.ini: ${message}`));
});

test("a password in the server's address is in no message", () => {
  const secret = (host: string) => () => read({ SERVER: server.replace("http://10.0.0.5", host) });
  expect(secret("http://me:sesame@10.0.0.5")).not.toThrow();
  for (const host of ["ftp://me:sesame@host", "me:sesame@host", "http://me:sesame@host:80", "http://me:se@same@[x"]) {
    let message = "";
    try {
      secret(host)();
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toContain("***@");
    expect(message).not.toMatch(/same|me:/);
  }
});

test("keys that nothing reads are named, with what may have been meant, and change nothing", () => {
  const config = read({
    NETWORK: "batchsize = 5\nbatch_size = 7",
    LOGGING: "log_format = %(asctime)s\n[OTHER]\nx = 1\n[DEFAULT]\nserver_port = 5\ny = 2",
  });
  expect(config.unknown).toEqual(
    expect.arrayContaining([
      "[NETWORK] batchsize (did you mean batch_size?)",
      "[LOGGING] log_format",
      "[OTHER]",
      "[DEFAULT] y",
    ]),
  );
  expect(config.unknown).toHaveLength(4);
  expect(config.network.batchSize).toBe(7);
});

test("whatever a file holds: settings, or an error that names the file", () => {
  const keys = "client_name interval_seconds server_host server_port batch_size include_power log_level log_file".split(
    " ",
  );
  const line = fc.oneof(
    fc.constantFrom(
      "[AUTHENTICATION]",
      "[SERVER]",
      "[LOGGING]",
      "server_host = http://h",
      "server_port = 1",
      "api_endpoint = /",
    ),
    fc.tuple(fc.constantFrom(...keys), fc.string()).map(([key, value]) => `${key} = ${value}`),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      try {
        const config = parseLoggerConfig(lines.join("\n"), "client.ini");
        expect(URL.canParse(config.server + config.endpoint)).toBe(true);
      } catch (error) {
        if (!(error instanceof SettingError)) throw error;
        expect(error.message).toMatch(/^Cannot read client\.ini: /);
      }
    }),
    cases,
  );
});
