// What the journal does about the disk itself. Its records and what damage costs are tested with the store and its faults.
import { pbkdf2 } from "node:crypto";
import { readdirSync, stat, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { gpu, listening, pairs, poll, StoreFixture, start, temperature } from "../../../test/store.ts";
import { putNumber, zigzag } from "./bytes.ts";

let scene: StoreFixture;

beforeEach(() => {
  scene = new StoreFixture();
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

/** Writes a segment of one record. */
function segment(...entries: readonly Buffer[]): void {
  const payload = Buffer.concat(entries);
  const head = Buffer.from([0xf5, 0x47, 0x4a, 0xfa, 0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(payload.length, 4);
  head.writeUInt32LE(crc32(payload), 8);
  const file = Buffer.concat([Buffer.from("GOHM journal 1\n"), head, payload]);
  writeFileSync(join(scene.folder, "history.journal-3"), file);
}

function numbers(...all: readonly number[]): Buffer {
  const bytes = Buffer.alloc(10 * all.length);
  return bytes.subarray(
    0,
    all.reduce((end, number) => putNumber(bytes, end, number), 0),
  );
}

/** An entry in JSON. */
function described(entry: object): Buffer {
  const text = Buffer.from(JSON.stringify(entry));
  return Buffer.concat([numbers(0, text.length), text]);
}

/** The first row of a chunk: 40 at ten seconds. */
function firstRow(chunk: number): Buffer {
  // Time, as its difference from 0; one bit: the column changed; 40 more than 0, where 2 means "no change of a whole number".
  const row = Buffer.concat([numbers(zigzag(start + 10_000)), Buffer.of(1), numbers(zigzag(40) + 2)]);
  return Buffer.concat([numbers(chunk, 0, row.length), row]);
}

const header = {
  run: 7,
  host: "a",
  window: start / (4 * 3_600_000),
  devices: [["gpu", "GPU-1", 0]],
  columns: [[0, "gpu_temperature", 1]],
};

test("a journal is read by the names that its fields have had from the first", async () => {
  segment(described(header), firstRow(7));
  expect(await pairs(scene.open(), temperature())).toEqual([[start + 10_000, 40]]);
});

test("a renamed device is read by the names that the fields of its record have had from the first, which hub 0.2.0 ignores", async () => {
  const bare = { ...header, devices: [["gpu", "#0", 0]] };
  const rename = { run: 8, host: "a", window: 0, devices: [["gpu", "#0", null]], columns: [], to: "GPU-1" };
  segment(described(bare), firstRow(7), described(rename), described({ ...bare, run: 9 }), firstRow(9));
  const store = scene.open();
  for (const key of ["GPU-1", "#0"]) expect(await pairs(store, temperature(key))).toEqual([[start + 10_000, 40]]);
});
