import { readFileSync } from "node:fs";

const table = "/proc/net/route";
/** For how long the table is not read again: it costs more than a record. */
const freshMs = 60_000;

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

/** The default gateways of this machine, read at most once a minute. */
export class Gateways {
  readonly #now: () => number;
  #known: readonly string[] = [];
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** True if an address is a gateway's. Through one that replaces addresses, as that of a container, every client has it. */
  has(address: string): boolean {
    const now = this.#now();
    if (Math.abs(now - this.#readAt) >= freshMs) {
      this.#readAt = now;
      this.#known = gateways();
    }
    return this.#known.includes(address);
  }
}

function gateways(): string[] {
  try {
    return gatewaysIn(readFileSync(table, "utf8"));
  } catch {
    return []; // Not Linux, or not readable: nothing is known.
  }
}
