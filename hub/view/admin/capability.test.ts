import { expect, test } from "vitest";
import { joined } from "./capability.ts";

test("a device that is no longer reported keeps its place among those that registered", () => {
  const registered = {
    gpus: [
      { index: 0, name: "A" },
      { index: 1, name: "B" },
    ],
    disks: [{ mount: "/", totalGB: 9 }, { mount: "/boot" }, { mount: "/data" }],
    nics: [
      { name: "eth0", ipv4: "10.0.0.1" },
      { name: "eth1", ipv4: "" },
    ],
  };
  const reported = {
    gpus: [{ index: 1, name: "B" }],
    disks: [{ mount: "/", totalGB: 10 }, { mount: "/data" }, { mount: "/new" }],
    nics: [{ name: "eth1", ipv4: "10.0.0.2" }],
  };
  expect(joined([reported, registered])).toEqual({
    gpus: registered.gpus,
    disks: [{ mount: "/", totalGB: 10 }, { mount: "/boot" }, { mount: "/data" }, { mount: "/new" }],
    nics: [
      { name: "eth0", ipv4: "10.0.0.1" },
      { name: "eth1", ipv4: "10.0.0.2" },
    ],
  });
});
