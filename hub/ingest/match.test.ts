import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type GPUInfoSchema, HostInfoSchema, State, Vendor } from "../../proto/gen/host_pb.js";
import { cases } from "../../test/cases.ts";
import type { Owner } from "./claim.ts";
import { type Arrival, type CardMatch, CardMatcher } from "./match.ts";

type Card = Exclude<MessageInitShape<typeof GPUInfoSchema>, { $typeName: string }>;
type System = NonNullable<Exclude<MessageInitShape<typeof HostInfoSchema>, { $typeName: string }>["system"]>;

const start = 1_800_000_000_000;
const by: Owner = { input: "portal", origin: "push" };
const poll: Owner = { input: "poll", origin: "settings" };
const machine = { started: start - 3_600_000, bootId: "" };
/** A current report of all cards. */
const current: Arrival = { by, at: start, late: false, peer: "10.0.0.7", whole: true };

interface Told extends Partial<Arrival> {
  /** When the machine started; undefined if it does not say. */
  readonly started?: number | undefined;
  readonly bootId?: string;
}

function report(gpus: readonly Card[], { at = start, started, bootId }: Told) {
  const system: System = { bootId: bootId ?? "" };
  if (started !== undefined) system.uptime = BigInt(Math.floor((at - started) / 1000));
  return create(HostInfoSchema, { system, gpus: [...gpus] });
}

/** What a report with uuids, ten seconds later, says of the cards of one without. */
function matched(
  before: readonly Card[],
  after: readonly Card[],
  { first = {}, next = {} }: { first?: Told; next?: Told } = {},
): readonly CardMatch[] {
  const matcher = new CardMatcher(false);
  const [one, two] = [
    { ...current, ...machine, ...first },
    { ...current, ...machine, at: start + 10_000, ...next },
  ];
  expect(matcher.take(report(before, one), one)).toEqual([]);
  return matcher.take(report(after, two), two);
}

const bare = (...ids: number[]): Card[] => ids.map((id) => ({ id, name: "NVIDIA A100" }));
const named = (...ids: number[]): Card[] =>
  ids.map((id) => ({ id, name: "NVIDIA A100", uuid: `GPU-${id}`, vendor: Vendor.NVIDIA }));
const all = (...ids: number[]): CardMatch[] => ids.map((index) => ({ index, uuid: `GPU-${index}` }));

test("cards of a machine that has run since are those of its indices", () => {
  expect(matched(bare(0, 1), named(0, 1))).toEqual(all(0, 1));
  expect(matched(bare(0, 3), named(3, 0))).toEqual(all(0, 3));
  // Some keep no uuid.
  expect(matched(bare(0, 1), [...named(0), ...bare(1)])).toEqual(all(0));
});

const [first, booted] = [machine.started, start + 5000];

test.each<[string, readonly Card[], readonly Card[], { first?: Told; next?: Told }]>([
  ["its machine was started since", bare(0), named(0), { next: { started: booted } }],
  ["another machine has its name, which was running before", bare(0), named(0), { next: { started: first - 60_000 } }],
  ["its machine says another boot id", bare(0), named(0), { first: { bootId: "a" }, next: { bootId: "b" } }],
  ["its machine does not say since when it runs now", bare(0), named(0), { next: { started: undefined } }],
  [
    "a restart would not be noticed, so soon after the one before",
    bare(0),
    named(0),
    { first: { started: start - 20_000 }, next: { started: start + 5000 } },
  ],
  ["a card is gone, and others have their indices anew", bare(0, 1, 2), named(0, 1), {}],
  ["there is a card more", bare(0, 1), named(0, 1, 2), {}],
  ["its index is another one", bare(0), named(1), {}],
  ["the model of one of the cards is another one", bare(0, 1), [...named(0), { ...named(1)[0], name: "H100" }], {}],
  ["it is lost: it may be listed under another's index", bare(0), [{ ...named(0)[0], state: State.LOST }], {}],
  ["two cards have one index", [...bare(0), ...bare(0)], named(0), {}],
  ["two cards have one index now", bare(0), [...named(0), { ...named(0)[0], uuid: "GPU-x" }], {}],
  ["two cards have one uuid", bare(0, 1), [...named(0), { ...named(1)[0], uuid: "GPU-0" }], {}],
  [
    "it is in another slot",
    [{ id: 0, pciBusId: "0000:01:00.0" }],
    [{ id: 0, uuid: "GPU-0", pciBusId: "00000000:02:00.0" }],
    {},
  ],
  ["only some cards were reported", bare(0), named(0), { first: { whole: false } }],
  ["only some cards are reported", bare(0), named(0), { next: { whole: false } }],
])("a card is not taken for the one of its index if %s", (_why, before, after, told) => {
  expect(matched(before, after, told)).toEqual([]);
});

test("boot ids decide, whatever the clock says; a PCI address may be written in two ways", () => {
  const pci = [{ id: 0, pciBusId: "0000:0A:00.0" }];
  const same = [{ id: 0, uuid: "GPU-0", pciBusId: "00000000:0a:00.0" }];
  const told = { first: { bootId: "a", started: undefined }, next: { bootId: "a", started: booted } };
  expect(matched(pci, same, told)).toEqual(all(0));
});

