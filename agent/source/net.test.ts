import fc from "fast-check";
import { expect, test } from "vitest";
import { machineOf, never, options } from "../../test/machine.ts";
import type { Address } from "../machine/machine.ts";
import { usable } from "./net/layer.ts";
import { choose, net, parse, parseRoute, parseSpeed, rate } from "./net.ts";

const dev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0
  eth0: 834093369   20883    0    0    0     0          0         0  1179548   11349    0    0    0     0       0          0
docker0:1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0
`;

test("reads received and sent bytes, also where the number touches the name", () => {
  expect([...parse(dev)]).toEqual([
    ["lo", { rx: 3193n, tx: 3193n }],
    ["eth0", { rx: 834_093_369n, tx: 1_179_548n }],
    ["docker0", { rx: 1n, tx: 2n }],
  ]);
});

test("counters beyond 2^53 are exact", () => {
  expect(parse("eth0: 18446744073709551615 0 0 0 0 0 0 0 9007199254740993 0 0 0 0 0 0 0\n").get("eth0")).toEqual({
    rx: 18_446_744_073_709_551_615n,
    tx: 9_007_199_254_740_993n,
  });
});

test.each(["eth0", "eno1", "enp3s0f0np0", "ib0", "bond0", "br0", "wlan0", "eth0.100", "tailscale0"])(
  "%s is shown",
  (nic) => {
    expect(usable(nic)).toBe(true);
  },
);

test.each(["lo", "veth12ab", "docker0", "br-5f2c", "virbr0", "cali123", "flannel.1", "ifb0", "dummy0", "kube-ipvs0"])(
  "%s is not shown",
  (nic) => {
    expect(usable(nic)).toBe(false);
  },
);

const c = (rx: bigint, tx: bigint) => ({ rx, tx });

test("a rate is bytes per second", () => {
  expect(rate(c(0n, 0n), c(10_000n, 500n), 2000)).toEqual({ rx: 5000n, tx: 250n });
});

test("a counter that jumped gives no rate", () => {
  expect(rate(c(0n, 0n), c(2n ** 64n - 1n, 0n), 10_000)).toBeUndefined();
  expect(rate(c(0n, 0n), c(500_000_000_000n, 0n), 10_000)).toEqual({ rx: 50_000_000_000n, tx: 0n });
});

test.each([
  ["4294967295\n", undefined],
  ["65535\n", undefined],
  ["0\n", undefined],
  ["-1\n", undefined],
  ["", undefined],
  [undefined, undefined],
  ["18446744073709551615\n", undefined],
  ["10\n", 1_250_000n],
  ["400000\n", 50_000_000_000n],
  ["1600000\n", 200_000_000_000n],
])("a link that says %j runs at %s bytes per second", (text, speed) => {
  expect(parseSpeed(text)).toBe(speed);
});

test("a counter that went back gives no rate", () => {
  expect(rate(c(100n, 0n), c(50n, 10n), 1000)).toBeUndefined();
});

test("a rate is never negative", () => {
  const counters = fc.record({
    rx: fc.bigInt({ min: 0n, max: 2n ** 64n }),
    tx: fc.bigInt({ min: 0n, max: 2n ** 64n }),
  });
  fc.assert(
    fc.property(counters, counters, fc.integer({ min: 0, max: 1e9 }), (from, to, span) => {
      const found = rate(from, to, span);
      return found === undefined || [found.rx, found.tx].every((bytes) => bytes >= 0n && bytes < 2n ** 53n);
    }),
  );
});

const route = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
wlan0	00000000	0101A8C0	0003	0	0	600	00000000	0	0	0
eth0	00000000	010200C0	0003	0	0	100	00000000	0	0	0
down0	00000000	010200C0	0002	0	0	1	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
`;

test("the default route is the one with the lowest metric that is up", () => {
  expect(parseRoute(route)).toBe("eth0");
  expect(parseRoute("")).toBeUndefined();
});

const v4 = (nic: string, address: string): Address => ({ nic, address, family: 4, loopback: nic === "lo" });

const all = [v4("lo", "127.0.0.1"), v4("eth0", "192.0.2.7"), v4("eth1", "10.1.2.3"), v4("ib0", "10.9.9.9")];

test("the address is the last one in the preferred network", () => {
  expect(choose(all, { network: "10.0.0.0/8", route: "eth0" })).toBe("10.9.9.9");
  expect(choose(all, { network: "10.1.0.0/16", route: "eth0" })).toBe("10.1.2.3");
});

test("a container network's address is only taken when no other is in the preferred network", () => {
  expect(choose([...all, v4("flannel.1", "10.42.0.0")], { network: "10.0.0.0/8", route: "eth0" })).toBe("10.9.9.9");
  expect(
    choose([v4("eth0", "192.0.2.7"), v4("flannel.1", "10.42.0.0")], { network: "10.0.0.0/8", route: "eth0" }),
  ).toBe("10.42.0.0");
});

test("the default route's address is taken where none is in the preferred network", () => {
  expect(choose(all, { network: "172.16.0.0/12", route: "eth0" })).toBe("192.0.2.7");
});

test("without route and preferred network there is no address, loopback never is one", () => {
  expect(choose(all, { network: "172.16.0.0/12", route: undefined })).toBeUndefined();
  expect(choose(all, { network: "127.0.0.0/8", route: undefined })).toBeUndefined();
});

test("an interface has addresses, speed and, from the second reading on, rates", async () => {
  let ticks = 0;
  const files: Record<string, string> = {
    "/proc/net/dev": dev,
    "/proc/net/route": route,
    "/sys/class/net/eth0/operstate": "up\n",
    "/sys/class/net/eth0/speed": "25000\n",
  };
  const machine = machineOf({ files, ticks: () => ticks, addresses: () => [v4("eth0", "10.0.0.42")] });
  const reader = await net.open(machine, options);
  const first = await reader?.read(never);
  expect(first?.nics?.[0]).toEqual({
    name: "eth0",
    addresses: ["10.0.0.42"],
    rxBytes: 834_093_369n,
    txBytes: 1_179_548n,
    up: true,
    speed: 3_125_000_000n,
  });
  expect(first).toMatchObject({ ip: "10.0.0.42", id: "42" });
  ticks = 2000;
  files["/proc/net/dev"] = dev.replace("834093369", "834095369");
  expect((await reader?.read(never))?.nics?.[0]).toMatchObject({ rxRate: 1000n, txRate: 0n });
});

test.each(["-1\n", "", "unknown\n"])("a link whose speed reads %j states none", async (speed) => {
  const files = { "/proc/net/dev": dev, "/sys/class/net/eth0/speed": speed };
  const reader = await net.open(machineOf({ files }), options);
  expect((await reader?.read(never))?.nics?.[0]?.speed).toBeUndefined();
});

test("in a container the counters are those of the host's first process", async () => {
  const files = { "/proc/net/dev": dev, "/proc/1/net/dev": "bond0: 7 0 0 0 0 0 0 0 8 0 0 0 0 0 0 0\n" };
  const reader = await net.open(machineOf({ root: "/host", files }), options);
  expect((await reader?.read(never))?.nics?.map(({ name }) => name)).toEqual(["bond0"]);
});
