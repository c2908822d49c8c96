import { readFileSync } from "node:fs";

const table = "/proc/net/route";

/** Addresses of the default gateways of IPv4 in the kernel's table of routes, which has them as hexadecimal numbers. */
export function gatewaysIn(routes: string): string[] {
  return routes
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, destination, gateway = ""] = line.trim().split(/\s+/);
      if (destination !== "00000000" || !/^[0-9A-F]{8}$/i.test(gateway) || gateway === "00000000") return [];
      return Buffer.from(gateway, "hex").reverse().join(".");
    });
}

/** True if an address is that of a default gateway. Through one that replaces addresses, as that of a container, every client has it. */
export function isGateway(address: string): boolean {
  try {
    return gatewaysIn(readFileSync(table, "utf8")).includes(address);
  } catch {
    return false; // Not Linux, or not readable: nothing is known.
  }
}
