import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AdminScene } from "../../test/admin.ts";
import { cases } from "../../test/cases.ts";
import { valuesOf } from "../../test/model.ts";
import { Fault } from "../fault.ts";
import { adminRoutes as routes } from "../route/admin.ts";
import { hashOf } from "../secret.ts";

let scene: AdminScene;

beforeEach(async () => {
  scene = new AdminScene({ gpu10: "127.0.0.1:9", gpu2: { address: "tls://127.0.0.1:10", group: "lab" } });
  await scene.open();
});

afterEach(() => scene.close());

test.each(["gpu2", "Blue", "gpu2.lab"])(
  "a host is found by its own name, the shown one and a machine's: %s",
  async (name) => {
    scene.register("gpu2.lab", { host: "gpu2" });
    await scene.ask(routes.changeNode, { name: "gpu2" }, { shown: "Blue" });
    const { value } = await scene.ask(routes.changeNode, { name }, { setLabels: { rack: "7" } });
    expect(value).toMatchObject({ name: "gpu2", shown: "Blue", labels: { rack: "7" } });
  },
);

test("the own name of a host comes before the shown one of another", async () => {
  await scene.ask(routes.changeNode, { name: "gpu2" }, { shown: "later" });
  scene.servers.change({ gpu2: "127.0.0.1:9", later: "127.0.0.1:10" });
  expect((await scene.ask(routes.configureNode, { name: "later" }, {})).value).toMatchObject({ name: "later" });
});

test("the audit log has what was done to a host under the name that is shown of it", async () => {
  await scene.ask(routes.changeNode, { name: "gpu2" }, { shown: "Blue" });
  await scene.ask(routes.configureNode, { name: "gpu10" }, {});
  for (const target of ["Blue", "gpu2"]) {
    const { value } = await scene.ask(routes.audit, { target });
    expect(value.entries.map(({ action }: { action: string }) => action)).toEqual(["node.change"]);
  }
  expect((await scene.ask(routes.audit, { target: "nobody" })).value.entries).toEqual([]);
});

describe("a registration", () => {
  test("that turns out to be a polled machine once it is approved is answered as that host", async () => {
    scene.register("node-7");
    scene.join = () => {
      const id = scene.book.node("node-7")?.id ?? 0;
      scene.book.write((book) => book.changeNode(id, { host: "gpu2" }));
    };
    const { value } = await scene.ask(routes.approveNode, { name: "node-7" });
    expect(value).toMatchObject({ name: "gpu2", registration: { hostname: "node-7", state: "approved" } });
    expect((await scene.nodes()).map(({ name }) => name)).toEqual(["gpu2", "gpu10"]);
  });

  test("that waits is approved, once; what is approved stays so", async () => {
    scene.register("pushing");
    scene.report("pushing");
    expect((await scene.ask(routes.approveNode, { name: "pushing" })).value).toMatchObject({ state: "answering" });
    expect((await scene.ask(routes.approveNode, { name: "pushing" })).value).toMatchObject({ state: "answering" });
    expect(scene.audit().map(({ action }) => action)).toEqual(["node.approve"]);
  });

  test("is reset: its token is gone at once, it may register once, and is approved still", async () => {
    const secret = scene.register("pushing", { state: "approved" });
    expect(scene.book.nodeOf(hashOf(secret))?.hostname).toBe("pushing");
    const { value } = await scene.ask(routes.resetNode, { name: "pushing" });
    expect(value.registration).toMatchObject({ reset: true, state: "approved" });
    expect(scene.book.nodeOf(hashOf(secret))).toBeUndefined();
  });

  test("of the name that is given is the only one of its host that is approved or reset; the host's shown name means all", async () => {
    for (const hostname of ["gpu2", "gpu2.lab"]) scene.register(hostname, { host: "gpu2" });
    const found = () => scene.book.nodes().map(({ hostname, state, reset }) => [hostname, state, reset]);
    await scene.ask(routes.approveNode, { name: "gpu2.lab" });
    await scene.ask(routes.resetNode, { name: "gpu2.lab" });
    expect(found()).toEqual([
      ["gpu2", "waiting", false],
      ["gpu2.lab", "approved", true],
    ]);
    await scene.ask(routes.changeNode, { name: "gpu2" }, { shown: "front" });
    await scene.ask(routes.resetNode, { name: "front" });
    expect(found()).toEqual([
      ["gpu2", "waiting", true],
      ["gpu2.lab", "approved", true],
    ]);
  });

  test.each(["approveNode", "resetNode"] as const)(
    "there is none of a host that is only polled: %s is refused",
    async (name) => {
      const { status, value } = await scene.ask(routes[name], { name: "gpu2" });
      expect([status, value.error]).toEqual([
        400,
        { code: "bad_request", message: 'The host "gpu2" is polled: no machine has registered for it.' },
      ]);
    },
  );
});

