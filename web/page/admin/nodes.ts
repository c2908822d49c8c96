import { size } from "../../../proto/quantity.ts";
import { adminText, text, timeOf } from "../../language.ts";
import { fleet } from "../../store.ts";
import { administer, type Node } from "./call.ts";
import { type Loaded, useLoaded } from "./loaded.ts";

export type Nodes = Loaded<readonly Node[]>;

/** All hosts, with those that wait for approval. */
export const useNodes = (): Nodes => useLoaded(async (stop) => (await administer("nodes", {}, stop)).nodes);

/** Shows a host as the hub answered it after a change. @param before its name before, under which it is no longer listed */
export function putNode(nodes: Nodes, node: Node, before = node.name): void {
  nodes.put((all) => {
    const rest = before === node.name ? all : all.filter(({ name }) => name !== before);
    return rest.some(({ name }) => name === node.name)
      ? rest.map((one) => (one.name === node.name ? node : one))
      : [...rest, node];
  });
}

/** True if a machine of a host waits for approval; a polled host answers meanwhile. */
export const waits = ({ state, registration }: Node): boolean =>
  state === "waiting" || registration?.state === "waiting";

/** True if the hub polls a host. */
export const isPolled = ({ ways }: Node): boolean => ways.includes("settings") || ways.includes("book");

/** The hub's clock, Unix milliseconds. Not followed: ages are as old as the list. */
export const hubNow = (): number => (fleet.known.peek() ? fleet.now.peek() : Date.now());

/** Date and time; of today only the time. */
export function momentOf(time: number): string {
  const now = hubNow();
  if (new Date(time).toDateString() === new Date(now).toDateString()) return timeOf(time, now);
  return new Intl.DateTimeFormat(text.value.tag, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" }).format(
    time,
  );
}

/** "3 min ago", by the hub's clock. */
export const agoOf = (time: number): string => {
  const t = text.value;
  return t.ago(t.span(Math.max(0, (hubNow() - time) / 1000)));
};

/** "8 × NVIDIA H100, 128 threads, 1007 GB": what a host has, as it says. */
export function hardwareOf({ capabilities }: Node): string {
  const t = adminText();
  const counts = new Map<string, number>();
  for (const { name } of capabilities.gpus) counts.set(name, (counts.get(name) ?? 0) + 1);
  const cards = [...counts].map(([name, count]) => (count === 1 ? name : `${count} × ${name}`));
  const { cpuCores, memoryTotalGB } = capabilities;
  const rest = [
    cards.length === 0 ? t.noGpus : "",
    cpuCores === undefined ? "" : t.cores(cpuCores),
    memoryTotalGB === undefined ? "" : t.memoryOf(size(memoryTotalGB * 2 ** 30)),
  ];
  return text.value.list([...cards, ...rest.filter((word) => word !== "")]);
}
