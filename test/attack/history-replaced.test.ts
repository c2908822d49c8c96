// Files of the history that are deleted, or that others are renamed over, while the hub runs.
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Store } from "../../hub/history/store.ts";
import { canMount, type Disk, smallDisk } from "../disk.ts";
import { gpu, hour, listening, pairs, poll, StoreFixture, temperature } from "../store.ts";

let scene: StoreFixture;
const scenes: StoreFixture[] = [];
const taken: [number, number][] = [];
const path = (): string => join(scene.folder, "history.db");
const others = (): string[] => readdirSync(scene.folder).filter((name) => name.includes("replaced"));

function made(folder?: string): StoreFixture {
  const one = new StoreFixture(folder);
  scenes.push(one);
  return one;
}

beforeEach(() => {
  taken.length = 0;
  scene = made();
});
afterEach(() => {
  for (const one of scenes.splice(0)) one.remove();
});

async function work(one: Store, ms: number): Promise<void> {
  for (const end = scene.now + ms; scene.now < end; await scene.pass(10_000)) {
    taken.push([scene.now, taken.length % 90]);
    one.append(poll(scene.now, gpu({ gpu_temperature: taken.length - 1 - Math.floor((taken.length - 1) / 90) * 90 })));
  }
}

/** Until a restoration that was begun is over. */
async function settled(check: () => boolean): Promise<void> {
  const attempt = async (): Promise<void> => {
    await scene.pass(2000);
    expect(check()).toBe(true);
  };
  await vi.waitFor(attempt, { timeout: 20_000, interval: 5 });
}

/** What a kill leaves. */
async function afterKill(): Promise<[number, number][]> {
  const copy = made();
  cpSync(scene.folder, copy.folder, { recursive: true });
  copy.now = scene.now;
  return pairs(copy.open(), temperature());
}

const remove = (pattern: RegExp) => (): void => {
  for (const name of readdirSync(scene.folder)) if (pattern.test(name)) rmSync(join(scene.folder, name));
};
const attacks: readonly (readonly [string, () => void])[] = [
  ["history.db is deleted", remove(/^history\.db$/)],
  ["history.db and its log are deleted", remove(/^history\.db/)],
  ["every file is deleted", remove(/./)],
  ["the folder is deleted", () => rmSync(scene.folder, { recursive: true })],
  [
    "another history is renamed over it",
    () => {
      const other = made();
      other.shut(other.open());
      renameSync(join(other.folder, "history.db"), path());
    },
  ],
  [
    "a text is renamed over it",
    () => {
      writeFileSync(`${path()}.text`, "a text");
      renameSync(`${path()}.text`, path());
    },
  ],
];

test.each(attacks)("%s, and the hub stops: nothing is lost", async (_, attack) => {
  const log = listening();
  const one = scene.open(log);
  // Rows of a window that is over, and polls of the one that is not.
  await work(one, 5 * hour);
  attack();
  await work(one, 20_000);
  scene.shut(one);
  expect(log.lines.join("\n")).toMatch(/history\.db was (deleted|replaced) while the hub ran; .* nothing is lost/);
  expect(await pairs(scene.open(), temperature())).toEqual(taken);
});

test.each(attacks)("%s, and the hub runs on: it says so, and is killed without a loss", async (_, attack) => {
  const log = listening();
  const one = scene.open(log);
  await work(one, 5 * hour);
  attack();
  await settled(() => scene.notices.has("file"));
  expect(scene.notices.get("file")).toMatch(/history\.db was (deleted|replaced) while the hub ran; .* nothing is lost/);
  await work(one, hour / 2);
  one.flush();
  expect(await pairs(one, temperature())).toEqual(taken);
  expect(await afterKill()).toEqual(taken);
  await work(one, hour);
  expect(scene.notices.has("file")).toBe(false);
});

test("the file found in place of the database is kept under another name, which the notice names", async () => {
  const one = scene.open();
  await work(one, hour / 10);
  writeFileSync(`${path()}.other`, "what somebody put there");
  renameSync(`${path()}.other`, path());
  await settled(() => scene.notices.has("file"));
  expect(others()).toEqual(["history.db.replaced-1"]);
  expect(readFileSync(join(scene.folder, "history.db.replaced-1"), "utf8")).toBe("what somebody put there");
  expect(scene.notices.get("file")).toMatch(
    /is \S+history\.db\.replaced-1 now: stop the hub before you restore a backup\.$/,
  );
});

test("journal files deleted while the hub runs lose no samples, even if it is killed later", async () => {
  const log = listening();
  const one = scene.open(log);
  await work(one, hour);
  remove(/journal/)();
  await settled(() => log.lines.some((line) => /a journal file in .* was deleted/.test(line)));
  await work(one, hour / 10);
  one.flush();
  expect(await afterKill()).toEqual(taken);
  expect(log.lines.filter((line) => line.includes("journal"))).toHaveLength(1);
});

test.skipIf(!canMount())(
  "where there is no room to write it anew, the journal is kept, and it is done when there is room",
  async () => {
    const disk: Disk = smallDisk("4m");
    try {
      scene = made(join(disk.path, "data"));
      const log = listening();
      const one = scene.open(log);
      await work(one, 5 * hour);
      rmSync(path());
      disk.fill();
      await settled(() => scene.trouble.length > 0);
      expect(scene.trouble.at(-1)).toMatch(/it was deleted or replaced, and writing it anew needs/);
      disk.free();
      await settled(() => scene.notices.has("file"));
      expect(scene.trouble.at(-1)).toBeUndefined();
      expect(await pairs(one, temperature())).toEqual(taken);
      rmSync(path());
      disk.fill();
      scene.shut(one);
      expect(log.lines.join("\n")).toMatch(
        /was deleted and cannot be written anew: .*; what the journal holds, the last hours, is kept/,
      );
      disk.free();
      const rest = await pairs(scene.open(), temperature());
      expect(rest).toEqual(taken.slice(-rest.length));
    } finally {
      for (const store of scenes.splice(0)) store.remove();
      disk.remove();
    }
  },
);
