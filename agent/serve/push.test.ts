import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { HostInfoSchema, State } from "../../proto/gen/host_pb.js";
import { answer, SimulatedHub, server, takes } from "../../test/push.ts";

const seconds = (...list: number[]): number[] => list.map((second) => second * 1000);

test("reports at once and then every interval that the hub says", async () => {
  const world = new SimulatedHub();
  await world.pass(12);
  expect(world.taken).toEqual(seconds(0, 5, 10));
  expect(world.times("config")).toEqual([0]);
});

test("a new configVersion has the configuration fetched again, once, and its interval holds", async () => {
  const world = new SimulatedHub();
  await world.pass(1);
  world.version = 2;
  world.interval = 2;
  await world.pass(9);
  expect(world.times("config")).toEqual(seconds(0, 5));
  // The pause that was under way when the hub said so was the old one still.
  expect(world.taken).toEqual(seconds(0, 5, 10));
  await world.pass(4);
  expect(world.taken).toEqual(seconds(0, 5, 10, 12, 14));
});

test("the first report goes out at once, though nothing has a rate yet", async () => {
  const bodies: string[] = [];
  const young = create(HostInfoSchema, { cpu: {}, nics: [{ name: "eth0" }] });
  const world = new SimulatedHub({
    info: () => young,
    async ask({ body, path }) {
      if (path.endsWith("report")) bodies.push(`${world.now} ${body}`);
      return answer(200);
    },
  });
  await world.pass(7);
  expect(bodies).toEqual([
    expect.stringMatching(/^0 .*"rxMbps":0,"txMbps":0}],"networkRxMbps":0,"networkTxMbps":0/),
    expect.stringMatching(/^5000 .*"rxMbps":null/),
  ]);
});

test("the configuration is fetched at the start and when a later report tells another version than the first one", async () => {
  const world = new SimulatedHub();
  world.rich = false;
  world.version = 7;
  await world.pass(22);
  expect(world.times("config")).toEqual([0]);
  // Trouble alone is no reason.
  world.state = 503;
  await world.pass(10);
  world.state = "gone";
  await world.pass(10);
  world.state = "up";
  await world.pass(40);
  expect(world.times("config")).toEqual([0]);
  world.version = 8;
  await world.pass(20);
  world.version = 7;
  await world.pass(20);
  expect(world.times("config")).toHaveLength(3);
});

test("a configuration is asked for every 5 s until there is one, and nothing is read before", async () => {
  const world = new SimulatedHub({ state: 500 });
  await world.pass(21);
  expect(world.times("config")).toEqual(seconds(0, 5, 10, 15, 20));
  expect(world.collections).toBe(0);
  expect(world.log).toEqual([
    `push: ${server}: it gives no configuration: it answers 500; trying again until it works`,
  ]);
});

test("a hub that is away is asked ever more rarely, at least once a minute, for ever", async () => {
  const world = new SimulatedHub({ state: "gone" });
  await world.pass(300);
  expect(world.times("config")).toEqual(seconds(0, 1, 3, 7, 15, 31, 63, 123, 183, 243));
  expect(world.log).toHaveLength(1);
});

test("what was read while the hub was away is sent after, oldest first, with its own times", async () => {
  const world = new SimulatedHub();
  await world.pass(7);
  world.state = "gone";
  await world.pass(60);
  expect(world.taken).toEqual(seconds(0, 5));
  world.state = "up";
  await world.pass(33);
  expect(world.taken).toEqual(Array.from({ length: 21 }, (_, i) => i * 5000));
  expect(world.log).toEqual([
    `push: ${server}: connect ECONNREFUSED; trying again until it works`,
    expect.stringMatching(/^push: http:\/\/hub:5000 takes reports again: \d+ samples kept meanwhile$/),
  ]);
});

test("a portal of old gets only the newest", async () => {
  const world = new SimulatedHub();
  world.rich = false;
  await world.pass(7);
  world.state = 503;
  await world.pass(30);
  world.state = "up";
  await world.pass(63);
  expect(world.taken.filter((at) => at < 37_000)).toEqual(seconds(0, 5));
  const after = world.taken.filter((at) => at > 37_000);
  expect(after.length).toBeGreaterThan(5);
  // Never two at once.
  expect(new Set(after).size).toBe(after.length);
});

