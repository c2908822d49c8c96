import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Throttle } from "../../../proto/gen/host_pb.js";
import { attributes, table } from "../../../test/gpu-metrics.ts";
import { type Metrics, parseMetrics, UnknownTable } from "./metrics.ts";

const radeon = "744c";
const mi300 = "74a1";

test.each([
  ["1.1", 96],
  ["1.3", 120],
  ["1.4", 288],
  ["1.5", 360],
  ["1.6", 1664],
  ["1.7", 2208],
  ["1.8", 3872],
  ["2.2", 128],
  ["2.4", 168],
  ["3.0", 264],
])("a table of revision %s has %i bytes, and tells nothing where the driver filled in nothing", (revision, size) => {
  const bytes = table(revision, {});
  expect(bytes).toHaveLength(size);
  const { residency, ...told } = parseMetrics(bytes, mi300);
  expect(told).toEqual({});
  expect([...(residency?.counts ?? [])]).toEqual([]);
});

describe("a Radeon's table", () => {
  test("tells its video engines' load and why it is slowed", () => {
    const values = { average_mm_activity: 37, indep_throttle_status: (1n << 36n) | (1n << 0n) | (1n << 16n) };
    expect(parseMetrics(table("1.3", values), radeon)).toEqual({
      media: 37,
      throttle: [Throttle.POWER_CAP, Throttle.SW_THERMAL, Throttle.CURRENT],
    });
  });

  test("that names no reason says that there is none", () => {
    expect(parseMetrics(table("1.3", { indep_throttle_status: 0 }), radeon).throttle).toEqual([]);
  });

  test("has a count of energy whose unit nobody tells: it is left out, but on MI200", () => {
    const bytes = table("1.3", { energy_accumulator: 65_536_000n });
    expect(parseMetrics(bytes, radeon).energy).toBeUndefined();
    expect(parseMetrics(bytes, "7408").energy).toBe(1_000_000n);
  });

  test("has reasons that mean something else on each chip: those are not told", () => {
    expect(parseMetrics(table("1.3", { throttle_status: 1 }), radeon).throttle).toBeUndefined();
  });
});

describe("an MI300X's table", () => {
  test.each(["1.4", "1.5", "1.6", "1.7", "1.8"])("of revision %s tells energy in 2^-16 J, and the link", (revision) => {
    const values = { energy_accumulator: 65_536n * 1_234_567n, pcie_link_width: 16, pcie_link_speed: 320 };
    expect(parseMetrics(table(revision, values), mi300)).toMatchObject({
      energy: 1_234_567_000n,
      link: { lanes: 16, speed: 320 },
    });
  });

  test.each(["1.4", "1.5"])("of revision %s says 0 for every reason, which means that it does not tell", (revision) => {
    const told = parseMetrics(table(revision, { throttle_status: 0 }), mi300);
    expect(told.throttle).toBeUndefined();
    expect(told.residency).toBeUndefined();
  });

  test.each(["1.6", "1.7", "1.8"])("of revision %s counts how long it was slowed by what", (revision) => {
    const counts = {
      accumulation_counter: 1000,
      prochot_residency_acc: 1,
      ppt_residency_acc: 2,
      socket_thm_residency_acc: 3,
      vr_thm_residency_acc: 4,
      hbm_thm_residency_acc: 5,
    };
    const { residency } = parseMetrics(table(revision, counts), mi300);
    expect(residency?.samples).toBe(1000);
    expect([...(residency?.counts ?? [])]).toEqual([
      [Throttle.PROCHOT, 1],
      [Throttle.POWER_CAP, 2],
      [Throttle.SW_THERMAL, 3],
      [Throttle.REGULATOR_THERMAL, 4],
      [Throttle.MEMORY_THERMAL, 5],
    ]);
  });

  test.each([
    ["1.4", { vcn_activity: [3, 0, 91] }],
    ["1.5", { vcn_activity: [3, 0], jpeg_activity: Array.from({ length: 32 }, (_, i) => (i === 31 ? 91 : 2)) }],
    ["1.6", { "xcp_stats[0].vcn_busy": [3, 0], "xcp_stats[7].vcn_busy": [1, 2, 3, 91] }],
    ["1.7", { "xcp_stats[0].jpeg_busy": 5, "xcp_stats[7].vcn_busy": [1, 2, 3, 91] }],
    ["1.8", { "xcp_stats[0].jpeg_busy": 91, "xcp_stats[7].vcn_busy": [1, 2, 3, 90] }],
  ])("of revision %s tells the busiest of all video and JPEG engines, in whatever partition", (revision, values) => {
    expect(parseMetrics(table(revision, values), mi300).media).toBe(91);
  });

  test("counts the XGMI links that are up, of those that are there", () => {
    expect(parseMetrics(table("1.7", { xgmi_link_status: [1, 1, 0, 1, 1, 1, 1] }), mi300).xgmiLinks).toBe(6);
  });

  test("of a card whose second die measures no energy tells none", () => {
    expect(parseMetrics(table("1.6", { energy_accumulator: 0 }), mi300).energy).toBeUndefined();
  });
});

