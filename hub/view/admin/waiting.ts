import { accountKey, type NodeRecord } from "../../book/book.ts";
import type { Sentence } from "../../sentence.ts";
import { trouble } from "../../trouble.ts";
import type { HubView } from "../view.ts";

/** Most names that are listed. */
const mostListed = 3;

/** Names that people take for one another have the same key: case, width, spaces and separators make no difference. */
const lookOf = (name: string): string => accountKey(name).replace(/[\s_.-]/gu, "");

/** Finds hosts whose names look alike. */
export class Lookalikes {
  readonly #hub: Pick<HubView, "live" | "roster">;
  /** Names by their key, each with its host; made when it is first needed. */
  #names: ReadonlyMap<string, ReadonlyMap<string, string>> | undefined;

  constructor(hub: Pick<HubView, "live" | "roster">) {
    this.#hub = hub;
  }

  /** Own and shown names of other hosts that look like that of a host. */
  of(host: string): string[] {
    this.#names ??= namesOf(this.#hub);
    const alike = [...(this.#names.get(lookOf(host)) ?? [])];
    return alike.flatMap(([name, other]) => (other === host ? [] : name));
  }
}

function namesOf({ live, roster }: Pick<HubView, "live" | "roster">): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const hosts = new Set([
    ...roster.polled().keys(),
    ...roster.nodes().map(({ host }) => host),
    ...live.hosts().map(({ name }) => name),
  ]);
  const names = new Map<string, Map<string, string>>();
  for (const host of hosts) {
    for (const name of [host, roster.nameOf(host)]) {
      const key = lookOf(name);
      const alike = names.get(key);
      if (alike === undefined) names.set(key, new Map([[name, host]]));
      else alike.set(name, host);
    }
  }
  return names;
}

/** What administrators should know of a machine that waits, before they approve it. */
export function warningsOf({ host, hostname, history, way }: NodeRecord, lookalikes: Lookalikes): Sentence[] {
  const alike = lookalikes.of(host).slice(0, mostListed).map(quoted);
  const known = way === "logger" ? "client_history" : "other_history";
  return [
    ...(alike.length === 0 ? [] : [trouble("lookalike", { names: alike.join(", ") })]),
    ...(history === undefined ? [] : [trouble(known, { hostname, until: history })]),
  ];
}

const quoted = (name: string): string => `"${name}"`;
