import { clean } from "../../proto/clean.ts";
import type { ReportNode } from "../report/report.ts";
import type { Input, InputContext, RunningInput } from "./input.ts";
import { type NetdataNode, NodeHistory } from "./netdata/node.ts";

/** Nodes that are read at the same time. */
const mostNodes = 8;
/** Milliseconds between two looks at which nodes are due, and which there are. */
const lookMs = 30_000;

/** Brings what the Netdata of the nodes of daily reports has of their cards into the history, as means of 10 minutes. */
export const netdata: Input = { name: "netdata", table: {}, open: (context) => new NetdataInput(context) };

const isNetdata = (node: ReportNode): node is NetdataNode => node.netdata !== undefined;

class NetdataInput implements RunningInput {
  readonly #context: InputContext;
  /** By names of hosts. */
  readonly #nodes = new Map<string, NodeHistory>();
  readonly #running = new Set<Promise<void>>();
  readonly #ending = new AbortController();
  #cancel: () => void = () => {};

  constructor(context: InputContext) {
    this.#context = context;
    this.#look();
  }

  change(): void {}

  async close(): Promise<void> {
    this.#cancel();
    this.#ending.abort();
    await Promise.all(this.#running);
    for (const node of this.#nodes.values()) node.close();
    this.#nodes.clear();
  }

  #look(): void {
    this.#adopt();
    this.#start();
    this.#cancel = this.#context.clock.after(lookMs, () => this.#look());
  }

  /** Adds and removes nodes as the settings have them. */
  #adopt(): void {
    const { reports, roster } = this.#context;
    const wanted = new Map(
      reports()
        .nodes.filter(isNetdata)
        .map((node) => [roster.keyOf(node.name), node]),
    );
    for (const [host, node] of this.#nodes) {
      if (node.isOf(wanted.get(host))) continue;
      node.close();
      this.#nodes.delete(host);
    }
    for (const [host, node] of wanted) {
      if (!this.#nodes.has(host)) this.#nodes.set(host, new NodeHistory({ context: this.#context, node, host }));
    }
  }

  /** Reads nodes that are due, those first that were due first. */
  #start(): void {
    const { clock, log } = this.#context;
    const due = [...this.#nodes.values()].filter((node) => node.isDue(clock.now()));
    for (const node of due.sort((a, b) => a.dueAt - b.dueAt).slice(0, mostNodes - this.#running.size)) {
      const reading = node
        .read(this.#ending.signal)
        .catch((error: unknown) => log.error(`reading ${clean(node.host)} from its Netdata failed: ${String(error)}`))
        .finally(() => {
          this.#running.delete(reading);
          if (!this.#ending.signal.aborted) this.#start();
        });
      this.#running.add(reading);
    }
  }
}
