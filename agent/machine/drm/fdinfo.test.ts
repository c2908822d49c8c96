import fc from "fast-check";
import { expect, test } from "vitest";
import { busyShares, type FdInfo, parseFdInfo } from "./fdinfo.ts";

const amd = `pos:	0
flags:	02100002
drm-driver:	amdgpu
drm-client-id:	57
drm-pdev:	0000:03:00.0
pasid:	32827
drm-total-vram:	2097152 KiB
drm-resident-vram:	1048576 KiB
drm-memory-vram:	2097152 KiB
drm-memory-gtt: 	64 MiB
drm-memory-cpu: 	4096
drm-engine-gfx:	55112233445 ns
drm-engine-compute:	1122334455 ns
`;
// As in the kernel's documentation of xe.
const xe = `drm-driver:	xe
drm-client-id:	3
drm-pdev:	0000:03:00.0
drm-total-vram0:	23992 KiB
drm-resident-vram0:	23992 KiB
drm-cycles-rcs:	28257900
drm-total-cycles-rcs:	7655183225
drm-cycles-ccs:	0
drm-total-cycles-ccs:	7655183225
drm-engine-capacity-ccs:	4
`;
const i915 = `drm-driver: i915
drm-client-id: 7
drm-pdev: 0000:00:02.0
drm-engine-render: 100 ns
drm-engine-video: 300 ns
drm-engine-capacity-video: 2
`;

const must = (text: string): FdInfo => {
  const info = parseFdInfo(text);
  if (info === undefined) throw new Error("no fdinfo");
  return info;
};

test("amdgpu tells memory by kind and time by engine; what lies on the card counts, not what was asked for", () => {
  expect(must(amd)).toEqual({
    driver: "amdgpu",
    client: "57",
    pci: "0000:03:00.0",
    memory: new Map([
      ["vram", 1024 ** 3],
      ["gtt", 64 * 1024 ** 2],
      ["cpu", 4096],
    ]),
    engines: new Map([
      ["gfx", { busy: 55112233445, capacity: 1 }],
      ["compute", { busy: 1122334455, capacity: 1 }],
    ]),
  });
});

test("xe tells cycles, of several engines of a kind", () => {
  expect([...must(xe).engines]).toEqual([
    ["rcs", { busy: 28257900, total: 7655183225, capacity: 1 }],
    ["ccs", { busy: 0, total: 7655183225, capacity: 4 }],
  ]);
});

test.each([
  ["a file of another kind", "pos:\t0\nflags:\t02\nmnt_id:\t15\n"],
  ["a driver that tells no client", "drm-driver:\tast\n"],
  ["nothing", ""],
])("%s is no client", (_, text) => {
  expect(parseFdInfo(text)).toBeUndefined();
});

const later = (text: string, from: string, to: string): FdInfo => must(text.replace(from, to));

test.each([
  ["a quarter of a second of work in one", later(amd, "55112233445 ns", "55362233445 ns"), "gfx", 25],
  ["no work", must(amd), "gfx", 0],
  ["a counter that went back", later(amd, "55112233445 ns", "1 ns"), "gfx", 0],
  ["more work than time", later(amd, "55112233445 ns", "99112233445 ns"), "gfx", 100],
  ["an engine that is told of for the first time", must(`${amd}drm-engine-dec:\t500000000 ns\n`), "dec", 50],
])("%s is a share", (_, to, engine, share) => {
  expect(busyShares(must(amd), to, 1000).get(engine)).toBeCloseTo(share);
});

test("engines of a kind share their time", () => {
  expect(busyShares(must(i915), later(i915, "video: 300 ns", "video: 1000000300 ns"), 1000).get("video")).toBeCloseTo(
    50,
  );
});

test("cycles are a share of the cycles that passed, whatever the clock says; none without any", () => {
  const to = must(xe.replace("28257900", "28258400").replace("cycles-rcs:	7655183225", "cycles-rcs:	7655184225"));
  expect(busyShares(must(xe), to, 5).get("rcs")).toBeCloseTo(50);
  expect(busyShares(must(xe), must(xe), 1000).size).toBe(0);
});

const key = fc.constantFrom(
  ..."driver client-id pdev engine-gfx engine-capacity-gfx cycles-gfx total-cycles-gfx memory-vram resident-vram".split(
    " ",
  ),
);
const value = fc.oneof(
  fc.string(),
  fc.bigInt({ min: -5n, max: 2n ** 70n }).map(String),
  fc.tuple(fc.nat(), fc.constantFrom("ns", "KiB", "MiB", "GiB", "furlongs", "")).map(([n, unit]) => `${n} ${unit}`),
);
const file = fc
  .array(
    fc.oneof(
      fc.tuple(key, value).map(([k, v]) => `drm-${k}:\t${v}`),
      fc.string(),
    ),
  )
  .map((all) => all.join("\n"));

test("whatever a driver writes is read without an error, and every number is one", () => {
  fc.assert(
    fc.property(file, (text) => {
      const info = parseFdInfo(text);
      for (const bytes of info?.memory.values() ?? []) expect(Number.isSafeInteger(bytes) && bytes >= 0).toBe(true);
      for (const { busy, capacity } of info?.engines.values() ?? []) {
        expect(busy).toBeGreaterThanOrEqual(0);
        expect(capacity).toBeGreaterThanOrEqual(1);
      }
    }),
  );
});

test("a share lies between 0 and 100, whatever two readings hold", () => {
  const reading = fc
    .tuple(file, file)
    .map(([a, b]) =>
      [a, b].map((text) =>
        parseFdInfo(`drm-driver: x\ndrm-client-id: 1\n${text.replace(/^drm-(driver|client-id).*$/gm, "")}`),
      ),
    );
  fc.assert(
    fc.property(reading, fc.integer({ min: 0, max: 1e9 }), ([from, to], span) => {
      if (from === undefined || to === undefined) throw new Error("no fdinfo");
      for (const share of busyShares(from, to, span).values()) {
        expect(share).toBeGreaterThanOrEqual(0);
        expect(share).toBeLessThanOrEqual(100);
      }
    }),
  );
});
