import type { BookReader, HostRecord, NodeRecord } from "../book/book.ts";
import { Fault } from "../fault.ts";

/** Registered machines and what administrators have set for them, as the book had them when it could be read last. */
export class Roll {
  readonly #book: Pick<BookReader, "nodes" | "hosts">;
  #nodes: ReadonlyMap<string, NodeRecord> = new Map();
  #hosts: ReadonlyMap<string, HostRecord> = new Map();

  constructor(book: Pick<BookReader, "nodes" | "hosts">) {
    this.#book = book;
  }

  /** Reads the book, which has changed. While it cannot be used, what it said before holds. */
  renew(): void {
    try {
      const nodes = this.#book.nodes();
      const hosts = this.#book.hosts();
      this.#nodes = new Map(nodes.map((node) => [node.hostname, node]));
      this.#hosts = new Map(hosts.map((host) => [host.name, host]));
    } catch (error) {
      if (!(error instanceof Fault && error.code === "book_unusable")) throw error;
    }
  }

  /** Machines by the host names that they registered with. */
  nodes(): ReadonlyMap<string, NodeRecord> {
    return this.#nodes;
  }

  /** Records of hosts by name. */
  hosts(): ReadonlyMap<string, HostRecord> {
    return this.#hosts;
  }
}
