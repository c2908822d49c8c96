import { cause, causeOf, SourceFault, writeCause } from "../cause.ts";
import type { Clock } from "../clock.ts";
import { checkSignal } from "../history/store.ts";
import { checkDay, isEmptyDay, lastFigures, sharedCards } from "./check.ts";
import { readFigures } from "./figures.ts";
import { writeReport } from "./folder.ts";
import type {
  DayTasks,
  NodeDay,
  NodeOutcome,
  ReadNode,
  ReadOptions,
  ReportDay,
  ReportFigures,
  ReportNode,
  TaskAnswer,
  TaskReader,
} from "./report.ts";
import type { ReportPlan } from "./settings.ts";

/** Nodes that are read at the same time. */
const atOnce = 8;
/** A node that has not answered by then is given up. Milliseconds. */
const nodeLimitMs = 120_000;
/** An interval that ended later than this before a node is read need not be in its source yet. Seconds. */
const settleSec = 60;

export interface MakeOptions {
  readonly day: ReportDay;
  /** Nodes of which reports are made, and the folder of reports. */
  readonly plan: Pick<ReportPlan, "nodes" | "folder">;
  readonly read: ReadNode;
  /** Absent: reports name nobody. */
  readonly tasks?: TaskReader | undefined;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Called with what the task API, or its last answer, says. */
  readonly onTasks?: (answer: TaskAnswer) => void;
  /** Called when a node was read, or could not be: this is what takes time. */
  readonly onRead?: (done: number, total: number) => void;
  /** Called when the files of a node were written, or not. */
  readonly onNode?: (outcome: NodeOutcome, done: number, total: number) => void;
  /** True if a node whose source has nothing of the day gets no files. */
  readonly skipEmpty?: boolean;
  /** True if rows of a node without an earlier report begin with its first value: there is nothing that they would fit to. */
  readonly fromFirstValue?: boolean;
}

/** A node that was read. */
interface ReadDay {
  readonly data: NodeDay;
  readonly failure: "source" | undefined;
  /** The last report of the node, whose cards it should have; undefined without a source. */
  readonly last: ReportFigures | undefined;
  /** Unix seconds: rows of intervals that ended up to then are expected. */
  readonly until: number;
  /** True if a report without data leaves the folder as it is. */
  readonly isLeft: boolean;
}

/**
 * Makes the reports of a day: reads all nodes, then the tasks, which need the cards of nodes, and writes the files. What a
 * node lacks, and however long it takes, leaves the others whole.
 * @returns outcomes in the order of the nodes
 * @throws Fault canceled
 */
export async function makeReports(options: MakeOptions): Promise<readonly NodeOutcome[]> {
  const { plan, signal, onRead, onNode } = options;
  const { nodes } = plan;
  let read = 0;
  const days = await each(nodes, signal, async (node) => {
    const one = await readDay(node, options);
    onRead?.(++read, nodes.length);
    return one;
  });
  const tasks = await readTasks(days, options);
  let written = 0;
  return await each(days, signal, async (one) => {
    const outcome = await write(one, tasks, options);
    onNode?.(outcome, ++written, nodes.length);
    return outcome;
  });
}

/** @throws Fault canceled */
async function readTasks(days: readonly ReadDay[], options: MakeOptions): Promise<DayTasks> {
  const { day, tasks, signal, onTasks } = options;
  // No file is made: of a month that is made up, most days may be from before the nodes were there.
  if (days.every(({ isLeft }) => isLeft)) return new Map();
  const cards = new Map(days.map(({ data }) => [data.node.name, cardNumbers(data)]));
  const answer = await tasks?.read(day, (node) => cards.get(node) ?? [], signal);
  checkSignal(signal);
  if (answer !== undefined) onTasks?.(answer);
  return answer?.tasks ?? new Map();
}

/** Numbers of cards by index; -1, which is none, where an index has no card. */
function cardNumbers({ cards }: NodeDay): number[] {
  const numbers: number[] = Array.from({ length: Math.max(0, ...cards.map(({ index }) => index + 1)) }, () => -1);
  for (const { index, card } of cards) numbers[index] = card;
  return numbers;
}

