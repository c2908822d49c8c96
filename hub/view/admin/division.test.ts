// Hosts of settings.json, changed in a real file.
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AdminScene } from "../../../test/admin.ts";
import { valuesOf } from "../../../test/model.ts";
import { listening } from "../../../test/store.ts";
import type { BookReader } from "../../book/book.ts";
import { Fault } from "../../fault.ts";
import { silent } from "../../log.ts";
import { adminRoutes as routes } from "../../route/admin.ts";

const before = `{
  // Ada's machines
  "servers": {
    "gpu1": "127.0.0.1:9", // rack 3
    "gpu2": { "address": "tls://127.0.0.1:10", "group": "lab", "labels": { "rack": "b2" } },
  },
  "push": { "secret": "sesame" },
}
`;

let folder: string;
let path: string;
let scene: AdminScene;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-division-"));
  path = join(folder, "settings.json");
  await open(before);
});

afterEach(async () => {
  await scene.close();
  rmSync(folder, { recursive: true });
});

async function open(content: string | undefined): Promise<void> {
  if (content !== undefined) writeFileSync(path, content, { mode: 0o600 });
  scene = AdminScene.of(path);
  await scene.open();
}

const text = (): string => readFileSync(path, "utf8");
const change = (name: string, body: object) => scene.ask(routes.changeNode, { name }, body);
const remove = (name: string, more: object = {}) => scene.ask(routes.deleteNode, { name, ...more });

describe("a host of the settings file", () => {
  test("is changed there, in effect with the answer, audited with the file, and everything else stays", async () => {
    const { status, value } = await change("gpu1", { address: "127.0.0.1:99", group: "lab-a", labels: { rack: "7" } });
    expect([status, value]).toMatchObject([
      200,
      { address: "127.0.0.1:99", group: "lab-a", labels: { rack: "7" }, ways: ["settings"] },
    ]);
    expect(text()).toBe(
      before.replace('"127.0.0.1:9"', '{ "address": "127.0.0.1:99", "group": "lab-a", "labels": { "rack": "7" } }'),
    );
    expect(scene.servers.addresses().get("gpu1")).toBe("127.0.0.1:99");
    expect(scene.book.host("gpu1")).not.toHaveProperty("group", "lab-a");
    expect([readdirSync(folder), statSync(path).mode & 0o777]).toEqual([["settings.json"], 0o600]);
    expect(scene.audit()).toMatchObject([
      {
        actor: "administrator alice",
        origin: "10.0.0.7",
        action: "node.change",
        target: "gpu1",
        details: { settings: path, address: "127.0.0.1:99", group: "lab-a", labels: "rack=7" },
      },
    ]);
    expect(JSON.stringify(scene.audit())).not.toContain("sesame");
  });

  test("loses there what is taken from it", async () => {
    expect((await change("gpu2", { group: null, setLabels: { rack: null, row: "1" } })).value).toMatchObject({
      group: null,
      labels: { row: "1" },
    });
    expect(text()).toContain('"gpu2": { "address": "tls://127.0.0.1:10", "labels": { "row": "1" } },\n');
  });

  test("keeps in the book what was there before, unless it is changed; what leaves the file does not come back", async () => {
    scene.book.write((book) => void book.changeHost("gpu2", { group: "old", labels: { a: "1", b: "2", rack: "old" } }));
    expect((await change("gpu2", { setLabels: { b: "3" } })).value.labels).toEqual({ a: "1", b: "3", rack: "b2" });
    expect(scene.book.host("gpu2")?.labels).toEqual({ a: "1" });
    expect((await change("gpu2", { group: null, setLabels: { rack: null } })).value).toMatchObject({
      group: null,
      labels: { a: "1", b: "3" },
    });
  });

  test("keeps its shown name and what is ticked in the book, without a change of the file", async () => {
    await change("gpu1", { shown: "Blue" });
    await scene.ask(routes.configureNode, { name: "gpu1" }, { gpuIndices: [0] });
    // What is the same already is no change either.
    await change("gpu2", { address: "tls://127.0.0.1:10", group: "lab", labels: { rack: "b2" } });
    expect(text()).toBe(before);
    expect(scene.audit().flatMap(({ details }) => Object.keys(details))).not.toContain("settings");
  });

  test("is deleted there, with its record, registrations and history", async () => {
    scene.register("gpu1");
    scene.history.append({
      host: "gpu1",
      at: scene.now,
      devices: [{ level: "host", key: "", values: valuesOf("host", { load1: 1 }) }],
    });
    await change("gpu1", { shown: "Blue" });
    expect(await remove("Blue", { history: "true" })).toEqual({ status: 200, value: { ok: true, history: true } });
    expect(text()).toBe(before.replace('"gpu1": "127.0.0.1:9", ', ""));
    expect([await scene.node("gpu1"), scene.book.nodes(), await scene.history.known()]).toEqual([undefined, [], []]);
    expect(scene.audit()[0]).toMatchObject({ action: "node.delete", details: { settings: path, history: true } });
    expect((await remove("gpu1")).status).toBe(404);
  });

  test("stays if only its registration is removed", async () => {
    scene.register("gpu1");
    expect(await remove("gpu1", { registration: "true" })).toEqual({
      status: 200,
      value: { ok: true, history: false },
    });
    expect([scene.book.nodes(), text()]).toEqual([[], before]);
    expect((await remove("gpu1", { registration: "true" })).status).toBe(400);
    expect((await remove("gpu1", { registration: "true", history: "true" })).status).toBe(400);
    // Of a host that is not polled, nothing would stay.
    scene.register("pushing");
    expect((await remove("pushing", { registration: "true" })).status).toBe(400);
    expect(scene.book.nodes()).toHaveLength(1);
  });

  test.each([
    { address: "nowhere" },
    { address: "a\u202eb:1" },
    { group: "a\u0000b" },
    { labels: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`l${i}`, "x"])) },
    { setLabels: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`l${i}`, "x"])) },
  ])("is not changed to what the settings could not say: %j", async (body) => {
    const { status, value } = await change("gpu2", body);
    expect([status, value.error.code, text(), scene.audit()]).toEqual([400, "bad_request", before, []]);
  });

  test("has texts in it that end no string, and begin no comment or setting", async () => {
    const nasty = { group: '"}, "push": {"secret": "x"} //', labels: { "/*": '\\"', "*/": "\ud83d\ude00" } };
    expect((await change("gpu1", nasty)).value).toMatchObject(nasty);
    scene.file?.refresh();
    expect((await scene.node("gpu1")).labels).toEqual(nasty.labels);
  });
});

