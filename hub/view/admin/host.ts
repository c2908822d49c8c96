import { type Capabilities, everything, type HostRecord, type NodeRecord } from "../../book/book.ts";
import { Fault } from "../../fault.ts";
import type { LiveHost } from "../../live.ts";
import { isHistoryOnly } from "../../reason.ts";
import type { adminRoutes } from "../../route/admin.ts";
import type { JsonAnswer } from "../../route/route.ts";
import type { Sentence } from "../../sentence.ts";
import type { HubView } from "../view.ts";
import { capabilitiesOf, joined } from "./capability.ts";
import { Lookalikes, warningsOf } from "./waiting.ts";

/** A host as administrators see it. */
export type AdminNode = JsonAnswer<typeof adminRoutes.approveNode>;

/** What the hub knows of a host, from the settings, the book and live state. */
export interface AdminHost {
  /** Its name in live state and history. */
  readonly name: string;
  /** Address in settings.json. */
  readonly listed: string | undefined;
  readonly record: HostRecord | undefined;
  /** Machines whose reports belong to it, the one of its own name first. */
  readonly nodes: readonly NodeRecord[];
  readonly live: LiveHost | undefined;
}

type HostSources = Pick<HubView, "book" | "live" | "roster" | "servers">;

/** Names with numbers in their order: gpu2 before gpu10. */
const order = new Intl.Collator("en", { numeric: true });

/** All hosts: of the settings, with a record or a registration in the book, and those that an input reports. By shown name. */
function hostsOf(hub: HostSources): AdminHost[] {
  const { book, live, roster, servers } = hub;
  const listed = servers.addresses();
  const records = new Map(book.hosts().map((record) => [record.name, record]));
  const nodes = Map.groupBy(book.nodes(), ({ host }) => host);
  const names = new Set([
    ...listed.keys(),
    ...records.keys(),
    ...nodes.keys(),
    ...live.hosts().map(({ name }) => name),
  ]);
  return [...names]
    .map((name) => ({
      name,
      listed: listed.get(name),
      record: records.get(name),
      nodes: sorted(name, nodes.get(name) ?? []),
      live: live.host(name),
    }))
    .sort((a, b) => order.compare(roster.nameOf(a.name), roster.nameOf(b.name)));
}

/** The machine of the host's own name first, then the one that was used last. */
const sorted = (name: string, nodes: readonly NodeRecord[]): readonly NodeRecord[] =>
  nodes.toSorted(
    (a, b) =>
      Number(b.hostname === name) - Number(a.hostname === name) || (b.used ?? b.registered) - (a.used ?? a.registered),
  );

/**
 * The host of a name: its own, the one that is shown, or that of a machine that belongs to it.
 * @throws Fault host_unknown
 */
export function hostNamed(hub: HostSources, asked: string): AdminHost {
  const { book, live, roster, servers } = hub;
  const name = keyOf(hub, asked);
  if (name === undefined) throw new Fault("host_unknown", `There is no host "${asked}".`);
  // The roster knows the machines of a host without reading those of all hosts.
  const nodes = roster.nodes().flatMap(({ host, hostname }) => (host === name ? (book.node(hostname) ?? []) : []));
  return {
    name,
    listed: servers.addresses().get(name),
    record: book.host(name),
    nodes: sorted(name, nodes),
    live: live.host(name),
  };
}

/** Unlike in the roster, a machine that waits comes before a host that is shown under its name: it must be found to be approved. */
function keyOf({ live, roster }: HostSources, asked: string): string | undefined {
  if (isHost({ live, roster }, asked)) return asked;
  const shown = roster.keyOf(asked);
  return shown !== asked ? shown : roster.nodes().find(({ hostname }) => hostname === asked)?.host;
}

/** True if a host has this name of its own. */
export const isHost = ({ live, roster }: Pick<HubView, "live" | "roster">, name: string): boolean =>
  roster.config(name) !== undefined || live.host(name) !== undefined;

/** True if the hub polls a host, as settings.json or an administrator says. */
export const isPolled = ({ listed, record }: AdminHost): boolean =>
  listed !== undefined || record?.address !== undefined;

/** All hosts as the routes answer them. */
export function nodesOf(hub: HubView): AdminNode[] {
  const shared = { lookalikes: new Lookalikes(hub), file: fileOf(hub) };
  return hostsOf(hub).map((host) => nodeOf(hub, host, shared));
}

