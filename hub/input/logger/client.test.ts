import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Zone } from "../../../program/zone.ts";
import { Receiver } from "../../../test/receiver.ts";

const second = 1000;
const hour = 3_600_000;
let hub: Receiver;

beforeEach(() => {
  hub = new Receiver({ register: "open" });
});
afterEach(() => hub.close());

const kept = (host = "lab1") => hub.utilization(host);
const cards = (host = "lab1") =>
  hub.live.host(host)?.info?.gpus.map(({ id, utilization, state }) => [id, utilization, state]);

describe("records come one by one, and in batches", () => {
  test("each card of a tick is live beside the others, however the tick is cut into requests", async () => {
    for (const cut of [1, 2, 4]) {
      hub.now += 5 * second;
      const tick = hub.tick(second, 4, { client_name: `cut${cut}` });
      for (let at = 0; at < tick.length; at += cut) await hub.records(tick.slice(at, at + cut));
      expect(cards(`cut${cut}`)?.map(([id, , state]) => [id, state])).toEqual([0, 1, 2, 3].map((id) => [id, 1]));
      const stored = kept(`cut${cut}`).map(([, values]) => values);
      expect(Object.assign({}, ...stored)).toEqual({ "gpu #0": 50, "gpu #1": 51, "gpu #2": 52, "gpu #3": 53 });
      expect(stored.flatMap((values) => Object.keys(values))).toHaveLength(4);
    }
  });

  test("of several ticks each has its own time, and the last one is live", async () => {
    const batch = [20, 15, 10, 5, 0].flatMap((ago) => hub.tick(ago * second, 2, { utilization_gpu: ago }));
    await hub.records(batch);
    expect(kept()).toEqual([20, 15, 10, 5, 0].map((ago) => [0 - ago * second, { "gpu #0": ago, "gpu #1": ago }]));
    expect(cards()?.map(([, utilization]) => utilization)).toEqual([0, 0]);
  });

  test("an array of hours is history, in the order of time, and its end is live", async () => {
    const agos = Array.from({ length: 400 }, (_, i) => (400 - i) * 5 - 5);
    const { body } = await hub.records(agos.flatMap((ago) => hub.tick(ago * second, 8)));
    expect(body.received_count).toBe(3200);
    const all = kept();
    expect(all.map(([at]) => at)).toEqual(agos.map((ago) => 0 - ago * second));
    expect(all.every(([, values]) => Object.keys(values).length === 8)).toBe(true);
    expect(hub.live.host("lab1")?.seen).toBe(hub.now);
    expect(hub.samples.some(({ at }) => at > hub.now)).toBe(false);
  });

  test("of two records of one card at one time the last one counts", async () => {
    const [one] = hub.tick(second, 1, { utilization_gpu: 1 });
    const [two] = hub.tick(second, 1, { utilization_gpu: 2 });
    const [three] = hub.tick(second, 1, { utilization_gpu: 3 });
    expect((await hub.records([one, two])).body.received_count).toBe(2);
    expect(kept()).toEqual([[-second, { "gpu #0": 2 }]]);
    for (const record of [three, one, three]) await hub.records([record]);
    expect(kept().at(-1)).toEqual([-second, { "gpu #0": 3 }]);
    expect(new Set(kept().map(([at]) => at)).size).toBe(1);
  });

  test("a card that is told no more is stale, and is gone after a day", async () => {
    await hub.records(hub.tick(0, 2));
    for (let i = 0; i < 30; i++) {
      hub.now += 5 * second;
      await hub.records(hub.tick(0, 1));
    }
    expect(cards()).toEqual([
      [0, 50, 1],
      [1, 51, 2],
    ]);
    expect(
      kept()
        .flatMap(([, values]) => Object.keys(values))
        .filter((key) => key === "gpu #1"),
    ).toHaveLength(1);
    hub.now += 24 * hour;
    await hub.records(hub.tick(0, 1));
    expect(cards()).toEqual([[0, 50, 1]]);
  });

  test("fractions and what a driver cannot tell survive", async () => {
    await hub.records(hub.tick(0, 1, { utilization_gpu: 71.25, power_draw: 388.12, temperature: null }));
    const [, devices] = hub.kept("lab1")[0] ?? [];
    expect(devices).toEqual([["gpu #0", { gpu_utilization: 71.25, gpu_power: 388_120 }]]);
  });
});