describe("what somebody else writes into the file", () => {
  test("is in effect before a change, which is made of it", async () => {
    writeFileSync(path, before.replace("127.0.0.1:9", "127.0.0.1:77").replace("b2", "c4"));
    expect((await change("gpu1", { group: "g" })).value).toMatchObject({ address: "127.0.0.1:77", group: "g" });
    expect(text()).toContain('"rack": "c4"');
    writeFileSync(path, before.replace(/.*"gpu2".*\n/, ""));
    expect([(await change("gpu2", { group: "g" })).status, (await remove("gpu2")).status]).toEqual([404, 404]);
  });

  test("is not overwritten while it is not valid, and the host says why", async () => {
    writeFileSync(path, `${before}}`);
    const { status, value } = await change("gpu1", { group: "g" });
    // What the file does not say is written into the book meanwhile.
    expect([status, value.group]).toEqual([200, "g"]);
    const refused = await change("gpu1", { address: "127.0.0.1:1" });
    expect([refused.status, refused.value.error]).toMatchObject([
      409,
      { code: "host_in_settings", message: expect.stringMatching(/^The address of "gpu1" is in .*line 9, column 1/) },
    ]);
    expect(await scene.node("gpu1")).toMatchObject({ file: { path, obstacle: "invalid", owner: null } });
    expect(text()).toBe(`${before}}`);
    writeFileSync(path, before);
    expect((await change("gpu1", { address: "127.0.0.1:1" })).status).toBe(200);
  });
});

describe("an edit that a crash interrupted before its entry was committed", () => {
  beforeEach(async () => {
    scene.file?.edit("gpu1", { address: "127.0.0.1:99" }).make(1);
    expect(text()).toContain("127.0.0.1:99");
    await scene.close();
    await open(undefined);
  });

  test("is undone at the next start", async () => {
    scene.file?.recover(scene.book, silent);
    expect([text(), readdirSync(folder)]).toEqual([before, ["settings.json"]]);
  });

  test("is undone before the next edit, if the book could not be read at first", async () => {
    let usable = false;
    const audit: BookReader["audit"] = (page) => {
      if (!usable) throw new Fault("book_unusable", "The disk is full.");
      return scene.book.audit(page);
    };
    const log = listening();
    scene.file?.recover({ audit }, log);
    expect(log.lines).toHaveLength(1);
    expect((await change("gpu1", { group: "g" })).value.error.code).toBe("book_unusable");
    usable = true;
    // The file is another one than the one that was read.
    expect((await change("gpu1", { group: "g" })).value.error).toMatchObject({
      code: "host_in_settings",
      message: expect.stringContaining("try again"),
    });
    expect(text()).toBe(before);
    expect((await change("gpu1", { group: "g" })).value).toMatchObject({ address: "127.0.0.1:9", group: "g" });
  });
});