test("a portal that was replaced by a hub while it was away gets what was kept", async () => {
  const world = new SimulatedHub();
  world.rich = false;
  await world.pass(7);
  world.state = "gone";
  await world.pass(20);
  world.rich = true;
  world.tells = true;
  world.state = "up";
  await world.pass(17);
  // It learns what the hub takes from the answer to a report, which bore the time of its arrival, and is sent again.
  expect(world.taken).toEqual(seconds(0, 5, 41, 10, 15, 20, 25, 30, 35, 40));
});

test("the oldest are dropped when too many wait, and the log counts them", async () => {
  const world = new SimulatedHub({ room: { count: 4, bytes: 1e6 } });
  await world.pass(2);
  world.state = "gone";
  await world.pass(58);
  world.state = "up";
  await world.pass(10);
  expect(world.taken).toEqual(seconds(0, 50, 55, 60, 65, 70));
  expect(world.log).toContain("push: too many samples wait: the oldest are dropped from now on");
  expect(world.log).toContain("push: 9 samples had to be dropped, the oldest");
});

test("a slow hub slows nothing down: samples are read in time, and wait for it", async () => {
  const world = new SimulatedHub();
  await world.pass(2);
  world.delay = 9000;
  await world.pass(60);
  expect(world.collections).toBe(13);
  expect(world.taken).toEqual(seconds(0, 5, 10, 15, 20, 25, 30));
  world.delay = 0;
  await world.pass(10);
  expect(world.taken).toEqual(Array.from({ length: 15 }, (_, i) => i * 5000));
  expect(world.log).toEqual([]);
});

test("a report that is refused is not sent again", async () => {
  const world = new SimulatedHub();
  await world.pass(2);
  world.state = 400;
  await world.pass(10);
  world.state = "up";
  await world.pass(5);
  expect(world.times("report")).toEqual(seconds(0, 5, 10, 15));
  expect(world.taken).toEqual(seconds(0, 15));
  expect(world.log).toEqual([`push: ${server}: a report is lost: it answers 400`]);
});

test("a hub that says it takes samples and does not gets plain reports", async () => {
  const types: (string | undefined)[] = [];
  const world = new SimulatedHub({
    async ask({ path, type }) {
      if (path.endsWith("report")) types.push(type);
      return type === undefined ? answer(200, {}, takes) : answer(415);
    },
  });
  await world.pass(7);
  expect(types).toEqual(["application/x-protobuf; messageType=gpu.HostInfo", undefined, undefined]);
});

test("a portal that takes no null is asked twice once, and then gets what is known", async () => {
  const bodies: string[] = [];
  const world = new SimulatedHub({
    async ask({ body, path }) {
      const text = String(body ?? "");
      if (path.endsWith("report")) bodies.push(text);
      return text.includes("null") ? answer(422) : answer(200);
    },
  });
  await world.pass(12);
  expect(bodies.map((text) => text.includes("null"))).toEqual([true, false, false, false]);
});

test("a portal that takes 100 KiB at most is asked twice once, and then gets the beginning of long lists", async () => {
  const sizes: number[] = [];
  const nics = Array.from({ length: 4000 }, (_, i) => ({ name: `eth${i}`, rxRate: 0n, txRate: 0n }));
  const world = new SimulatedHub({
    info: () => create(HostInfoSchema, { nics }),
    async ask({ body, path }) {
      if (path.endsWith("report")) sizes.push(body?.length ?? 0);
      return answer((body?.length ?? 0) > 100 * 1024 ? 413 : 200);
    },
  });
  await world.pass(12);
  expect(sizes.map((size) => size > 100 * 1024)).toEqual([true, false, false, false]);
  expect(world.log).toContainEqual(expect.stringContaining("takes no long reports"));
});

