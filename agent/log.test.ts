import { expect, test } from "vitest";
import { rustLevel } from "./log.ts";

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
