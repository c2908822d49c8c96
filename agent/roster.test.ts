import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type GPUInfo, GPUInfoSchema, State } from "../proto/gen/host_pb.js";
import { Roster } from "./roster.ts";

type Card = MessageInitShape<typeof GPUInfoSchema>;
const card = (id: number, rest: Card = {}): GPUInfo =>
  create(GPUInfoSchema, {
    id,
    uuid: `GPU-${id}`,
    pciBusId: `0000:0${id}:00.0`,
    name: "H200",
    state: State.OK,
    ...rest,
  });
const dead = (id: number, rest: Card = {}): GPUInfo =>
  card(id, { state: State.LOST, err: "NVML: GPU is lost (15)", ...rest });
const minute = 60_000;
const day = 24 * 60 * minute;
const seen = (gpus: readonly GPUInfo[]) => gpus.map(({ id, state }) => `${id} ${State[state ?? 0]}`);

test.each([
  ["is no longer told of", []],
  ["is told as lost", [dead(1)]],
])("a card that %s is listed as lost for 23 h 59 min, and after 24 h no more", (_, later) => {
  const roster = new Roster();
  roster.update([card(0), card(1, { utilization: 97, memUsed: 5n })], 0);
  const during = roster.update([card(0), ...later], 10_000);
  expect(during[1]).toMatchObject({ id: 1, uuid: "GPU-1", name: "H200", state: State.LOST, err: expect.any(String) });
  expect(during[1]?.utilization ?? during[1]?.memUsed).toBeUndefined();
  expect(seen(roster.update([card(0), ...later], 10_000 + day - minute))).toEqual(["0 OK", "1 LOST"]);
  expect(seen(roster.update([card(0), ...later], 10_000 + day + minute))).toEqual(["0 OK"]);
  expect(roster.lost(10_000 + day + minute)).toEqual([]);
  // Told of as lost all the time: that is no new loss.
  expect(seen(roster.update([card(0), ...later], 10_000 + 2 * day))).toEqual(["0 OK"]);
});

test("a day counts from when the loss was noticed, however long nobody had asked", () => {
  const roster = new Roster();
  roster.update([card(0), card(1)], 0);
  expect(seen(roster.update([card(0)], 3 * day))).toEqual(["0 OK", "1 LOST"]);
});

test("a card that is back takes the place of its lost entry at once, and has a whole day the next time", () => {
  const roster = new Roster();
  roster.update([card(0), card(1)], 0);
  roster.update([card(0)], day / 2);
  expect(roster.update([card(0), card(1, { temp: 40 })], day / 2 + 1)).toMatchObject([
    { id: 0 },
    { id: 1, state: State.OK, temp: 40 },
  ]);
  roster.update([card(0)], day);
  expect(seen(roster.update([card(0)], 2 * day - minute))).toEqual(["0 OK", "1 LOST"]);
});

test("what is put into the slot of a lost card takes its place", () => {
  const roster = new Roster();
  roster.update([card(0), card(1)], 0);
  roster.update([card(0)], 1);
  const after = roster.update([card(0), card(1, { uuid: "GPU-new" })], 2);
  expect(after.map(({ uuid }) => uuid)).toEqual(["GPU-0", "GPU-new"]);
});

test("a card that was dead before anybody could ask its name is one entry, before and after it has one", () => {
  const roster = new Roster();
  const nameless = create(GPUInfoSchema, { id: 1, state: State.LOST, err: "NVML: GPU is lost (15)" });
  expect(seen(roster.update([card(0), nameless], 0))).toEqual(["0 OK", "1 LOST"]);
  expect(seen(roster.update([card(0), card(1)], 1))).toEqual(["0 OK", "1 OK"]);
  // A reader that is started while it is dead knows it by its number alone.
  expect(roster.update([card(0), nameless], 2)[1]).toMatchObject({
    id: 1,
    uuid: "GPU-1",
    name: "H200",
    state: State.LOST,
  });
  expect(roster.update([card(0), nameless], 3)).toHaveLength(2);
});

test("what went wrong with a card before it was lost is still told", () => {
  const roster = new Roster();
  roster.update([card(0, { xidCount: 2n, xidLast: 79, xidTime: 1n })], 0);
  expect(roster.update([], 1)).toMatchObject([{ id: 0, state: State.LOST, xidCount: 2n, xidLast: 79, xidTime: 1n }]);
});

const part = (id: number, rest: Card = {}): GPUInfo =>
  card(id, { uuid: `MIG-${id}`, parent: "GPU-0", pciBusId: "0000:00:00.0", ...rest });

test("an instance that was taken down is gone at once; one whose card is lost is lost with it", () => {
  const roster = new Roster();
  const whole = card(0, { divided: true });
  roster.update([whole, part(1000), part(1001), card(1)], 0);
  expect(seen(roster.update([whole, part(1001), card(1)], 1))).toEqual(["0 OK", "1001 OK", "1 OK"]);
  expect(seen(roster.update([card(1)], 2))).toEqual(["0 LOST", "1001 LOST", "1 OK"]);
  expect(seen(roster.update([dead(0), card(1)], 3))).toEqual(["0 LOST", "1001 LOST", "1 OK"]);
  expect(seen(roster.update([card(1)], 2 + day))).toEqual(["1 OK"]);
});

test("where the driver numbers the cards that are left anew, the missing one goes behind them, its instances with it", () => {
  const roster = new Roster();
  roster.update([card(0, { divided: true }), part(1000), card(1), card(2)], 0);
  const after = roster.update([card(1, { id: 0 }), card(2, { id: 1 })], 1);
  expect(after.map(({ id, uuid }) => [id, uuid])).toEqual([
    [0, "GPU-1"],
    [1, "GPU-2"],
    [2, "GPU-0"],
    [3000, "MIG-1000"],
  ]);
});

test("whatever comes and goes, no two cards bear one number or name, and all that are told of and live are listed", () => {
  const told = fc.uniqueArray(fc.record({ uuid: fc.nat(5), lost: fc.boolean() }), { selector: ({ uuid }) => uuid });
  const step = fc.record({ told, passed: fc.constantFrom(1, minute, day / 2, day) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const roster = new Roster();
      let ticks = 0;
      for (const { told: cards, passed } of steps) {
        ticks += passed;
        const now = cards.map(({ uuid, lost }, id) =>
          card(id, { uuid: `GPU-${uuid}`, pciBusId: `0000:0${uuid}:00.0`, state: lost ? State.LOST : State.OK }),
        );
        const listed = roster.update(now, ticks);
        expect(new Set(listed.map(({ id }) => id)).size).toBe(listed.length);
        expect(new Set(listed.map(({ uuid }) => uuid)).size).toBe(listed.length);
        expect(listed).toEqual(expect.arrayContaining(now.filter(({ state }) => state === State.OK)));
      }
    }),
  );
});