/** The settings file, for hosts that it lists. */
function fileOf({ file }: HubView): AdminNode["file"] {
  if (file === undefined) return null;
  const { kind = null, reason = null, owner = null } = file.obstacle() ?? {};
  return { path: file.path, obstacle: kind, reason, owner };
}

/** What the answers of all hosts share. */
interface Shared {
  readonly lookalikes: Lookalikes;
  readonly file: AdminNode["file"];
}

/** A host as the routes answer it. */
export function nodeOf(hub: HubView, host: AdminHost, shared?: Shared): AdminNode {
  const { lookalikes, file } = shared ?? { lookalikes: new Lookalikes(hub), file: fileOf(hub) };
  const { name, listed, record, nodes, live } = host;
  const { roster, troubles } = hub;
  const { group, labels } = roster.profile(name) ?? {};
  const [first] = nodes;
  const said = [
    ...troubles.sentences(name),
    ...(roster.waits(name) ? nodes.flatMap((node) => warningsOf(node, lookalikes)) : []),
  ];
  const taken = nodes.flatMap((node) => node.taken ?? []).toSorted((a, b) => b.time - a.time)[0];
  return {
    name,
    shown: roster.nameOf(name),
    group: group ?? null,
    labels: { ...labels },
    ways: waysOf(host),
    file: listed === undefined ? null : file,
    address: listed ?? record?.address ?? first?.usedFrom ?? first?.origin ?? null,
    parted: record?.parted ?? false,
    state: roster.waits(name) ? "waiting" : stateOf(live),
    seen: live?.seen ?? first?.used ?? null,
    ...reasonOf(live),
    capabilities: plain(
      joined([
        ...(live?.info === undefined ? [] : [capabilitiesOf({ ...live.info, ...hub.offered(name) })]),
        // Of a polled host, a stranger says nothing.
        ...nodes.flatMap(({ state, capabilities }) =>
          state === "approved" || roster.waits(name) ? [capabilities] : [],
        ),
      ]),
    ),
    config: configOf(record),
    configVersion: record?.configVersion ?? 0,
    taken: taken === undefined ? null : { version: taken.version, time: taken.time },
    registration: first === undefined ? null : registrationOf(first),
    skewMs: live?.skewMs ?? null,
    trouble: said.map(({ text }) => text),
    troubles: said.map(coded),
  };
}

function stateOf(live: LiveHost | undefined): AdminNode["state"] {
  if (live?.link.state === "open") return "answering";
  return live !== undefined && isHistoryOnly(live.link) ? "history" : "silent";
}

function reasonOf(live: LiveHost | undefined): Pick<AdminNode, "reason" | "cause"> {
  if (live?.link.state !== "waiting") return { reason: null, cause: null };
  const { reason, cause } = live.link;
  return { reason, cause: cause === undefined ? null : coded(cause) };
}

/** A sentence without its English text. */
const coded = ({ code, values }: Sentence): AdminNode["troubles"][number] => ({ code, values: { ...values } });

function waysOf({ listed, record, nodes }: AdminHost): AdminNode["ways"] {
  const polled = listed !== undefined ? ["settings" as const] : record?.address !== undefined ? ["book" as const] : [];
  const own = new Set(nodes.map(({ way }) => (way === "portal" ? ("push" as const) : way)));
  return [...polled, ...own];
}

function configOf(record: HostRecord | undefined): AdminNode["config"] {
  const { gpuIndices, diskMounts, nicNames, reportIntervalSec } = record?.config ?? everything;
  return { gpuIndices: copy(gpuIndices), diskMounts: copy(diskMounts), nicNames: copy(nicNames), reportIntervalSec };
}

const copy = <T>(list: readonly T[] | null): T[] | null => (list === null ? null : [...list]);

const registrationOf = (node: NodeRecord): NonNullable<AdminNode["registration"]> => ({
  hostname: node.hostname,
  state: node.state,
  registered: node.registered,
  origin: node.origin,
  used: node.used ?? null,
  usedFrom: node.usedFrom ?? null,
  reset: node.reset,
});

function plain({ gpus, disks, nics, ...machine }: Capabilities): AdminNode["capabilities"] {
  return { ...machine, gpus: [...gpus], disks: [...disks], nics: [...nics] };
}
