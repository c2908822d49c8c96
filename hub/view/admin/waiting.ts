import type { NodeRecord } from "../../book/book.ts";

/** What administrators should know of a machine that waits, before they approve it. */
export function warningsOf({ hostname, history }: Pick<NodeRecord, "hostname" | "history">): string[] {
  return history === undefined
    ? []
    : [
        `History has samples of another machine "${hostname}", until ${timeOf(history)}. Those of this one are added to them once it is approved; until then they are shown only.`,
      ];
}

const timeOf = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
