import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "./clock.ts";
import { databases } from "./databases.ts";
import { start } from "./hub.ts";
import { silent } from "./log.ts";
import { parts } from "./parts.ts";
import { backupRoutes } from "./route/backup.ts";
import { settle } from "./settings.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-databases-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function startAndStop(): Promise<void> {
  const settings = settle({ flags: { data: folder, "hub-addr": "127.0.0.1:0" }, env: {} }, () => undefined);
  const options = { settings, clock: systemClock, random: () => 0, log: silent, version: "1", web: folder };
  const hub = await start(options, { ...parts, inputs: [], views: [] });
  await hub.close();
}

/** Permissions of the folder, and of its content by name. */
const modes = (): string[] =>
  ["", ...readdirSync(folder).sort()].map(
    (name) => `${name} ${(statSync(join(folder, name)).mode & 0o777).toString(8)}`,
  );

test("files of every database of the list become private when a hub starts, and with them a folder that has no others", async () => {
  const beside = databases.map(({ file }) => `${file}.damaged-1`);
  for (const name of beside) writeFileSync(join(folder, name), "");
  mkdirSync(join(folder, "restore.old"));
  for (const name of ["", "restore.old", ...beside])
    chmodSync(join(folder, name), name.includes("damaged") ? 0o644 : 0o755);
  await startAndStop();
  expect(modes().filter((one) => !/ [67]00$/.test(one))).toEqual([]);
});

test("a file of no database of the list keeps its permissions, and so does a folder with one", async () => {
  writeFileSync(join(folder, "ledger.db"), "");
  chmodSync(join(folder, "ledger.db"), 0o644);
  chmodSync(folder, 0o755);
  await startAndStop();
  const [top, ...others] = modes();
  expect([top, others.filter((one) => !/ [67]00$/.test(one))]).toEqual([" 755", ["ledger.db 644"]]);
});

test("the help of the route of copies names every database of the list", () => {
  const { help } = backupRoutes.databaseBackup.params.database;
  expect(databases.map(({ name }) => name).filter((name) => !help.includes(`\`${name}\``))).toEqual([]);
});
