import type { AuditDetails, HostChange } from "../../book/book.ts";
import type { Action } from "../../desk.ts";
import { Fault } from "../../fault.ts";
import type { adminRoutes } from "../../route/admin.ts";
import type { RouteRequest } from "../../route/handler.ts";
import type { ServerChange } from "../../servers.ts";
import type { HubView } from "../view.ts";
import type { AdminHost } from "./host.ts";

/** Change of a host that a client asks for. */
export type NodeChange = RouteRequest<(typeof adminRoutes)["changeNode"]>["body"];

/** Parts of a change of a host, by where they are written. */
interface Division {
  readonly inFile: ServerChange;
  readonly inBook: Pick<HostChange, "address" | "group" | "labels">;
}

/**
 * Divides a change of a host between settings file and book. The settings win, so what the file says of a host is changed there.
 * What it does not say goes there as well if the hub can write it, else into the book.
 * @throws Fault host_in_settings
 */
export function divided(hub: HubView, host: AdminHost, { address, group, ...more }: NodeChange): Division {
  const { name, listed, record } = host;
  const own = new Map(Object.entries(hub.servers.labels(name) ?? {}));
  const kept = new Map(Object.entries(record?.labels ?? {}));
  const labels = labelsAfter(new Map([...kept, ...own]), more);
  if (listed === undefined) {
    return {
      inFile: {},
      inBook: {
        ...(address === undefined ? {} : { address }),
        ...(group === undefined ? {} : { group: group ?? undefined }),
        ...(labels === undefined ? {} : { labels: Object.fromEntries(labels) }),
      },
    };
  }
  const writable = hub.file !== undefined && hub.file.obstacle() === undefined;
  const ownGroup = hub.servers.group(name) ?? null;
  const moved = group !== undefined && group !== ownGroup && (ownGroup !== null || writable);
  /** Labels to write into the file; null removes one. */
  const written = new Map<string, string | null>();
  for (const label of own.keys()) if (labels?.has(label) === false) written.set(label, null);
  for (const [label, value] of labels ?? []) {
    if (own.has(label) ? own.get(label) !== value : writable && kept.get(label) !== value) written.set(label, value);
  }
  const inFile: ServerChange = {
    ...(address === undefined || address === listed ? {} : { address }),
    ...(moved ? { group } : {}),
    ...(written.size === 0 ? {} : { labels: Object.fromEntries(written) }),
  };
  const [first] = [...Object.keys(inFile).filter((part) => part !== "labels"), ...labelNames(written)];
  if (first !== undefined && !writable) throw notWritable(hub, `The ${first} of "${name}"`);
  const rest = [...(labels ?? [])].filter(([label]) => !own.has(label) && !written.has(label));
  return {
    inFile,
    inBook: {
      // What the book says would be in effect once the file says nothing.
      ...(group === undefined ? {} : { group: moved || group === null || group === ownGroup ? undefined : group }),
      ...(labels === undefined ? {} : { labels: Object.fromEntries(rest) }),
    },
  };
}

const labelNames = (labels: ReadonlyMap<string, unknown>): string[] =>
  [...labels.keys()].map((label) => `label "${label}"`);

/** The labels of a host after a change; undefined if it changes none. */
function labelsAfter(
  before: ReadonlyMap<string, string>,
  { labels, setLabels }: Pick<NodeChange, "labels" | "setLabels">,
): ReadonlyMap<string, string> | undefined {
  if (labels === undefined && setLabels === undefined) return undefined;
  const after = new Map(labels === undefined ? before : Object.entries(labels));
  for (const [label, value] of Object.entries(setLabels ?? {})) {
    if (value === null) after.delete(label);
    else after.set(label, value);
  }
  return after;
}

/** A refusal that names the settings file, why the hub cannot change it, and who may. */
export function notWritable({ file }: HubView, what: string): Fault {
  const { reason, owner } = file?.obstacle() ?? {};
  const words =
    file === undefined || reason === undefined
      ? "the settings file: change it there."
      : `${file.path}, which the hub cannot change: ${reason}.${owner === undefined ? "" : ` It belongs to ${owner}.`}`;
  return new Fault("host_in_settings", `${what} is in ${words}`);
}

/**
 * The details and the effect of an action that changes a server of the settings file, or removes it (undefined).
 * @throws Fault host_in_settings, bad_request
 */
export function edited(
  { file }: HubView,
  {
    name,
    change,
    details,
  }: { readonly name: string; readonly change: ServerChange | undefined; readonly details: AuditDetails },
): Pick<Action<void>, "details" | "effect"> {
  if (file === undefined || (change !== undefined && Object.keys(change).length === 0)) return { details };
  // The desk keeps only the first details of a long list.
  return { details: { settings: file.path, ...details }, effect: file.edit(name, change) };
}
