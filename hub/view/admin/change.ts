import { clean } from "../../../proto/clean.ts";
import { type BookWriter, everything, type HostChange, type HostConfig, type NodeRecord } from "../../book/book.ts";
import type { Action, Details } from "../../desk.ts";
import { Fault } from "../../fault.ts";
import type { adminRoutes } from "../../route/admin.ts";
import type { RouteRequest } from "../../route/handler.ts";
import { isServerAddress, isServerName, serverAddressWanted, serverNameWanted } from "../../servers.ts";
import type { Actor } from "../../who.ts";
import type { HubView } from "../view.ts";
import { divided, edited, type NodeChange, notWritable } from "./division.ts";
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
  hub.file?.refresh();
  const host = hostNamed(hub, given.name);
  const { name } = host;
  const { parted, address } = body;
  if (address !== undefined) checkAddress(address);
  const { inFile, inBook } = divided(hub, host, body);
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
    ...edited(hub, { name, change: inFile, details }),
    write(book) {
      book.changeHost(name, {
        ...(shown === undefined ? {} : { shown: shown ?? undefined }),
        ...inBook,
        ...(parted === undefined ? {} : { parted }),
      } satisfies HostChange);
      if (parted) part(book, host);
    },
  });
  return answered(hub, name);
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

const labelDetails = ({ labels, setLabels }: NodeChange): Details => ({
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

/** Removes a host. @throws Fault bad_request, host_unknown, host_in_settings, history_unwritable */
export async function deleteNode(
  hub: HubView,
  { by, given }: RouteRequest<Routes["deleteNode"]>,
): Promise<{ ok: true; history: boolean }> {
  const asked = given.history === "true";
  if (given.registration === "true") {
    if (asked) throw new Fault("bad_request", 'With "registration", a host keeps its history: leave "history" out.');
    removeRegistrations(hub, by, given.name);
    return { ok: true, history: false };
  }
  // Asked for first: nothing may change between the checks and the change.
  const isKnown = (await hub.history.known({ host: given.name })).length > 0;
  hub.file?.refresh();
  const host = removable(hub, given.name, { asked, isKnown });
  const { name, listed, record } = host;
  if (listed !== undefined && (hub.file === undefined || hub.file.obstacle() !== undefined)) {
    throw notWritable(hub, `"${name}"`);
  }
  const history = asked || isStranger(host);
  const details = { history, ...(record?.shown === undefined ? {} : { shown: record.shown }) };
  const action: Action<void> = {
    name: "node.delete",
    needs: "admin",
    target: name,
    ...(listed === undefined ? { details } : edited(hub, { name, change: undefined, details })),
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
 * Removes the machines that registered for a polled host, which stays: a stranger may have taken its name.
 * @throws Fault bad_request, host_unknown
 */
function removeRegistrations(hub: HubView, by: Actor, asked: string): void {
  const host = hostNamed(hub, asked);
  if (!isPolled(host)) {
    throw new Fault(
      "bad_request",
      `The host "${host.name}" is not polled: nothing is left of it without its registration.`,
    );
  }
  const removed = registered(host, asked);
  hub.desk.do(by, {
    name: "node.delete",
    needs: "admin",
    target: host.name,
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
 * @param history.asked true if its history is to go @param history.isKnown true if there is some under the name
 * @throws Fault host_unknown
 */
function removable(hub: HubView, name: string, history: { asked: boolean; isKnown: boolean }): AdminHost {
  if (history.asked && history.isKnown && !isHost(hub, name)) {
    return { name, listed: undefined, record: undefined, nodes: [], live: undefined };
  }
  try {
    return hostNamed(hub, name);
  } catch (error) {
    if (!history.isKnown) throw error;
    // As after an import.
    const text = `There is no host "${name}", only its history, which "gohm node delete ${name} --history" deletes.`;
    throw new Fault("host_unknown", text, { cause: error });
  }
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
