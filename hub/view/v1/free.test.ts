import { execFileSync } from "node:child_process";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { GPUInfoSchema, Vendor } from "../../../proto/gen/host_pb.js";
import { cases } from "../../../test/cases.ts";
import type { SeenHost } from "../fleet.ts";
import type { SeenCard } from "./card.ts";
import { choose, isOffered, type Need, usesOf } from "./free.ts";

interface Given {
  readonly host: string;
  readonly index: number;
  readonly model?: string;
  readonly vendor?: Vendor;
  /** GiB free of 80. */
  readonly free?: number;
  readonly parent?: string;
  readonly fresh?: boolean;
  readonly verdict?: SeenCard["verdict"];
  readonly uuid?: string;
}

const GiB = 2 ** 30;
const hosts = new Map<string, SeenHost>();

function host(name: string, fresh: boolean): SeenHost {
  const key = `${name} ${fresh}`;
  const known = hosts.get(key) ?? ({ host: { name }, shown: name, fresh } as unknown as SeenHost);
  hosts.set(key, known);
  return known;
}

function card({ host: name, index, fresh = true, verdict = "free", free = 80, ...more }: Given): SeenCard {
  const { model = "H100", vendor = Vendor.NVIDIA, parent, uuid = `GPU-${name}-${index}` } = more;
  const memory = { memTotal: BigInt(80 * GiB), memUsed: BigInt((80 - free) * GiB) };
  const gpu = create(GPUInfoSchema, { id: index, uuid, name: model, vendor, ...memory, ...(parent && { parent }) });
  return { seen: host(name, fresh), gpu, parent: undefined, verdict, key: uuid };
}

const need = (count: number, more: Partial<Need> = {}): Need => ({
  count,
  memory: undefined,
  together: false,
  ...more,
});
const names = (cards: readonly SeenCard[]): string[] => cards.map(({ seen, gpu }) => `${seen.host.name}:${gpu.id}`);
const eight = (name: string, free: readonly number[], model = "H100"): SeenCard[] =>
  free.map((index) => card({ host: name, index, model }));

test("a host that has all cards comes first, and of those the one with the fewest, so that machines stay free as a whole", () => {
  const cards = [...eight("a", [0, 1, 2, 3, 4, 5, 6, 7]), ...eight("b", [4, 6, 7]), ...eight("c", [5])];
  expect(names(choose(cards, need(1)))).toEqual(["c:5"]);
  expect(names(choose(cards, need(2)))).toEqual(["b:4", "b:6"]);
  expect(names(choose(cards, need(4)))).toEqual(["a:0", "a:1", "a:2", "a:3"]);
  // No host has as many: as few hosts as possible.
  expect(names(choose(cards, need(10)))).toEqual([...names(eight("a", [0, 1, 2, 3, 4, 5, 6, 7])), "b:4", "b:6"]);
  expect(choose(cards, need(10, { together: true }))).toHaveLength(8);
});

test("the model of which most are free comes first; the others follow where it does not suffice", () => {
  const cards = [
    ...eight("a", [0], "A100"),
    ...eight("b", [0, 1], "L40"),
    ...eight("c", [0], "A100"),
    ...eight("d", [0], "A100"),
  ];
  expect(names(choose(cards, need(1)))).toEqual(["a:0"]);
  expect(names(choose(cards, need(2)))).toEqual(["b:0", "b:1"]);
  expect(names(choose(cards, need(4)))).toEqual(["a:0", "c:0", "d:0", "b:0"]);
});

test("on one host, several models are taken before fewer cards, but never cards of two vendors", () => {
  const cards = [...eight("a", [0], "A100"), ...eight("a", [1], "L40"), ...eight("b", [0], "A100")];
  expect(names(choose(cards, need(2)))).toEqual(["a:0", "b:0"]);
  expect(names(choose(cards, need(2, { together: true })))).toEqual(["a:0", "a:1"]);
  const mixed = [card({ host: "a", index: 0 }), card({ host: "a", index: 1, model: "MI300X", vendor: Vendor.AMD })];
  expect(choose(mixed, need(2, { together: true }))).toHaveLength(1);
});

