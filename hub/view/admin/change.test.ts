import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AdminScene } from "../../../test/admin.ts";
import { cases } from "../../../test/cases.ts";
import { valuesOf } from "../../../test/model.ts";
import { everything, type HostConfig } from "../../book/book.ts";
import { adminRoutes as routes } from "../../route/admin.ts";

/** Each case is a write that survives a power failure. */
const slow = { timeout: 30 * cases.numRuns };

let scene: AdminScene;

beforeEach(async () => {
  scene = new AdminScene({ gpu10: "127.0.0.1:9", gpu2: { address: "tls://127.0.0.1:10", group: "lab" } });
  await scene.open();
});

afterEach(() => scene.close());

describe("a configuration", () => {
  const strings = fc.string({ unit: "binary", maxLength: 40 });
  const lists = <T>(item: fc.Arbitrary<T>) => fc.option(fc.array(item, { maxLength: 12 }));
  const body = fc.record(
    {
      gpuIndices: lists(fc.nat(2 ** 31 - 1)),
      diskMounts: lists(strings),
      nicNames: lists(strings),
      reportIntervalSec: fc.option(fc.integer({ min: 1, max: 3600 })),
    },
    { requiredKeys: [] },
  );

  test(
    "is what was saved, with what was absent as before; its version is one more, and nothing else changes",
    slow,
    async () => {
      scene.register("pushing");
      await scene.ask(routes.changeNode, { name: "pushing" }, { shown: "Shown", group: "g", labels: { a: "b" } });
      let config: HostConfig = everything;
      const before = await scene.node("pushing");
      let version = 0;
      await fc.assert(
        fc.asyncProperty(body, async (change) => {
          const { status, value } = await scene.ask(routes.configureNode, { name: "pushing" }, change);
          config = { ...config, ...change };
          expect([status, value]).toEqual([200, { ...before, config, configVersion: ++version }]);
        }),
        cases,
      );
      // Each has its entry, after that of the name.
      expect(scene.book.audit({ limit: 1 })[0]).toMatchObject({ id: version + 1, action: "node.configure" });
    },
  );

  const wrong = fc.oneof(
    fc.record({
      gpuIndices: fc.array(fc.oneof(fc.integer({ max: -1 }), fc.constant(0.5), fc.string()), { minLength: 1 }),
    }),
    fc.record({ diskMounts: fc.oneof(fc.string(), fc.array(fc.integer(), { minLength: 1 }), fc.object()) }),
    fc.record({ nicNames: fc.array(fc.string({ minLength: 257, maxLength: 300 }), { minLength: 1 }) }),
    fc.record({ reportIntervalSec: fc.oneof(fc.constantFrom(0, -5, 0.5, 3601, 1e300, "5", true), fc.array(fc.nat())) }),
    fc.constantFrom(null, [], 5, "x", true, { gpuIndices: Array.from({ length: 1025 }, (_, i) => i) }),
  );

  test("that is not one is refused with the field and what was wanted, and nothing is written", async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(wrong, async (bad) => {
        const { status, value } = await scene.ask(routes.configureNode, { name: "gpu2" }, bad);
        expect([status, value.error.code]).toEqual([400, "bad_request"]);
        // Of an object in place of a list, a key may be one that no body may have.
        expect(value.error.message).toMatch(
          /^The body(('s "[\w.]+")? must be .{2,80}| must not have a key "(__proto__|constructor|prototype)")\.$/,
        );
        seen.add(String(value.error.message));
      }),
      cases,
    );
    expect(scene.audit()).toEqual([]);
    expect(scene.book.host("gpu2")).toBeUndefined();
  });

  test("with a mistyped key is refused, and counts no version", async () => {
    const { status, value } = await scene.ask(routes.configureNode, { name: "gpu2" }, { gpuIndexes: [0] });
    expect([status, value.error.message]).toEqual([
      400,
      'The body must not have a key "gpuIndexes": did you mean "gpuIndices"?',
    ]);
    expect(await scene.node("gpu2")).toMatchObject({ configVersion: 0 });
  });

  test("has a version that no other change counts", async () => {
    scene.register("pushing");
    await scene.ask(routes.configureNode, { name: "pushing" }, { gpuIndices: [0] });
    await scene.ask(routes.approveNode, { name: "pushing" });
    await scene.ask(routes.changeNode, { name: "pushing" }, { shown: "S", labels: { a: "b" } });
    await scene.ask(routes.resetNode, { name: "pushing" });
    expect(await scene.node("pushing")).toMatchObject({ configVersion: 1 });
  });

  test("that many save at once counts each of them", async () => {
    await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        scene.ask(routes.configureNode, { name: "gpu2" }, i % 2 ? { gpuIndices: [i] } : { nicNames: [`n${i}`] }),
      ),
    );
    expect(await scene.node("gpu2")).toMatchObject({
      configVersion: 50,
      config: { gpuIndices: [49], nicNames: ["n48"] },
    });
  });
});

