import { isDeepStrictEqual } from "node:util";
import type { HostInfo } from "../proto/gen/host_pb.js";
import { keysOf } from "../proto/verdict.ts";
import { type Idle, type IdleCards, idleCards } from "./live/idle.ts";
import { type Sentence, textOf, type Words } from "./sentence.ts";

/** State of the link to a host. `since` in Unix milliseconds of the hub's clock; `cause` is the reason as a sentence of the hub. */
export type HostLink =
  | { readonly state: "idle"; readonly since: number }
  | { readonly state: "dialling"; readonly since: number }
  | { readonly state: "open"; readonly since: number }
  | {
      readonly state: "waiting";
      readonly since: number;
      readonly reason: string;
      readonly cause?: Sentence;
    };

/** What is known of a host beside its reports. An absent field is as usual. */
export interface HostProfile {
  /** The name that is shown instead of the host's. */
  readonly shown?: string;
  readonly group?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Seconds between two reports, if administrators have set them for this host. */
  readonly intervalSec?: number;
  /** A machine that reports by itself, and that nobody has approved: it is in no count and in no summary. */
  readonly waiting?: true;
}

export interface LiveHost {
  /** Identifies the host while this hub runs; never reused. */
  readonly number: number;
  readonly name: string;
  readonly address: string;
  readonly link: HostLink;
  /** Unix milliseconds of the last report, by the hub's clock. */
  readonly seen?: number;
  /** The last report. Current only while the link is open; never changed in place. */
  readonly info?: HostInfo;
  /** Since when cards of `info` have been occupied without computing. */
  readonly idle?: IdleCards;
  /** How far the host's clock is ahead of the hub's, in milliseconds; absent if it does not report its time. */
  readonly skewMs?: number | undefined;
  /** Absent if everything is as usual. */
  readonly profile?: HostProfile | undefined;
}

/** The name to show for a host. */
export const shownName = ({ name, profile }: Pick<LiveHost, "name" | "profile">): string => profile?.shown ?? name;

/** After a longer gap the previous report is no evidence for the time between. Milliseconds. */
const unseenMs = 300_000;

/** Current state of every host. Each change replaces its Host, so that a reference to one is a snapshot. */
export class Live {
  readonly #now: () => number;
  readonly #hosts = new Map<string, LiveHost>();
  readonly #notices = new Map<string, Words>();
  readonly #listeners = new Set<() => void>();
  #next = 1;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** In the order in which they became known. */
  hosts(): LiveHost[] {
    return [...this.#hosts.values()];
  }

  host(name: string): LiveHost | undefined {
    return this.#hosts.get(name);
  }

  /** Adds a host, or resets a known one to another address: its last report is discarded. */
  expect(name: string, address: string): void {
    const known = this.#hosts.get(name);
    if (known?.address === address) return;
    const number = known?.number ?? this.#next++;
    const { profile } = known ?? {};
    this.#put({ number, name, address, link: { state: "idle", since: this.#now() }, profile });
  }

  /** Sets what is known of a host beside its reports; undefined if everything is as usual. */
  describe(name: string, profile: HostProfile | undefined): void {
    const host = this.#hosts.get(name);
    if (host !== undefined && !isDeepStrictEqual(host.profile, profile)) this.#put({ ...host, profile });
  }

  /** Changes the address of a host and keeps its last report. */
  readdress(name: string, address: string): void {
    const host = this.#hosts.get(name);
    if (host !== undefined && host.address !== address) this.#put({ ...host, address });
  }

  forget(name: string): void {
    if (this.#hosts.delete(name)) this.#tell();
  }

  /** Marks that the first attempt has begun. A host that is up or down stays so until an attempt has ended. */
  dialling(name: string): void {
    const host = this.#hosts.get(name);
    if (host?.link.state === "idle") this.#put({ ...host, link: { state: "dialling", since: this.#now() } });
  }

  /** @param skewMs how far the host's clock is ahead; undefined if unknown */
  received(name: string, info: HostInfo, skewMs?: number): void {
    const host = this.#hosts.get(name);
    if (host === undefined) return;
    const now = this.#now();
    const link: HostLink = host.link.state === "open" ? host.link : { state: "open", since: now };
    const { info: before, idle, seen } = host;
    const followed = seen !== undefined && (host.link.state === "open" || now - seen <= unseenMs);
    const last = followed && before !== undefined && idle !== undefined ? { info: before, idle } : undefined;
    this.#put({ ...host, link, seen: now, info, idle: idleCards(info, last, now), skewMs });
  }

  /**
   * Sets the last report of a host that is not up, if it is newer than the one before.
   * @param at when it was measured
   */
  recall(name: string, info: HostInfo, at: number): void {
    const host = this.#hosts.get(name);
    if (host === undefined || host.link.state === "open" || (host.seen !== undefined && host.seen >= at)) return;
    this.#put({ ...host, info, seen: at });
  }

  /** Replaces the last report by one with other devices. */
  replace(name: string, info: HostInfo): void {
    const host = this.#hosts.get(name);
    if (host !== undefined) this.#put({ ...host, info });
  }

  /** Gives cards of the last report that have no uuid the one that a later report has. @param uuids by index */
  identify(name: string, uuids: ReadonlyMap<number, string>): void {
    const host = this.#hosts.get(name);
    if (host?.info === undefined) return;
    const { info, idle } = host;
    const gpus = info.gpus.map((gpu) => {
      const uuid = gpu.uuid || gpu.parent !== undefined ? undefined : uuids.get(gpu.id ?? 0);
      return uuid === undefined ? gpu : { ...gpu, uuid };
    });
    const after = keysOf(gpus);
    const kept = keysOf(info.gpus).flatMap((key, i): [string, Idle][] => {
      const since = idle?.get(key);
      return since === undefined ? [] : [[after[i] ?? key, since]];
    });
    this.#put({ ...host, info: { ...info, gpus }, idle: new Map(kept) });
  }

  failed(name: string, words: Words): void {
    const host = this.#hosts.get(name);
    if (host === undefined) return;
    const reason = textOf(words);
    if (host.link.state === "waiting" && host.link.reason === reason) return;
    const since = host.link.state === "waiting" ? host.link.since : this.#now();
    const cause = typeof words === "string" ? {} : { cause: words };
    this.#put({ ...host, link: { state: "waiting", since, reason, ...cause } });
  }

  /** Texts of the messages to administrators, oldest first. */
  notices(): string[] {
    return this.messages().map(textOf);
  }

  /** Messages to administrators, oldest first. */
  messages(): readonly Words[] {
    return [...this.#notices.values()];
  }

  /** True if there is a message on a topic. */
  warns(topic: string): boolean {
    return this.#notices.has(topic);
  }

  /** Sets the message of a topic; undefined removes it. */
  notice(topic: string, words: Words | undefined): void {
    const before = this.#notices.get(topic);
    if ((before && textOf(before)) === (words && textOf(words))) return;
    if (words === undefined) this.#notices.delete(topic);
    else this.#notices.set(topic, words);
    this.#tell();
  }

  /** Calls a listener after every change. @returns a function that unsubscribes it */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #put(host: LiveHost): void {
    this.#hosts.set(host.name, host);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** Live state as views see it: read-only. */
export type LiveView = Pick<Live, "hosts" | "host" | "notices" | "messages" | "warns" | "onChange">;
