import type * as Files from "node:fs";
import { expect, test, vi } from "vitest";
import { Receiver } from "../../../test/receiver.ts";
import { gatewaysIn } from "./gateway.ts";

const routes = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
`;

vi.mock("node:fs", async (original) => {
  const files = await original<typeof Files>();
  const read = (...[path, options]: Parameters<typeof Files.readFileSync>) =>
    path === "/proc/net/route" ? routes : files.readFileSync(path, options);
  return { ...files, readFileSync: read };
});

test("the gateway of a container is read from the kernel's routes", () => {
  expect(gatewaysIn(routes)).toEqual(["172.17.0.1"]);
  expect(gatewaysIn("")).toEqual([]);
  expect(gatewaysIn("Iface\nx 00000000\ny 00000000 zz")).toEqual([]);
});

test("administrators see that records come from the gateway, as all clients may have its address", async () => {
  const hub = new Receiver({ register: "open" });
  try {
    await hub.records(hub.tick(0, 1), { from: "172.17.0.2" });
    await hub.records(hub.tick(0, 1), { from: "172.17.0.1", token: hub.token("relay", "push") });
    expect([...hub.notices.keys()]).not.toContain("logger gateway");
    await hub.records(hub.tick(0, 1), { from: "172.17.0.1" });
    expect(hub.notices.get("logger gateway")).toContain("172.17.0.1");
  } finally {
    await hub.close();
  }
});
