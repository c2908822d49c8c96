import { expect, test } from "vitest";
import { gatewaysIn } from "./gateway.ts";

test("the gateway of a container is read from the kernel's routes", () => {
  const routes = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
`;
  expect(gatewaysIn(routes)).toEqual(["172.17.0.1"]);
  expect(gatewaysIn("")).toEqual([]);
  expect(gatewaysIn("Iface\nx 00000000\ny 00000000 zz")).toEqual([]);
});
