// What the journal does about the disk itself. Its records and what damage costs are tested with the store and its faults.
import { readdirSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
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