test.each<readonly [string, Partial<Given>, Need, boolean]>([
  ["is free", {}, need(1), true],
  ["has as much memory free as is needed", { free: 40 }, need(1, { memory: 40 * GiB }), true],
  ["has a byte less", { free: 40 }, need(1, { memory: 40 * GiB + 1 }), false],
  ["is of a host that is late", { fresh: false }, need(1), false],
  ["is held", { verdict: "held" }, need(1), false],
  ["is broken", { verdict: "broken" }, need(1), false],
  ["is an instance, for one", { parent: "GPU-x" }, need(1), true],
  ["is an instance, for two", { parent: "GPU-x" }, need(2), false],
])("a card that %s", (_, given, wanted, offered) => {
  expect(isOffered(card({ host: "a", index: 0, ...given }), wanted)).toBe(offered);
});

test("a card whose memory is unknown is offered only to those who ask for none", () => {
  const one = card({ host: "a", index: 0 });
  delete one.gpu.memUsed;
  expect([isOffered(one, need(1)), isOffered(one, need(1, { memory: 1 }))]).toEqual([true, false]);
});

test("as many as are needed if there are that many, each once, and on one host if that is wanted and there is one", () => {
  const given = fc.record({
    host: fc.constantFrom("a", "b", "c"),
    index: fc.integer({ min: 0, max: 5 }),
    model: fc.constantFrom("A100", "H100"),
    vendor: fc.constantFrom(Vendor.NVIDIA, Vendor.AMD),
  });
  const some = fc.uniqueArray(given, { selector: ({ host, index }) => `${host}${index}`, maxLength: 14 });
  fc.assert(
    fc.property(some, fc.integer({ min: 1, max: 6 }), fc.boolean(), (all, count, together) => {
      const cards = all.map((one) => card(one));
      const groups = Map.groupBy(cards, ({ seen, gpu }) => `${seen.host.name} ${gpu.vendor}`);
      const most = together ? Math.max(0, ...[...groups.values()].map(({ length }) => length)) : cards.length;
      const chosen = choose(cards, need(count, { together }));
      expect(chosen).toHaveLength(Math.min(count, most));
      expect(new Set(chosen).size).toBe(chosen.length);
      if (together)
        expect(new Set(chosen.map(({ seen, gpu }) => `${seen.host.name} ${gpu.vendor}`)).size).toBe(Math.min(1, most));
      // One host that can is preferred, also if it need not be one.
      const models = Map.groupBy(cards, ({ seen, gpu }) => `${seen.host.name} ${gpu.name} ${gpu.vendor}`);
      if ([...models.values()].some(({ length }) => length >= count))
        expect(new Set(chosen.map(({ seen }) => seen.host.name)).size).toBe(1);
    }),
    cases,
  );
});

test("how to use cards is said host by host, by the variables of their vendors, escaped for the shell", () => {
  const cards = [
    card({ host: "a", index: 1 }),
    card({ host: "a", index: 2 }),
    card({ host: "b", index: 0, vendor: Vendor.AMD }),
    card({ host: "c", index: 1001, uuid: "MIG-$(reboot)", parent: "GPU-x" }),
  ];
  expect(usesOf(cards)).toEqual([
    {
      host: "a",
      shown_name: "a",
      variables: { CUDA_DEVICE_ORDER: "PCI_BUS_ID", CUDA_VISIBLE_DEVICES: "1,2" },
      shell: "export CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=1,2",
    },
    { host: "b", shown_name: "b", variables: { HIP_VISIBLE_DEVICES: "0" }, shell: "export HIP_VISIBLE_DEVICES=0" },
    {
      host: "c",
      shown_name: "c",
      variables: { CUDA_DEVICE_ORDER: "PCI_BUS_ID", CUDA_VISIBLE_DEVICES: "MIG-$(reboot)" },
      shell: String.raw`export CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=MIG-\$\(reboot\)`,
    },
  ]);
});

test("a shell that runs the line has the id as the machine told it, and runs nothing of it", () => {
  const printable = String.fromCharCode(...Array.from({ length: 95 }, (_, i) => 32 + i));
  const uuid = `MIG-${printable}机器👍`;
  const [use] = usesOf([card({ host: "a", index: 1001, uuid, parent: "GPU-x" })]);
  const told = execFileSync("sh", ["-c", `${use?.shell}; printf %s "$CUDA_VISIBLE_DEVICES"`], { encoding: "utf8" });
  expect(told).toBe(uuid);
  expect(use?.variables.CUDA_VISIBLE_DEVICES).toBe(uuid);
});
