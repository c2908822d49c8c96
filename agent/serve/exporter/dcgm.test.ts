import { expect, test } from "vitest";
import { Vendor } from "../../../proto/gen/host_pb.js";
import { exporterInput } from "../../../proto/reading.ts";
import { exposition } from "../../../proto/text.ts";
import { readExposition } from "../../../test/exposition.ts";
import { card, machine } from "../../../test/scrape.ts";
import { dcgm } from "./dcgm.ts";

test("dcgm-exporter's names come with its labels and units", () => {
  const scene = exporterInput(
    machine({
      gpus: [
        card(0, { xidCount: 0n, clockSm: 1980, nvlink: { rxRate: 1n << 30n, txRate: 3n << 30n, linksUp: 18 } }),
        card(2, { nvlink: { linksUp: 18 } }),
        { ...card(1), vendor: Vendor.AMD },
      ],
    }),
    "n",
  );
  const families = readExposition(exposition(dcgm(scene, "old"), { format: "text" }), "text");
  const of = (name: string) => families.find((family) => family.name === `DCGM_FI_DEV_${name}`)?.samples[0]?.value;
  expect(families[0]?.samples).toMatchObject([
    {
      labels: {
        gpu: "0",
        UUID: "GPU-0",
        pci_bus_id: "00000000:1B:00.0",
        device: "nvidia0",
        modelName: "NVIDIA H100",
        Hostname: "box",
      },
    },
  ]);
  expect(of("FB_USED")).toBe(19 * 1024);
  expect(of("FB_FREE")).toBe(60 * 1024);
  expect(of("SM_CLOCK")).toBe(1980);
  expect(of("POWER_USAGE")).toBe(71.25);
  expect(of("XID_ERRORS")).toBe(0);
  expect(of("GPU_UTIL")).toBe(0);
  const bandwidth = families.find(({ name }) => name === "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL");
  // MiB/s, both ways; and nothing before there is a rate.
  expect(bandwidth?.samples.map(({ value }) => value)).toEqual([4096]);
  expect(bandwidth?.type).toBe("gauge");
});

test("dcgm-exporter's newer names come with its newer units and label, and both sets without a series twice", () => {
  const told = { clockSm: 1980, clockMem: 2619, encoder: 1, energy: 12_345n, memTemp: 50, eccCorrected: 3n };
  const nvlink = { rxRate: 1n << 30n, txRate: 3n << 30n };
  const remapped = { correctable: 2, uncorrectable: 1, failed: true };
  const scene = exporterInput(
    machine({ gpus: [card(0, { ...told, nvlink, remapped, utilization: 71, xidCount: 0n })] }),
    "n",
  );
  const read = (names: "old" | "new" | "both") =>
    readExposition(exposition(dcgm(scene, names), { format: "text" }), "text").map(({ name, samples }) => {
      expect(samples, name).toHaveLength(1);
      return [name.replace("DCGM_FI_DEV_", ""), samples[0]?.value, samples[0]?.labels] as const;
    });
  const newer = Object.fromEntries(read("new").map(([name, value]) => [name, value]));
  expect(newer).toEqual({
    SM_CLOCK_HERTZ: 1_980_000_000,
    MEMORY_CLOCK_HERTZ: 2_619_000_000,
    MEMORY_TEMP_CELSIUS: 50,
    GPU_TEMP_CELSIUS: 41,
    BOARD_POWER_WATTS: 71.25,
    GPU_ENERGY_JOULES_TOTAL: 12.345,
    GPU_UTIL_RATIO: 0.71,
    ENC_UTIL_RATIO: 0.01,
    FB_FREE_BYTES: 60 * 2 ** 30,
    FB_USED_BYTES: 19 * 2 ** 30,
    FB_RESERVED_BYTES: 2 ** 30,
    XID_ERROR: 0,
    ECC_SBE_VOL_TOTAL: 3,
    ROW_REMAP_UNCORRECTABLE_TOTAL: 1,
    ROW_REMAP_CORRECTABLE_TOTAL: 2,
    ROW_REMAP_FAILED: 1,
    NVLINK_THROUGHPUT_BYTES_PER_SECOND: 2 ** 32,
  });
  expect(read("new")[0]?.[2]).toMatchObject({ hostname: "box" });
  expect(read("new")[0]?.[2]).not.toHaveProperty("Hostname");
  const both = read("both");
  expect(both.map(([name]) => name).sort()).toEqual(
    [...new Set([...read("old"), ...read("new")].map(([name]) => name))].sort(),
  );
  const labels = Object.fromEntries(both.map(([name, , set]) => [name, set]));
  expect(labels.SM_CLOCK).not.toHaveProperty("hostname");
  // One name for both: it bears both labels.
  expect(labels.ECC_SBE_VOL_TOTAL).toMatchObject({ Hostname: "box", hostname: "box" });
});
