import { afterEach, describe, expect, test } from "vitest";
import { Receiver } from "../../../test/receiver.ts";

const second = 1000;
let hub: Receiver;

afterEach(() => hub.close());

const start = (settings: Readonly<Record<string, unknown>> = {}): Receiver => {
  hub = new Receiver(settings);
  return hub;
};

test("a machine that has not reported for 30 s is down, and up with its next report", async () => {
  start();
  await hub.pass(second);
  const token = await hub.enrolled("gpu7");
  expect(hub.linkOf("gpu7")?.state).toBe("idle");
  await hub.pass(30 * second);
  expect(hub.linkOf("gpu7")).toMatchObject({ state: "waiting", reason: "it has sent no report since the hub started" });
  for (let i = 0; i < 10; i++) {
    await hub.report(token);
    expect(hub.linkOf("gpu7")?.state).toBe("open");
    await hub.pass(29 * second);
  }
  expect(hub.linkOf("gpu7")?.state).toBe("open");
  await hub.pass(60 * second);
  expect(hub.linkOf("gpu7")).toMatchObject({ state: "waiting", reason: "it has stopped sending reports" });
});

test.each([
  ["as configured", true],
  ["of its own", false],
])("a machine with an interval of a minute %s is down after three", async (_, configured) => {
  start();
  const token = await hub.enrolled("gpu7");
  if (configured) hub.configure("gpu7", { reportIntervalSec: 60 });
  for (let i = 0; i < 4; i++) {
    await hub.report(token);
    await hub.pass(60 * second);
  }
  await hub.pass(115 * second);
  expect(hub.linkOf("gpu7")?.state).toBe("open");
  await hub.pass(10 * second);
  expect(hub.linkOf("gpu7")?.state).toBe("waiting");
});

test("a machine with a long interval of its own is fresh between its reports, and one without is as usual", async () => {
  start();
  const token = await hub.enrolled("gpu7");
  const interval = () => hub.live.host("gpu7")?.profile?.intervalSec;
  for (const wanted of [undefined, undefined, undefined, 60, 60]) {
    await hub.report(token);
    expect(interval()).toBe(wanted);
    await hub.pass(60 * second);
  }
  hub.configure("gpu7", { reportIntervalSec: 7 });
  await hub.report(token);
  expect(interval()).toBe(7);
  for (let i = 0; i < 4; i++) {
    await hub.pass(7 * second);
    await hub.report(token);
  }
  hub.configure("gpu7", {});
  await hub.report(token);
  expect(interval()).toBeUndefined();
});

describe("after a restart of the hub", () => {
  const restart = async () => {
    await hub.pass(61 * second);
    await hub.restart();
  };

  test("a machine with a long interval of its own is down once two of them have passed", async () => {
    start();
    const token = await hub.enrolled("gpu7");
    for (let i = 0; i < 5; i++) {
      await hub.report(token);
      await hub.pass(60 * second);
    }
    await restart();
    expect(hub.live.host("gpu7")?.profile?.intervalSec).toBe(60);
    await hub.pass(119 * second);
    expect(hub.linkOf("gpu7")?.state).toBe("idle");
    await hub.pass(2 * second);
    expect(hub.linkOf("gpu7")?.state).toBe("waiting");
  });

  test("the first report of a machine with a slow clock is current, and one that it stored is not", async () => {
    start();
    const token = await hub.enrolled("gpu7");
    const slow = 300 * second;
    const send = (agoMs: number) =>
      hub.sample(token, hub.sampled(slow + agoMs), { headers: { Date: new Date(hub.now - slow).toUTCString() } });
    for (let i = 0; i < 6; i++) {
      await send(100);
      await hub.pass(5 * second);
    }
    await restart();
    await send(90 * second);
    expect(hub.linkOf("gpu7")?.state).toBe("idle");
    hub.now += second;
    await send(100);
    expect(hub.linkOf("gpu7")?.state).toBe("open");
  });

  test("a clock that was slow and is right is right at once", async () => {
    start();
    const token = await hub.enrolled("gpu7");
    const slow = 300 * second;
    for (let i = 0; i < 6; i++) {
      await hub.sample(token, hub.sampled(slow), { headers: { Date: new Date(hub.now - slow).toUTCString() } });
      await hub.pass(5 * second);
    }
    await restart();
    await hub.sample(token, hub.sampled(100));
    expect(hub.linkOf("gpu7")?.state).toBe("open");
    await hub.pass(5 * second);
    await hub.sample(token, hub.sampled(slow));
    expect(hub.live.host("gpu7")?.info?.sampled).toBe(BigInt(hub.now - 5 * second - 100));
  });
});

