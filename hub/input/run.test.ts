// The entries of imports in the audit log.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ImportScene, piecewise, row } from "../../test/import.ts";
import { heading } from "../csv/form.ts";

let scene: ImportScene;

beforeEach(() => {
  scene = new ImportScene();
});

afterEach(() => scene.close());

const send: ImportScene["send"] = (...sent) => scene.send(...sent);

describe("files of one command", () => {
  const many = { by: "administrator", name: "history.import" };
  const other = (second: number): string => row.replace("08:30:05", `08:30:0${second}`);

  test("are one entry in the audit log, once the last one was read", async () => {
    await send(heading + row, "?name=a.csv&run=r1");
    await send(`${heading}${other(1)}${other(2)}x\r\n`, "?name=b.csv&run=r1");
    await send("%PDF-1.4", "?name=bad.csv&run=r1");
    expect(scene.audit).toEqual([]);
    await send(heading + other(3), "?name=c.csv&run=r1&last=true");
    const target = "a.csv … c.csv";
    expect(scene.audit).toEqual([{ ...many, target, details: { files: 3, rows: 4, failed: 1 } }]);
    await send(heading + row, "?name=a.csv&run=r1&last=true");
    expect(scene.audit).toHaveLength(2);
  });

  test("are one entry also if the last one is none", async () => {
    await send(heading + row, "?name=a.csv&run=r1");
    await send("%PDF-1.4", "?name=bad.csv&run=r1&last=true");
    expect(scene.audit).toEqual([{ ...many, target: "a.csv … bad.csv", details: { files: 1, rows: 1, failed: 0 } }]);
  });

  test("of two administrators are two entries, whatever they are called", async () => {
    await send(heading + row, "?name=a.csv&run=r1");
    scene.who = { kind: "administrator", name: "bob", origin: "10.0.0.8" };
    await send(heading + row, "?name=b.csv&run=r1&last=true");
    expect(scene.audit).toMatchObject([{ target: "b.csv" }]);
  });

  test("are an entry at once if the client was killed while it sent one", async () => {
    await send(heading + row, "?name=a.csv&run=r1");
    const body = piecewise();
    const answer = send(body.stream, "?name=b.csv&run=r1");
    body.put(heading + other(1) + other(2).slice(0, 30));
    await new Promise((done) => setImmediate(done));
    body.fail(Object.assign(new Error("aborted"), { code: "ECONNRESET" }));
    expect((await answer).value.error.code).toBe("canceled");
    const entry = { ...many, target: "a.csv … b.csv", details: { files: 2, rows: 2, failed: 0 } };
    expect([scene.audit, scene.drafts.size]).toEqual([[entry], 0]);
    scene.clock.elapse(600_000);
    expect(scene.audit).toHaveLength(1);
  });

  test("are an entry a minute after the last one, if the client was killed between two", async () => {
    await send(heading + row, "?name=a.csv&run=r1");
    scene.clock.elapse(59_000);
    await send(heading + row, "?name=b.csv&run=r1");
    scene.clock.elapse(59_000);
    expect(scene.audit).toEqual([]);
    scene.clock.elapse(2000);
    expect(scene.audit).toMatchObject([{ target: "a.csv … b.csv", details: { files: 2 } }]);
    scene.clock.elapse(600_000);
    expect(scene.audit).toHaveLength(1);
  });

  test("are an entry after the next start, if the hub was killed; and at its end, if it was not", async () => {
    await send(heading + row, "?name=a.csv&run=r1");
    scene.reopen();
    expect(scene.audit).toMatchObject([{ target: "a.csv" }]);
    await send(heading + row, "?name=b.csv&run=r2");
    await scene.close();
    expect(scene.audit).toMatchObject([{ target: "a.csv" }, { target: "b.csv" }]);
  });

  test("are recorded while a large one is read", async () => {
    const { stream, put, end } = piecewise();
    const answer = send(stream, "?name=large.csv");
    const at = (i: number): string =>
      new Date(Date.UTC(2026, 10, 27) + i * 1000).toISOString().slice(0, 19).replace("T", " ");
    put(heading + Array.from({ length: 2500 }, (_, i) => row.replace("2026-11-27 08:30:05", at(i))).join(""));
    await expect
      .poll(() => [...scene.drafts.values()])
      .toMatchObject([{ target: "large.csv", details: { rows: 2000 } }]);
    expect(scene.audit).toEqual([]);
    end();
    await answer;
    expect([scene.audit, scene.drafts.size]).toMatchObject([
      [{ target: "large.csv", details: { rows: 2500, failed: 0 } }],
      0,
    ]);
  });
});
