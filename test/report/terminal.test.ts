// What people see of `gohm report` on a terminal: how far it is.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bare, program } from "../system/gohm.ts";
import { dayIn } from "./clock.ts";
import { PlayedNetdata } from "./netdata.ts";
import { differences, foldersOf, ReportPlace } from "./place.ts";
import { steady } from "./scene.ts";

const day = dayIn("UTC", "2025-08-01", [[0, 0]]);
const names = ["a", "b", "c", "d"];
let place: ReportPlace;
let netdata: PlayedNetdata;

beforeEach(async () => {
  place = new ReportPlace();
  netdata = await PlayedNetdata.start();
});

afterEach(async () => {
  await netdata.stop();
  place.remove();
});

test("a terminal shows a bar that grows to the last node, and then the outcome", async () => {
  for (const name of names) netdata.nodes.set(name, steady(name, day, [{ card: 0 }]).played);
  const nodes = Object.fromEntries(names.map((name) => [name, { netdata: netdata.url(name) }]));
  place.write({ timezone: "UTC", nodes });
  const line = `${process.execPath} ${program} report 2025-08-01`;
  const child = spawn("script", ["-qec", line, "/dev/null"], {
    env: { ...bare, ...place.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const shown = child.stdout.setEncoding("utf8").toArray();
  const [status] = await once(child, "close");
  const text = (await shown).join("");
  expect(status).toBe(0);
  const bars = [...text.matchAll(/\[(#*)(-*)\] \d+ % (\d+)\/4 node/g)].map(([, done = "", rest = "", count]) => ({
    share: done.length / (done.length + rest.length),
    count: Number(count),
  }));
  expect(bars.length).toBeGreaterThan(0);
  for (const { share, count } of bars) expect(share).toBeCloseTo(count / 4, 1);
  expect(bars.map(({ count }) => count)).toEqual(bars.map(({ count }) => count).toSorted((a, b) => a - b));
  // The bar is gone when the outcome is there.
  const [, after = ""] = text.split(/\/4 nodes?(?!.*\/4 node)/s);
  expect(after.startsWith("\r\u001b[K")).toBe(true);
  for (const name of names) expect(after).toMatch(new RegExp(`^.*\\b${name}\\b.*complete`, "m"));
  expect(differences(place.files, foldersOf(names.map((name) => steady(name, day, [{ card: 0 }]).wanted)))).toEqual([]);
});
