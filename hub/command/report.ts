import { resolve } from "node:path";
import { setFlagsFromString } from "node:v8";
import { UsageError } from "../../program/line.ts";
import { bar, ProgressLine } from "../../program/progress-line.ts";
import { secretWarnings } from "../../program/secret.ts";
import { clean } from "../../proto/clean.ts";
import { systemClock } from "../clock.ts";
import { silent } from "../log.ts";
import { dayWanted, reportDay } from "../report/day.ts";
import { userReport } from "../report/form.ts";
import { taskReader } from "../report/holder.ts";
import { makeReports } from "../report/make.ts";
import { netdataReader } from "../report/netdata.ts";
import type { DataIssue, DayTasks, NodeOutcome, ReportDay, ReportNode, TaskReader } from "../report/report.ts";
import { planOf, type ReportPlan, table } from "../report/settings.ts";
import { readNode } from "../report/source.ts";
import { textOf } from "../sentence.ts";
import { loadSettings } from "../watch.ts";
import { type Command, type Context, Failure, isForPrograms, type ListingColumn } from "./command.ts";
import { hubReader } from "./report/remote.ts";

/** Exit status where no node's report is complete. */
const none = 3;
/** Exit status of a program that Ctrl-C ended. */
const interrupted = 130;
/** Bytes of a text from elsewhere on a line. */
const longest = 1024;

export const report: Command = {
  name: "report",
  summary: "write the daily reports of nodes: utilization and VRAM of each card every ten minutes, and who used it",
  details:
    'DATE is YYYY-MM-DD, by default today in the time zone of the reports. Nodes, time zone and task API are those of the settings ("reports", docs/reports.md), which options and variables of gohm serve may replace. No hub needs to run, except for nodes that are read from the history of a hub ("host"). Files that have more rows than there are now are kept. Ctrl-C ends it; each file is there as a whole or not at all.',
  positionals: [{ name: "DATE", noun: "date", optional: true }],
  needs: "hub",
  settings: "taken",
  lists: true,
  options: [
    {
      name: "data-dir",
      value: "DIR",
      help: "Folder of the reports, instead of reports.folder: DIR/NODE/DATE/.",
      completion: "folder",
    },
    { name: "user-report", help: "Prints whose tasks ran on that day, and writes no files." },
    {
      name: "skip-task-info",
      help: "Does not ask the task API: cards keep the users that their files have, or have none.",
    },
    { name: "node", value: "NAME", help: "Only this node, and its tasks; may be repeated.", many: true },
  ],
  exits: {
    0: "the report of at least one node has all rows that the day has until now, also if they are there from before, or the tasks were printed",
    1: "the date or the settings cannot be used",
    2: "the command line cannot be understood",
    [none]: "no node's report has all rows, or none can be written: what there is was written",
    [interrupted]: "interrupted by Ctrl-C",
  },
  async run(context) {
    thrift();
    const { given, words, log } = context;
    const printsTasks = given.flags["user-report"] === true;
    if (printsTasks && isForPrograms(given.flags)) throw new UsageError("--user-report has no form but its own");
    const { settings } = loadSettings(given);
    for (const warning of secretWarnings(table, given, [])) log.warn(warning);
    const plan = planOf(settings.reports, settings.data, settings.timezone);
    const day = dayOf(words[0], plan);
    const run = new Run(context, { plan, day, file: resolve(settings.settings) });
    return printsTasks ? await run.printTasks() : await run.write();
  },
};

/**
 * Keeps V8 from letting garbage pile up: a report runs beside other work. New objects get the space that they had at the start,
 * and the heap may grow by 60 % before it is cleaned, rather than to three times its size. Measured with 100 nodes of 8 cards:
 * 160 MiB rather than 267 (bench/results.md).
 */
function thrift(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--heap-growing-percent=60");
}

/** @throws Failure */
function dayOf(text: string | undefined, { zone }: ReportPlan): ReportDay {
  const now = systemClock.now();
  const today = zone.dayOf(now);
  const day = reportDay(zone, text ?? today);
  if (day === undefined) throw new Failure(`"${clean(text ?? today, 64)}" is not a day: DATE must be ${dayWanted}`);
  if (day.from * 1000 <= now) return day;
  throw new Failure(`${day.date} is in the future: in the time zone ${zone.name} today is ${today}`);
}

interface RunOptions {
  readonly plan: ReportPlan;
  readonly day: ReportDay;
  /** Path of the settings file. */
  readonly file: string;
}

/** One call of the command. */
class Run {
  readonly #context: Context;
  readonly #plan: ReportPlan;
  readonly #day: ReportDay;
  readonly #file: string;
  readonly #abort = new AbortController();
  readonly #line: ProgressLine;
  /** Of --node; empty for all. */
  readonly #names: ReadonlySet<string>;
  /** Of tasks, once they were read. */
  #tasks: DayTasks = new Map();
  #taskIssues: readonly DataIssue[] = [];

  constructor(context: Context, { plan, day, file }: RunOptions) {
    this.#context = context;
    this.#plan = plan;
    this.#day = day;
    this.#file = file;
    this.#names = new Set(context.all("node"));
    this.#line = new ProgressLine(context.terminal.prompts);
  }

