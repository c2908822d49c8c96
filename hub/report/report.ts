// The daily report of a node: what its sources give, and what its files are made of.
import type { Zone } from "../../program/zone.ts";
import type { Words } from "../sentence.ts";

/** What the task API means by the id of a GPU: its card's number, or one that counts through the nodes. */
export type CardNumbering = "card" | "node";

/** A node of which reports are written. */
export interface ReportNode {
  /** Also the name of its folder. */
  readonly name: string;
  /** Address of its Netdata, without a slash at the end; or `host`. */
  readonly netdata?: string;
  /** Name of a host of this hub, whose history is used. */
  readonly host?: string;
  /** Numbers of the cards, that of GPU 0 first; undefined if the source tells. */
  readonly cards?: readonly number[];
  readonly ids?: CardNumbering;
  /** Id of GPU 0, where ids count through the nodes. */
  readonly first?: number | undefined;
}

/** A day in the zone of the reports. */
export interface ReportDay {
  /** "YYYY-MM-DD". */
  readonly date: string;
  /** Its beginning and end: from < t <= to, as rows have the time at which their interval ends. Unix seconds. */
  readonly from: number;
  readonly to: number;
  /** Rows have their local time. */
  readonly zone: Zone;
}

/** Seconds of an interval. */
export const intervalSec = 600;

/** Means of one interval. */
export interface ReportRow {
  /** Unix seconds at which the interval ends. */
  readonly at: number;
  /** Percent. */
  readonly gpu: number;
  /** Percent. */
  readonly vram: number;
  /**
   * What the file has of them, where that is not the number as Python prints a float: a whole number of JSON is printed
   * without ".0", so 0 and 0.0 differ, and null is "0". `jsonNumber` of number.ts makes it of the JSON's own text.
   */
  readonly gpuText?: string | undefined;
  readonly vramText?: string | undefined;
}

/** A card of a node during a day. */
export interface ReportCard {
  /** "GPU[0]" is 0. */
  readonly index: number;
  /** Number of its card. */
  readonly card: number;
  /** Ascending by time; undefined if its source has nothing of it at all, and no file is written. */
  readonly rows: readonly ReportRow[] | undefined;
}

/** What was wrong with the data of a node: a sentence of `issue.ts` or a cause (hub/cause.ts), or a text from elsewhere. */
export type DataIssue = Words;

/** What a source has of a node and day. */
export interface NodeDay {
  readonly node: ReportNode;
  readonly day: ReportDay;
  /** By index. Without a source, those of the settings or of the last report, without rows. */
  readonly cards: readonly ReportCard[];
  readonly issues: readonly DataIssue[];
}

export interface ReadOptions {
  /** True to leave out rows before the first value of a card: its source began then. Otherwise they are 0, as those of a gap. */
  readonly fromFirstValue?: boolean;
}

/** Reads what there is of a node and day. @throws Fault source_failed */
export type ReadNode = (
  node: ReportNode,
  day: ReportDay,
  signal: AbortSignal,
  options?: ReadOptions,
) => Promise<NodeDay>;

/** A task on one GPU, its texts as the task API has them, or that API's defaults. */
export interface GpuTask {
  readonly user: string;
  readonly uuid: string;
  /** As the API numbers GPUs. */
  readonly id: number | string;
  /** Index in its node; undefined if it is none of the node's cards. */
  readonly index: number | undefined;
  readonly model: string;
  /** As the summary prints it. */
  readonly memory: string;
  readonly type: string;
  readonly project: string;
  readonly image: string;
  readonly start: string;
  /** "" while it runs. */
  readonly end: string;
  readonly seconds: number;
}

/**
 * Tasks of a day by the host name that the task API gives, in the order of the summary; a host without any is missing. Also
 * those of hosts that are no node of the reports.
 */
export type DayTasks = ReadonlyMap<string, readonly GpuTask[]>;

/** What is known of the tasks of a day. */
export interface TaskAnswer {
  readonly tasks: DayTasks;
  /** Why they are missing, from an earlier answer, or incomplete. */
  readonly issues: readonly DataIssue[];
  /** True if there is no answer, and no earlier one of that day. */
  readonly isUnknown?: boolean;
}

/** Tells whose tasks ran on the GPUs of nodes. */
export interface TaskReader {
  /**
   * Asks the task API for the tasks of a day, and logs what is wrong; never rejects.
   * @param cardsOf numbers of the cards of a node, that of GPU 0 first
   */
  read(day: ReportDay, cardsOf: (node: string) => readonly number[], signal?: AbortSignal): Promise<TaskAnswer>;
}

/** What became of a node's report. */
export interface NodeOutcome {
  readonly node: string;
  /**
   * The report that is there now, also with rows that were read earlier. "complete": every card has all rows up to now;
   * "partial": some are missing; "failed": no card has any, or its files could not be written.
   */
  readonly state: "complete" | "partial" | "failed";
  /** Its source could not be read, or its files not be written: the first issue says why. */
  readonly failure?: "source" | "folder";
  /** Rows of all its cards, of those that the day has until now. */
  readonly rows: number;
  readonly expected: number;
  readonly issues: readonly DataIssue[];
  /** False if files that are there have more, and were kept. */
  readonly written: boolean;
}

/** User of a card of which no task is known, in the files. */
export const unused = "未使用";

/** Figures of a card as the files of a report have them. */
export interface CardFigures {
  readonly index: number;
  /** undefined if the summary does not say. */
  readonly card: number | undefined;
  /** Mean in percent; undefined without data. */
  readonly gpu: number | undefined;
  readonly vram: number | undefined;
  /** As the column says it; undefined for `unused`. */
  readonly user: string | undefined;
  readonly rows: readonly ReportRow[];
}

/** A report that is there. */
export interface ReportFigures {
  readonly node: string;
  readonly date: string;
  readonly cards: readonly CardFigures[];
  readonly gpu: number;
  readonly vram: number;
  /** Rows of all cards, and those that the day has. */
  readonly rows: number;
  readonly expected: number;
}
