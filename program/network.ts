import ipaddr from "ipaddr.js";

/** Returns the network that one client can choose addresses in: the first 64 bits of an IPv6 address, all of an IPv4 address. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  return parsed.kind() === "ipv6" ? parsed.toNormalizedString().split(":").slice(0, 4).join(":") : parsed.toString();
}

/** Address of the other end of a connection, "" if it has none any more. Dual-stack sockets have IPv4 addresses in the form of IPv6. */
export const peerAddress = ({ remoteAddress = "" }: { readonly remoteAddress?: string | undefined }): string =>
  remoteAddress.replace(/^::ffff:(?=\d+\.)/, "");

/** True for an address of this machine's loopback interface. */
export const isLoopback = (address: string): boolean =>
  ipaddr.isValid(address) && ipaddr.process(address).range() === "loopback";
