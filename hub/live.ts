import type { HostInfo } from "../proto/gen/host_pb.js";
import { type IdleCards, idleCards } from "./idle.ts";

/** Where the hub stands with a host. Times in Unix milliseconds of the hub's clock. */
export type Link =
  | { readonly state: "idle"; readonly since: number }
  | { readonly state: "dialling"; readonly since: number }
  | { readonly state: "open"; readonly since: number }
  | { readonly state: "waiting"; readonly since: number; readonly reason: string };

export interface Host {
  /** Stands for the host for the life of this hub; never given to another. */
  readonly number: number;
  readonly name: string;
  readonly address: string;
  readonly link: Link;
  /** When the last answer came. */
  readonly seen?: number;
  /** The last answer. Only current while the link is open; never changed in place. */
  readonly info?: HostInfo;
  /** Since when cards of `info` have been occupied without computing. */
  readonly idle?: IdleCards;
}

/** A host that was away for longer may have done anything meanwhile. Milliseconds. */
const unseenMs = 300_000;

/** What is known now about every host. Each change replaces a Host: whoever holds one holds a moment. */
export class Live {
  readonly #now: () => number;
  readonly #hosts = new Map<string, Host>();
  readonly #notices = new Map<string, string>();
  readonly #listeners = new Set<() => void>();
  #next = 1;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** In the order they were named. */
  hosts(): Host[] {
    return [...this.#hosts.values()];
  }

  host(name: string): Host | undefined {
    return this.#hosts.get(name);
  }

  /** Makes a host known, or gives a known one another address; what was heard from the old address is void then. */
  expect(name: string, address: string): void {
    const known = this.#hosts.get(name);
    if (known?.address === address) return;
    const number = known?.number ?? this.#next++;
    this.#put({ number, name, address, link: { state: "idle", since: this.#now() } });
  }

  /** Shows another address for the same host: what was heard of it stays. */
  readdress(name: string, address: string): void {
    const host = this.#hosts.get(name);
    if (host !== undefined && host.address !== address) this.#put({ ...host, address });
  }

  forget(name: string): void {
    if (this.#hosts.delete(name)) this.#tell();
  }

  /** A first attempt is under way. A host that is known to be up or down stays so until the attempt has ended. */
  dialling(name: string): void {
    const host = this.#hosts.get(name);
    if (host?.link.state === "idle") this.#put({ ...host, link: { state: "dialling", since: this.#now() } });
  }

  received(name: string, info: HostInfo): void {
    const host = this.#hosts.get(name);
    if (host === undefined) return;
    const now = this.#now();
    const link: Link = host.link.state === "open" ? host.link : { state: "open", since: now };
    const { info: before, idle, seen } = host;
    const followed = seen !== undefined && (host.link.state === "open" || now - seen <= unseenMs);
    const last = followed && before !== undefined && idle !== undefined ? { info: before, idle } : undefined;
    this.#put({ ...host, link, seen: now, info, idle: idleCards(info, last, now) });
  }

  failed(name: string, reason: string): void {
    const host = this.#hosts.get(name);
    if (host === undefined) return;
    if (host.link.state === "waiting" && host.link.reason === reason) return;
    const since = host.link.state === "waiting" ? host.link.since : this.#now();
    this.#put({ ...host, link: { state: "waiting", since, reason } });
  }

  /** What an administrator should know, oldest first. */
  notices(): string[] {
    return [...this.#notices.values()];
  }

  /** One notice per topic; undefined takes it back. */
  notice(topic: string, text: string | undefined): void {
    if (this.#notices.get(topic) === text) return;
    if (text === undefined) this.#notices.delete(topic);
    else this.#notices.set(topic, text);
    this.#tell();
  }

  /** Told after every change; the function it returns ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #put(host: Host): void {
    this.#hosts.set(host.name, host);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** The answer of a host, if it may be shown as current. */
export function current(host: Host): HostInfo | undefined {
  return host.link.state === "open" ? host.info : undefined;
}
