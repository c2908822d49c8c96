import { Fault } from "../fault.ts";
import type { ReadNode } from "./report.ts";

export interface NodeSources {
  readonly netdata: ReadNode;
  /** Absent where no history can be read. */
  readonly history?: ReadNode | undefined;
}

/** Reads a node from its own source: from its Netdata, or from the history of its host. */
export const readNode =
  ({ netdata, history }: NodeSources): ReadNode =>
  async (...given) => {
    const [node] = given;
    if (node.netdata !== undefined) return await netdata(...given);
    if (history !== undefined) return await history(...given);
    throw new Fault("source_failed", `${node.name} is read from the history of a hub, which must run for it`);
  };
