import { afterEach, expect, test, vi } from "vitest";
import { Shell } from "./shell.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

test("programs say in English why they failed, whatever language the system speaks", async () => {
  vi.stubEnv("LC_ALL", "zh_CN.UTF-8");
  vi.stubEnv("LANG", "zh_CN.UTF-8");
  const shell = new Shell({ command: "/bin/sh", script: 'while read -r line; do echo "$line"; echo "=$LC_ALL"; done' });
  expect(await shell.ask("asked")).toBe("asked\n=C");
  shell.end();
  await shell.gone;
});
