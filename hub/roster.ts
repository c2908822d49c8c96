import { isDeepStrictEqual } from "node:util";
import { type Book, everything, type HostConfig, type HostRecord, type NodeRecord } from "./book/book.ts";
import { Fault } from "./fault.ts";
import type { HostProfile } from "./live.ts";
import type { ServerList } from "./servers.ts";

/** A host that the hub polls. */
export interface PolledHost {
  /** "host:port" or "tls://host:port". */
  readonly address: string;
  /** Where it is listed. The settings win. */
  readonly origin: "settings" | "book";
  /** Seconds between two polls; undefined for the usual interval. */
  readonly intervalSec: number | undefined;
}

/** A machine that reports by itself. */
type RosterNode = Pick<NodeRecord, "id" | "hostname" | "host" | "state" | "history">;

/** What is known of a host beside its reports. */
interface RosterEntry {
  readonly polled: PolledHost | undefined;
  readonly nodes: readonly RosterNode[];
  readonly parted: boolean;
  readonly config: HostConfig;
  readonly profile: HostProfile | undefined;
}

export interface RosterOptions {
  readonly servers: ServerList;
  /** Without one the settings alone count. */
  readonly book?: Pick<Book, "hosts" | "nodes" | "onChange">;
}

/**
 * The hosts of the hub by the names under which live state and history have them: servers of the settings file, hosts that
 * administrators have added, and machines that report by themselves; each with its shown name, group, labels and
 * configuration. What the settings say of a host wins over the book.
 */
export class Roster {
  readonly #options: RosterOptions;
  readonly #listeners = new Set<() => void>();
  #records: readonly HostRecord[] = [];
  #nodes: readonly RosterNode[] = [];
  #entries: ReadonlyMap<string, RosterEntry> = new Map();
  /** Hosts by their shown names. */
  #shown: ReadonlyMap<string, string> = new Map();

