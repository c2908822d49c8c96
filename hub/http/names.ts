// The allowlist of host names. A page of another site can reach the hub under that site's own name (DNS rebinding) and
// read everything: such a name is refused.
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { isIP, isIPv6 } from "node:net";
import { hostname } from "node:os";
import { clean } from "../../proto/clean.ts";
import { Fault } from "../fault.ts";

/** How long the names of this machine are cached. */
const cacheMs = 30_000;

/** Parses "host", "host:port" and "[::1]:port" to the lower-case name or address; undefined for anything else. */
export function nameIn(host: string): string | undefined {
  const [, address, name, port] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::([0-9]{0,5}))?$/i.exec(host) ?? [];
  if (Number(port ?? 0) > 65_535) return undefined;
  if (address !== undefined) return isIPv6(address) ? address.toLowerCase() : undefined;
  return name?.toLowerCase().replace(/\.$/, "") || undefined;
}

/** Lower-case names of this machine: its host name, its aliases of /etc/hosts, with the domains of /etc/resolv.conf, and of mDNS. */
export function namesOf(host: string, files: { readonly hosts: string; readonly resolv: string }): Set<string> {
  const whole = host.toLowerCase();
  const [short = whole] = whole.split(".");
  const names = new Set([whole, short, `${short}.local`]);
  for (const line of lines(files.hosts)) {
    const [, ...aliases] = line.toLowerCase().split(/\s+/);
    if (!aliases.some((alias) => alias === whole || alias === short)) continue;
    for (const alias of aliases) if (alias === short || alias.startsWith(`${short}.`)) names.add(alias);
  }
  for (const line of lines(files.resolv)) {
    const [word, ...domains] = line.toLowerCase().split(/\s+/);
    if (word !== "search" && word !== "domain") continue;
    for (const domain of domains) names.add(`${short}.${domain.replace(/\.$/, "")}`);
  }
  return names;
}

const lines = (text: string): string[] => text.split("\n").map((line) => line.replace(/[#;].*/, "").trim());

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // a machine without that file has no further name
  }
}

/** A request, as far as it names the hub. */
type NamedRequest = Pick<IncomingMessage, "url" | "httpVersion" | "rawHeaders" | "headers">;

/** The allowlist of host names in requests. */
export class HostAllowlist {
  readonly #further: () => readonly string[];
  readonly #now: () => number;
  #own: { readonly names: ReadonlySet<string>; readonly at: number } | undefined;

  /** @param further names that the settings allow; called for each check */
  constructor(further: () => readonly string[], now: () => number = () => performance.now()) {
    this.#further = further;
    this.#now = now;
  }

  /**
   * Returns a fault if the host name of a request is missing, malformed or not allowed. Both must be allowed where a proxy asks
   * under a name of its own: a page of another site reaches the proxy under that site's name, too.
   * @param called the hub as the client called it, as a proxy says that is believed
   */
  refuse({ url = "", httpVersion, rawHeaders, headers }: NamedRequest, called?: string): Fault | undefined {
    const given = rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === "host").length;
    if (given > 1) return new Fault("bad_request", "The header Host must be there once.");
    // The host of an absolute target overrides the header (RFC 9112 §3.2.2).
    const target = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#]*@)?([^/?#]*)/i.exec(url)?.[1];
    const host = target ?? headers.host;
    const missing = host === undefined && httpVersion === "1.0";
    const fault = missing ? undefined : this.#check("Host", host);
    return (
      fault ?? (called === undefined || called === headers.host ? undefined : this.#check("X-Forwarded-Host", called))
    );
  }

  #check(header: string, host: string | undefined): Fault | undefined {
    const name = nameIn(host ?? "");
    if (name === undefined) {
      const message = `The header ${header} must be a name or an address, with or without a port: it is ${host === undefined ? "missing" : JSON.stringify(clean(host))}.`;
      return new Fault("bad_request", message);
    }
    if (this.#allows(name)) return undefined;
    return new Fault(
      "name_refused",
      `This hub is not answering to the name "${clean(name)}": use an address of it, or allow the name with "hub.hosts" (GOHM_HUB_HOSTS) or "hub.url" (GOHM_HUB_URL).`,
    );
  }

  #allows(name: string): boolean {
    // A name without a dot cannot be registered on the internet (decision 0026).
    if (isIP(name) !== 0 || !name.includes(".")) return true;
    return this.#further().some((one) => one.toLowerCase().replace(/\.$/, "") === name) || this.#machine().has(name);
  }

  #machine(): ReadonlySet<string> {
    const now = this.#now();
    if (this.#own === undefined || now - this.#own.at > cacheMs) {
      const files = { hosts: read("/etc/hosts"), resolv: read("/etc/resolv.conf") };
      this.#own = { names: namesOf(hostname(), files), at: now };
    }
    return this.#own.names;
  }
}