describe("a change of a host", () => {
  const change = (name: string, body: object) => scene.ask(routes.changeNode, { name }, body);

  test.each([
    ["the name of a host of the settings", "gpu10"],
    ["a name that is shown", "Blue"],
    ["the name of a machine", "pushing.lab"],
    ["the host of a machine", "pushing"],
  ])("that shows %s twice is refused", async (_, shown) => {
    scene.register("pushing.lab", { host: "pushing" });
    await change("gpu10", { shown: "Blue" });
    const { status, value } = await change("gpu2", { shown });
    expect([status, value.error.code]).toEqual([409, "name_taken"]);
    expect((await scene.node("gpu2"))?.shown).toBe("gpu2");
  });

  test("that shows the name of a host of which only history is left is refused, as that could not be found any more", async () => {
    const remember = (host: string): void =>
      scene.history.append({
        host,
        at: scene.now,
        devices: [{ level: "host", key: "", values: valuesOf("host", { load1: 1 }) }],
      });
    for (const host of ["gone", "gpu2"]) remember(host);
    const { status, value } = await change("gpu2", { shown: "gone" });
    expect([status, value.error.code, value.error.message]).toEqual([
      409,
      "name_taken",
      'History has samples of a host "gone", which nobody could find if another one were shown by that name: choose another name, or delete them first, with "gohm node delete gone --history".',
    ]);
    expect((await change("gpu2", { shown: "gpu2" })).status).toBe(200);
    await scene.history.forget("gone");
    expect((await change("gpu2", { shown: "gone" })).value.shown).toBe("gone");
    // What is shown already is no change.
    remember("gone");
    expect((await change("gpu2", { shown: "gone", group: null })).value.error?.code).toBe("host_in_settings");
    expect((await change("gpu2", { shown: "gone", labels: {} })).status).toBe(200);
  });

  test("shows the host's own name again for null and for that name", async () => {
    for (const shown of [null, "gpu2"]) {
      await change("gpu2", { shown: "Blue" });
      expect((await change("gpu2", { shown })).value.shown).toBe("gpu2");
    }
    // Free for others.
    expect((await change("gpu10", { shown: "Blue" })).status).toBe(200);
  });

  test.each([
    ["", "a name of 1 to 64 characters"],
    ["  ", "a name of 1 to 64 characters"],
    ["x".repeat(65), "at most 64 characters"],
    [" .. ", 'a name other than "." and ".."'],
    ["a\nb", "a text without line breaks and hidden characters"],
    ["a\u202eb", "a text without line breaks and hidden characters"],
    ["a\u034fb", "a text without line breaks and hidden characters"],
    [5, "string"],
  ])("to the shown name %j is refused: it must be %s", async (shown, wanted) => {
    const { status, value } = await change("gpu2", { shown });
    expect([status, value.error.message]).toEqual([400, `The body's "shown" must be ${wanted}.`]);
  });

  test("sets labels one by one, or all of them", async () => {
    await change("gpu2", { labels: { a: "1", b: "2" } });
    expect((await change("gpu2", { setLabels: { b: null, c: "3", none: null } })).value.labels).toEqual({
      a: "1",
      c: "3",
    });
    expect((await change("gpu2", { labels: { d: "4" } })).value.labels).toEqual({ d: "4" });
  });

  const hiddenText = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
  const text = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 70 }),
    fc.string({ unit: "binary", maxLength: 70 }),
    fc.constantFrom(
      "constructor",
      "__proto__",
      "toString",
      " ",
      "=x",
      "\u202e",
      "é",
      "e\u0301",
      "<script>",
      "x".repeat(64),
    ),
  );
  const anyChange = fc.record(
    {
      shown: fc.option(text),
      group: fc.option(text),
      labels: fc.dictionary(text, text, { maxKeys: 5 }),
      setLabels: fc.dictionary(text, fc.option(text), { maxKeys: 5 }),
    },
    { requiredKeys: [] },
  );

  test(
    "of any texts is made as it was sent or refused in words; no name hides a character or is too long",
    slow,
    async () => {
      await fc.assert(
        fc.asyncProperty(anyChange, async (body) => {
          const before = await scene.node("gpu10");
          const { status, value } = await change("gpu10", body);
          const after = await scene.node("gpu10");
          if (status !== 200) {
            expect([status, after]).toEqual([value.error.code === "name_taken" ? 409 : 400, before]);
            expect(value.error.message).toMatch(/^(The body|The labels of|")/);
            return;
          }
          const labels = new Set(Object.keys(body.labels ?? {}).map((label) => label.trim().normalize("NFC"))).size;
          if (body.labels !== undefined && body.setLabels === undefined)
            expect(Object.keys(after.labels)).toHaveLength(labels);
          const texts: string[] = [
            after.shown,
            after.group ?? "",
            ...Object.keys(after.labels),
            ...Object.values<string>(after.labels),
          ];
          for (const one of texts) expect([one, hiddenText.test(one), one.length <= 256]).toEqual([one, false, true]);
        }),
        cases,
      );
    },
  );

  test.each(["constructor", "__proto__", "prototype"])(
    "with a label called %s is refused, not half made",
    async (label) => {
      const labels = JSON.parse(`{"a": "b", "${label}": "c"}`);
      const { status, value } = await change("gpu2", { labels });
      expect([status, value.error.message]).toEqual([400, `The body must not have a key "${label}".`]);
    },
  );

  test("by many at once loses no label", async () => {
    await Promise.all(Array.from({ length: 30 }, (_, i) => change("gpu2", { setLabels: { [`l${i}`]: "x" } })));
    expect(Object.keys((await scene.node("gpu2"))?.labels as object)).toHaveLength(30);
  });

  test("leaves address and group to the settings that have them", async () => {
    for (const body of [{ address: "127.0.0.1:1" }, { group: "other" }, { group: null }]) {
      const { status, value } = await change("gpu2", body);
      expect([status, value.error.code]).toEqual([409, "host_in_settings"]);
    }
    expect((await change("gpu10", { group: "mine" })).value.group).toBe("mine");
  });

  test("leaves labels of the settings there", async () => {
    scene.servers.change({ gpu2: { address: "127.0.0.1:9", labels: { rack: "b2" } } });
    for (const body of [{ setLabels: { rack: "x" } }, { setLabels: { rack: null } }, { labels: { rack: "x" } }]) {
      expect((await change("gpu2", body)).value.error).toEqual({
        code: "host_in_settings",
        message: 'The label "rack" of "gpu2" is in the settings file: change it there.',
      });
    }
    // As a form sends all labels that it shows.
    expect((await change("gpu2", { labels: { rack: "b2", more: "y" } })).value.labels).toEqual({
      rack: "b2",
      more: "y",
    });
    expect(scene.book.host("gpu2")?.labels).toEqual({ more: "y" });
  });

  test("moves a host of the book to another address", async () => {
    await scene.ask(routes.addServer, {}, { name: "added", address: "127.0.0.1:11" });
    expect((await change("added", { address: "tls://[::1]:12" })).value.address).toBe("tls://[::1]:12");
    const { status, value } = await change("added", { address: "nowhere" });
    expect([status, value.error.message]).toEqual([
      400,
      expect.stringMatching(/^The body's "address" must be an address with its port, .*: it is "nowhere"\.$/),
    ]);
  });

  test("parts a machine from the host that it was taken for", async () => {
    scene.register("gpu2.lab", { host: "gpu2" });
    expect((await change("gpu2", { parted: true })).value).toMatchObject({ parted: true, ways: ["settings"] });
    expect(await scene.node("gpu2.lab")).toMatchObject({ ways: ["push"], registration: { hostname: "gpu2.lab" } });
  });

  test("without a field changes and records nothing", async () => {
    expect((await change("gpu2", {})).status).toBe(200);
    expect(scene.audit()).toEqual([]);
  });
});
