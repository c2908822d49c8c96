import ipaddr from "ipaddr.js";
import type { Address, Machine } from "../machine.ts";
import { Baseline, type Part, type Source } from "./source.ts";

/** Bytes since the interface came up. */
export interface Counters {
  readonly rx: bigint;
  readonly tx: bigint;
}

// Interfaces that carry no traffic of their own: loopback, and what containers, virtual machines and tunnels add.
const virtual = new RegExp(
  "^(lo$|veth|docker|br-|virbr|vnet|tap|macvtap|cali|flannel|cni|cilium|lxc|lxdbr|weave|datapath|kube-|nodelocaldns" +
    "|podman|fwbr|fwpr|fwln|ifb|dummy|tunl|sit\\d|gre\\d|gretap|erspan|ip6tnl|ip6_vti|ip_vti|ip6gre|teql|nlmon" +
    "|vxlan|genev|ovs-|bonding_masters$)",
);

/** An interface somebody would want to see. */
export const usable = (nic: string): boolean => !virtual.test(nic);

/** /proc/net/dev. */
export function parse(text: string): Map<string, Counters> {
  const counters = new Map<string, Counters>();
  for (const line of text.split("\n")) {
    const match = /^\s*(\S+):\s*(\d+)(?:\s+\d+){7}\s+(\d+)/.exec(line);
    const [, nic, rx, tx] = match ?? [];
    if (nic && rx && tx) counters.set(nic, { rx: BigInt(rx), tx: BigInt(tx) });
  }
  return counters;
}

/** Interface of the IPv4 default route with the lowest metric in /proc/net/route. */
export function parseRoute(text: string): string | undefined {
  let best: { nic: string; metric: number } | undefined;
  for (const line of text.split("\n").slice(1)) {
    const [nic, destination, , flags, , , metric, mask] = line.split(/\s+/);
    if (!nic || destination !== "00000000" || mask !== "00000000") continue;
    const up = (Number.parseInt(flags ?? "0", 16) & 1) === 1;
    if (up && (best === undefined || Number(metric) < best.metric)) best = { nic, metric: Number(metric) };
  }
  return best?.nic;
}

/** Bytes per second; undefined when a counter went back: the interface came up anew and starts from 0. */
export function rate(from: Counters, to: Counters, span: number): { rx: bigint; tx: bigint } | undefined {
  if (to.rx < from.rx || to.tx < from.tx || span < 1) return undefined;
  const per = (bytes: bigint): bigint => (bytes * 1000n) / BigInt(Math.round(span));
  return { rx: per(to.rx - from.rx), tx: per(to.tx - from.tx) };
}

/**
 * The address a host goes by: the last IPv4 address inside the preferred network, else that of the default route.
 * Interfaces of containers count only where no other matches.
 */
export function choose(addresses: readonly Address[], network: string, route: string | undefined): string | undefined {
  const range = ipaddr.IPv4.parseCIDR(network);
  const v4 = addresses.filter(({ family, loopback }) => family === 4 && !loopback);
  const preferred = v4.filter(({ address }) => ipaddr.IPv4.parse(address).match(range));
  const found =
    preferred.filter(({ nic }) => usable(nic)).at(-1) ?? preferred.at(-1) ?? v4.find(({ nic }) => nic === route);
  return found?.address;
}

/** Below a prefix, /proc/net would be that of this container; the first process has the host's. */
function file(machine: Machine, name: string): string | undefined {
  const hosts = machine.root === "/" ? undefined : machine.read(`/proc/1/net/${name}`);
  return hosts ?? machine.read(`/proc/net/${name}`);
}

type Nic = NonNullable<Part["nics"]>[number];

function link(machine: Machine, nic: string): Nic {
  const state = machine.read(`/sys/class/net/${nic}/operstate`)?.trim();
  // Megabit per second; -1, or no answer at all, where there is no link or no such thing.
  const speed = Number(machine.read(`/sys/class/net/${nic}/speed`) ?? -1);
  return {
    ...(state !== undefined && { up: state === "up" || state === "unknown" }),
    ...(speed > 0 && { speed: BigInt(Math.round((speed * 1_000_000) / 8)) }),
  };
}

export const net: Source = {
  name: "net",
  async open(machine, { network }) {
    const first = file(machine, "dev");
    if (first === undefined) return undefined;
    const baseline = new Baseline<Map<string, Counters>>();
    baseline.take(machine.ticks(), parse(first));
    return {
      async read() {
        const text = file(machine, "dev");
        if (text === undefined) throw new Error("/proc/net/dev cannot be read");
        return part(machine, { now: parse(text), baseline, network });
      },
      async close() {},
    };
  },
};

function part(
  machine: Machine,
  {
    now,
    baseline,
    network,
  }: { now: Map<string, Counters>; baseline: Baseline<Map<string, Counters>>; network: string },
): Part {
  const since = baseline.take(machine.ticks(), now);
  const addresses = machine.addresses();
  const nics = [...now].flatMap(([name, counters]): Nic[] => {
    if (!usable(name)) return [];
    const from = since?.from.get(name);
    const rates = since && from && rate(from, counters, since.span);
    return [
      {
        name,
        addresses: addresses.filter(({ nic }) => nic === name).map(({ address }) => address),
        rxBytes: counters.rx,
        txBytes: counters.tx,
        ...(rates && { rxRate: rates.rx, txRate: rates.tx }),
        ...link(machine, name),
      },
    ];
  });
  const ip = choose(addresses, network, parseRoute(file(machine, "route") ?? ""));
  return { nics, ...(ip !== undefined && { ip, id: ip.slice(ip.lastIndexOf(".") + 1) }) };
}