describe("a processor's table", () => {
  test("tells why it is slowed, by the bits that mean the same everywhere", () => {
    for (const revision of ["2.2", "2.4"]) {
      expect(parseMetrics(table(revision, { indep_throttle_status: 1n << 33n }), "15bf")).toEqual({
        throttle: [Throttle.SW_THERMAL],
      });
    }
  });

  test("of revision 3.0 counts how long, three limits of power together", () => {
    const { residency, media } = parseMetrics(
      table("3.0", {
        average_vcn_activity: 12,
        throttle_residency_spl: 1,
        throttle_residency_fppt: 20,
        throttle_residency_sppt: 300,
        throttle_residency_thm_soc: 7,
      }),
      "150e",
    );
    expect(media).toBe(12);
    expect(residency?.samples).toBeUndefined();
    expect([...(residency?.counts ?? [])]).toEqual([
      [Throttle.POWER_CAP, 321],
      [Throttle.SW_THERMAL, 7],
    ]);
  });
});

describe("a table that names what it holds (revision 1.9)", () => {
  const list = [
    { id: 7, type: 6, values: [65_536n * 5n] },
    { id: 9, type: 4, values: [100] },
    { id: 10, type: 4, values: [9] },
    { id: 16, type: 2, values: [16] },
    { unit: 8, id: 17, type: 2, values: [320] },
    { id: 31, type: 2, values: [1, 1, 0] },
    { id: 42, type: 2, values: [4, 0xffff] },
    { id: 41, type: 2, values: [0, 66] },
  ] as const;

  test("is read by those names, in whatever order and width", () => {
    const { residency, ...told } = parseMetrics(attributes([...list].reverse()), mi300);
    expect(told).toEqual({ energy: 5000n, link: { lanes: 16, speed: 320 }, media: 66, xgmiLinks: 2 });
    expect(residency?.samples).toBe(100);
    expect([...(residency?.counts ?? [])]).toEqual([[Throttle.PROCHOT, 9]]);
  });

  test("may count the speed of the link in whole GT/s", () => {
    const whole = [list[3], { unit: 7, id: 17, type: 2, values: [32] }] as const;
    expect(parseMetrics(attributes(whole), mi300).link).toEqual({ lanes: 16, speed: 320 });
  });

  test.each([
    ["says more attributes than it holds", (view: DataView) => view.setInt32(4, 9, true)],
    ["says fewer", (view: DataView) => view.setInt32(4, 7, true)],
    ["says none", (view: DataView) => view.setInt32(4, 0, true)],
    ["says a type that there is not", (view: DataView) => view.setUint32(8, 0xf << 20, true)],
    ["says more values than it holds", (view: DataView) => view.setUint32(8, (6 << 20) | 0x3ff, true)],
    ["uses the upper half of a code", (view: DataView) => view.setUint32(12, 1, true)],
  ])("and %s is not believed", (_, spoil) => {
    const bytes = attributes(list);
    spoil(new DataView(bytes.buffer));
    expect(() => parseMetrics(bytes, mi300)).toThrow(UnknownTable);
  });
});

test("a load beyond 100 % is no reading", () => {
  expect(parseMetrics(table("1.3", { average_mm_activity: 101 }), radeon).media).toBeUndefined();
});

test.each([
  ["a later revision", Uint8Array.of(8, 0, 1, 77, 0, 0, 0, 0), /revision 1\.77 with 8 bytes/],
  ["a size that the revision does not have", Uint8Array.of(8, 0, 1, 3, 0, 0, 0, 0), /with 8 bytes.* has 120/],
  ["a table that was cut", table("1.3", {}).slice(0, 119), /119 of them there/],
  ["no table", Uint8Array.of(1, 2), /2 bytes/],
])("%s is refused in words that say why", (_, bytes, words) => {
  expect(() => parseMetrics(bytes, radeon)).toThrow(words);
});

test("whatever bytes there are, no value is beyond what it can be", () => {
  const revision = fc.constantFrom([1, 3], [1, 4], [1, 5], [1, 6], [1, 7], [1, 8], [1, 9], [2, 2], [3, 0]);
  const sizes: Readonly<Record<string, number>> = { "1,3": 120, "1,4": 288, "1,5": 360, "2,2": 128, "3,0": 264 };
  fc.assert(
    fc.property(revision, fc.uint8Array({ minLength: 4000, maxLength: 4000 }), (header, noise) => {
      const size = sizes[String(header)] ?? 64;
      const bytes = noise.slice(0, size);
      bytes.set([size & 0xff, size >> 8, header[0] ?? 0, header[1] ?? 0]);
      let told: Metrics = {};
      try {
        told = parseMetrics(bytes, mi300);
      } catch (error) {
        expect(error).toBeInstanceOf(UnknownTable);
      }
      expect(told.media ?? 0).toBeLessThanOrEqual(100);
      expect(told.link?.lanes ?? 1).toBeGreaterThan(0);
      expect(told.energy ?? 1n).toBeGreaterThanOrEqual(0n);
    }),
  );
});
