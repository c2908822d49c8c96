// What the journal does about the disk itself. Its records and what damage costs are tested with the store and its faults.
import { pbkdf2 } from "node:crypto";
import { readdirSync, stat, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { gpu, listening, poll, Scene } from "../../../test/store.ts";

let scene: Scene;

beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.remove());

test("a disk that does not keep the journal is told of within the time that the documentation names, once, and so is its recovery", async () => {
  const log = listening();
  const { lines } = log;
  const store = scene.open(log);
  // Takes whatever is written, as a page in memory does, and cannot bring it to any disk.
  symlinkSync("/dev/null", join(scene.folder, "history.journal-1"));
  const work = async (seconds: number) => {
    for (let i = 0; i < seconds; i += 10) {
      store.append(poll(scene.now, gpu({ gpu_temperature: 50 + (i % 7) })));
      await scene.pass(10_000);
    }
  };
  await work(160);
  await vi.waitFor(() => expect(lines).toEqual([expect.stringMatching(/cannot be brought to the disk \(EINVAL/)]));
  await work(600);
  expect(lines).toHaveLength(1);
  // The next file is a real one.
  await work(1800);
  await vi.waitFor(() => expect(lines).toEqual([expect.anything(), expect.stringMatching(/to the disk again/)]));
  const files = readdirSync(scene.folder).filter((name) => name.includes("journal"));
  expect(files).toContain("history.journal-2");
  expect(statSync(join(scene.folder, "history.journal-2")).size).toBeGreaterThan(20);
});

test("a hub that ends while its journal is being brought to the disk takes that for no failure", async () => {
  const log = listening();
  const store = scene.open(log);
  store.append(poll(scene.now, gpu({ gpu_temperature: 50 })));
  // All threads that wait for disks are at work, so that it is still to be done when the hub ends.
  const derive = promisify(pbkdf2);
  const busy = Array.from({ length: 8 }, () => derive("a", "b", 300_000, 32, "sha256"));
  await scene.pass(150_000);
  scene.shut(store);
  await Promise.all(busy);
  // What was to be done before this has been done.
  await promisify(stat)(scene.folder);
  expect(log.lines).toEqual([]);
});