describe("a client that stops", () => {
  test("is down after three of its requests' intervals, for a reason, and is up with its next one", async () => {
    for (let i = 0; i < 5; i++) {
      await hub.records(hub.tick(0, 1));
      await hub.pass(60 * second);
    }
    await hub.records(hub.tick(0, 1));
    await hub.pass(179 * second);
    expect(hub.linkOf("lab1")?.state).toBe("open");
    await hub.pass(2 * second);
    expect(hub.linkOf("lab1")).toMatchObject({ state: "waiting", reason: "it has stopped sending reports" });
    await hub.records(hub.tick(0, 1));
    expect(hub.linkOf("lab1")?.state).toBe("open");
    expect(hub.live.host("lab1")?.profile?.intervalSec).toBe(60);
  });

  test("is a host that sends nothing after a restart of the hub, once two of its intervals have passed", async () => {
    await hub.records(hub.tick(0, 1));
    await hub.restart();
    await hub.pass(59 * second);
    expect(hub.linkOf("lab1")?.state).toBe("idle");
    await hub.pass(2 * second);
    expect(hub.linkOf("lab1")).toMatchObject({
      state: "waiting",
      reason: "it has sent no report since the hub started",
    });
  });
});

describe("after a restart of the hub", () => {
  const restart = async () => {
    await hub.pass(61 * second);
    await hub.restart();
  };

  test.each([
    [10, 30],
    [120, 240],
  ])("a client with requests each %i s is not down before %i s have passed", async (every, silent) => {
    for (let i = 0; i < 5; i++) {
      await hub.records(hub.tick(0, 1));
      await hub.pass(every * second);
    }
    await restart();
    expect(hub.live.host("lab1")?.profile?.intervalSec).toBe(every === 120 ? 120 : undefined);
    await hub.pass((silent - 1) * second);
    expect(hub.linkOf("lab1")?.state).toBe("idle");
    await hub.pass(2 * second);
    expect(hub.linkOf("lab1")?.state).toBe("waiting");
    await hub.records(hub.tick(0, 1));
    expect(hub.linkOf("lab1")?.state).toBe("open");
  });

  test.each([-8 * hour, 8 * hour])(
    "a clock or time zone that is %i ms off is known with the first request",
    async (off) => {
      for (let i = 0; i < 4; i++) {
        await hub.records(hub.tick(-off, 1));
        await hub.pass(30 * second);
      }
      await restart();
      hub.samples.length = 0;
      await hub.records(hub.tick(-off, 1));
      expect(hub.linkOf("lab1")?.state).toBe("open");
      expect(kept().map(([at]) => at)).toEqual([0]);
      // It is right again, or the hub has another time zone.
      await hub.records(hub.tick(0, 1, { gpu_id: 1 }));
      expect(kept().map(([at]) => at)).toEqual([0, 0]);
    },
  );

  test("the time zone of the hub is another one: what was found out for the one before is not used", async () => {
    for (let i = 0; i < 4; i++) {
      await hub.records(hub.tick(8 * hour, 1));
      await hub.pass(30 * second);
    }
    await restart();
    hub.zone = new Zone("Asia/Shanghai");
    hub.samples.length = 0;
    await hub.records(hub.tick(0, 1));
    expect(kept().map(([at]) => at)).toEqual([0]);
  });
});

test("the book knows every card of a client, also of one that sends them one by one; that is no administration", async () => {
  for (const record of hub.tick(0, 8, { memory_total: 81_920 })) await hub.records(record);
  await hub.pass(61 * second);
  const cards = Array.from({ length: 8 }, (_, index) => ({ index, name: "NVIDIA A100", memoryTotalMB: 81_920 }));
  expect(hub.node("lab1").capabilities.gpus).toEqual(cards);
  await hub.restart();
  await hub.records(hub.tick(0, 1));
  await hub.pass(61 * second);
  expect(hub.node("lab1").capabilities.gpus).toHaveLength(8);
  expect(hub.book.audit({ limit: 10 }).map(({ action }) => action)).toEqual(["node.register"]);
});

test("of cards whose indices change all the time the book keeps 256 at most", async () => {
  const names = { gpu_name: '"'.repeat(200) };
  for (let i = 0; i < 4; i++) {
    const records = Array.from({ length: 100 }, (_, gpu) => ({ ...hub.tick(0, 1, names)[0], gpu_id: 100 * i + gpu }));
    await hub.records(records);
    await hub.pass(61 * second);
  }
  expect(hub.node("lab1").capabilities.gpus).toHaveLength(256);
  expect(hub.node("lab1").used).toBe(hub.now - 61 * second);
});

