import type { Address } from "../machine.ts";

interface Route {
  readonly nic: string;
  readonly network: number;
  readonly mask: number;
}

/** The kernel prints IPv4 numbers of /proc/net/route in the machine's own byte order; all we run on are little-endian. */
const littleEndian = (hex: string): number => Number.parseInt((hex.match(/../g) ?? []).reverse().join(""), 16) >>> 0;

const number = (address: string): number =>
  address.split(".").reduce((sum, octet) => ((sum << 8) | Number(octet)) >>> 0, 0);

/** Networks that an interface reaches without a gateway, the narrowest first. */
function parseRoutes(text: string): Route[] {
  const routes = text.split("\n").flatMap((line): Route[] => {
    const [nic = "", network = "", gateway = "", , , , , mask = ""] = line.split(/\s+/);
    if (!/^[0-9A-F]{8}$/.test(mask) || gateway !== "00000000" || mask === "00000000") return [];
    return [{ nic, network: littleEndian(network), mask: littleEndian(mask) }];
  });
  return routes.sort((a, b) => b.mask - a.mask);
}

/** IPv4 addresses a network namespace holds, from /proc/PID/net/fib_trie, each with the interface its route names. */
export function parseTrie(trie: string, routes: string): Address[] {
  const known = parseRoutes(routes);
  const found = new Set<string>();
  for (const [, address = ""] of trie.matchAll(/\|-- (\d+\.\d+\.\d+\.\d+)\n\s+\/32 host LOCAL/g)) found.add(address);
  return [...found].map((address) => {
    const loopback = address.startsWith("127.");
    const route = known.find(({ network, mask }) => (number(address) & mask) >>> 0 === network);
    return { nic: loopback ? "lo" : (route?.nic ?? ""), address, family: 4, loopback };
  });
}

/** /proc/PID/net/if_inet6. */
export function parseInet6(text: string): Address[] {
  return text.split("\n").flatMap((line): Address[] => {
    const [hex = "", , , , , nic = ""] = line.trim().split(/\s+/);
    if (!/^[0-9a-f]{32}$/.test(hex)) return [];
    const groups = (hex.match(/.{4}/g) ?? []).map((group) => Number.parseInt(group, 16).toString(16));
    const long = groups.join(":");
    // The longest run of zeros is written "::" (RFC 5952).
    const runs = [...long.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length);
    const run = runs[0];
    const short = run ? `${long.slice(0, run.index)}::${long.slice(run.index + run[0].length + 1)}` : long;
    return [{ nic, address: short, family: 6, loopback: nic === "lo" }];
  });
}

/** Addresses of another network namespace; undefined when its tables cannot be read. */
export function hostAddresses(net: (name: string) => string | undefined): Address[] | undefined {
  const trie = net("fib_trie");
  if (trie === undefined) return undefined;
  return [...parseTrie(trie, net("route") ?? ""), ...parseInet6(net("if_inet6") ?? "")];
}