async function readDay(node: ReportNode, options: MakeOptions): Promise<ReadDay> {
  const { day, plan, clock, skipEmpty = false } = options;
  // What an old report, or a hostile file, contains must not cost a new one.
  const last = await lastFigures(plan.folder, node.name, day.date).catch(() => undefined);
  const until = Math.floor(clock.now() / 1000) - settleSec;
  const fromFirstValue = options.fromFirstValue === true && last === undefined;
  const found = await readInTime(node, options, { fromFirstValue }).catch((error: unknown) => {
    checkSignal(options.signal);
    return { node, day, cards: [], issues: [causeOf(error)], failure: "source" as const };
  });
  const failure = "failure" in found ? found.failure : undefined;
  const known: NodeDay = found;
  const there = isEmptyDay(known) ? await thereOf(plan.folder, node.name, day.date) : undefined;
  const data = known.cards.length > 0 ? known : { ...known, cards: cardsWithout(node, there ?? last) };
  const isLeft = skipEmpty && isEmptyDay(data) && there === undefined;
  return { data, failure, last: failure === undefined ? last : undefined, until, isLeft };
}

/** The report of the day that is there; undefined if it cannot be read, which writing will say. */
const thereOf = async (...of: Parameters<typeof readFigures>): Promise<ReportFigures | undefined> =>
  await readFigures(...of).catch(() => undefined);

/** @throws Fault source_failed, canceled, or any error of a source */
async function readInTime(
  node: ReportNode,
  { day, read, signal, clock }: MakeOptions,
  how: ReadOptions,
): Promise<NodeDay> {
  const own = new AbortController();
  let cancel = (): void => {};
  let stop = (): void => {};
  const limit = new Promise<never>((_, reject) => {
    cancel = clock.after(nodeLimitMs, () => {
      reject(new SourceFault(cause("not_read_in_time", { node: node.name, limitMs: nodeLimitMs })));
    });
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([read(node, day, own.signal, how), limit]);
  } finally {
    cancel();
    signal.removeEventListener("abort", stop);
    own.abort();
  }
}

/** Cards of a node that could not be read. */
function cardsWithout({ cards }: ReportNode, last: ReportFigures | undefined): NodeDay["cards"] {
  if (cards !== undefined) return cards.map((card, index) => ({ index, card, rows: undefined }));
  return (last?.cards ?? []).map(({ index, card = index }) => ({ index, card, rows: undefined }));
}

async function write(one: ReadDay, tasks: DayTasks, { plan, skipEmpty = false }: MakeOptions): Promise<NodeOutcome> {
  const { data, failure, isLeft } = one;
  if (isLeft) return outcomeOf(one, data.cards, tasks);
  try {
    // Users come from elsewhere: a report that is there gets them without its source, too.
    const isUnasked = failure !== undefined || (skipEmpty && isEmptyDay(data));
    const { written, cards } = await writeReport(plan.folder, data, tasks, { isUnasked });
    return { ...outcomeOf(one, cards, tasks), written };
  } catch (error) {
    const failed = cause("write_failed", { path: plan.folder, error: writeCause(error as NodeJS.ErrnoException) });
    const outcome = outcomeOf(one, data.cards, tasks);
    return { ...outcome, state: "failed", failure: "folder", issues: [failed, ...outcome.issues] };
  }
}

/** @param cards those of the report with their rows, some of which an earlier one may have read */
function outcomeOf({ data, failure, last, until }: ReadDay, cards: NodeDay["cards"], tasks: DayTasks): NodeOutcome {
  const node = data.node.name;
  const report = { ...data, cards };
  const { rows, expected, issues } = checkDay(report, until, last);
  const isEmpty = isEmptyDay(report);
  // In the first minutes of a day there are no rows yet.
  const isWhole = rows === expected && cards.length > 0 && !(isEmpty && failure !== undefined);
  return {
    node,
    state: isWhole ? "complete" : isEmpty ? "failed" : "partial",
    ...(failure === undefined ? {} : { failure }),
    ...{ rows, expected, written: false },
    issues: [...data.issues, ...issues, ...sharedCards(tasks.get(node) ?? [])],
  };
}

/** Calls a function for each item, some at a time. @returns what it gives, in the order of the items */
async function each<T, R>(items: readonly T[], signal: AbortSignal, run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let place = next++; place < items.length; place = next++) {
      checkSignal(signal);
      results[place] = await run(items[place] as T);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
  return results;
}