describe("a host that is deleted", () => {
  const remove = (name: string, history?: string) =>
    scene.ask(routes.deleteNode, { name, ...(history === undefined ? {} : { history }) });
  const remember = (host: string): void =>
    scene.history.append({
      host,
      at: scene.now,
      devices: [{ level: "host", key: "", values: valuesOf("host", { load1: 1 }) }],
    });
  const known = async (): Promise<string[]> => (await scene.history.known()).map(({ host }) => host);

  test("is gone with its record, registrations and tokens, and its history is kept", async () => {
    const secret = scene.register("pushing", { state: "approved" });
    scene.register("second.lab", { host: "pushing", state: "approved" });
    await scene.ask(routes.configureNode, { name: "pushing" }, { gpuIndices: [0] });
    remember("pushing");
    expect(await remove("pushing")).toEqual({ status: 200, value: { ok: true, history: false } });
    expect([scene.book.nodes(), scene.book.hosts(), await known()]).toEqual([[], [], ["pushing"]]);
    expect(scene.book.nodeOf(hashOf(secret))).toBeUndefined();
  });

  test("takes its history along if that is asked for, also when nothing else is left of it", async () => {
    scene.register("pushing", { state: "approved" });
    remember("pushing");
    await remove("pushing");
    const left = 'There is no host "pushing", only its history, which "gohm node delete pushing --history" deletes.';
    expect((await remove("pushing")).value).toEqual({ error: { code: "host_unknown", message: left } });
    expect((await remove("pushing", "true")).status).toBe(200);
    expect(await known()).toEqual([]);
    expect((await remove("pushing", "true")).status).toBe(404);
  });

  test("takes along what it sent if nobody has approved it, so that a stranger leaves nothing behind", async () => {
    for (const name of ["stranger", "approved", "of another", "polled"]) remember(name);
    scene.register("stranger");
    scene.register("approved", { state: "approved" });
    scene.register("of another", { history: 1 });
    await scene.ask(routes.addServer, {}, { name: "polled", address: "127.0.0.1:9" });
    scene.register("polled");
    for (const name of ["stranger", "approved", "of another", "polled"]) {
      expect([name, (await remove(name)).value.history]).toEqual([name, name === "stranger"]);
      expect(scene.audit()[0]).toMatchObject({ target: name, details: { history: name === "stranger" } });
    }
    expect(await known()).toEqual(["approved", "of another", "polled"]);
  });

  test("is the one of which only history is left, before another one that has its name besides its own", async () => {
    scene.register("gpu2.lab", { host: "gpu2", state: "approved" });
    scene.book.write((book) => void book.changeHost("gpu2", { shown: "gone" }));
    for (const name of ["gpu2", "gone", "gpu2.lab"]) remember(name);
    for (const name of ["gone", "gpu2.lab"]) {
      expect((await remove(name, "true")).value).toEqual({ ok: true, history: true });
      expect(scene.audit()[0]).toMatchObject({ action: "node.delete", target: name });
    }
    expect([await known(), scene.book.nodes().length]).toEqual([["gpu2"], 1]);
    expect(await scene.node("gpu2")).toMatchObject({ shown: "gone" });
    // Now it means the host that has it.
    expect((await remove("gone", "true")).value.error.code).toBe("host_in_settings");
  });

  test("is one of the settings only after it was removed there", async () => {
    remember("gpu2");
    const { status, value } = await remove("gpu2", "true");
    expect([status, value.error.code, await known()]).toEqual([409, "host_in_settings", ["gpu2"]]);
  });

  test("of the settings loses what registered under its name, and stays; nothing that waits there adds to its devices", async () => {
    const secret = scene.register("gpu2");
    expect(await scene.node("gpu2")).toMatchObject({ ways: ["settings", "push"], capabilities: { gpus: [] } });
    expect((await remove("gpu2", "true")).status).toBe(409);
    expect((await remove("gpu2")).status).toBe(409);
    const removed = await scene.ask(routes.deleteNode, { name: "gpu2", registration: "true" });
    expect(removed).toEqual({ status: 200, value: { ok: true, history: false } });
    expect(scene.audit().at(-1)).toMatchObject({ action: "node.delete", target: "gpu2" });
    expect(scene.book.nodeOf(hashOf(secret))).toBeUndefined();
    expect(await scene.node("gpu2")).toMatchObject({ ways: ["settings"], registration: null });
    expect((await remove("gpu2")).value.error.code).toBe("host_in_settings");
  });

  test("is answered before a deletion of years of history ends", async () => {
    scene.register("pushing");
    remember("pushing");
    let end = (): void => {};
    scene.history.forget = () => new Promise((done) => (end = done));
    const answer = remove("pushing", "true");
    // The timer of the hub's patience.
    for (let i = 0; i < 100 && scene.timers.length === 0; i++) await new Promise(setImmediate);
    for (const run of scene.timers.splice(0)) run();
    expect(await answer).toEqual({ status: 200, value: { ok: true, history: true } });
    end();
  });

  test("says so if its history cannot be deleted", async () => {
    scene.register("pushing");
    remember("pushing");
    scene.history.forget = () => Promise.reject(new Fault("history_unwritable", "The disk is full."));
    const { status, value } = await remove("pushing", "true");
    expect([status, value.error.code]).toEqual([503, "history_unwritable"]);
  });

  test("needs yes or no for its history", async () => {
    scene.register("pushing");
    const { status, value } = await remove("pushing", "yes");
    expect([status, value.error.message]).toEqual([
      400,
      'The parameter "history" must be one of true, false: it is "yes".',
    ]);
  });
});

