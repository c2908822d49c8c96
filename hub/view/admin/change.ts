import { clean } from "../../../proto/clean.ts";
import { type BookWriter, everything, type HostChange, type HostConfig, type NodeRecord } from "../../book/book.ts";
import type { Action, Details } from "../../desk.ts";
import { Fault } from "../../fault.ts";
import type { adminRoutes } from "../../route/admin.ts";
import type { RouteRequest } from "../../route/handler.ts";
import { isServerAddress, isServerName, serverAddressWanted, serverNameWanted } from "../../servers.ts";
import type { Actor } from "../../who.ts";
import type { HubView } from "../view.ts";
import { type AdminHost, type AdminNode, hostNamed, isHost, isPolled, nodeOf } from "./host.ts";

type Routes = typeof adminRoutes;

/** A host after its change. */
const answered = (hub: HubView, name: string): AdminNode => nodeOf(hub, hostNamed(hub, name));

/** Changes name, group, labels and address of a host. @throws Fault host_unknown, host_in_settings, name_taken, bad_request */
export async function changeNode(
  hub: HubView,
  { by, given, body }: RouteRequest<Routes["changeNode"]>,
): Promise<AdminNode> {
  // Asked for first: nothing may change between the checks and the change.
  const left = body.shown ? await hub.history.known({ host: body.shown }) : [];
  const host = hostNamed(hub, given.name);
  const { name } = host;
  checkOwned(hub, host, body);
  const { parted, address } = body;
  if (address !== undefined) checkAddress(address);
  const shown = body.shown === null || body.shown === name ? null : body.shown;
  if (shown) checkFree(hub, shown, name);
  if (shown && shown !== host.record?.shown && left.length > 0) throw inHistory(shown);
  const details: Details = {
    ...(shown === undefined ? {} : { shown, before: hub.roster.nameOf(name) }),
    ...(body.group === undefined ? {} : { group: body.group }),
    ...(address === undefined ? {} : { address }),
    ...(parted === undefined ? {} : { parted }),
    ...labelDetails(body),
  };
  if (Object.keys(details).length === 0) return nodeOf(hub, host);
  hub.desk.do(by, {
    name: "node.change",
    needs: "admin",
    target: name,
    details,
    write(book) {
      const labels = labelsOf(book.host(name)?.labels ?? {}, body, hub.servers.labels(name));
      book.changeHost(name, {
        ...(shown === undefined ? {} : { shown: shown ?? undefined }),
        ...(body.group === undefined ? {} : { group: body.group ?? undefined }),
        ...(labels === undefined ? {} : { labels }),
        ...(address === undefined ? {} : { address }),
        ...(parted === undefined ? {} : { parted }),
      } satisfies HostChange);
      if (parted) part(book, host);
    },
  });
  return answered(hub, name);
}

type Body = RouteRequest<Routes["changeNode"]>["body"];

/** Settings decide over the book: what they say of a host is not changed here. @throws Fault host_in_settings */
function checkOwned(
  { servers }: HubView,
  { name, listed }: AdminHost,
  { address, group, labels, setLabels }: Body,
): void {
  if (listed === undefined) return;
  const own = servers.labels(name) ?? {};
  const label = Object.entries({ ...labels, ...setLabels }).find(
    ([key, value]) => Object.hasOwn(own, key) && own[key] !== value,
  );
  const what = [
    ...(address === undefined ? [] : ["address"]),
    ...(group === undefined || servers.group(name) === undefined ? [] : ["group"]),
    ...(label === undefined ? [] : [`label "${label[0]}"`]),
  ];
  if (what.length === 0) return;
  throw new Fault("host_in_settings", `The ${what[0]} of "${name}" is in the settings file: change it there.`);
}

/** @throws Fault bad_request */
function checkAddress(address: string): void {
  if (isServerAddress(address)) return;
  throw new Fault(
    "bad_request",
    `The body's "address" must be ${serverAddressWanted}: it is ${JSON.stringify(clean(address))}.`,
  );
}

/** Checks that no other host has a name. @throws Fault name_taken */
function checkFree(hub: HubView, wanted: string, name: string): void {
  const { book, roster } = hub;
  const others = [
    ...(isHost(hub, wanted) ? [wanted] : []),
    // Also a shown name that is not in effect, because the settings have it.
    ...book.hosts().flatMap((record) => (record.shown === wanted ? record.name : [])),
    ...roster.nodes().flatMap(({ hostname, host }) => (hostname === wanted ? host : [])),
  ];
  const other = others.find((one) => one !== name);
  if (other === undefined) return;
  throw new Fault("name_taken", `"${wanted}" is a name of the host "${other}" already.`);
}

