import type { BookReader, HostRecord, NodeRecord } from "../../book/book.ts";

/** Registered machines and what administrators have set for them, read from the book once after each change. */
export class Roll {
  readonly #book: Pick<BookReader, "nodes" | "hosts">;
  #nodes: ReadonlyMap<string, NodeRecord> | undefined;
  #hosts: ReadonlyMap<string, HostRecord> | undefined;

  constructor(book: Pick<BookReader, "nodes" | "hosts">) {
    this.#book = book;
  }

  /** Forgets what was read: the book has changed. */
  renew(): void {
    this.#nodes = undefined;
    this.#hosts = undefined;
  }

  /** Machines by the host names that they registered with. @throws Fault book_unusable */
  nodes(): ReadonlyMap<string, NodeRecord> {
    this.#nodes ??= new Map(this.#book.nodes().map((node) => [node.hostname, node]));
    return this.#nodes;
  }

  /** Records of hosts by name. @throws Fault book_unusable */
  hosts(): ReadonlyMap<string, HostRecord> {
    this.#hosts ??= new Map(this.#book.hosts().map((host) => [host.name, host]));
    return this.#hosts;
  }
}
