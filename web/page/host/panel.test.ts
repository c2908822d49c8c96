import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { HostInfoSchema } from "../../../proto/gen/host_pb.js";
import { en } from "../../text/en.ts";
import { askedOf, panelsOf } from "./panel.ts";

const info = create(HostInfoSchema, {
  gpus: [
    { id: 0, uuid: "GPU-a", utilization: 1, pcieRxRate: 5n, pcieTxRate: 0n, nvlink: { linksUp: 18 } },
    { id: 1, uuid: "GPU-b", utilization: 1 },
  ],
});

test("traffic is charted, and asked for, of the cards that tell of it", () => {
  const panels = panelsOf(info, en);
  const lines = (id: string) => panels.find((panel) => panel.id === id)?.tracks.map(({ key, metric }) => [key, metric]);
  expect(lines("utilization")).toHaveLength(2);
  expect(lines("pcie")).toEqual([
    ["GPU-a", "gpu_pcie_receive"],
    ["GPU-a", "gpu_pcie_transmit"],
  ]);
  expect(lines("nvlink")).toEqual([
    ["GPU-a", "gpu_nvlink_receive"],
    ["GPU-a", "gpu_nvlink_transmit"],
  ]);
  expect(askedOf(info).metrics.filter((metric) => /pcie|nvlink/.test(metric))).toHaveLength(4);
});

test("a host whose cards tell of no traffic has no chart of it", () => {
  const ids = panelsOf(create(HostInfoSchema, { gpus: [{ id: 0, utilization: 1 }] }), en).map(({ id }) => id);
  expect(ids).toContain("power");
  expect(ids).not.toContain("pcie");
  expect(ids).not.toContain("nvlink");
});