test("a sample is dated by its own time; one that comes late is in history only", async () => {
  start();
  const token = await hub.enrolled("gpu7");
  expect((await hub.sample(token, hub.sampled(200))).status).toBe(200);
  await hub.pass(90 * second);
  for (const ago of [85, 60, 40])
    expect((await hub.sample(token, hub.sampled(ago * second, { cpu: { busy: ago } }))).status).toBe(200);
  expect(hub.linkOf("gpu7")).toMatchObject({
    state: "waiting",
    reason: expect.stringContaining("it sends samples that it stored"),
  });
  expect(hub.live.host("gpu7")?.info?.cpu?.busy).toBe(50);
  expect((await hub.sample(token, hub.sampled(100))).status).toBe(200);
  expect(hub.linkOf("gpu7")?.state).toBe("open");
  expect(hub.kept("gpu7").map(([at]) => at)).toEqual([-90_200, -85_000, -60_000, -40_000, -100]);
});

test("a sample that cannot have been measured is 400, and never looks fresh", async () => {
  start();
  const token = await hub.enrolled("gpu7");
  for (const year of [1970, 2014]) {
    const info = hub.sampled(0, { sampled: BigInt(Date.UTC(year, 0, 1)) });
    expect(await hub.sample(token, info)).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining("must have been sampled from") },
    });
  }
  expect(hub.linkOf("gpu7")?.state).toBe("idle");
  expect(hub.samples).toEqual([]);
  const future = hub.sampled(0, { sampled: BigInt(Date.UTC(2500, 0, 1)) });
  expect((await hub.sample(token, future)).status).toBe(200);
  // Dated by the hub's clock, and told.
  expect(hub.kept("gpu7").map(([at]) => at)).toEqual([0]);
});

test("devices beyond push.devices are left out, and administrators see it", async () => {
  start({ devices: 16 });
  const token = await hub.enrolled("gpu7");
  const seen = new Set<string>();
  for (let i = 0; i < 30; i++) {
    await hub.report(token, { gpus: [{ index: 0, utilizationPct: 1 }], nics: [{ name: `veth${i}`, rxMbps: 1 }] });
    await hub.pass(5 * second);
  }
  for (const { devices } of hub.samples) for (const { level, key } of devices) seen.add(`${level} ${key}`);
  expect([seen.size, seen.has("gpu #0")]).toEqual([16, true]);
  expect(hub.troubles.of("gpu7")).toEqual([
    "It reported more than 16 devices in a day (push.devices): 1 of the last report were left out.",
  ]);
});

test("a machine that sends without end is slowed down and then refused, and another one is not", async () => {
  start();
  const [one, other] = [await hub.enrolled("gpu7"), await hub.enrolled("gpu8")];
  for (let i = 0; i < 256; i++) expect((await hub.report(one)).status).toBe(200);
  let slow: number | undefined;
  const answer = hub.report(one).then(({ status }) => {
    slow = status;
  });
  await hub.pass(50);
  expect(slow).toBeUndefined();
  await hub.pass(50);
  await answer;
  expect(slow).toBe(200);
  expect((await hub.report(other)).status).toBe(200);
  const flood = Array.from({ length: 50 }, () => hub.report(one));
  await hub.pass(10 * second);
  const answers = await Promise.all(flood);
  expect(answers.filter(({ status }) => status === 503).length).toBeGreaterThan(40);
  expect(hub.troubles.of("gpu7").join()).toMatch(/It sends reports at the same time, not one after the other\./);
});

test("a machine may send as much as others from its approval on", async () => {
  start();
  const token = await hub.enrolled("gpu7");
  for (let i = 0; i < 256; i++) await hub.report(token);
  const next = async () => {
    const answer = hub.report(token).then(({ status }) => status);
    await hub.pass(1);
    return Promise.race([answer, "waits"]);
  };
  expect(await next()).toBe("waits");
  hub.approve("gpu7");
  expect(await next()).toBe(200);
  await hub.pass(second);
});

test("a machine is recognized by the address that the hub hears it from, not by the one in its reports", async () => {
  start();
  const token = await hub.enrolled("gpu7");
  const peers: string[] = [];
  hub.ingest.onMachine((_host, _by, { peer }) => peers.push(peer));
  await hub.report(token, { ip: "10.0.0.99" }, { from: "10.0.0.7" });
  expect(peers).toEqual(["10.0.0.7"]);
});

test("after an outage of the hub its machines send what they stored one after the other, and current reports are not late", async () => {
  start({ register: "open" });
  const tokens: string[] = [];
  for (let i = 0; i < 400; i++) tokens.push(await hub.enrolled(`gpu${i}`, {}, { from: `10.0.${i >> 4}.1` }));
  await hub.pass(600 * second);
  const [last = "", ...others] = tokens;
  let answered = 0;
  const send = async (token: string, ago: number) => {
    const { status } = await hub.sample(token, hub.sampled(ago * second));
    if (status === 200) answered++;
    return status;
  };
  // Which of them are behind shows with the first sample of each.
  for (const token of others) expect(await send(token, 500)).toBe(200);
  answered = 0;
  const all = [490, 480, 470].map((ago) => others.map((token) => send(token, ago)));
  await hub.settle();
  expect(answered).toBeGreaterThan(500);
  expect(answered).toBeLessThan(700);
  expect((await hub.report(last)).status).toBe(200);
  await hub.pass(5 * second);
  expect(new Set(await Promise.all(all.flat()))).toEqual(new Set([200]));
});

