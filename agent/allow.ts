import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { SettingError } from "../program/setting.ts";

/** Networks whose peers may connect. */
export interface Allow {
  /** As given, for the log. */
  readonly text: string;
  allows(address: string): boolean;
}

type Range = ReturnType<typeof ipaddr.parseCIDR>;

/** Parses an address, IPv4 inside IPv6 as IPv4; undefined if it is not one. A zone (fe80::1%eth0) is ignored when matching. */
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  // ipaddr.js reads 10.1 and 010.0.0.0 in its own way; only what Node calls an address is one.
  return isIP(text) === 0 ? undefined : ipaddr.process(text);
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

/**
 * Reads GOHM_ALLOW: networks and single addresses, IPv4 and IPv6, separated by commas.
 * @throws SettingError naming the part that is not a network.
 */
export function parseAllow(text: string): Allow {
  const pieces = text.split(",").map((piece) => piece.trim());
  const ranges = pieces.map((piece) => {
    const range = parsePiece(piece);
    if (range !== undefined) return range;
    throw new SettingError(
      `Cannot read setting "allow" (GOHM_ALLOW): must be networks or addresses separated by commas, ` +
        `like "10.0.0.0/8, 192.168.1.5, fd00::/8": ${JSON.stringify(piece)} is not one`,
    );
  });
  return {
    text: pieces.join(", "),
    allows(address) {
      const peer = parseAddress(address);
      if (peer === undefined) return false;
      // Networks of the other family never match: 0.0.0.0/0 lets no IPv6 peer in.
      return ranges.some((range) => range[0].kind() === peer.kind() && peer.match(range));
    },
  };
}
