import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { gpuKey } from "../../proto/device.ts";
import { type GPUInfo, GPUInfoSchema, State } from "../../proto/gen/host_pb.js";
import { type CardSlots, identify, recall, remember } from "./identity.ts";

interface Card {
  readonly uuid?: string;
  readonly id?: number;
  readonly pciBusId?: string;
  readonly name?: string;
  readonly parent?: string;
  readonly state?: State;
}

const gpu = (card: Card): GPUInfo => create(GPUInfoSchema, card);

/** Keys of a current report, as ingest takes one. */
function keys(cards: CardSlots, ...report: Card[]): string[] {
  const gpus = report.map(gpu);
  identify(gpus, cards);
  remember(gpus, cards);
  return gpus.map(gpuKey);
}

const a: Card = { uuid: "GPU-a", id: 0, pciBusId: "0000:01:00.0", name: "H100" };
const b: Card = { uuid: "GPU-b", id: 1, pciBusId: "0000:02:00.0", name: "H100" };

/** A card as reported without its uuid. */
const unnamed = ({ uuid: _, ...rest }: Card): Card => rest;

test("a card whose uuid is withheld goes by its PCI address, whatever its index is then", () => {
  const cards: CardSlots = new Map();
  keys(cards, a, b);
  expect(keys(cards, { ...unnamed(b), id: 0 })).toEqual(["GPU-b"]);
  expect(keys(cards, { id: 7, pciBusId: "00000000:02:00.0" }, { id: 1, pciBusId: "00000000:0A:00.0" })).toEqual([
    "GPU-b",
    "#1",
  ]);
});

test("a card that is reported by its index alone is the one that has that index", () => {
  const cards: CardSlots = new Map();
  expect(keys(cards, { id: 0 }, { id: 1 })).toEqual(["#0", "#1"]);
  keys(cards, a, b);
  expect(keys(cards, { id: 0 }, { id: 1 })).toEqual(["GPU-a", "GPU-b"]);
  // The driver counts anew when a card is gone.
  keys(cards, { ...b, id: 0 });
  expect(keys(cards, { id: 0 }, { id: 1 })).toEqual(["GPU-b", "#1"]);
});

test.each<[string, Card, readonly Card[]]>([
  ["an instance", { id: 0, parent: "GPU-x" }, [a]],
  ["another model", { id: 0, name: "A100" }, [a]],
  ["in another slot", { id: 0, pciBusId: "0000:09:00.0" }, [a]],
  ["in a slot, where only the index was known", { id: 0, pciBusId: "0000:00:02.0" }, [{ uuid: "GPU-a", id: 0 }]],
  ["at an index under which a lost card is listed", { id: 0 }, [{ ...a, state: State.LOST }]],
])("a card without a uuid is not taken for a known one: %s", (_why, card, known) => {
  const cards: CardSlots = new Map();
  keys(cards, ...known);
  expect(keys(cards, card)).toEqual(["#0"]);
});

test("a uuid that the report names elsewhere is given to no second card", () => {
  const cards: CardSlots = new Map();
  keys(cards, a);
  expect(keys(cards, { id: 0 }, { ...a, id: 1 })).toEqual(["#0", "GPU-a"]);
  expect(keys(cards, { id: 1 }, { id: 1 })).toEqual(["GPU-a", "#1"]);
});

test("after a restart a card goes by the key under which history measured its index last", () => {
  const known = [
    { key: "GPU-old", index: 0, last: 1 },
    { key: "GPU-a", index: 0, last: 2 },
    { key: "#1", index: 1, last: 2 },
    { key: "GPU-b", index: 1, last: 1 },
    { key: "GPU-c", last: 3 },
  ];
  expect(keys(recall(known), { id: 0 }, { id: 1 }, { id: 2 })).toEqual(["GPU-a", "#1", "#2"]);
});

const card = fc.record(
  {
    uuid: fc.constantFrom("", "GPU-a", "GPU-b", "GPU-c", "MIG-1"),
    id: fc.integer({ min: 0, max: 3 }),
    pciBusId: fc.constantFrom("0000:01:00.0", "00000000:01:00.0", "0000:02:00.0", ""),
    name: fc.constantFrom("H100", "A100"),
    parent: fc.constant("GPU-a"),
    state: fc.constantFrom(State.OK, State.STALE, State.LOST),
  },
  { requiredKeys: [] },
);
const reports = fc.array(fc.array(card, { maxLength: 5 }), { maxLength: 8 });

test("uuids that are reported stay, none is invented, and none is given to two cards", () => {
  fc.assert(
    fc.property(reports, (all) => {
      const cards: CardSlots = new Map();
      const seen = new Set<string>();
      for (const report of all) {
        const gpus = report.map(gpu);
        identify(gpus, cards);
        const reported = report.flatMap(({ uuid }) => uuid || []);
        const given = gpus.flatMap(({ uuid }, i) => (report[i]?.uuid || !uuid ? [] : [uuid]));
        expect(gpus.flatMap(({ uuid }, i) => (report[i]?.uuid ? [uuid] : []))).toEqual(reported);
        expect(new Set([...given, ...reported]).size).toBe(given.length + new Set(reported).size);
        expect(given.filter((uuid) => !seen.has(uuid))).toEqual([]);
        for (const uuid of reported) seen.add(uuid);
        const once = gpus.map(gpuKey);
        identify(gpus, cards);
        expect(gpus.map(gpuKey)).toEqual(once);
        remember(gpus, cards);
      }
    }),
  );
});

test("cards that keep their PCI addresses keep their keys, whichever lose uuid and index in whichever report", () => {
  const machine: Card[] = Array.from({ length: 4 }, (_, i) => ({
    uuid: `GPU-${i}`,
    id: i,
    pciBusId: `0000:0${i}:00.0`,
  }));
  const losses = fc.array(fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), { maxLength: 6 });
  fc.assert(
    fc.property(losses, fc.shuffledSubarray(machine, { minLength: 4 }), (all, order) => {
      const cards: CardSlots = new Map();
      keys(cards, ...machine);
      for (const lost of all) {
        const report = order.map((one, i) => (lost[i] ? { ...unnamed(one), id: i } : { ...one, id: i }));
        expect(keys(cards, ...report)).toEqual(order.map(({ uuid }) => uuid));
      }
    }),
  );
});

test("a machine that never reports a uuid has the keys of its indices", () => {
  fc.assert(
    fc.property(reports, (all) => {
      const cards: CardSlots = new Map();
      for (const report of all) {
        const bare = report.map(unnamed);
        expect(keys(cards, ...bare)).toEqual(bare.map(({ id = 0 }) => `#${id}`));
      }
    }),
  );
});

test("what is remembered of a host is bounded, however many uuids it invents", () => {
  const cards: CardSlots = new Map();
  for (let i = 0; i < 1000; i++) keys(cards, { uuid: `GPU-${i}`, id: i % 3 });
  expect(cards.size).toBe(256);
  expect(keys(cards, { id: 0 })).toEqual(["GPU-999"]);
});