/** Has a machine report from each address in turn. @param pauseMs before each report but the first */
async function travel(token: string, addresses: readonly string[], pauseMs = 2500, boot?: string): Promise<void> {
  for (const [i, from] of addresses.entries()) {
    if (i > 0) await hub.pass(pauseMs);
    const info = () => hub.sampled(0, { system: { bootId: boot ?? "", uptime: 9n } });
    const answer = boot === undefined ? hub.report(token, {}, { from }) : hub.sample(token, info(), { from });
    expect((await answer).status).toBe(200);
  }
}

const [a, b, c] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];

test.each<[string, readonly string[], number, string | undefined, readonly string[]]>([
  ["two by turns", [a, b, a], 2500, undefined, [a, b]],
  ["three by turns", [a, b, c, a], 1700, undefined, [a, c]],
  ["two with an interval of a minute", [a, b, a, b, a], 30_000, undefined, [a, b]],
  ["one that moves", [a, a, b, b, c, c], 2500, undefined, []],
  ["one that moves and comes back later", [a, b, b, b, b, b, b, b, a], 2500, undefined, []],
  ["one with two addresses and a boot id", [a, b, a, b], 2500, "one", []],
])("of exporters with one token, %s, administrators see the addresses", async (_, places, pause, boot, shown) => {
  start();
  await travel(await hub.enrolled("gpu7"), places, pause, boot);
  const text = `Its reports come from ${shown.join(" and ")} by turns: if these are two machines with one token, give each a host name and a token of its own.`;
  expect(hub.troubles.of("gpu7")).toEqual(shown.length === 0 ? [] : [text]);
});

describe("rates of 0 in the first report of an exporter after its start, which are unknown, are absent", () => {
  const rates = () => hub.live.host("gpu7")?.info?.nics.map(({ rxRate, txRate }) => [rxRate, txRate]);
  const newest = (rxMbps: number, uptimeSeconds = 5000) => ({
    uptimeSeconds,
    nics: [
      { name: "eth0", ipv4: "10.0.0.7", rxMbps, txMbps: 0 },
      { name: "ib0", ipv4: "", rxMbps: 0, txMbps: 0 },
    ],
  });
  const first = (uptimeSeconds = 5000) => ({ uptimeSeconds, networkRxMbps: 0, networkTxMbps: 0 });
  const none = [undefined, undefined];
  const zero = [0n, 0n];

  test("after it has registered, also again", async () => {
    start();
    let token = await hub.enrolled("gpu7");
    for (let i = 0; i < 2; i++) {
      await hub.config(token);
      await hub.report(token, newest(0));
      expect(rates()).toEqual([none, none]);
      await hub.report(token, newest(0));
      expect(rates()).toEqual([zero, zero]);
      hub.reset("gpu7");
      token = await hub.enrolled("gpu7");
    }
  });

  test("after it asked for a configuration that it had, as the newest release does at its start alone", async () => {
    start();
    const token = await hub.enrolled("gpu7");
    await hub.config(token);
    await hub.report(token, newest(1));
    hub.configure("gpu7", { gpuIndices: [0] });
    await hub.config(token);
    await hub.report(token, newest(0));
    expect(rates()).toEqual([zero, zero]);
    await hub.config(token);
    await hub.report(token, newest(0));
    expect(rates()).toEqual([none, none]);
  });

  test("after the machine was booted; the first release asks for its configuration at any time", async () => {
    start();
    const token = await hub.enrolled("gpu7");
    for (const [uptime, wanted] of [
      [5000, none],
      [5005, zero],
      [4999, zero],
      [30, none],
      [35, zero],
    ] as const) {
      await hub.config(token);
      await hub.report(token, first(uptime));
      expect([uptime, rates()]).toEqual([uptime, [wanted]]);
    }
  });

  test("unless one of them is not 0, or it is a whole sample", async () => {
    start();
    const token = await hub.enrolled("gpu7");
    await hub.report(token, newest(8));
    expect(rates()).toEqual([[1_000_000n, 0n], zero]);
    hub.reset("gpu7");
    const again = await hub.enrolled("gpu7");
    await hub.sample(again, hub.sampled(0, { nics: [{ name: "eth0", rxRate: 0n, txRate: 0n }] }));
    expect(rates()).toEqual([zero]);
  });
});