test("the registration shows the secret, and reports do not", async () => {
  const bodies: string[] = [];
  const world = new SimulatedHub({
    registered: false,
    async ask({ body, path }) {
      bodies.push(`${path} ${body}`);
      return answer(200, path.endsWith("register") ? { token: "t", status: "registered" } : {});
    },
  });
  await world.pass(7);
  expect(bodies.filter((text) => text.includes("open sesame"))).toEqual([
    expect.stringMatching(/^\/api\/monitoring\/register .*"secret":"open sesame"/),
  ]);
  expect(world.log.join()).not.toContain("sesame");
});

test.each([
  [{ status: "already_registered", error: "Host bob is taken" }, 409, "Host bob is taken"],
  [{ error: "Invalid registration secret" }, 403, "It says: Invalid registration secret"],
  [{ detail: "no such\u001b[31mtoken" }, 401, "no such"],
])("the hub's own words %j at %i are told", async (body, status, text) => {
  const world = new SimulatedHub({ registered: false, ask: async () => answer(status, body) });
  const { message } = await world.pusher.ended;
  expect(message).toContain(text);
  expect(message).not.toContain("\u001b");
});

test.each([
  ["registration", false, 409, 'knows a node "box" already'],
  ["registration", false, 401, "lets nobody register"],
  ["registration", false, 403, "registration secret"],
  ["configuration", true, 401, "rejects the token in"],
] as const)(
  "a %s (registered before: %s) answered with %i ends it with what to do",
  async (_, registered, status, text) => {
    const world = new SimulatedHub({ registered, state: status });
    const { message, rejected } = await world.pusher.ended;
    expect(rejected).toBe(true);
    expect(message).toContain(text);
    expect(message).toContain("administrator");
    expect(message).toContain("start again");
    await world.pass(100);
    expect(world.asked).toHaveLength(1);
  },
);

test("a token that is taken back later ends it too", async () => {
  const world = new SimulatedHub();
  await world.pass(2);
  world.state = 401;
  await world.pass(5);
  expect(await world.pusher.ended).toEqual({
    message: expect.stringContaining(`delete ${world.path}, and start again`),
    rejected: true,
  });
  expect(world.times("config")).toEqual([0]);
});

test("a source that is hung at registration is told: the hub does not hear of its devices", async () => {
  const sources = [{ name: "nvidia", state: State.HUNG, err: "it did not answer" }];
  const world = new SimulatedHub({ registered: false, info: () => create(HostInfoSchema, { sources }) });
  await world.settle();
  expect(world.log).toContainEqual(expect.stringMatching(/^push: registered without what nvidia reads \(it did not/));
});

test("at the end what is kept is tried once more", async () => {
  const world = new SimulatedHub();
  await world.pass(2);
  world.state = "gone";
  await world.pass(20);
  world.state = "up";
  await world.pusher.close(1000);
  expect(world.taken).toEqual(seconds(0, 5, 10, 15, 20));
});

test("a hub that is away does not hold up the end, and what is lost is counted", async () => {
  const world = new SimulatedHub();
  await world.pass(2);
  world.state = "gone";
  await world.pass(20);
  await world.pusher.close(1000);
  expect(world.log.at(-1)).toBe("push: 4 samples could not be sent before the end");
});

const spell = fc.record({
  state: fc.constantFrom<SimulatedHub["state"]>("up", "up", "gone", 500, 429, 301, 404),
  seconds: fc.integer({ min: 1, max: 90 }),
});

test("however the hub comes and goes: every sample arrives once, in order, or is counted as dropped", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(spell, { maxLength: 8 }), fc.integer({ min: 2, max: 30 }), async (spells, count) => {
      const world = new SimulatedHub({ room: { count, bytes: 1e6 } });
      for (const { state, seconds } of spells) {
        world.state = state;
        await world.pass(seconds);
      }
      world.state = "up";
      await world.pass(130);
      await world.pusher.close(0);
      expect(world.taken).toEqual([...new Set(world.taken)].toSorted((a, b) => a - b));
      const counted = world.log.flatMap((line) => /^push: (\d+) samples? had to be dropped/.exec(line)?.[1] ?? []);
      const dropped = counted.reduce((sum, text) => sum + Number(text), 0);
      expect(world.taken.length + dropped).toBe(world.collections);
    }),
    { numRuns: 60 },
  );
});