describe("clocks and time zones", () => {
  test("records of another time zone are live at once, at the right time, and administrators see what to set", async () => {
    for (let i = 0; i < 3; i++) {
      hub.now += 5 * second;
      await hub.records(hub.tick(-8 * hour + second, 2));
    }
    expect(kept().map(([at]) => at)).toEqual([-11 * second, -6 * second, -second]);
    expect(hub.linkOf("lab1")?.state).toBe("open");
    expect(hub.troubles.of("lab1")).toEqual([
      expect.stringMatching(/^Its records are 8 h ahead .* time zone UTC: .*hub\.timezone/),
    ]);
    await hub.records(hub.tick(0, 2));
    expect(hub.troubles.of("lab1")).toEqual([]);
  });

  test("a difference of an hour is told as one, although the record is a second old", async () => {
    await hub.records(hub.tick(-hour + second, 2));
    expect(hub.troubles.of("lab1")).toEqual([expect.stringMatching(/^Its records are 1 h ahead /)]);
  });

  test("a record up to 30 s ahead of the hub's clock has its own time, so that it counts once when it comes again", async () => {
    const record = hub.tick(-20 * second, 1);
    await hub.records(record);
    hub.now += 5 * second;
    await hub.records(record);
    expect(new Set(kept().map(([at]) => at))).toEqual(new Set([15 * second]));
  });

  test("a backlog of a client that is ahead is asked for again once, and is then stored at the right times", async () => {
    const agos = Array.from({ length: 1200 }, (_, i) => 1199 - i);
    const backlog = agos.flatMap((ago) => hub.tick(ago * 30 * second - 8 * hour, 2));
    const first = await hub.records(backlog);
    expect([first.status, first.body.error_code]).toEqual([503, "BUSY"]);
    const before = kept().length;
    expect((await hub.records(backlog)).body.received_count).toBe(2400);
    expect(
      kept()
        .slice(before)
        .map(([at]) => at),
    ).toEqual(agos.map((ago) => 0 - ago * 30 * second));
  });

  test("old records are never live: the host is down with the reason, and history has them", async () => {
    await hub.records(hub.tick(hour, 1));
    expect([kept().map(([at]) => at), hub.live.host("lab1")?.info]).toEqual([[-hour], undefined]);
    await hub.pass(91 * second);
    expect(hub.linkOf("lab1")).toMatchObject({ state: "waiting", reason: expect.stringContaining("is 1 h old") });
    expect(hub.troubles.of("lab1").join()).toContain("Its newest record is 1 h old");
  });

  test.each(["2019-11-30 00:00:00", "2101-01-01 00:00:00"])(
    "a record of %s is refused, and others are taken",
    async (timestamp) => {
      const record = { ...hub.tick(0, 1)[0], timestamp };
      expect((await hub.records(record)).body).toMatchObject({ error_code: "VALIDATION_ERROR" });
      expect((await hub.records([record, ...hub.tick(0, 1)])).body).toMatchObject({
        received_count: 1,
        failed_count: 1,
      });
      expect(kept().every(([at]) => Math.abs(Number(at)) < hour)).toBe(true);
    },
  );

  test("a record older than samples are kept is in the history of a client that is approved, and of no other", async () => {
    const old = hub.tick(48 * hour, 1);
    for (const [register, received_count] of [
      ["open", 1],
      ["approval", 0],
    ] as const) {
      await hub.close();
      hub = new Receiver({ register });
      hub.retentionMs = 24 * hour;
      await hub.records(hub.tick(0, 1));
      expect((await hub.records(old)).body).toMatchObject({ received_count, failed_count: 1 - received_count });
      expect(kept().filter(([at]) => at === -48 * hour)).toHaveLength(received_count);
    }
  });

  test("while the hub's clock cannot be right nothing is lost: the client is told to send it again", async () => {
    const now = hub.now;
    await hub.records(hub.tick(0, 1));
    const record = hub.tick(0, 1);
    hub.now = Date.UTC(1971, 1, 1);
    expect((await hub.records(record)).status).toBe(503);
    // By a clock that is as wrong a record is a current one.
    expect((await hub.records(hub.tick(0, 1, { client_name: "lab2" }))).status).toBe(503);
    hub.now = now + 5 * second;
    expect((await hub.records(hub.tick(0, 1))).status).toBe(200);
  });
});
