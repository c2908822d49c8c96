import { isLoopback } from "../program/network.ts";
import type { NodeRecord } from "./book/book.ts";
import type { Clock } from "./clock.ts";
import type { Desk } from "./desk.ts";
import type { Ingest, Machine, Owner } from "./ingest.ts";
import type { Log } from "./log.ts";
import type { Roster } from "./roster.ts";
import type { Actor } from "./who.ts";

/** The hub itself. */
const hub: Actor = { kind: "owner", origin: "hub" };

export interface MachinesOptions {
  readonly roster: Pick<Roster, "polled" | "nodes" | "parted" | "onChange">;
  readonly ingest: Pick<Ingest, "onMachine">;
  readonly desk: Pick<Desk, "do">;
  readonly clock: Pick<Clock, "after">;
  readonly log: Log;
}

/** What a host said of itself, to the poll and in its own reports. */
interface Heard {
  polled?: Machine;
  own?: Machine;
}

interface PolledMachine {
  readonly name: string;
  readonly machine: Machine;
}

/**
 * Finds machines that are polled under one name and report by themselves under another, and makes them one host: the polled
 * one. Boot ids decide; where one of the two has none, the host name and the address that the hub itself sees do. A machine
 * that nobody has approved is never taken for another one, nor is one that a person has parted.
 */
export class Machines {
  readonly #options: MachinesOptions;
  readonly #heard = new Map<string, Heard>();
  #cancel: (() => void) | undefined;

  constructor(options: MachinesOptions) {
    this.#options = options;
    const { ingest, roster } = options;
    ingest.onMachine((host, by, machine) => this.#hear(host, by, machine));
    roster.onChange(() => this.#later());
  }

  close(): void {
    this.#cancel?.();
  }

  #hear(host: string, { origin }: Owner, machine: Machine): void {
    const heard = this.#heard.get(host) ?? {};
    this.#heard.set(host, heard);
    heard[origin === "push" ? "own" : "polled"] = machine;
    this.#later();
  }

  /** Joins what can be joined at once, so that the answer to an approval shows it. */
  joinNow(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#compare();
  }

  /** Compares them when the report or the change has been taken: the book is not written meanwhile. */
  #later(): void {
    this.#cancel ??= this.#options.clock.after(0, () => {
      this.#cancel = undefined;
      this.#compare();
    });
  }

  #compare(): void {
    const { roster } = this.#options;
    const polled = roster.polled();
    const nodes = roster.nodes();
    const hosts = new Set(nodes.map(({ host }) => host));
    for (const host of this.#heard.keys()) if (!polled.has(host) && !hosts.has(host)) this.#heard.delete(host);
    const taken = new Set(nodes.flatMap(({ host, state }) => (state === "approved" ? host : [])));
    const known = this.#polledMachines([...polled.keys()].filter((name) => !roster.parted(name)));
    const shared = repeated([...hosts].flatMap((host) => this.#heard.get(host)?.own?.peer ?? []));
    for (const { id, hostname, host, state } of nodes) {
      const own = this.#heard.get(host)?.own;
      if (own === undefined || state !== "approved" || polled.has(host)) continue;
      const isOwn = ({ name, machine }: PolledMachine): boolean => !taken.has(name) && fits(machine, own);
      const [found] = signsOf(own, shared).flatMap((sign) => known.get(sign)?.find(isOwn) ?? []);
      if (found === undefined) continue;
      taken.add(found.name);
      this.#join({ id, hostname }, found.name);
    }
  }

  /** What the hub polls, by what a machine can be recognized by: each event compares all of them. */
  #polledMachines(names: readonly string[]): ReadonlyMap<string, readonly PolledMachine[]> {
    const known = new Map<string, PolledMachine[]>();
    const shared = repeated(names.flatMap((name) => this.#heard.get(name)?.polled?.peer ?? []));
    for (const name of names) {
      const machine = this.#heard.get(name)?.polled;
      if (machine === undefined) continue;
      for (const sign of signsOf(machine, shared)) {
        const alike = known.get(sign);
        if (alike === undefined) known.set(sign, [{ name, machine }]);
        else alike.push({ name, machine });
      }
    }
    return known;
  }

  #join({ id, hostname }: Pick<NodeRecord, "id" | "hostname">, polled: string): void {
    const { desk, log } = this.#options;
    try {
      desk.do(hub, {
        name: "node.join",
        needs: "admin",
        target: polled,
        details: { hostname },
        write: (book) => book.changeNode(id, { host: polled }),
      });
      log.info(`${hostname}, which reports by itself, is the polled host ${polled}: they are one host now`);
    } catch (error) {
      log.warn(`${hostname} and ${polled} are one machine, which cannot be written down: ${String(error)}`);
    }
  }
}

/**
 * What a machine is recognized by: its boot id, and its host name with the address that the hub hears it from. That address
 * says nothing if several machines have it, as behind a proxy or NAT, nor if it is a loopback address, as behind a proxy here.
 */
function signsOf({ bootId, hostname, peer }: Machine, shared: ReadonlySet<string>): string[] {
  const isPlace = peer !== "" && !isLoopback(peer) && !shared.has(peer);
  return [
    ...(bootId === "" ? [] : [`boot ${bootId}`]),
    ...(hostname !== "" && isPlace ? [`name ${hostname.toLowerCase()}\n${peer}`] : []),
  ];
}

/** Texts that are there more than once. */
function repeated(texts: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  return new Set(texts.filter((text) => seen.size === seen.add(text).size));
}

/** True unless both tell their boot, and these differ. */
const fits = (one: Machine, other: Machine): boolean =>
  one.bootId === "" || other.bootId === "" || one.bootId === other.bootId;
