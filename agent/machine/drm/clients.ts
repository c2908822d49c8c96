import type { Machine } from "../machine.ts";
import { busyShares, type FdInfo, parseFdInfo } from "./fdinfo.ts";

/** A program that has a card open. */
export interface DrmClient {
  readonly pid: number;
  /** "renderD128" */
  readonly node: string;
  readonly info: FdInfo;
}

/** Key of a client across readings. */
export const clientKey = ({ pid, node, info }: DrmClient): string => `${pid} ${info.pci ?? node} ${info.client}`;

/** The readings of all clients to count from. */
export interface Since {
  readonly from: ReadonlyMap<string, FdInfo>;
  /** Milliseconds. */
  readonly span: number;
}

/** Percent of the time in which a client kept each kind of engine busy; undefined for one that is new. */
export function sharesOf(client: DrmClient, since: Since | undefined): ReadonlyMap<string, number> | undefined {
  const from = since?.from.get(clientKey(client));
  return since && from && busyShares(from, client.info, since.span);
}

/** Longest time in milliseconds until a process is looked at again for cards that it opened meanwhile. */
const longest = 60_000;
/** Milliseconds that one reading may spend on scanning; the next one continues. The first scans everything. */
const budget = { first: 500, later: 20 } as const;
/** A process with more openings of cards than this is broken. */
const mostFiles = 64;

interface Look {
  readonly due: number;
  readonly wait: number;
  /** Descriptor → device node ("renderD128"). */
  readonly files: readonly (readonly [fd: string, node: string])[];
}

/**
 * Finds the programs that have a card open. Looking through all files of all processes is the dearest thing an agent
 * can do, so a process is looked at when it is new and then ever more rarely, once a minute in the end; what is known
 * to be a card is read each time. A program that opens a card late is therefore seen up to a minute late.
 */
export class Clients {
  readonly #machine: Machine;
  readonly #drivers: ReadonlySet<string>;
  #looks = new Map<string, Look>();

  /** @param drivers Kernel drivers whose cards are meant. */
  constructor(machine: Machine, drivers: readonly string[]) {
    this.#machine = machine;
    this.#drivers = new Set(drivers);
  }

  /** True when the files of all users' processes can be seen: the first process is root's and always there. */
  complete(): boolean {
    return this.#machine.list("/proc/1/fd").length > 0;
  }

  /**
   * Openings of the cards, each once: a descriptor that was inherited counts for the process that was found first.
   * @param skip Device nodes that must not be asked: their cards sleep or hang.
   */
  read(skip: ReadonlySet<string>): DrmClient[] {
    const looks = this.#lookAround();
    const found = new Map<string, DrmClient>();
    for (const [pid, { files }] of looks) {
      for (const [fd, node] of files) {
        if (skip.has(node)) continue;
        const info = parseFdInfo(this.#machine.read(`/proc/${pid}/fdinfo/${fd}`) ?? "");
        if (info === undefined || !this.#drivers.has(info.driver)) continue;
        const key = `${info.pci ?? node} ${info.client}`;
        if (!found.has(key)) found.set(key, { pid: Number(pid), node, info });
      }
    }
    this.#looks = looks;
    return [...found.values()];
  }

  /** What is known of every process, by pid: new ones are looked at first, then those whose turn it is. */
  #lookAround(): Map<string, Look> {
    const begun = this.#machine.ticks();
    const end = begun + (this.#looks.size === 0 ? budget.first : budget.later);
    const pids = this.#machine.list("/proc").filter((name) => /^\d+$/.test(name));
    const due = (pid: string): boolean => begun >= (this.#looks.get(pid)?.due ?? Number.POSITIVE_INFINITY);
    const looked = new Map<string, Look>();
    for (const pid of [...pids.filter((name) => !this.#looks.has(name)), ...pids.filter(due)]) {
      if (this.#machine.ticks() >= end) break;
      looked.set(pid, this.#look(pid, begun));
    }
    const looks = new Map<string, Look>();
    for (const pid of pids) {
      const look = looked.get(pid) ?? this.#looks.get(pid);
      if (look !== undefined) looks.set(pid, look);
    }
    return looks;
  }

  #look(pid: string, now: number): Look {
    const before = this.#looks.get(pid);
    const files = this.#machine
      .opened(pid, "/dev/dri")
      .slice(0, mostFiles)
      .map(({ fd, path }) => [fd, path.slice("/dev/dri/".length)] as const);
    // Programs open their cards soon after they start, or never.
    const wait = before === undefined ? 0 : Math.min(longest, Math.max(5000, before.wait * 2));
    // Spread by pid, or all that were there at the start would come due in one reading.
    const spread = 0.5 + 0.5 * ((Number(pid) * 0.618) % 1);
    return { due: now + wait * spread, wait, files };
  }
}
