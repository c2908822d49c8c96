// log.file of the real hub: appended to, opened again, changed while it runs, refused at the start.
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type HubFolder, hubFolder, launch, type RunningHub, startHub } from "../hub.ts";

const patience = { timeout: 30_000, interval: 20 };
const text = (path: string): string => (existsSync(path) ? readFileSync(path, "utf8") : "");

let at: HubFolder;
let hub: RunningHub | undefined;

beforeEach(() => {
  at = hubFolder();
});

afterEach(async () => {
  await hub?.stop();
  hub = undefined;
  at.remove();
});

test("a log file gets what standard output gets, survives logrotate, and may be changed in the settings", async () => {
  const [first, second] = [join(at.folder, "logs", "gohm.log"), join(at.folder, "second.log")];
  at.write({ servers: {}, log: { file: first } });
  hub = await startHub(at);
  await expect.poll(() => text(first), patience).toMatch(/^\d{4}-\S+Z info /);
  expect(text(first)).toContain("GOHM hub ready");
  expect(statSync(first).mode & 0o077).toBe(0);

  renameSync(first, `${first}-yesterday`);
  at.write({ servers: {}, log: { file: at.folder } });
  await hub.line(
    /error Cannot read setting "log\.file" \(GOHM_LOG_FILE\): .*is a directory.*; the log goes where it went before/,
  );
  at.write({ servers: {}, log: { file: second } });
  await expect.poll(() => text(second), patience).toContain("settings read again: 0 servers");
  // In a new file at the path.
  expect(text(first)).toMatch(/^\S+ error Cannot read setting "log\.file"/);

  expect(await hub.stop()).toBe(0);
  expect(text(second)).toMatch(/info stopping: terminated\n$/);
  const lines = [`${first}-yesterday`, first, second].map(text).join("");
  for (const line of hub.output().split("\n")) expect(lines).toContain(line);
});

test("a log file that cannot be written is an error at the start", async () => {
  const path = join(at.folder, "gohm.log");
  mkdirSync(path);
  const program = launch(at, { GOHM_LOG_FILE: path });
  if (program.child.exitCode === null) await once(program.child, "close");
  expect(program.child.exitCode).toBe(1);
  expect(program.output()).toMatch(
    /^gohm: Cannot read setting "log\.file" \(GOHM_LOG_FILE\): must be a file that can be written/,
  );
});
