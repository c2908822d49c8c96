// A roster whose book is two lists, for tests of what is built on it.
import { everything, type HostRecord, type NodeRecord } from "../hub/book/book.ts";
import { Roster } from "../hub/roster.ts";
import { ServerList, type Servers } from "../hub/servers.ts";

type Node = Partial<NodeRecord> & Pick<NodeRecord, "hostname">;
type Host = Partial<HostRecord> & Pick<HostRecord, "name">;

/** What administrators have set for a host; what is not named is not set. */
const hostRecord = (host: Host): HostRecord => ({
  shown: undefined,
  group: undefined,
  labels: {},
  config: everything,
  configVersion: 0,
  address: undefined,
  parted: false,
  ...host,
});

/** A registration that waits, unless it is said to be approved. */
const nodeRecord = ({ hostname, ...node }: Node, id: number): NodeRecord => ({
  id,
  hostname,
  host: hostname,
  way: "portal",
  state: "waiting",
  reset: false,
  registered: 0,
  origin: "127.0.0.1",
  capabilities: { gpus: [], disks: [], nics: [] },
  used: undefined,
  usedFrom: undefined,
  taken: undefined,
  intervalMs: undefined,
  clock: undefined,
  history: undefined,
  ...node,
});

export class RosterFixture {
  readonly servers: ServerList;
  readonly roster: Roster;
  hosts: readonly HostRecord[] = [];
  nodes: readonly NodeRecord[] = [];
  /** Thrown while the book is read. */
  failure: Error | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(servers: Servers = {}) {
    this.servers = new ServerList(servers);
    const read = <T>(rows: () => readonly T[]): readonly T[] => {
      if (this.failure !== undefined) throw this.failure;
      return rows();
    };
    this.roster = new Roster({
      servers: this.servers,
      book: {
        hosts: () => read(() => this.hosts),
        nodes: () => read(() => this.nodes),
        onChange: (listener) => {
          this.#listeners.add(listener);
          return () => this.#listeners.delete(listener);
        },
      },
    });
  }

  /** Writes hosts or nodes into the book. */
  write({ hosts, nodes }: { readonly hosts?: readonly Host[]; readonly nodes?: readonly Node[] }): void {
    if (hosts !== undefined) this.hosts = hosts.map(hostRecord);
    if (nodes !== undefined) this.nodes = nodes.map((node, i) => nodeRecord(node, i + 1));
    for (const listener of this.#listeners) listener();
  }
}