test("a report may have been on its way for some seconds", () => {
  for (const delay of [-25_000, 25_000]) {
    expect(matched(bare(0), named(0), { next: { started: first + delay } })).toEqual(all(0));
  }
});

test("of an agent that is polled and does not say since when its machine runs, the address counts, and that it has run since", () => {
  const [first, next] = [{ by: poll, started: undefined }, { by: poll }];
  expect(matched(bare(0), named(0), { first, next })).toEqual(all(0));
  expect(matched(bare(0), named(0), { first, next: { ...next, started: start - 1000 } })).toEqual([]);
  expect(matched(bare(0), named(0), { first, next: { ...next, peer: "10.0.0.8" } })).toEqual([]);
  expect(matched(bare(0), named(0), { first: { ...first, peer: "" }, next: { ...next, peer: "" } })).toEqual([]);
  expect(matched(bare(0), named(0), { first: { started: undefined } })).toEqual([]);
});

test("cards of another vendor and instances of a divided card are no cards more", () => {
  const integrated: Card = { id: 1, name: "UHD", uuid: "Intel-1", vendor: Vendor.INTEL };
  const instance: Card = { id: 1000, uuid: "MIG-1", parent: "GPU-0", vendor: Vendor.NVIDIA };
  expect(matched(bare(0), [...named(0), integrated, instance])).toEqual(all(0));
  expect(matched([...bare(0), { id: 1000, parent: "GPU-0" }], [...named(0), instance])).toEqual(all(0));
});

test("it is decided once: by the last current report with cards, and not after a card had a uuid", () => {
  const tell = (...gpus: Card[]) => report(gpus, machine);
  const matcher = new CardMatcher(false);
  matcher.take(tell(...bare(0, 1)), current);
  matcher.take(tell(), current);
  matcher.take(tell(...bare(0)), { ...current, late: true });
  expect(matcher.decided).toBe(false);
  expect([matcher.take(tell(...named(0, 1)), current), matcher.decided]).toEqual([all(0, 1), true]);
  matcher.take(tell(...bare(0, 1)), current);
  expect(matcher.take(tell(...named(0, 1)), current)).toEqual([]);
  const recalled = new CardMatcher(true);
  recalled.take(tell(...bare(0)), current);
  expect(recalled.take(tell(...named(0)), current)).toEqual([]);
});

test("what an owner reported who lost its right to the host is not used", () => {
  const other: Owner = { input: "portal", origin: "push" };
  const [one, two] = [new CardMatcher(false), new CardMatcher(false)];
  for (const matcher of [one, two]) matcher.take(report(bare(0), machine), current);
  one.release(by);
  two.release(other);
  const info = report(named(0), machine);
  expect([one.take(info, current), two.take(info, current)]).toEqual([[], all(0)]);
});

const card = fc.record(
  {
    id: fc.integer({ min: 0, max: 3 }),
    uuid: fc.constantFrom("", "GPU-a", "GPU-b", "GPU-c"),
    name: fc.constantFrom("A100", "H100"),
    parent: fc.constant("GPU-a"),
    state: fc.constantFrom(State.OK, State.LOST),
    vendor: fc.constantFrom(Vendor.NVIDIA, Vendor.AMD),
    pciBusId: fc.constantFrom("0000:01:00.0", "00000000:02:00.0"),
  },
  { requiredKeys: [] },
);
const told = fc.record(
  {
    started: fc.constantFrom(start - 3_600_000, start - 3_590_000, start - 120_000, start + 60_000),
    bootId: fc.constantFrom("a", "b"),
    peer: fc.constantFrom("10.0.0.7", "10.0.0.8"),
    by: fc.constantFrom(by, poll),
    late: fc.boolean(),
    whole: fc.boolean(),
  },
  { requiredKeys: [] },
);
const reports = fc.array(fc.record({ gpus: fc.array(card, { maxLength: 4 }), told, pause: fc.nat(90_000) }), {
  maxLength: 8,
});

test("whatever is reported: each index and each uuid is matched at most once, by cards that the two reports have", () => {
  fc.assert(
    fc.property(reports, (all) => {
      const matcher = new CardMatcher(false);
      let at = start;
      let last: readonly Card[] = [];
      let found: readonly CardMatch[] = [];
      for (const { gpus, told, pause } of all) {
        at += pause;
        const info = report(gpus, { ...told, at });
        const arrival = { ...current, ...told, at };
        const now = matcher.take(info, arrival);
        expect(found.length === 0 || now.length === 0).toBe(true);
        for (const { index, uuid } of now) {
          expect(gpus.filter((gpu) => (gpu.id ?? 0) === index && gpu.uuid === uuid)).toHaveLength(1);
          expect(last.filter(({ id = 0, parent }) => id === index && parent === undefined)).toHaveLength(1);
        }
        if (now.length > 0) found = now;
        if (gpus.length > 0 && !arrival.late) last = gpus;
      }
      expect(new Set(found.map(({ index }) => index)).size).toBe(found.length);
      expect(new Set(found.map(({ uuid }) => uuid)).size).toBe(found.length);
    }),
    cases,
  );
});
