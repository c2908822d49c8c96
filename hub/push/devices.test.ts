import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { DeviceLimit } from "./devices.ts";

const now = 1_800_000_000_000;
const day = 86_400_000;
const nics = (...names: string[]) => create(HostInfoSchema, { nics: names.map((name) => ({ name })) });

test("names that change with every report are kept up to the limit, and those that last always", () => {
  const limit = new DeviceLimit();
  const kept = new Set<string>();
  let left = 0;
  for (let i = 0; i < 1000; i++) {
    const info = create(HostInfoSchema, {
      gpus: [{ id: 0 }, { id: 1, uuid: "GPU-1" }],
      disks: [{ mount: "/" }],
      nics: [{ name: `veth${i}` }],
    });
    left += limit.apply(info, 16, now + i * 5000);
    expect([info.gpus.length, info.disks.length]).toEqual([2, 1]);
    for (const { name = "" } of info.nics) kept.add(name);
  }
  expect([kept.size, left]).toEqual([13, 987]);
});

test("a device that was not reported for a day makes room for another one", () => {
  const limit = new DeviceLimit();
  limit.apply(nics("a", "b"), 2, now);
  limit.apply(nics("b"), 2, now + day / 2);
  const later = nics("b", "c", "d");
  expect(limit.apply(later, 2, now + day)).toBe(1);
  expect(later.nics.map(({ name }) => name)).toEqual(["b", "c"]);
});

test("cards come first, then filesystems, then interfaces; names that look the same are one", () => {
  const info = create(HostInfoSchema, {
    nics: [{ name: "eth0" }, { name: "eth\u200b0" }, { name: "eth1" }],
    disks: [{ mount: "/" }],
    gpus: [{ id: 0 }, { id: 0 }],
  });
  expect(new DeviceLimit().apply(info, 3, now)).toBe(1);
  expect([info.gpus.length, info.disks.length, info.nics.length]).toEqual([2, 1, 2]);
});