  /** Prints whose tasks ran. @returns exit status */
  async printTasks(): Promise<number> {
    this.#checkNames();
    return await this.#untilInterrupted(async () => {
      const answer = await this.#reader()?.read(this.#day, () => [], this.#abort.signal);
      this.#abort.signal.throwIfAborted();
      this.#context.output().write(userReport(this.#day.date, this.#wanted(answer?.tasks ?? new Map())));
      return 0;
    });
  }

  /** Writes the reports. @returns exit status @throws Failure, UsageError */
  async write(): Promise<number> {
    const nodes = this.#nodes();
    const folder = this.#folder();
    return await this.#untilInterrupted(async () => {
      const outcomes = await this.#make(nodes, folder);
      this.#show(outcomes, folder);
      return outcomes.some(({ state }) => state === "complete") ? 0 : none;
    });
  }

  async #make(nodes: readonly ReportNode[], folder: string): Promise<readonly NodeOutcome[]> {
    const { signal } = this.#abort;
    const reader = this.#reader();
    return await makeReports({
      day: this.#day,
      plan: { nodes, folder },
      // What is wrong is in the outcomes, too.
      read: readNode({ netdata: netdataReader({ clock: systemClock }), history: hubReader(this.#context.hub) }),
      tasks: reader,
      signal,
      clock: systemClock,
      onRead: (done, total) => this.#line.draw(() => `${bar(done / total)} ${done}/${total} nodes`),
      onTasks: ({ tasks, issues }) => {
        this.#tasks = this.#wanted(tasks);
        this.#taskIssues = issues;
      },
      onNode: (outcome) => {
        for (const words of outcome.issues) this.#say(`${outcome.node}: ${lineOf(words)}`, true);
        // The table has those that are complete.
        if (!this.#line.isDrawn || outcome.state !== "complete" || !outcome.written) this.#say(summaryOf(outcome));
      },
    });
  }

  #show(outcomes: readonly NodeOutcome[], folder: string): void {
    this.#line.clear();
    const { given, output, show } = this.#context;
    const { date, zone } = this.#day;
    if (!isForPrograms(given.flags) && this.#tasks.size > 0) output().write(`${userReport(date, this.#tasks)}\n`);
    const texts = (issues: readonly DataIssue[]): string[] => issues.map(lineOf);
    show({
      columns,
      rows: outcomes,
      json: {
        ...{ date, timezone: zone.name, folder: resolve(folder) },
        nodes: outcomes.map(({ issues, ...outcome }) => ({ ...outcome, issues: texts(issues) })),
        tasks: { issues: texts(this.#taskIssues) },
      },
    });
  }

  /** The task API; undefined if it is not asked. */
  #reader(): TaskReader | undefined {
    const { tasks, nodes } = this.#plan;
    if (tasks === undefined || this.#context.given.flags["skip-task-info"] === true) return undefined;
    const warn = (words: string): void => this.#say(clean(words, longest), true);
    return taskReader({ source: tasks, nodes, clock: systemClock, log: { ...silent, warn } });
  }

  /** @throws Failure */
  #nodes(): readonly ReportNode[] {
    const { nodes } = this.#plan;
    if (nodes.length === 0) {
      throw new Failure(
        `There are no nodes of daily reports in ${this.#file} (GOHM_SETTINGS): name them, as in {"reports": {"nodes": {"colab-gpu1": {"netdata": "http://10.0.0.17:19999"}}}} (docs/reports.md)`,
      );
    }
    this.#checkNames();
    return this.#names.size === 0 ? nodes : nodes.filter(({ name }) => this.#names.has(name));
  }

  /** @throws Failure if --node names one that is not in the settings */
  #checkNames(): void {
    const known = new Set(this.#plan.nodes.map(({ name }) => name));
    const [stranger] = [...this.#names].filter((name) => !known.has(name));
    if (stranger === undefined) return;
    const some = [...known].slice(0, 20).join(", ");
    throw new Failure(`There is no node "${clean(stranger, 64)}" in reports.nodes: there are ${some || "none"}`);
  }

  /** Tasks of the nodes of --node; without it all that the API has, also of other hosts. */
  #wanted(tasks: DayTasks): DayTasks {
    return this.#names.size === 0 ? tasks : new Map([...tasks].filter(([node]) => this.#names.has(node)));
  }

  /** @throws UsageError */
  #folder(): string {
    const folder = this.#context.given.flags["data-dir"];
    if (folder === "") throw new UsageError("--data-dir wants a folder: it was given nothing");
    return typeof folder === "string" ? folder : this.#plan.folder;
  }

  async #untilInterrupted(work: () => Promise<number>): Promise<number> {
    const stop = (): void => this.#abort.abort();
    const signals = ["SIGINT", "SIGTERM"] as const;
    for (const signal of signals) process.once(signal, stop);
    try {
      return await work();
    } catch (error) {
      if (!this.#abort.signal.aborted) throw error;
      this.#say("Interrupted: reports that are not listed above were not written", true);
      return interrupted;
    } finally {
      for (const signal of signals) process.off(signal, stop);
      this.#line.clear();
    }
  }

  /** Prints a line beside the output: with its time, where a file takes it. */
  #say(words: string, isWarning = false): void {
    const { log, note } = this.#context;
    this.#line.clear();
    if (this.#line.isDrawn) note(words);
    else if (isWarning) log.warn(words);
    else log.info(words);
  }
}

const lineOf = (words: DataIssue): string => clean(textOf(words), longest);

function summaryOf({ node, state, rows, expected, written, failure }: NodeOutcome): string {
  const kept = written || failure === "folder" ? "" : "; files that are there were kept";
  return `${node}: ${state}, ${rows} of ${expected} rows${kept}`;
}

const columns: readonly ListingColumn<NodeOutcome>[] = [
  { name: "node", value: ({ node }) => node },
  { name: "state", value: ({ state }) => state, tone: ({ state }) => (state === "complete" ? "good" : "bad") },
  { name: "rows", value: ({ rows }) => rows },
  { name: "expected", value: ({ expected }) => expected },
  { name: "written", value: ({ written }) => (written ? "yes" : "no") },
  { name: "issues", value: ({ issues }) => issues.map(lineOf), hidden: true },
];
