import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { namesOf } from "../../test/model.ts";
import { sanitize } from "./clean.ts";
import { Meter } from "./measure.ts";

const measured = (gpu: object): object[] => {
  const info = create(HostInfoSchema, { sampled: 1_800_000_000_000n, gpus: [{ id: 3, name: "A100", ...gpu }] });
  sanitize(info);
  const { devices } = new Meter().measure(info, new Map(), false);
  return devices.map((one) => ({ key: one.key, name: one.name, ...namesOf(one) }));
};

test("history has the digits that a sender knows, to the second decimal, as the same metric", () => {
  expect(
    measured({ utilization: 37, utilizationExact: 37.456, memUtilization: 12, memUtilizationExact: 12.5 }),
  ).toEqual([{ key: "#3", name: "A100", gpu_utilization: 37.46, gpu_memory_utilization: 12.5 }]);
});

test("without them, or where they are no percentage, the whole number counts", () => {
  expect(measured({ utilization: 37, memUtilization: 12, memUtilizationExact: 120 })).toEqual([
    { key: "#3", name: "A100", gpu_utilization: 37, gpu_memory_utilization: 12 },
  ]);
});