  constructor(options: RosterOptions) {
    this.#options = options;
    const { servers, book } = options;
    servers.onChange(() => this.#build());
    book?.onChange(() => this.#read());
    this.#read();
  }

  /** Hosts to poll: those of the settings in their order, then those of the book. */
  polled(): ReadonlyMap<string, PolledHost> {
    return new Map(
      [...this.#entries].flatMap(([name, { polled }]) => (polled === undefined ? [] : [[name, polled] as const])),
    );
  }

  /** Names of all hosts, those that are shown as well. */
  names(): readonly string[] {
    return [...this.#entries.keys(), ...this.#shown.keys()];
  }

  nodes(): readonly RosterNode[] {
    return this.#nodes;
  }

  /**
   * The host that a name means: its own name or the one that is shown. A host that waits for approval takes no shown name
   * from another one. A name that means no host is returned as it is: history may know it.
   */
  keyOf(name: string): string {
    const entry = this.#entries.get(name);
    return entry !== undefined && isTrusted(entry) ? name : (this.#shown.get(name) ?? name);
  }

  /** The name to show for a host. */
  nameOf(host: string): string {
    return this.profile(host)?.shown ?? host;
  }

  /** Undefined if everything is as usual, or the host is not known. It does not say whether the host waits. */
  profile(host: string): HostProfile | undefined {
    return this.#entries.get(host)?.profile;
  }

  /** Undefined if the host is not known. The same object until it is changed. */
  config(host: string): HostConfig | undefined {
    return this.#entries.get(host)?.config;
  }

  /** False if the host is a machine that reports by itself, and nobody has approved it. */
  approved(host: string): boolean {
    const nodes = this.#entries.get(host)?.nodes ?? [];
    return nodes.length === 0 || nodes.some(({ state }) => state === "approved");
  }

  /** True if the host waits for approval: nothing but its own reports makes it a host. */
  waits(host: string): boolean {
    return !this.approved(host) && this.#entries.get(host)?.polled === undefined;
  }

  /** True if history has samples of another machine under the name of a host, to which those of one that waits are not added. */
  inherits(host: string): boolean {
    return this.#entries.get(host)?.nodes.some(({ history }) => history !== undefined) ?? false;
  }

  /** True if a person said that no machine of another name is this host. */
  parted(host: string): boolean {
    return this.#entries.get(host)?.parted ?? false;
  }

  /** Calls the listener after every change. @param listener must not throw @returns a function that ends this */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads the book; while it cannot be used, what it said before holds. */
  #read(): void {
    const { book } = this.#options;
    try {
      const records = book?.hosts() ?? [];
      this.#nodes = (book?.nodes() ?? []).map(({ id, hostname, host, state, history }) => ({
        ...{ id, hostname, host, state, history },
      }));
      this.#records = records;
    } catch (error) {
      if (!(error instanceof Fault && error.code === "book_unusable")) throw error;
    }
    this.#build();
  }

  #build(): void {
    const before = this.#entries;
    this.#entries = this.#made();
    this.#shown = new Map(
      [...this.#entries].flatMap(([name, { profile }]) =>
        profile?.shown === undefined ? [] : [[profile.shown, name]],
      ),
    );
    if (!isDeepStrictEqual(this.#entries, before)) for (const listener of this.#listeners) listener();
  }

  #made(): Map<string, RosterEntry> {
    const records = new Map(this.#records.map((record) => [record.name, record]));
    const nodes = Map.groupBy(this.#nodes, ({ host }) => host);
    const addresses = this.#options.servers.addresses();
    const names = new Set([...addresses.keys(), ...records.keys(), ...nodes.keys()]);
    const approved = this.#nodes.filter(({ state }) => state === "approved").map(({ host }) => host);
    const added = this.#records.filter(({ address }) => address !== undefined).map(({ name }) => name);
    /** Names that no other host is shown under. */
    const taken = new Set([...addresses.keys(), ...added, ...approved]);
    return new Map(
      [...names].map((name) => {
        const record = records.get(name);
        const before = this.#entries.get(name)?.config;
        const config = record?.config ?? everything;
        return [
          name,
          {
            polled: polledHost(addresses.get(name), record),
            nodes: nodes.get(name) ?? [],
            parted: record?.parted ?? false,
            config: isDeepStrictEqual(before, config) ? (before ?? config) : config,
            profile: this.#profile(name, record, taken),
          },
        ];
      }),
    );
  }

  #profile(name: string, record: HostRecord | undefined, taken: Set<string>): HostProfile | undefined {
    const { servers } = this.#options;
    const shown = record?.shown;
    const group = servers.group(name) ?? record?.group;
    const labels = { ...record?.labels, ...servers.labels(name) };
    const intervalSec = record?.config.reportIntervalSec ?? undefined;
    const free = shown !== undefined && shown !== name && !taken.has(shown);
    if (free) taken.add(shown);
    const profile: HostProfile = {
      ...(free ? { shown } : {}),
      ...(group === undefined ? {} : { group }),
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      ...(intervalSec === undefined ? {} : { intervalSec }),
    };
    return Object.keys(profile).length === 0 ? undefined : profile;
  }
}

/** The roster as views see it. */
export type RosterView = Pick<
  Roster,
  "keyOf" | "nameOf" | "profile" | "config" | "polled" | "nodes" | "waits" | "inherits" | "onChange"
>;

function polledHost(address: string | undefined, record: HostRecord | undefined): PolledHost | undefined {
  const intervalSec = record?.config.reportIntervalSec ?? undefined;
  if (address !== undefined) return { address, origin: "settings", intervalSec };
  return record?.address === undefined ? undefined : { address: record.address, origin: "book", intervalSec };
}

/** True if a host is one by the settings, or by what an administrator did. */
const isTrusted = ({ polled, nodes }: RosterEntry): boolean =>
  polled !== undefined || nodes.some(({ state }) => state === "approved");
