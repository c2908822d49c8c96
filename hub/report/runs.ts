import type { NodeOutcome } from "./report.ts";

/** A report of a node that the hub made, or tried to. */
export interface LastReport {
  /** "YYYY-MM-DD". */
  readonly date: string;
  /** Unix milliseconds. */
  readonly at: number;
  readonly outcome: NodeOutcome;
}

/** How far the hub is with the reports that it makes now. */
export interface ReportProgress {
  /** "YYYY-MM-DD". */
  readonly date: string;
  readonly done: number;
  readonly total: number;
}

/** Days of a node whose outcomes are kept: those that are made up, and today. */
const mostDays = 32;

/** What became of the reports that the hub made since its start: the task writes it, views read it. */
export class ReportRuns {
  /** By node and day, the latest day last. */
  readonly #reports = new Map<string, ReadonlyMap<string, LastReport>>();
  #progress: ReportProgress | undefined;

  /** Keeps the outcome of a node, of its latest days. */
  set(node: string, report: LastReport): void {
    const all = new Map(this.#reports.get(node)).set(report.date, report);
    const days = [...all].sort(([a], [b]) => (a < b ? -1 : 1)).slice(-mostDays);
    this.#reports.set(node, new Map(days));
  }

  /** Forgets nodes that are not in the settings any more. */
  keep(nodes: ReadonlySet<string>): void {
    for (const node of this.#reports.keys()) if (!nodes.has(node)) this.#reports.delete(node);
  }

  /** @param progress undefined once all are made */
  advance(progress: ReportProgress | undefined): void {
    this.#progress = progress;
  }

  /** The report of the latest day of a node; undefined if there was none since the start. */
  last(node: string): LastReport | undefined {
    return [...(this.#reports.get(node)?.values() ?? [])].at(-1);
  }

  /** The report of a node and day, as `last`. */
  of(node: string, date: string): LastReport | undefined {
    return this.#reports.get(node)?.get(date);
  }

  /** undefined while no reports are made. */
  progress(): ReportProgress | undefined {
    return this.#progress;
  }
}

/** Reports that the hub made, as views see them. */
export type ReportRunsView = Pick<ReportRuns, "last" | "of" | "progress">;
