import ipaddr from "ipaddr.js";
import type { Address, Machine } from "../machine/machine.ts";
import { amount, given, whole } from "../number.ts";
import { type Layer, Layers, usable } from "./net/layer.ts";
import { Baseline, type Source, type SourcePart } from "./source.ts";

/** Bytes since the interface came up. */
export interface Counters {
  readonly rx: bigint;
  readonly tx: bigint;
}

/** Parses /proc/net/dev. */
export function parse(text: string): Map<string, Counters> {
  const counters = new Map<string, Counters>();
  for (const line of text.split("\n")) {
    const match = /^\s*(\S+):\s*(\d+)(?:\s+\d+){7}\s+(\d+)/.exec(line);
    const [, nic, rx, tx] = match ?? [];
    if (nic && rx && tx) counters.set(nic, { rx: BigInt(rx), tx: BigInt(tx) });
  }
  return counters;
}

/** Finds the interface of the IPv4 default route with the lowest metric in /proc/net/route. */
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

/** Limit of plausible rates, in bytes per second (80 Tbit/s): above it, a driver's counter has jumped. */
const fastest = 10n ** 13n;

/** Computes bytes per second; undefined if a counter decreased (the interface was restarted) or jumped. */
export function rate(from: Counters, to: Counters, span: number): { rx: bigint; tx: bigint } | undefined {
  if (to.rx < from.rx || to.tx < from.tx || span < 1) return undefined;
  const per = (bytes: bigint): bigint => (bytes * 1000n) / BigInt(Math.round(span));
  const rates = { rx: per(to.rx - from.rx), tx: per(to.tx - from.tx) };
  return rates.rx < fastest && rates.tx < fastest ? rates : undefined;
}

/**
 * Chooses the host's address: the last IPv4 address in the preferred network, else that of the default route.
 * Interfaces of containers are used only if no other matches.
 */
export function choose(
  addresses: readonly Address[],
  { network, route, shown = usable }: { network: string; route: string | undefined; shown?: (nic: string) => boolean },
): string | undefined {
  const range = ipaddr.IPv4.parseCIDR(network);
  const v4 = addresses.filter(({ family, loopback }) => family === 4 && !loopback);
  const preferred = v4.filter(({ address }) => ipaddr.IPv4.parse(address).match(range));
  const found =
    preferred.filter(({ nic }) => shown(nic)).at(-1) ?? preferred.at(-1) ?? v4.find(({ nic }) => nic === route);
  return found?.address;
}

/** Below a prefix, /proc/net would be that of this container; the first process has the host's. */
function file(machine: Machine, name: string): string | undefined {
  const hosts = machine.root === "/" ? undefined : machine.read(`/proc/1/net/${name}`);
  return hosts ?? machine.read(`/proc/net/${name}`);
}

type Nic = NonNullable<SourcePart["nics"]>[number];

/** Megabit per second beyond any interface and any bond of them; the fastest now are at 800,000. */
const fastestLink = 12_800_000;

/** Parses a speed, in bytes per second. Drivers that do not know it answer -1, 65535 or 4294967295 (SPEED_UNKNOWN), or not at all. */
export function parseSpeed(text: string | undefined): bigint | undefined {
  const speed = whole(text);
  if (speed === undefined || speed <= 0 || speed === 0xffff || speed > fastestLink) return undefined;
  return amount((speed * 1_000_000) / 8);
}

function link(machine: Machine, nic: string, { lower, real }: Layer): Nic {
  const state = machine.read(`/sys/class/net/${nic}/operstate`)?.trim();
  return {
    ...(state !== undefined && { up: state === "up" || state === "unknown" }),
    ...given("speed", real ? parseSpeed(machine.read(`/sys/class/net/${nic}/speed`)) : undefined),
    ...(lower.length > 0 && { lower: [...lower] }),
  };
}

export const net: Source = {
  name: "net",
  async open(machine, { network }) {
    const first = file(machine, "dev");
    if (first === undefined) return undefined;
    const baseline = new Baseline<Map<string, Counters>>();
    baseline.take(machine.ticks(), parse(first));
    const layers = new Layers(machine);
    return {
      async read() {
        const text = file(machine, "dev");
        if (text === undefined) throw new Error("/proc/net/dev cannot be read");
        return part(machine, { now: parse(text), baseline, network, layers });
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
    layers,
  }: { now: Map<string, Counters>; baseline: Baseline<Map<string, Counters>>; network: string; layers: Layers },
): SourcePart {
  const since = baseline.take(machine.ticks(), now);
  const addresses = machine.addresses();
  const route = parseRoute(file(machine, "route") ?? "");
  const shown = layers.look([...now.keys()], { route, addressed: new Set(addresses.map(({ nic }) => nic)) });
  const nics = [...now].flatMap(([name, counters]): Nic[] => {
    const layer = shown.get(name);
    if (layer === undefined) return [];
    const from = since?.from.get(name);
    const rates = since && from && rate(from, counters, since.span);
    return [
      {
        name,
        addresses: addresses.filter(({ nic }) => nic === name).map(({ address }) => address),
        rxBytes: counters.rx,
        txBytes: counters.tx,
        ...(rates && { rxRate: rates.rx, txRate: rates.tx }),
        ...link(machine, name, layer),
      },
    ];
  });
  // The host's first process may not say which interface an address is on.
  const ip = choose(addresses, { network, route, shown: (nic) => (nic === "" ? true : shown.has(nic)) });
  return { nics, ...(ip !== undefined && { ip, id: ip.slice(ip.lastIndexOf(".") + 1) }) };
}
