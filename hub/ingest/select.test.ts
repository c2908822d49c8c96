import { create, equals, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type GPUInfo, type HostInfo, HostInfoSchema, State } from "../../proto/gen/host_pb.js";
import { cases } from "../../test/cases.ts";
import { everything, type HostConfig } from "../book/book.ts";
import { select, selectionOf, withDevices } from "./select.ts";

type Init = Exclude<MessageInitShape<typeof HostInfoSchema>, { $typeName: string }>;

function kept(init: Init, config: Partial<HostConfig>): HostInfo {
  const info = create(HostInfoSchema, init);
  const selection = selectionOf({ ...everything, ...config });
  return selection === undefined ? info : withDevices(info, select(info, selection));
}

const ids = ({ gpus }: HostInfo) => gpus.map(({ uuid, id }) => uuid ?? id);

test("a GPU that is not selected goes with its instances and processes; an instance has the number of its card", () => {
  const gpus: Init["gpus"] = [
    { id: 0, uuid: "GPU-a", divided: true, procs: [{ pid: 1 }] },
    { id: 1003, uuid: "MIG-a3", parent: "GPU-a", procs: [{ pid: 2 }] },
    { id: 1, uuid: "GPU-b", divided: true },
    { id: 2000, uuid: "MIG-b0", parent: "GPU-b", procs: [{ pid: 3 }] },
    // Its card fell off the bus, and is not listed.
    { id: 3007, uuid: "MIG-c7", parent: "GPU-c" },
  ];
  expect(ids(kept({ gpus }, { gpuIndices: [0] }))).toEqual(["GPU-a", "MIG-a3"]);
  expect(ids(kept({ gpus }, { gpuIndices: [1] }))).toEqual(["GPU-b", "MIG-b0"]);
  expect(ids(kept({ gpus }, { gpuIndices: [2] }))).toEqual(["MIG-c7"]);
  expect(ids(kept({ gpus }, { gpuIndices: [1003, 9] }))).toEqual([]);
});

test("disks go by their mount, or by their device without one; what is fixed stays", () => {
  const init: Init = {
    hostname: "a",
    cpu: { busy: 5 },
    memory: { used: 5n },
    system: { load1: 5 },
    gpus: [{}],
    disks: [{ mount: "/", device: "/dev/a" }, { device: "/dev/b" }, { mount: "/data", device: "/dev/b" }],
    nics: [{ name: "eth0" }, { name: "eth1" }, {}],
  };
  const none = kept(init, { gpuIndices: [], diskMounts: [], nicNames: [] });
  expect(equals(HostInfoSchema, none, create(HostInfoSchema, { ...init, gpus: [], disks: [], nics: [] }))).toBe(true);
  const some = kept(init, { diskMounts: ["/", "/dev/b"], nicNames: ["eth1"] });
  expect([some.gpus.length, some.disks, some.nics]).toMatchObject([
    1,
    [{ mount: "/" }, { device: "/dev/b" }],
    [{ name: "eth1" }],
  ]);
});

test("without a selection there is nothing to do: no report is copied", () => {
  expect([
    selectionOf(undefined),
    selectionOf(everything),
    selectionOf({ ...everything, reportIntervalSec: 5 }),
  ]).toEqual([undefined, undefined, undefined]);
});

const uuid = fc.option(fc.constantFrom("GPU-a", "GPU-b", "GPU-c", "MIG-1", ""), { nil: undefined });
const gpu = fc.record(
  {
    id: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 1000, max: 5010 })),
    uuid,
    parent: fc.constantFrom("GPU-a", "GPU-b", "GPU-x"),
    state: fc.constantFrom(State.OK, State.LOST),
    procs: fc.array(fc.record({ pid: fc.nat() }), { maxLength: 2 }),
  },
  { requiredKeys: [] },
);
const word = fc.oneof(fc.constantFrom("/", "/data", "eth0", "__proto__", ""), fc.string());
const report = fc.record(
  {
    hostname: word,
    gpus: fc.array(gpu, { maxLength: 6 }),
    disks: fc.array(fc.record({ mount: word, device: word }, { requiredKeys: [] }), { maxLength: 5 }),
    nics: fc.array(fc.record({ name: word }, { requiredKeys: [] }), { maxLength: 5 }),
    system: fc.record({ load1: fc.double() }),
  },
  { requiredKeys: [] },
);
const config = fc.record({
  gpuIndices: fc.option(fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 })),
  diskMounts: fc.option(fc.array(word, { maxLength: 4 })),
  nicNames: fc.option(fc.array(word, { maxLength: 4 })),
  reportIntervalSec: fc.constant(null),
});

/** Index of the card that a GPU of a report is or is part of, written down once more. */
function cardOf({ gpus }: HostInfo, { id, parent }: GPUInfo): number {
  if (parent === undefined) return id ?? 0;
  for (const one of gpus) if (one.uuid === parent) return one.id ?? 0;
  return Math.trunc((id ?? 0) / 1000) - 1;
}

test("of any report, exactly the devices that are not selected are left out, in order, and the given one stays as it is", () => {
  fc.assert(
    fc.property(report, config, (init, config) => {
      const info = create(HostInfoSchema, init as Init);
      const before = structuredClone(info);
      const selection = selectionOf(config);
      const after = selection === undefined ? info : withDevices(info, select(info, selection));
      const wanted = withDevices(before, {
        gpus: before.gpus.filter((one) => config.gpuIndices?.includes(cardOf(before, one)) ?? true),
        disks: before.disks.filter(({ mount, device }) => config.diskMounts?.includes(mount ?? device ?? "") ?? true),
        nics: before.nics.filter(({ name }) => config.nicNames?.includes(name ?? "") ?? true),
      });
      expect(after).toEqual(wanted);
      expect(info).toEqual(before);
    }),
    cases,
  );
});
