import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** Returns the network that one client can choose addresses in: the first 64 bits of an IPv6 address, all of an IPv4 address. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  return parsed.kind() === "ipv6" ? parsed.toNormalizedString().split(":").slice(0, 4).join(":") : parsed.toString();
}

/**
 * Returns the larger network that one site often has: of a network of IPv6 (see `networkOf`) the first 48 bits, of an IPv4
 * address the first 24.
 */
export function siteOf(network: string): string {
  const parts = network.split(network.includes(":") ? ":" : ".");
  return parts.length === 4 ? parts.slice(0, 3).join(network.includes(":") ? ":" : ".") : network;
}

/** Address of the other end of a connection, "" if it has none any more. Dual-stack sockets have IPv4 addresses in the form of IPv6. */
export const peerAddress = ({ remoteAddress = "" }: { readonly remoteAddress?: string | undefined }): string =>
  remoteAddress.replace(/^::ffff:(?=\d+\.)/, "");

/** True for an address of this machine's loopback interface. */
export const isLoopback = (address: string): boolean =>
  ipaddr.isValid(address) && ipaddr.process(address).range() === "loopback";

/**
 * True for a link-local address (RFC 3927, RFC 4291 §2.5.6), also inside IPv6 and with a zone, and for the address of a cloud's
 * metadata service. At 169.254.169.254 every virtual machine of a cloud finds the credentials of its owner.
 */
export function isLinkLocal(address: string): boolean {
  const [plain = ""] = address.split("%");
  if (!ipaddr.isValid(plain)) return false;
  const parsed = ipaddr.process(plain);
  return parsed.range() === "linkLocal" || metadata.has(parsed.toNormalizedString());
}

/** Amazon's, which is not link-local with IPv6. */
const metadata: ReadonlySet<string> = new Set(["fd00:ec2:0:0:0:0:0:254"]);

type Range = ReturnType<typeof ipaddr.parseCIDR>;

/** Parses an address, IPv4 inside IPv6 as IPv4; undefined if it is not one. A zone (fe80::1%eth0) is ignored when matching. */
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  // ipaddr.js reads 10.1 and 010.0.0.0 in its own way; only what Node calls an address is one.
  return isIP(text) === 0 ? undefined : ipaddr.process(text);
}

/**
 * Reads an address as proxies name their clients: "10.0.0.7", "10.0.0.7:50312", "2001:db8::7", "[2001:db8::7]:50312", each
 * also in quotes. @returns its shortest form, undefined for any other text
 */
export function forwardedAddress(text: string): string | undefined {
  const bare = /^"(.*)"$/.exec(text)?.[1] ?? text;
  const [, inner = bare] =
    /^\[([^\]]*)\](?::\d{1,5})?$/.exec(bare) ?? /^(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}$/.exec(bare) ?? [];
  // A zone is an interface of the proxy's machine.
  return parseAddress(inner.replace(/%.*$/, ""))?.toString();
}

function parsePiece(piece: string): Range | undefined {
  const [address = "", length, ...more] = piece.split("/");
  const at = parseAddress(address);
  if (at === undefined || more.length > 0 || address.includes("%")) return undefined;
  const mapped = at.kind() === "ipv4" && isIP(address) === 6;
  const whole = at.kind() === "ipv4" ? 32 : 128;
  if (length === undefined) return [at, whole] as Range;
  if (!/^\d{1,3}$/.test(length)) return undefined;
  const bits = Number(length) - (mapped ? 96 : 0);
  return bits >= 0 && bits <= whole ? ([at, bits] as Range) : undefined;
}

/** Networks of a list. */
export interface NetworkList {
  has(address: string): boolean;
  /** The first part that is not a network; undefined if all are. */
  readonly wrong: string | undefined;
}

/** Reads networks and single addresses, IPv4 and IPv6, separated by commas: "10.0.0.0/8, 192.168.1.5, fd00::/8". */
export function networksIn(text: string): NetworkList {
  const pieces = text.split(",").map((piece) => piece.trim());
  const ranges = pieces.flatMap((piece) => {
    const range = parsePiece(piece);
    return range === undefined ? [] : [range];
  });
  return {
    wrong: pieces.find((piece) => parsePiece(piece) === undefined),
    has(address) {
      const peer = parseAddress(address);
      if (peer === undefined) return false;
      // Networks of the other family never match: 0.0.0.0/0 lets no IPv6 peer in.
      return ranges.some((range) => range[0].kind() === peer.kind() && peer.match(range));
    },
  };
}
