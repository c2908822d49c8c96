import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AdminScene, capable } from "../../../test/admin.ts";
import { reason } from "../../reason.ts";
import { adminRoutes as routes } from "../../route/admin.ts";
import { trouble } from "../../trouble.ts";

let scene: AdminScene;

beforeEach(async () => {
  scene = new AdminScene({ gpu10: "127.0.0.1:9", gpu2: { address: "tls://127.0.0.1:10", group: "lab" } });
  await scene.open();
});

afterEach(() => scene.close());

describe("the list of hosts", () => {
  test("has hosts of the settings without a record, hosts of the book, and machines that report, by shown name", async () => {
    await scene.ask(routes.addServer, {}, { name: "added", address: "127.0.0.1:11" });
    scene.register("pushing");
    await scene.ask(routes.changeNode, { name: "gpu10" }, { shown: "Zebra" });
    const told = (await scene.nodes()).map(({ name, shown, ways, address, state, group }) => [
      name,
      shown,
      ways,
      address,
      state,
      group,
    ]);
    expect(told).toEqual([
      ["added", "added", ["book"], "127.0.0.1:11", "silent", null],
      ["gpu2", "gpu2", ["settings"], "tls://127.0.0.1:10", "silent", "lab"],
      ["pushing", "pushing", ["push"], "10.0.0.21", "waiting", null],
      ["gpu10", "Zebra", ["settings"], "127.0.0.1:9", "silent", null],
    ]);
  });

  test("says why a host is silent and what is wrong with its reports, in English and as codes with values", async () => {
    scene.live.expect("gpu2", "127.0.0.1:10");
    scene.live.failed("gpu2", reason("no_route", { address: "127.0.0.1:10" }));
    scene.troubles.set("gpu2", "clock", trouble("clock_ahead", { skewMs: 31_000 }));
    scene.troubles.set("gpu2", "rate", trouble("too_much"));
    expect(await scene.node("gpu2")).toMatchObject({
      reason: "no route to 127.0.0.1:10",
      cause: { code: "no_route", values: { address: "127.0.0.1:10" } },
      trouble: [expect.stringMatching(/^Its clock is 31 s ahead/), "It sends more than the hub takes of one machine."],
      troubles: [
        { code: "clock_ahead", values: { skewMs: 31_000 } },
        { code: "too_much", values: {} },
      ],
    });
    scene.live.failed("gpu2", reason("means_only"));
    expect(await scene.node("gpu2")).toMatchObject({ state: "history", cause: { code: "means_only" } });
    scene.live.failed("gpu2", "gone");
    expect(await scene.node("gpu2")).toMatchObject({ reason: "gone", cause: null });
    expect(await scene.node("gpu10")).toMatchObject({ reason: null, cause: null, trouble: [], troubles: [] });
  });

  test("says of a polled host what its last report has: cards without their instances, mounts, addresses", async () => {
    const report = {
      cpu: { threads: 64 },
      memory: { total: 270_000_000_000n },
      gpus: [
        { id: 0, name: "H100", memTotal: 85_520_809_984n, uuid: "GPU-0" },
        { id: 1003, name: "H100 MIG", parent: "GPU-0" },
        { id: 1 },
      ],
      disks: [{ mount: "/", total: 1_000_000_000_000n }, { device: "/dev/sdb" }],
      nics: [{ name: "eth0", addresses: ["fe80::1", "10.0.0.2"] }, { name: "ib0" }],
    };
    scene.report("gpu2", report, 2500);
    expect(await scene.node("gpu2")).toMatchObject({
      state: "answering",
      seen: scene.now,
      skewMs: 2500,
      capabilities: {
        cpuCores: 64,
        memoryTotalGB: 251.5,
        gpus: [
          { index: 0, name: "H100", memoryTotalMB: 81559 },
          { index: 1, name: "" },
        ],
        disks: [{ mount: "/", totalGB: 931.3 }, { mount: "/dev/sdb" }],
        nics: [
          { name: "eth0", ipv4: "10.0.0.2" },
          { name: "ib0", ipv4: "" },
        ],
      },
    });
  });

  test("has what can be ticked again: devices that are not kept, and those that an exporter does not send", async () => {
    scene.report("gpu2", { gpus: [{ id: 1, name: "H100" }] });
    scene.offer("gpu2", {
      gpus: [
        { id: 0, name: "H100" },
        { id: 1, name: "H100" },
      ],
      disks: [{ mount: "/" }],
    });
    expect((await scene.node("gpu2"))?.capabilities).toMatchObject({
      gpus: [{ index: 0 }, { index: 1 }],
      disks: [{ mount: "/" }],
    });
    scene.register("pushing");
    scene.report("pushing", { gpus: [{ id: 2, name: "A100" }], nics: [{ name: "eth0", addresses: ["10.0.0.99"] }] });
    expect((await scene.node("pushing"))?.capabilities).toEqual({
      ...capable,
      gpus: [...capable.gpus, { index: 2, name: "A100" }],
      nics: [{ name: "eth0", ipv4: "10.0.0.99" }],
    });
  });

  test("says of a machine without a report what it registered with", async () => {
    scene.register("pushing");
    expect(await scene.node("pushing")).toMatchObject({
      capabilities: capable,
      registration: { hostname: "pushing", state: "waiting", origin: "10.0.0.21", used: null, reset: false },
      seen: null,
      skewMs: null,
    });
  });

  test("says of a machine that waits under the name of one that is gone until when history has samples of that", async () => {
    scene.register("pushing", { history: Date.UTC(2026, 10, 20, 8, 15) });
    const text = expect.stringMatching(
      /^History has samples under the name "pushing" already, .* until 2026-11-20 08:15 UTC/,
    );
    expect((await scene.node("pushing"))?.trouble).toEqual([text]);
    scene.register("lab1", { history: Date.UTC(2026, 10, 20, 8, 15), way: "logger" });
    const ofClient = expect.stringMatching(
      /^History has samples .*, until 2026-11-20 08:15 UTC\. .* sends all of them then\.$/,
    );
    expect((await scene.node("lab1"))?.trouble).toEqual([ofClient]);
    expect((await scene.ask(routes.approveNode, { name: "pushing" })).value.trouble).toEqual([]);
  });

  test.each([
    ["GPU2", ["gpu2"]],
    ["ｇｐｕ２", ["gpu2"]],
    ["gpu_2", ["gpu2"]],
    ["g-p u.2", ["gpu2"]],
    ["b l u e", ["Blue"]],
    ["gpu１０", ["gpu10", "GPU-10"]],
    ["gpu3", []],
    ["gpu2", []],
  ])("says of a machine that waits as %j that its name looks like %j", async (name, alike) => {
    await scene.ask(routes.changeNode, { name: "gpu2" }, { shown: "Blue" });
    scene.register("GPU-10", { state: "approved" });
    scene.register(name);
    const names = alike.map((one) => `"${one}"`).join(", ");
    const text = `Its name looks like that of another host (${names}): check its address before you approve it.`;
    const wanted = alike.length === 0 ? [] : [text];
    expect((await scene.node(name))?.trouble).toEqual(wanted);
    expect((await scene.ask(routes.resetNode, { name })).value.trouble).toEqual(wanted);
    expect((await scene.node("GPU-10"))?.trouble).toEqual([]);
    expect((await scene.ask(routes.approveNode, { name })).value.trouble).toEqual([]);
  });

  test("a polled host does not wait, even if a registration for it does", async () => {
    scene.register("gpu2.lab", { host: "gpu2" });
    scene.report("gpu2");
    expect(await scene.node("gpu2")).toMatchObject({
      ways: ["settings", "push"],
      state: "answering",
      registration: { hostname: "gpu2.lab", state: "waiting" },
    });
  });
});
