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

/**
 * Finds machines that are polled under one name and report by themselves under another, and makes them one host: the polled
 * one. Boot ids decide; where one of the two has none, host name and address do. A machine that nobody has approved is
 * never taken for another one, nor is one that a person has parted.
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
    for (const host of this.#heard.keys()) {
      if (!polled.has(host) && !nodes.some((node) => node.host === host)) this.#heard.delete(host);
    }
    for (const { id, hostname, host, state } of nodes) {
      const own = this.#heard.get(host)?.own;
      if (own === undefined || state !== "approved" || polled.has(host)) continue;
      const same = [...polled.keys()].find((name) => {
        const machine = this.#heard.get(name)?.polled;
        const free = !roster.parted(name) && !nodes.some((node) => node.host === name && node.state === "approved");
        return free && machine !== undefined && isSame(machine, own);
      });
      if (same !== undefined) this.#join({ id, hostname }, same);
    }
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

/** True if a polled machine and one that reports by itself are the same. */
function isSame(polled: Machine, own: Machine): boolean {
  if (polled.bootId !== "" && own.bootId !== "") return polled.bootId === own.bootId;
  const addresses = [polled.ip, hostOf(polled.address)];
  const known = [own.ip, own.address].some((address) => address !== "" && addresses.includes(address));
  return known && own.hostname !== "" && own.hostname.toLowerCase() === polled.hostname.toLowerCase();
}

/** The host of "host:port" or "tls://host:port". */
const hostOf = (address: string): string =>
  address
    .replace(/^tls:\/\//, "")
    .replace(/:\d+$/, "")
    .replace(/^\[(.*)\]$/, "$1");