describe("a host to poll", () => {
  const add = (name: string, address = "127.0.0.1:9") => scene.ask(routes.addServer, {}, { name, address });

  test.each(["", "a b", "gpu/1", ".", "..", "机", "x".repeat(65)])("cannot be called %j", async (name) => {
    const { status, value } = await add(name);
    expect([status, value.error.code]).toEqual([400, "bad_request"]);
  });

  test.each(["", "host", "host:", "host:99999", "http://host:1", "a b:1", "tls://"])(
    "cannot have the address %j",
    async (address) => {
      const { status, value } = await add("new", address);
      expect([status, value.error.code, await scene.node("new")]).toEqual([400, "bad_request", undefined]);
    },
  );

  test("has a name that no other host has or shows", async () => {
    await scene.ask(routes.changeNode, { name: "gpu2" }, { shown: "Blue" });
    await add("added");
    for (const name of ["gpu2", "added", "Blue"]) {
      expect([name, (await add(name)).value.error?.code]).toEqual([name, "name_taken"]);
    }
  });

  test("may report by itself already, and is one host then", async () => {
    scene.register("pushing");
    expect((await add("pushing")).value).toMatchObject({ ways: ["book", "push"], state: "silent" });
  });

  test("is added once if many ask at once", async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => add("added")));
    expect(all.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(409)]);
  });

  const anyName = fc.oneof(
    fc.string({ unit: "binary", maxLength: 70 }),
    fc.constantFrom("gpu2", " added ", "a.b_c-d", "x".repeat(64), "x".repeat(65), "..", "a\nb", "__proto__", "机器"),
  );
  const anyAddress = fc.oneof(
    fc.string({ unit: "binary", maxLength: 310 }),
    fc.constantFrom("127.0.0.1:9", " tls://[::1]:9 ", "h:0", "h:65536", "http://h:1", "h\u202e:1"),
  );

  test("of any name and address is added as it was sent, or refused in words that show as they are", async () => {
    await fc.assert(
      fc.asyncProperty(anyName, anyAddress, async (name, address) => {
        const { status, value } = await add(name, address);
        if (status === 200) {
          expect([value.name, value.address]).toEqual([name.trim(), address.trim()]);
          expect(value.name).toMatch(/^(?!\.+$)[A-Za-z0-9._-]{1,64}$/);
          return;
        }
        expect([400, 409]).toContain(status);
        expect(value.error.message).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        expect(value.error.message.length).toBeLessThan(1000);
      }),
      cases,
    );
    for (const { name, address } of await scene.nodes()) expect([name, address]).not.toContain("");
  });
});

test.each(["a/b", "a b", "100%", "%2F", "é", "?x=1", "#", "机器", "\u001b[31m", "a\nb", "x".repeat(255)])(
  "a machine called %j can be approved and deleted",
  async (name) => {
    scene.register(name);
    expect((await scene.ask(routes.approveNode, { name })).value).toMatchObject({ name });
    expect((await scene.ask(routes.deleteNode, { name })).status).toBe(200);
    expect(scene.book.nodes()).toEqual([]);
  },
);

test("an unknown host is 404 for every route that names one", async () => {
  for (const [route, body] of [
    [routes.changeNode, {}],
    [routes.configureNode, {}],
    [routes.approveNode, undefined],
    [routes.resetNode, undefined],
    [routes.deleteNode, undefined],
  ] as const) {
    const { status, value } = await scene.ask(route, { name: "nobody" }, body);
    expect([status, value.error]).toEqual([404, { code: "host_unknown", message: 'There is no host "nobody".' }]);
  }
});
