import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { palette, slotsOf, strokeOf, strokes } from "./stroke.ts";

type Three = readonly [number, number, number];

const channels = (hex: string): Three => {
  const [r = 0, g = 0, b = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return [r, g, b];
};
const times = (rows: readonly Three[], [x, y, z]: Three): Three => {
  const [a = 0, b = 0, c = 0] = rows.map(([p, q, r]) => p * x + q * y + r * z);
  return [a, b, c];
};

// Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB.
const visions: Readonly<Record<string, readonly Three[]>> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** OKLab (Ottosson 2020) of linear RGB. */
function oklab(linear: Three): Three {
  const [r, g, b] = linear.map((value) => Math.min(1, Math.max(0, value))) as [number, number, number];
  const [l, m, s] = times(
    [
      [0.4122214708, 0.5363325363, 0.0514459929],
      [0.2119034982, 0.6806995451, 0.1073969566],
      [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    [r, g, b],
  ).map(Math.cbrt) as [number, number, number];
  return times(
    [
      [0.2104542553, 0.793617785, -0.0040720468],
      [1.9779984951, -2.428592205, 0.4505937099],
      [0.0259040371, 0.7827717662, -0.808675766],
    ],
    [l, m, s],
  );
}

const luminance = (hex: string): number => {
  const [r, g, b] = channels(hex);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one: string, other: string): number => {
  const [low = 0, high = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};

describe.each([
  ["light", "#ffffff"],
  ["dark", "#1a1c1f"],
] as const)("lines on %s", (theme, ground) => {
  test("have a contrast of 3:1 to the background (WCAG 1.4.11)", () => {
    for (const colour of palette[theme]) expect(contrast(colour, ground), colour).toBeGreaterThanOrEqual(3);
  });

  test.each(Object.entries(visions))("differ for %s", (_, matrix) => {
    const seen = palette[theme].map((colour) => oklab(times(matrix, channels(colour))));
    for (const [i, one] of seen.entries()) {
      for (const other of seen.slice(0, i)) {
        expect(Math.hypot(...one.map((value, axis) => value - (other[axis] ?? 0)))).toBeGreaterThan(0.1);
      }
    }
  });

  test("no two of 64 share colour and pattern, and the first eight are solid", () => {
    const all = Array.from({ length: 64 }, (_, slot) => JSON.stringify(strokeOf(slot, theme)));
    expect(new Set(all).size).toBe(64);
    for (let slot = 0; slot < 8; slot++) expect(strokeOf(slot, theme).dash).toEqual([]);
  });
});

test("no pattern is another one that begins elsewhere", () => {
  const turns = (dash: readonly number[]): string[] =>
    dash.filter((_, i) => i % 2 === 0).map((_, i) => [...dash.slice(2 * i), ...dash.slice(0, 2 * i)].join());
  const all = Array.from({ length: strokes / 8 }, (_, i) => strokeOf(8 * i, "light").dash);
  const first = all.map((dash) => turns(dash).toSorted()[0] ?? "");
  expect(new Set(first).size).toBe(all.length);
});

test("a card keeps its slot when others go and come", () => {
  const four = slotsOf(
    new Map(),
    ["a", "b", "c", "d"].map((key, slot) => ({ key, slot })),
  );
  const left = slotsOf(four, [{ key: "a" }, { key: "d" }, { key: "e" }]);
  expect([left.get("a"), left.get("d"), left.get("e")]).toEqual([0, 3, 4]);
  const back = slotsOf(
    left,
    ["a", "b", "c", "d"].map((key) => ({ key })),
  );
  expect(["a", "b", "c", "d"].map((key) => back.get(key))).toEqual([0, 1, 2, 3]);
});

test("a card that is missing from the start leaves its slot free", () => {
  const slots = slotsOf(new Map(), [{ key: "instance" }, { key: "card 0", slot: 0 }, { key: "card 2", slot: 2 }]);
  expect([...slots].toSorted()).toEqual([
    ["card 0", 0],
    ["card 2", 2],
    ["instance", 1],
  ]);
});

test("slots are distinct, kept, and do not grow without bound", () => {
  const keys = fc.uniqueArray(fc.nat(200), { maxLength: strokes });
  fc.assert(
    fc.property(fc.array(keys, { maxLength: 6 }), (turns) => {
      let slots: ReadonlyMap<string, number> = new Map();
      for (const turn of turns) {
        const next = slotsOf(
          slots,
          turn.map((key) => ({ key: String(key), slot: key })),
        );
        const used = turn.map((key) => next.get(String(key)));
        expect(new Set(used).size).toBe(turn.length);
        expect(next.size).toBeLessThanOrEqual(strokes);
        for (const key of turn.map(String)) {
          if (slots.has(key)) expect(next.get(key)).toBe(slots.get(key));
        }
        slots = next;
      }
    }),
  );
});
