import { afterEach, expect, test, vi } from "vitest";
import { log, rustLevel } from "./log.ts";

test.each([
  ["info", "info"],
  ["WARN", "warn"],
  ["error", "error"],
  ["off", "error"],
  ["trace", "debug"],
  ["debug,hyper=warn", "debug"],
  ["hyper=debug,warn", "warn"],
  ["info,debug", "debug"],
  ["system_info_exporter=debug", "debug"],
  ["system_info_exporter=warn,hyper=error", "warn"],
  ["system_info_exporter::server=debug, hyper = off", "debug"],
  ["", undefined],
  ["hyper", undefined],
  ["everything", undefined],
  ["=", undefined],
])("RUST_LOG=%s is %s", (text, level) => {
  expect(rustLevel(text)).toBe(level);
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  Object.assign(log, { level: "info", console: true, file: undefined });
});

test("a line in the file has time and level, and a name from elsewhere cannot forge a second one", () => {
  vi.useFakeTimers({ now: 0, toFake: ["Date"] });
  const shown = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const lines: string[] = [];
  log.file = (line) => lines.push(line);
  log.info("a\nb\u001b[31m\u2028c");
  expect(lines).toEqual(["1970-01-01T00:00:00.000Z info a b [31m c\n"]);
  expect(shown).toHaveBeenCalledTimes(1);
});

test("without a console only errors are shown, and the file has what the level admits", () => {
  const shown: unknown[] = [];
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, "write").mockImplementation((text) => shown.push(text) > 0);
  }
  const lines: string[] = [];
  Object.assign(log, { level: "warn", console: false, file: (line: string) => lines.push(line.slice(25)) });
  log.debug("d");
  log.info("i");
  log.warn("w");
  log.error("e");
  expect([shown, lines]).toEqual([["e\n"], ["warn w\n", "error e\n"]]);
});