/** Of a host that is gone, the name is all by which its history is found. */
const inHistory = (name: string): Fault =>
  new Fault(
    "name_taken",
    `History has samples of a host "${name}", which nobody could find if another one were shown by that name: choose another name, or delete them first, with "gohm node delete ${name} --history".`,
  );

/** The labels after a change, without those of the settings; undefined if it changes none. */
function labelsOf(
  before: Readonly<Record<string, string>>,
  { labels, setLabels }: Body,
  own: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> | undefined {
  if (labels === undefined && setLabels === undefined) return undefined;
  const all = new Map(Object.entries(labels ?? before));
  for (const [label, value] of Object.entries(setLabels ?? {})) {
    if (value === null) all.delete(label);
    else all.set(label, value);
  }
  for (const label of Object.keys(own)) all.delete(label);
  return Object.fromEntries(all);
}

const labelDetails = ({ labels, setLabels }: Body): Details => ({
  ...(labels === undefined ? {} : { labels: listed(Object.entries(labels)) }),
  ...(setLabels === undefined ? {} : { setLabels: listed(Object.entries(setLabels)) }),
});

const listed = (labels: readonly (readonly [string, string | null])[]): string =>
  labels.map(([label, value]) => (value === null ? `${label} removed` : `${label}=${value}`)).join(", ");

/** Gives machines of another name back to the host of their own name. */
function part(book: BookWriter, { name, nodes }: AdminHost): void {
  for (const { id, hostname } of nodes) if (hostname !== name) book.changeNode(id, { host: hostname });
}

/** Saves what is kept of a host. @throws Fault host_unknown, bad_request */
export function configureNode(hub: HubView, { by, given, body }: RouteRequest<Routes["configureNode"]>): AdminNode {
  const { name } = hostNamed(hub, given.name);
  hub.desk.do(by, {
    name: "node.configure",
    needs: "admin",
    target: name,
    details: {
      ...(body.gpuIndices === undefined ? {} : { gpuIndices: chosen(body.gpuIndices) }),
      ...(body.diskMounts === undefined ? {} : { diskMounts: chosen(body.diskMounts) }),
      ...(body.nicNames === undefined ? {} : { nicNames: chosen(body.nicNames) }),
      ...(body.reportIntervalSec === undefined ? {} : { reportIntervalSec: body.reportIntervalSec ?? "usual" }),
    },
    write(book) {
      const before = book.host(name)?.config ?? everything;
      const config: HostConfig = {
        gpuIndices: body.gpuIndices === undefined ? before.gpuIndices : body.gpuIndices,
        diskMounts: body.diskMounts === undefined ? before.diskMounts : body.diskMounts,
        nicNames: body.nicNames === undefined ? before.nicNames : body.nicNames,
        reportIntervalSec: body.reportIntervalSec === undefined ? before.reportIntervalSec : body.reportIntervalSec,
      };
      book.changeHost(name, { config });
    },
  });
  return answered(hub, name);
}

/** A selection as text. */
const chosen = (items: readonly (string | number)[] | null): string => (items === null ? "all" : items.join(", "));

/** Approves the machines of a host that wait. @returns the polled host that one of them is, else the host @throws Fault host_unknown, bad_request */
export function approveNode(hub: HubView, { by, given }: RouteRequest<Routes["approveNode"]>): AdminNode {
  const host = hostNamed(hub, given.name);
  const waiting = registered(host, given.name).filter(({ state }) => state === "waiting");
  if (waiting.length > 0) {
    hub.desk.do(by, {
      name: "node.approve",
      needs: "admin",
      target: host.name,
      details: { hostname: waiting.map(({ hostname }) => hostname).join(", ") },
      write(book) {
        for (const { id } of waiting) book.changeNode(id, { state: "approved" });
      },
    });
    // Else a machine that is a polled host would vanish from the list a moment after the answer.
    hub.joinMachines();
  }
  const hosts = waiting.map(({ hostname }) => hub.book.node(hostname)?.host ?? host.name);
  return answered(hub, hosts.find((name) => name !== host.name) ?? host.name);
}

/** Revokes the tokens of the machines of a host. @throws Fault host_unknown, bad_request */
export function resetNode(hub: HubView, { by, given }: RouteRequest<Routes["resetNode"]>): AdminNode {
  const host = hostNamed(hub, given.name);
  const nodes = registered(host, given.name);
  hub.desk.do(by, {
    name: "node.reset",
    needs: "admin",
    target: host.name,
    details: { hostname: nodes.map(({ hostname }) => hostname).join(", ") },
    write(book) {
      for (const { id } of nodes) book.changeNode(id, { token: undefined, reset: true });
    },
  });
  return answered(hub, host.name);
}

/** The machines that a name means: the one that registered with it, else all of the host. @throws Fault bad_request */
function registered({ name, nodes }: AdminHost, asked: string): readonly NodeRecord[] {
  const exact = nodes.filter(({ hostname }) => hostname === asked);
  const found = exact.length > 0 ? exact : nodes;
  if (found.length > 0) return found;
  throw new Fault("bad_request", `The host "${name}" is polled: no machine has registered for it.`);
}

/** How long an answer waits for a deletion of history, which goes on afterwards. */
const patienceMs = 5000;

/** Removes a host. @throws Fault host_unknown, host_in_settings, history_unwritable */
export async function deleteNode(
  hub: HubView,
  { by, given }: RouteRequest<Routes["deleteNode"]>,
): Promise<{ ok: true; history: boolean }> {
  const asked = given.history === "true";
  const host = await removable(hub, given.name, asked);
  const { name } = host;
  if (host.listed !== undefined) {
    removeRegistrations(hub, by, { host, asked: given.name, history: asked });
    return { ok: true, history: false };
  }
  const history = asked || isStranger(host);
  const action: Action<void> = {
    name: "node.delete",
    needs: "admin",
    target: name,
    details: { history, ...(host.record?.shown === undefined ? {} : { shown: host.record.shown }) },
    write(book) {
      book.removeHost(name);
      for (const { id } of host.nodes) book.removeNode(id);
    },
  };
  if (history) await patiently(hub, name, hub.forget(by, action, name));
  else hub.desk.do(by, action);
  return { ok: true, history };
}

/** True if all that history can have of a host is what machines sent that nobody has approved. */
const isStranger = (host: AdminHost): boolean =>
  host.nodes.length > 0 &&
  !isPolled(host) &&
  host.nodes.every(({ state, history }) => state === "waiting" && history === undefined);

/**
 * Removes the machines that registered for a host of the settings, which stays: a stranger may have taken its name.
 * @throws Fault host_in_settings if there is none, or the history is to go
 */
function removeRegistrations(
  { desk }: HubView,
  by: Actor,
  { host, asked, history }: { readonly host: AdminHost; readonly asked: string; readonly history: boolean },
): void {
  const { name, nodes } = host;
  if (nodes.length === 0 || history) {
    throw new Fault("host_in_settings", `"${name}" is in the settings file: remove it from "servers" there first.`);
  }
  const removed = registered(host, asked);
  desk.do(by, {
    name: "node.delete",
    needs: "admin",
    target: name,
    details: { registration: removed.map(({ hostname }) => hostname).join(", ") },
    write(book) {
      for (const { id } of removed) book.removeNode(id);
    },
  });
}

/** Waits for a deletion of history for as long as a client does. @throws Fault history_unwritable */
async function patiently(hub: HubView, name: string, forgotten: Promise<void>): Promise<void> {
  let cancel = (): void => {};
  const patience = new Promise<void>((done) => {
    cancel = hub.clock.after(patienceMs, done);
  });
  try {
    await Promise.race([forgotten, patience]);
  } finally {
    cancel();
  }
  forgotten.catch((error: unknown) => hub.log.error(`the history of ${name} is not deleted: ${String(error)}`));
}

/**
 * A host that can be removed: if its history is to go, also one of which nothing else is left. Its own name comes before the
 * shown name of another host, and before that of a machine that belongs to another one.
 * @throws Fault host_unknown
 */
async function removable(hub: HubView, asked: string, history: boolean): Promise<AdminHost> {
  const isLeft = history && !isHost(hub, asked) && (await hub.history.known({ host: asked })).length > 0;
  if (!isLeft) return hostNamed(hub, asked);
  return { name: asked, listed: undefined, record: undefined, nodes: [], live: undefined };
}

/** Adds a host to poll. @throws Fault bad_request, name_taken */
export function addServer(hub: HubView, { by, body }: RouteRequest<Routes["addServer"]>): AdminNode {
  const { name, address } = body;
  if (!isServerName(name)) {
    throw new Fault(
      "bad_request",
      `The body's "name" must be ${serverNameWanted}: it is ${JSON.stringify(clean(name))}.`,
    );
  }
  checkAddress(address);
  if (isHost(hub, name) && isPolled(hostNamed(hub, name)))
    throw new Fault("name_taken", `The host "${name}" is polled already.`);
  checkFree(hub, name, name);
  hub.desk.do(by, {
    name: "node.add",
    needs: "admin",
    target: name,
    details: { address },
    write: (book) => void book.changeHost(name, { address }),
  });
  return answered(hub, name);
}
