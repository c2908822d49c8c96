// What the proxies in front of the hub (hub.proxies) say of their clients. No other file reads these headers to believe them.
import { forwardedAddress, type NetworkList, networksIn } from "../../program/network.ts";

/** Most proxies in a row that are followed. */
const mostProxies = 32;

/** A request, before anything of it is believed. */
export interface Arrival {
  /** Network address of the other end of the connection; "" for a request without one. */
  readonly peer: string;
  /** True if this connection is encrypted. */
  readonly encrypted: boolean;
  /** Value of a header, by its name in lower case; those that are repeated are joined by commas. */
  header(name: string): string | undefined;
}

/** Who sent a request, and how. */
export interface Client {
  /** Network address. */
  readonly address: string;
  /** True if it was sent encrypted, false if it was not; undefined if nothing says so but a connection that is not. */
  readonly secure: boolean | undefined;
  /** The hub as the client called it, with the port if it named one. */
  readonly host: string | undefined;
}

/** The proxies whose X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host are believed. */
export class Proxies {
  readonly #text: () => string;
  #list: { readonly text: string; readonly networks: NetworkList } | undefined;

  /** @param text `hub.proxies`; called for each request */
  constructor(text: () => string) {
    this.#text = text;
  }

  /** True for the address of a proxy. */
  has(address: string): boolean {
    const text = this.#text();
    if (this.#list?.text !== text) this.#list = { text, networks: networksIn(text) };
    return this.#list.networks.has(address);
  }

  /**
   * Finds the client of a request. Each proxy adds the address of its own client at the end of X-Forwarded-For, and what stands
   * before the entry of the first proxy that is believed was written by anybody: so the last entry that is not a proxy is the client.
   */
  clientOf({ peer, encrypted, header }: Arrival): Client {
    const direct = { address: peer, secure: encrypted || undefined, host: header("host") };
    if (!this.has(peer)) return direct;
    const { address, entry } = this.#follow(peer, entriesOf(header("x-forwarded-for")));
    // Where each proxy adds to these headers, too, the entry for the client's own connection is as far from the end.
    const at = (name: string): string | undefined => {
      const entries = entriesOf(header(name));
      return entries.at(-Math.min(entry, entries.length));
    };
    const scheme = at("x-forwarded-proto")?.toLowerCase() ?? "";
    return {
      address,
      secure: /^(https?|wss?)$/.test(scheme) ? /s$/.test(scheme) : direct.secure,
      host: at("x-forwarded-host") ?? direct.host,
    };
  }

  /** @returns the client's address, and its place in the header, counted from the end */
  #follow(peer: string, entries: readonly string[]): { readonly address: string; readonly entry: number } {
    let client = { address: peer, entry: 1 };
    for (let entry = 1; entry <= Math.min(entries.length, mostProxies); entry++) {
      const address = forwardedAddress(entries.at(-entry) ?? "");
      // "unknown", a name, garbage: the proxy that wrote it is all that is known.
      client = { address: address ?? client.address, entry };
      if (address === undefined || !this.has(address)) break;
    }
    return client;
  }
}

export const noProxies = new Proxies(() => "");

/** Entries of a header with a list (RFC 9110 §5.6.1): empty ones do not count. */
function entriesOf(header = ""): readonly string[] {
  return header
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}
