// The built `gohm report` is killed while it writes, and its disk becomes full: a report that is there stays, or a better one is.
import { once } from "node:events";
import { mkdirSync, watch } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { canMount, smallDisk } from "../disk.ts";
import { dayIn } from "./clock.ts";
import { PlayedNetdata } from "./netdata.ts";
import { differences, filesIn, foldersOf, ReportPlace } from "./place.ts";
import { steady } from "./scene.ts";

const day = dayIn("UTC", "2025-08-01", [[0, 0]]);
const noon = day.from + 12 * 3600;
const names = ["a", "b", "c"];
const eight = [1, 9, 17, 25, 33, 41, 49, 57].map((card) => ({ card }));

let place: ReportPlace;
let netdata: PlayedNetdata;

beforeEach(async () => {
  place = new ReportPlace();
  netdata = await PlayedNetdata.start();
  place.write({
    timezone: "UTC",
    nodes: Object.fromEntries(names.map((name) => [name, { netdata: netdata.url(name) }])),
  });
});

afterEach(async () => {
  await netdata.stop();
  place.remove();
});

/** Nodes have rows until a time. @returns the files of their reports */
function play(until: number): Record<string, string> {
  const nodes = names.map((name) => steady(name, day, eight, until));
  for (const { played, wanted } of nodes) netdata.nodes.set(wanted.node, played);
  return foldersOf(nodes.map(({ wanted }) => wanted));
}

/** Names of files that are neither of two reports. */
const strange = (files: Record<string, string>, ...reports: readonly Record<string, string>[]): string[] =>
  Object.keys(files).filter((name) => !reports.some((report) => report[name] === files[name]));

test("kill -9 at any moment of writing leaves each file of a report as it was or as it will be, and nothing for later", async () => {
  const thin = play(noon);
  // Rows are missing.
  expect((await place.report(["2025-08-01"])).status).toBe(3);
  expect(differences(place.files, thin)).toEqual([]);
  const whole = play(day.to);
  let changed = 0;
  // After so many changes in the folders of reports, of which a run makes more than 60.
  for (const wait of [1, 5, 13, 34, 55]) {
    const child = place.start(["2025-08-01"]);
    const ended = once(child, "exit");
    let seen = 0;
    const watcher = watch(place.reports, { recursive: true }, () => {
      if (++seen >= wait) child.kill("SIGKILL");
    });
    await ended;
    watcher.close();
    if (seen > 0) changed++;
    const files = place.files;
    // What a killed program was writing may be there, under a name that no reader of reports takes for one.
    expect(strange(files, thin, whole).filter((name) => !name.includes("/.partial"))).toEqual([]);
    expect(Object.keys(thin).filter((name) => files[name] === undefined)).toEqual([]);
  }
  expect(changed).toBeGreaterThan(3);
  expect((await place.report(["2025-08-01"])).status).toBe(0);
  expect(differences(place.files, whole)).toEqual([]);
});

test.skipIf(!canMount())("a disk that becomes full half-way costs no report that was there (mount)", async () => {
  const disk = smallDisk("1m");
  try {
    const out = join(disk.path, "reports");
    mkdirSync(out);
    const run = () => place.report(["2025-08-01", "--data-dir", out]);
    const thin = play(noon);
    expect((await run()).status).toBe(3);
    const whole = play(day.to);
    // Room for the report of one node, and a part of another.
    disk.fill(120_000);
    const full = await run();
    expect(full.stderr).toMatch(/the disk is full/);
    const files = filesIn(out);
    expect(Object.keys(files).toSorted()).toEqual(Object.keys(thin).toSorted());
    expect(strange(files, thin, whole)).toEqual([]);
    const isWhole = names.filter(
      (name) =>
        files[`${name}/2025-08-01/gpu7_2025-08-01.csv`]?.length !==
        thin[`${name}/2025-08-01/gpu7_2025-08-01.csv`]?.length,
    );
    expect([isWhole.length > 0 ? 0 : 3, isWhole.length < names.length]).toEqual([full.status, true]);
    disk.free();
    expect((await run()).status).toBe(0);
    expect(differences(filesIn(out), whole)).toEqual([]);
  } finally {
    disk.remove();
  }
});
