import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cases } from "../../test/cases.ts";
import { card, SimulatedServer } from "../../test/logger-client.ts";

// Records have local times, which the tests read again.
const zone = process.env.TZ;
beforeAll(() => {
  process.env.TZ = "UTC";
});
afterAll(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

const server = "http://logger:5000";
/** Seconds from one on, every five. */
const every5 = (first: number, last: number): number[] =>
  Array.from({ length: Math.floor((last - first) / 5) + 1 }, (_, i) => first + i * 5);
const at = (world: SimulatedServer): number[] => world.asked.map((request) => request.at / 1000);

test("sends an array when as many records wait as a batch has, and asks for /health once", async () => {
  const world = new SimulatedServer({ cards: () => [card(0), card(1), card(2)], network: { batchSize: 6 } });
  await world.pass(26);
  expect(world.others).toEqual(["GET /health"]);
  expect(at(world)).toEqual([5, 15, 25]);
  expect(world.asked.map(({ count }) => count)).toEqual([6, 6, 6]);
  expect(world.times(1)).toEqual(every5(0, 25));
  expect(world.log).toEqual([`logger: ${server} is healthy`]);
});

test("sends what waits when the interval of batches is over, though a batch is not full", async () => {
  const world = new SimulatedServer({ network: { batchSize: 1000, batchInterval: 12 } });
  await world.pass(40);
  expect(at(world)).toEqual([12, 24, 36]);
  expect(world.times()).toEqual(every5(0, 35));
});

test("retries after the delays of the file, and from then on at the last of them", async () => {
  const world = new SimulatedServer({ state: "gone", network: { batchSize: 1 } });
  await world.pass(160);
  expect(at(world)).toEqual([0, 5, 15, 35, 75, 115, 155]);
  expect(world.log).toEqual([
    `logger: ${server}/health: connect ECONNREFUSED`,
    `logger: ${server}: connect ECONNREFUSED; trying again until it works`,
    `logger: ${server} took nothing in 4 attempts: 7 records wait, and up to 100000 will`,
  ]);
});

test.each([
  [{ retryDelay: 0, retryBackoff: 0 }, 0.1],
  [{ retryDelay: 40, retryBackoff: 100 }, 60],
  [{ retryDelay: 90, retryBackoff: 1 }, 90],
])("with %j it waits neither nothing nor for ever: %d s", async (network, seconds) => {
  const world = new SimulatedServer({ state: "gone", network: { batchSize: 1, ...network } });
  await world.pass(200);
  const [last = 0, before = 0] = at(world).toReversed();
  expect(last - before).toBeCloseTo(seconds);
});

test.each([
  ["is away", "gone"],
  ["answers 500", 500],
  ["answers 404", 404],
  ["answers 302", 302],
  ["answers 401", 401],
  ["answers 204", 204],
  ["answers 201", 201],
  ["says success: false", { body: '{"success":false,"message":"full"}' }],
  ["says code: 500", { body: '{"code":500}' }],
  ["is the sign-in page of a network", { body: "<html>Sign in</html>" }],
  ["answers with a list", { body: "[]" }],
  ["answers with nothing", { body: "" }],
] as const)(
  "while the server %s nothing is lost, and everything is sent after, once and in order",
  async (_, state) => {
    const world = new SimulatedServer({ cards: () => [card(0), card(1)] });
    await world.pass(7);
    world.state = state;
    await world.pass(600);
    expect(world.times()).toEqual([0, 5]);
    world.state = "up";
    await world.pass(80);
    expect(world.times()).toEqual(every5(0, 685));
    expect(world.times(1)).toEqual(every5(0, 685));
    expect(world.log.at(-1)).toMatch(
      /^logger: http:\/\/logger:5000 takes records again(: [1-9]\d* records? still to be sent)?$/,
    );
  },
);

test("an outage of a day is sent afterwards in arrays of at most 500 records", async () => {
  const world = new SimulatedServer({ cards: () => Array.from({ length: 4 }, (_, id) => card(id)) });
  await world.pass(1);
  world.state = "gone";
  await world.pass(3600);
  world.state = "up";
  world.asked.splice(0);
  await world.pass(61);
  expect(Math.max(...world.asked.map(({ count }) => count))).toBe(500);
  expect(world.times(3)).toEqual(every5(0, 3660));
});

test("an array is as long as the file wants it if that is more", async () => {
  const world = new SimulatedServer({ network: { batchSize: 600, batchInterval: 86_400 } });
  await world.pass(5 * 600);
  expect(world.asked.map(({ count }) => count)).toEqual([600]);
});

test("the oldest records are dropped when too many wait, and the log counts them", async () => {
  const world = new SimulatedServer({ cards: () => [card(0), card(1)], room: { count: 8, bytes: 1e6 } });
  await world.pass(1);
  world.state = "gone";
  await world.pass(59);
  const before = world.taken.length;
  world.state = "up";
  await world.pass(40);
  // One reading was on its way when the server went, and is sent again.
  expect(world.times().slice(before / 2)[0]).toBe(5);
  const missing = every5(0, 100).length - world.times().length;
  expect(missing).toBeGreaterThan(3);
  expect(world.times(1)).toEqual(world.times());
  expect(world.log).toContain("logger: over 8 records wait: the oldest are dropped from now on");
  expect(world.log).toContain(`logger: ${missing * 2} records had to be dropped, the oldest`);
});

test("one record without a reading does not keep the others from a server of the second generation", async () => {
  const world = new SimulatedServer({ cards: () => [card(0), card(1, "power"), card(2)] });
  await world.pass(60);
  expect(world.times(0)).toEqual(every5(0, 60));
  expect(world.times(2)).toEqual(every5(0, 60));
  expect(world.times(1)).toEqual([]);
  // From then on it is left out at once: one request for each reading.
  expect(world.asked.filter((request) => request.at > 5000).map(({ status }) => status)).toEqual(Array(11).fill(200));
  await world.client.close(0);
  expect(world.log.slice(1)).toEqual([
    `logger: ${server} refuses records without power_draw (GPU 1 has none): such records are lost, others are sent. it answers 422: refused`,
    `logger: ${server}: 13 records without power_draw were refused and are lost`,
  ]);
});

test("a card that lacks a reading for a while is complete again afterwards", async () => {
  const world = new SimulatedServer({
    cards: (now) => [card(0, now > 20_000 && now < 40_000 ? "temp" : undefined)],
    network: { batchSize: 1 },
  });
  await world.pass(60);
  expect(world.times()).toEqual([...every5(0, 20), ...every5(40, 60)]);
});

test.each([
  ["a hub takes records without a reading as they are", "hub", [0, 1]],
  ["a server that judges each record gets all", 4, [0]],
] as const)("%s", async (_, generation, cards) => {
  const world = new SimulatedServer({ generation, cards: () => [card(0), card(1, "temp")] });
  await world.pass(60);
  expect([0, 1].filter((id) => world.times(id).length > 0)).toEqual(cards);
  for (const id of cards) expect(world.times(id)).toEqual(every5(0, 60));
  expect(world.asked.every(({ count, status }) => count === 2 && status === 200)).toBe(true);
  const unusable = world.log.filter((line) => line.includes("could not use 1 of 2 records"));
  expect(unusable).toHaveLength(generation === 4 ? 1 : 0);
});

test("a server that judges each record and gets no good one does not stop the queue", async () => {
  const world = new SimulatedServer({
    generation: 4,
    cards: (now) => [card(0, now < 60_000 ? "temp" : undefined)],
    network: { batchSize: 1 },
  });
  await world.pass(120);
  expect(world.times()).toEqual(every5(60, 120));
});

test("complete records wait while such a server cannot store anything", async () => {
  const world = new SimulatedServer({ generation: 4, refuses: () => true, network: { batchSize: 1 } });
  await world.pass(120);
  world.refuses = () => false;
  await world.pass(60);
  expect(world.times()).toEqual(every5(0, 180));
});

test("such a server that stores nothing now and then costs no complete record", async () => {
  const world = new SimulatedServer({ generation: 4, cards: () => [card(0), card(1), card(2)] });
  world.refuses = () => world.asked.length % 3 !== 2;
  await world.pass(300);
  world.refuses = () => false;
  await world.pass(60);
  for (const id of [0, 1, 2]) expect(world.times(id)).toEqual(every5(0, 360));
});

test("a server that refuses everything, as with a wrong path, costs no record", async () => {
  const world = new SimulatedServer({ refuses: () => true, cards: () => [card(0), card(1)] });
  await world.pass(300);
  expect(world.log.at(1)).toBe(
    `logger: ${server}: it refuses every record: it answers 422: refused; trying again until it works`,
  );
  world.refuses = () => false;
  await world.pass(60);
  expect(world.times(1)).toEqual(every5(0, 360));
});

test("a single complete record that is refused is lost alone, and named", async () => {
  const world = new SimulatedServer({
    cards: () => [0, 1, 2, 3].map((id) => card(id)),
    refuses: ({ gpu_id, timestamp }) => gpu_id === 2 && timestamp === "1970-01-01 00:00:10",
    network: { batchSize: 16 },
  });
  await world.pass(60);
  for (const id of [0, 1, 3]) expect(world.times(id).toSorted((a, b) => a - b)).toEqual(every5(0, 55));
  expect(world.times(2).toSorted((a, b) => a - b)).toEqual(every5(0, 55).filter((second) => second !== 10));
  expect(world.log.filter((line) => line.includes("refuses a record, which is lost"))).toEqual([
    expect.stringContaining('"timestamp":"1970-01-01 00:00:10","gpu_id":2'),
  ]);
});

test("after an outage the server is asked anew for what it refused", async () => {
  const world = new SimulatedServer({ cards: () => [card(0), card(1, "temp")] });
  await world.pass(10);
  world.state = "gone";
  await world.pass(10);
  Object.assign(world, { state: "up", generation: "hub" });
  await world.pass(60);
  expect(world.times(1)).toEqual(every5(20, 80));
});

test("a server that was replaced unnoticed is asked anew after ten minutes, one that still refuses is said once an hour", async () => {
  const world = new SimulatedServer({ cards: () => [card(0), card(1, "temp")] });
  await world.pass(3 * 3600);
  const lost = world.log.filter((line) => line.endsWith("records without temperature were refused and are lost"));
  expect(lost).toHaveLength(3);
  expect(world.log.filter((line) => line.includes("refuses records without"))).toHaveLength(1);
  world.generation = "hub";
  await world.pass(700);
  const [first = 0] = world.times(1);
  expect(first - 3 * 3600).toBeLessThanOrEqual(610);
  expect(world.times(1)).toEqual(every5(first, 3 * 3600 + 700));
});

test("a server that takes short arrays only gets shorter ones, and all of them", async () => {
  const world = new SimulatedServer({ cards: () => [0, 1, 2, 3].map((id) => card(id)), network: { batchSize: 40 } });
  world.longest = 6;
  await world.pass(200);
  expect(world.times(3).length).toBeGreaterThan(30);
  expect(world.times(3)).toEqual(every5(0, 5 * (world.times(3).length - 1)));
  expect(world.asked.filter(({ status }) => status === 413)).toHaveLength(3);
});

test("the rest is sent when the program stops, also while it waits for the next attempt", async () => {
  const world = new SimulatedServer({ network: { batchSize: 1000, batchInterval: 1000 } });
  await world.pass(22);
  await world.client.close(1000);
  expect(world.times()).toEqual(every5(0, 20));
  const other = new SimulatedServer({ state: "gone", network: { batchSize: 1 } });
  await other.pass(22);
  other.state = "up";
  await other.client.close(1000);
  expect(other.times()).toEqual(every5(0, 20));
});

test.each(["gone", "deaf", 500] as const)(
  "a server that is %s does not keep the program from stopping",
  async (state) => {
    const world = new SimulatedServer();
    await world.pass(7);
    world.state = state;
    await world.pass(22);
    await world.client.close(20);
    expect(world.log.at(-1)).toBe("logger: 4 records could not be sent before the end");
  },
);

test("a server that does not even answer /health delays neither readings nor the end", async () => {
  const world = new SimulatedServer({ state: "deaf" });
  await world.pass(22);
  world.state = "up";
  await world.client.close(1000);
  expect(world.times()).toEqual(every5(0, 20));
});

test("a machine without a GPU is said once, and nothing is sent", async () => {
  const world = new SimulatedServer({ cards: () => [] });
  await world.pass(100);
  expect(world.asked).toEqual([]);
  expect(world.log.slice(0, -1)).toEqual(["logger: there is no GPU to send records of"]);
});

test("however the server comes and goes: each record arrives once and in order, or is counted as lost", async () => {
  const states = fc.constantFrom("up", "gone", 500, 503, 422, 413, { body: "{}" }) as fc.Arbitrary<
    SimulatedServer["state"]
  >;
  const step = fc.record({ state: states, seconds: fc.integer({ min: 1, max: 120 }), gap: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), fc.constantFrom(2, 4, "hub"), async (steps, generation) => {
      let gap = false;
      const gaps = new Set<number>();
      const world = new SimulatedServer({
        generation: generation as SimulatedServer["generation"],
        network: { retryDelay: 1, batchSize: 3 },
        cards: (now) => {
          if (gap) gaps.add(now / 1000);
          return [card(0), card(1, gap ? "temp" : undefined)];
        },
      });
      for (const { state, seconds, gap: next } of steps) {
        gap = next;
        world.state = state;
        await world.pass(seconds);
      }
      world.state = "up";
      gap = false;
      await world.pass(180);
      await world.client.close(1000);
      const end = Math.floor(world.now / 5000) * 5;
      expect(world.times(0)).toEqual(every5(0, end));
      const whole = (seconds: readonly number[]): number[] => seconds.filter((second) => !gaps.has(second));
      expect(whole(world.times(1))).toEqual(whole(every5(0, end)));
      // What lacks a reading may be lost to a server that refused it, but arrives at most once.
      expect(new Set(world.times(1)).size).toBe(world.times(1).length);
    }),
    { numRuns: Math.ceil(cases.numRuns / 40) },
  );
});
