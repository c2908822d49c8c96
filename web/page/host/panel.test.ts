import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { HostInfoSchema } from "../../../proto/gen/host_pb.js";
import { type ChartData, seriesId } from "../../history.ts";
import { en } from "../../text/en.ts";
import { busiest, type ChartSlots, panelsOf, seriesOf } from "./panel.ts";

const shown: ChartSlots = { cards: new Map(), nics: new Map(), sampled: new Set() };

const info = create(HostInfoSchema, {
  gpus: [
    { id: 0, uuid: "GPU-a", utilization: 1, power: 1, pcieRxRate: 5n, pcieTxRate: 0n, nvlink: { linksUp: 18 } },
    { id: 1, uuid: "GPU-b", utilization: 1 },
  ],
});

test("traffic is charted, and asked for, of the cards that tell of it", () => {
  const panels = panelsOf(info, shown, en);
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
  expect(seriesOf(info, []).metrics.filter((metric) => /pcie|nvlink/.test(metric))).toHaveLength(4);
});

test("a host whose cards tell of no traffic has no chart of it", () => {
  const gpus = [{ id: 0, utilization: 1, power: 1 }];
  const ids = panelsOf(create(HostInfoSchema, { gpus }), shown, en).map(({ id }) => id);
  expect(ids).toContain("power");
  expect(ids).not.toContain("pcie");
  expect(ids).not.toContain("nvlink");
});

test("traffic that a card had in the range is charted while it tells of none now", () => {
  const sampled = new Set(["gpu GPU-b gpu_nvlink_transmit"]);
  const lines = panelsOf(info, { ...shown, sampled }, en).find(({ id }) => id === "nvlink")?.tracks;
  expect(lines?.map(({ key }) => key)).toEqual(["GPU-a", "GPU-a", "GPU-b", "GPU-b"]);
});

test("a host that reports GPUs alone, and no temperature, has charts of nothing else", () => {
  const client = create(HostInfoSchema, { gpus: [{ id: 0, utilization: 1, memUsed: 1n, power: 1 }, { id: 1 }] });
  const ids = (sampled: readonly string[]) =>
    panelsOf(client, { ...shown, sampled: new Set(sampled) }, en).map(({ id }) => id);
  expect(ids([])).toEqual(["utilization", "memory", "power"]);
  expect(ids(["gpu #1 gpu_temperature"])).toEqual(["utilization", "memory", "temperature", "power"]);
  // Its agent was replaced by a client of the logger within the range.
  expect(ids(["host  swap_used", "host  load1"])).toEqual(["utilization", "memory", "power", "host-memory", "load"]);
});

test("a host without GPUs has charts of what it reports", () => {
  const report = create(HostInfoSchema, { cpu: { busy: 0 }, memory: { used: 0n }, system: { load1: 0 } });
  const nics = new Map([["eth0", 0]]);
  expect(panelsOf(report, { ...shown, nics }, en).map(({ id }) => id)).toEqual([
    "cpu",
    "host-memory",
    "load",
    "network",
  ]);
  expect(panelsOf(create(HostInfoSchema), shown, en)).toEqual([]);
});

test("a card's stroke goes by its key, and what it sends has the same one below the axis", () => {
  const panels = panelsOf(
    info,
    {
      ...shown,
      cards: new Map([
        ["GPU-a", 5],
        ["GPU-b", 2],
      ]),
    },
    en,
  );
  const lines = (id: string) => panels.find((panel) => panel.id === id)?.tracks.map(({ slot, below }) => [slot, below]);
  expect(lines("power")).toEqual([
    [5, undefined],
    [2, undefined],
  ]);
  expect(lines("pcie")).toEqual([
    [5, undefined],
    [5, true],
  ]);
});

test("interfaces are ordered by what they carried in the range, then by what they carry now; idle ones that are down come last", () => {
  const nics = [
    { name: "down", up: false },
    { name: "idle", up: true },
    { name: "now", up: true, rxRate: 5n },
    { name: "was", up: false },
    { name: "most", up: true, txRate: 1n },
  ];
  const series = (key: string, metric: string, ...values: number[]) => {
    const [id, avg] = [seriesId({ level: "nic", key, metric }), Float64Array.from(values)];
    return [id, { id, t: avg, min: avg, avg, max: avg }] as const;
  };
  const answer: ChartData = {
    ...{ from: 0, to: 1, step: 1 },
    series: new Map([
      series("was", "network_receive", 10, Number.NaN, 10),
      series("most", "network_receive", 1),
      series("most", "network_transmit", 30),
    ]),
  };
  const machine = create(HostInfoSchema, { nics });
  expect(busiest(machine, answer)).toEqual(["most", "was", "now", "idle", "down"]);
  expect(busiest(machine, undefined)).toEqual(["now", "most", "idle", "down", "was"]);
});