test("many administrators at once lose no change, and each has its entry", async () => {
  const all = await Promise.all(
    Array.from({ length: 20 }, (_, i) => change(i % 2 ? "gpu1" : "gpu2", { setLabels: { [`l${i}`]: "x" } })),
  );
  expect(all.map(({ status }) => status)).toEqual(Array(20).fill(200));
  const nodes = [await scene.node("gpu1"), await scene.node("gpu2")];
  expect(nodes.map(({ labels }) => Object.keys(labels).length)).toEqual([10, 11]);
  expect(scene.audit()).toHaveLength(20);
  const removed = await Promise.all(Array.from({ length: 5 }, () => remove("gpu1")));
  expect(removed.map(({ status }) => status)).toEqual([200, 404, 404, 404, 404]);
});

test("an action that the book does not commit leaves the file as it was", async () => {
  const { ino } = statSync(path);
  const { book } = scene;
  const write = book.write.bind(book);
  book.write = (work) =>
    write((writer) => {
      work(writer);
      expect(text()).toContain("127.0.0.1:1");
      throw new Fault("book_unusable", "The disk is full.");
    });
  const { status, value } = await change("gpu1", { address: "127.0.0.1:1" });
  expect([status, value.error.code]).toEqual([503, "book_unusable"]);
  expect([text(), statSync(path).ino, readdirSync(folder)]).toEqual([before, ino, ["settings.json"]]);
  expect([(await scene.node("gpu1")).address, scene.audit()]).toEqual(["127.0.0.1:9", []]);
});

test("that a file cannot be changed, and who may, is there before it is tried", async () => {
  linkSync(path, join(folder, "same.json"));
  chmodSync(path, 0o600);
  const owner = expect.any(String);
  expect((await scene.node("gpu1")).file).toEqual({
    path,
    obstacle: "links",
    reason: "it has further hard links, which would keep the old content",
    owner,
  });
  for (const answer of [
    await change("gpu1", { address: "127.0.0.1:1" }),
    await change("gpu2", { group: "x" }),
    await change("gpu2", { labels: {} }),
    await remove("gpu1"),
    await remove("gpu1", { history: "true" }),
  ]) {
    expect([answer.status, answer.value.error]).toMatchObject([
      409,
      {
        code: "host_in_settings",
        message: expect.stringMatching(/ is in .*settings\.json, which the hub cannot change: .* It belongs to .+\.$/),
      },
    ]);
  }
  // What the file does not say is in the book then.
  expect((await change("gpu1", { group: "g", labels: { a: "1" } })).value).toMatchObject({
    group: "g",
    labels: { a: "1" },
  });
  expect(text()).toBe(before);
});

test("a symbolic link to the file stays, and the file that it leads to is changed", async () => {
  await scene.close();
  const real = join(folder, "dotfiles", "hub.json");
  mkdirSync(join(folder, "dotfiles"));
  renameSync(path, real);
  symlinkSync(join("dotfiles", "hub.json"), path);
  await open(undefined);
  expect((await change("gpu1", { address: "127.0.0.1:99" })).value.file).toMatchObject({ path, obstacle: null });
  expect([readlinkSync(path), readFileSync(real, "utf8")]).toEqual([
    "dotfiles/hub.json",
    before.replace("127.0.0.1:9", "127.0.0.1:99"),
  ]);
  expect([readdirSync(folder).sort(), readdirSync(join(folder, "dotfiles"))]).toEqual([
    ["dotfiles", "settings.json"],
    ["hub.json"],
  ]);
});

describe("without a file, the host that is polled by default", () => {
  beforeEach(async () => {
    await scene.close();
    rmSync(path);
    await open(undefined);
  });

  test("is changed in a file that is created for it", async () => {
    expect((await change("local", { address: "127.0.0.1:1" })).status).toBe(200);
    expect(text()).toBe('{\n  "servers": {\n    "local": "127.0.0.1:1"\n  }\n}\n');
    expect([statSync(path).mode & 0o777, readdirSync(folder)]).toEqual([0o600, ["settings.json"]]);
  });

  test("is deleted, and does not come back", async () => {
    expect((await remove("local")).status).toBe(200);
    expect([text(), await scene.nodes()]).toEqual(['{\n  "servers": {\n  }\n}\n', []]);
  });
});

test("a host of the book is not written into the file, and one that both have is deleted from both", async () => {
  await scene.ask(routes.addServer, {}, { name: "added", address: "127.0.0.1:11" });
  await change("added", { group: "g", labels: { a: "1" }, address: "127.0.0.1:12" });
  expect([text(), (await scene.node("added")).file]).toEqual([before, null]);
  writeFileSync(path, before.replace("gpu1", "added"));
  scene.file?.refresh();
  expect(await scene.node("added")).toMatchObject({ ways: ["settings"], address: "127.0.0.1:9" });
  expect((await remove("added")).status).toBe(200);
  expect(await scene.node("added")).toBeUndefined();
});
