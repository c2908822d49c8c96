import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { devices, gpuKey, levels, listOf } from "./device.ts";
import { GPUInfoSchema, HostInfoSchema } from "./gen/host_pb.js";

test("devices() names the host, then its cards by uuid, disks by mount and NICs by name", () => {
  const info = create(HostInfoSchema, {
    gpus: [{ id: 0, uuid: "GPU-a" }, { id: 1 }],
    disks: [{ mount: "/" }],
    nics: [{ name: "eth0" }],
  });
  expect(devices(info).map((d) => [d.level, d.key])).toEqual([
    ["host", ""],
    ["gpu", "GPU-a"],
    ["gpu", "#1"],
    ["disk", "/"],
    ["nic", "eth0"],
  ]);
  expect(gpuKey(create(GPUInfoSchema, { id: 3, uuid: "" }))).toBe("#3");
});

test("a report lists the devices of every level but the host in a field of its own", () => {
  const lists = HostInfoSchema.fields.filter(({ fieldKind }) => fieldKind === "list").map(({ localName }) => localName);
  expect(lists).toEqual(expect.arrayContaining(Object.values(listOf)));
  expect(["host", ...Object.keys(listOf)]).toEqual(levels);
});
