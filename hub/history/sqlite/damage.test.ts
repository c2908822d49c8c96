// Damage that no check at the start sees, met while the hub runs.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Log } from "../../log.ts";
import { all, ask, day, gpu, hour, type poll as Poll, pairs, Scene, start, temperature } from "./scene.ts";

let scene: Scene;
const host = "a-host-with-a-long-name";
const at = (t: number, value: number): ReturnType<typeof Poll> => ({
  host,
  at: t,
  devices: [gpu({ gpu_temperature: value })],
});
const id = temperature("GPU-1", host);

beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.remove());

function listening(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const line = (message: string): void => void lines.push(message);
  return { lines, info: line, warn: line, error: line };
}

/** Changes a byte of the name in the index of names, which is under no checksum and which quick_check does not compare. */
function breakIndex(): void {
  const path = join(scene.folder, "history.db");
  const bytes = readFileSync(path);
  // First in the table, where it would be told at the start, then in its index.
  const place = bytes.indexOf(host, bytes.indexOf(host) + 1);
  bytes[place + 3] = (bytes[place + 3] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

test("a file that turns out to be damaged while the hub runs is moved aside; what the journal holds goes into a new one", async () => {
  const before = scene.open();
  for (let i = 0; i < 100; i++) before.append(at(start + i * 10_000, i));
  await scene.leap(day);
  scene.shut(before);
  breakIndex();
  const log = listening();
  const one = scene.open(log);
  expect(await pairs(one, id)).toHaveLength(100);
  for (let i = 0; i < 50; i++) one.append(at(scene.now + i * 1000, i));
  const asked = one.read({ series: [id], range: all, of: ["avg"], most: 1000 });
  await scene.leap(day);
  expect((await asked)[0]?.t.length).toBeGreaterThanOrEqual(50);
  expect(await pairs(one, id)).toHaveLength(50);
  one.append(at(scene.now, 7));
  await scene.leap(day);
  expect((await ask(one, id, { ...all, step: hour }, "count")).count.reduce((a, b) => a + b)).toBe(51);
  expect(
    log.lines.filter((line) => /is damaged .* moved to \S+history\.db\.damaged-1 and a new one begun/.test(line)),
  ).toHaveLength(1);
  expect(log.lines).toHaveLength(1);
  expect(scene.trouble).toEqual([]);
  expect(readdirSync(scene.folder)).toContain("history.db.damaged-1");
  scene.shut(one);
  expect(await pairs(scene.open(), id)).toHaveLength(51);
});
