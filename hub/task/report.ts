import type { Table } from "../../program/setting.ts";
import { earliest } from "../clock.ts";
import type { HostReading } from "../ingest.ts";
import type { Log } from "../log.ts";
import { notice } from "../notice.ts";
import { historyReader } from "../report/history.ts";
import { taskReader } from "../report/holder.ts";
import { makeReports } from "../report/make.ts";
import { netdataReader } from "../report/netdata.ts";
import type { NodeOutcome, ReadNode, ReportDay, ReportNode, TaskAnswer, TaskReader } from "../report/report.ts";
import type { ReportPlan, TaskSource } from "../report/settings.ts";
import { readNode } from "../report/source.ts";
import { type Sentence, textOf, type Words } from "../sentence.ts";
import { NodeDays } from "./report/node.ts";
import { checkNotices, type NodeReport } from "./report/notices.ts";
import { PastLog } from "./report/past.ts";
import { Schedule, type TodayRun } from "./report/schedule.ts";
import type { RunningTask, Task, TaskContext } from "./task.ts";

const table = {} satisfies Table;

/** What reports are made of. */
export interface ReportSources {
  readonly read: ReadNode;
  tasks(source: TaskSource, nodes: readonly ReportNode[], log: Log): TaskReader;
}

/** Writes the daily reports of nodes, at the time of the settings and for days that were missed. */
export const dailyReport: Task<typeof table> = {
  name: "report",
  table,
  open: async (context) => new DailyReport(context, sourcesOf(context)),
};

function sourcesOf({ view }: TaskContext): ReportSources {
  const { history, clock, roster } = view;
  return {
    read: readNode({
      netdata: netdataReader({ clock }),
      history: historyReader({ history, now: clock.now, keyOf: (name) => roster.keyOf(name) }),
    }),
    tasks: (source, nodes, log) => taskReader({ source, nodes, clock, log }),
  };
}

/** Milliseconds between two looks at what is due, and after a report was made: a day at a time is made up. */
const tickMs = 60_000;
const nextMs = 5_000;
/** Milliseconds after an error that is none of a node. */
const pauseMs = 600_000;

/** Why the last report of a node failed. */
interface Failing {
  readonly of: NonNullable<NodeOutcome["failure"]>;
  readonly error: Words;
}

/** Later samples are of days whose reports are not made any more. Milliseconds. */
const mostLateMs = 40 * 86_400_000;

/** The running task; a test gives it other sources. */
export class DailyReport implements RunningTask<typeof table> {
  readonly #context: TaskContext;
  readonly #sources: ReportSources;
  readonly #unsubscribe: () => void;
  readonly #abort = new AbortController();
  #cancel: (() => void) | undefined;
  #work: Promise<void> | undefined;
  /** The plan that the following are of. */
  #plan: ReportPlan | undefined;
  #schedule: Schedule | undefined;
  readonly #nodes = new Map<string, { readonly of: string; readonly days: NodeDays }>();
  /** Names of nodes by the host whose history they are read from. */
  #hosts: ReadonlyMap<string, readonly string[]> = new Map();
  /** The last run of today in Unix milliseconds, and nodes whose report was made at it. */
  #run = { at: Number.NaN, made: new Set<string>() };
  #pausedUntil = Number.NEGATIVE_INFINITY;
  /** The newest day whose tasks were asked for: the notice of users is of it. */
  #usersOf = "";
  /** True if the last reports were made without an answer of the task API. */
  #lacksUsers = false;
  /** Nodes whose last report failed. */
  readonly #failing = new Map<string, Failing>();
  readonly #past: PastLog;

  constructor(context: TaskContext, sources: ReportSources) {
    this.#context = context;
    this.#sources = sources;
    this.#past = new PastLog(context.view.log);
    this.#unsubscribe = context.onReading((reading) => this.#onReading(reading));
    this.#wait(0);
  }

  change(): void {}

  async close(): Promise<void> {
    this.#unsubscribe();
    this.#abort.abort();
    this.#cancel?.();
    await this.#work;
    this.#past.flush();
  }

  #wait(ms: number): void {
    this.#cancel?.();
    if (this.#abort.signal.aborted) return;
    this.#cancel = this.#context.view.clock.after(ms, () => {
      let hasMade = false;
      this.#work = this.#tick()
        .then(
          (made) => {
            hasMade = made;
          },
          (error: unknown) => this.#fail(error),
        )
        .finally(() => this.#wait(hasMade ? nextMs : this.#untilNext()));
    });
  }

  /** Milliseconds until the next look: at the time of the settings, if that is sooner. */
  #untilNext(): number {
    const now = this.#context.view.clock.now();
    const next = this.#schedule?.next(now) ?? Number.POSITIVE_INFINITY;
    return Math.min(tickMs, Math.max(1, next - now));
  }

  /** An error that is none of a node or folder: a bug, or a history that fails. */
  #fail(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    const { clock, log } = this.#context.view;
    log.error(`daily reports cannot be made: ${error instanceof Error ? error.message : String(error)}`);
    this.#pausedUntil = clock.now() + pauseMs;
  }

  /** Makes the reports of one day, if some are due. @returns true if it did */
  async #tick(): Promise<boolean> {
    const { view } = this.#context;
    const now = view.clock.now();
    const plan = this.#follow(view.reports());
    // A clock that was set back must not pause for as long.
    if (plan.nodes.length === 0 || now < earliest || (now < this.#pausedUntil && this.#pausedUntil - now <= pauseMs))
      return false;
    this.#schedule ??= new Schedule(plan);
    const schedule = this.#schedule;
    const today = schedule.today(now);
    const dueToday = today === undefined ? [] : this.#dueToday(today, plan.nodes);
    if (today !== undefined && dueToday.length > 0) {
      await this.#make(today.day, this.#answering(dueToday), { skipEmpty: false });
      return true;
    }
    const past = schedule.past(now);
    for (const { days } of this.#nodes.values()) days.prune(past.at(-1)?.day.date ?? "");
    for (const { day, isScheduled } of past) {
      const due = await this.#due(day, plan.nodes);
      if (due.length === 0) continue;
      // Of other days no files without data are made: a node may be new.
      await this.#make(day, this.#answering(due), { skipEmpty: !isScheduled });
      return true;
    }
    this.#past.flush();
    return false;
  }

  /** Follows changes of the settings. */
  #follow(plan: ReportPlan): ReportPlan {
    const before = this.#plan;
    if (plan === before) return plan;
    this.#plan = plan;
    if (before?.zone.name !== plan.zone.name || before.time !== plan.time) this.#schedule = undefined;
    const names = new Set(plan.nodes.map(({ name }) => name));
    for (const node of plan.nodes) {
      const of = JSON.stringify([node, plan.folder, plan.zone.name]);
      if (this.#nodes.get(node.name)?.of === of) continue;
      this.#nodes.set(node.name, { of, days: new NodeDays(plan.folder, node.name) });
      this.#run.made.delete(node.name);
    }
    for (const name of this.#nodes.keys()) if (!names.has(name)) this.#nodes.delete(name);
    for (const name of this.#failing.keys()) if (!names.has(name)) this.#failing.delete(name);
    this.#hosts = hostsOf(plan.nodes, (name) => this.#context.view.roster.keyOf(name));
    this.#context.reportRuns.keep(names);
    this.#showNotices();
    return plan;
  }

  /** Nodes whose report of today was not made at the time of the settings. */
  #dueToday({ at }: TodayRun, nodes: readonly ReportNode[]): ReportNode[] {
    if (this.#run.at !== at) this.#run = { at, made: new Set() };
    const now = this.#context.view.clock.now();
    return nodes.filter(({ name }) => !this.#run.made.has(name) && this.#nodes.get(name)?.days.canWrite(now));
  }

  /** Of nodes those whose last report did not fail, if there are any: the others, which may take long, follow by themselves. */
  #answering(nodes: readonly ReportNode[]): readonly ReportNode[] {
    const answering = nodes.filter(({ name }) => !this.#failing.has(name));
    return answering.length > 0 ? answering : nodes;
  }

  /** Nodes whose source is to be asked for a day that has ended. */
  async #due(day: ReportDay, nodes: readonly ReportNode[]): Promise<ReportNode[]> {
    const { clock } = this.#context.view;
    const due: ReportNode[] = [];
    for (const node of nodes) {
      const days = this.#nodes.get(node.name)?.days;
      if (days?.isDue(day, clock.now()) === undefined) await days?.lookUp(day, clock.now());
      if (this.#abort.signal.aborted) return [];
      if (days?.isDue(day, clock.now())) due.push(node);
    }
    return due;
  }

  async #make(
    day: ReportDay,
    nodes: readonly ReportNode[],
    { skipEmpty }: { readonly skipEmpty: boolean },
  ): Promise<void> {
    const { view, reportRuns } = this.#context;
    const plan = this.#plan;
    if (plan === undefined) return;
    const { clock, log } = view;
    const past = this.#past;
    const warn = (words: string): void => past.add(undefined, day.date, words);
    this.#lacksUsers = false;
    reportRuns.advance({ date: day.date, done: 0, total: nodes.length });
    try {
      const outcomes = await makeReports({
        ...{ day, clock, skipEmpty, fromFirstValue: true, signal: this.#abort.signal },
        plan: { folder: plan.folder, nodes },
        read: this.#sources.read,
        tasks: plan.tasks && this.#sources.tasks(plan.tasks, plan.nodes, skipEmpty ? { ...log, warn } : log),
        onTasks: (answer) => this.#noteTasks(day, answer),
        onRead: (done, total) => reportRuns.advance({ date: day.date, done, total }),
        onNode: (outcome) => this.#note(day, outcome, skipEmpty),
      });
      // Others were in the log before.
      if (outcomes.some(({ written }) => written)) log.info(`daily reports of ${day.date}: ${tallyOf(outcomes)}`);
    } finally {
      reportRuns.advance(undefined);
      this.#showNotices();
    }
  }

  #note(day: ReportDay, outcome: NodeOutcome, isMadeUp: boolean): void {
    const { view, reportRuns } = this.#context;
    const { clock, log } = view;
    const now = clock.now();
    const { node, failure, issues } = outcome;
    this.#nodes.get(node)?.days.note(outcome, day, { now, lacksUsers: this.#lacksUsers });
    if (failure !== "folder" && now < 1000 * day.to) this.#run.made.add(node);
    // A day that is made up, of which there is nothing: most are from before the node or its monitoring was there.
    const isNothing = failure === undefined && outcome.state === "failed" && !outcome.written;
    if (!isNothing) reportRuns.set(node, { date: day.date, at: now, outcome });
    if (failure !== undefined) {
      const error = issues[0] ?? "";
      if (this.#failing.get(node)?.of !== failure) log.warn(`daily report of ${node}, ${day.date}: ${textOf(error)}`);
      this.#failing.set(node, { of: failure, error });
      return;
    }
    if (this.#failing.delete(node)) log.info(`daily reports of ${node} are made again`);
    if (isNothing) return;
    for (const issue of issues) {
      if (isMadeUp) this.#past.add(node, day.date, issue);
      else log.warn(`daily report of ${node}, ${day.date}: ${textOf(issue)}`);
    }
  }

  /** The reader of tasks has logged them. */
  #noteTasks({ date }: ReportDay, { issues, isUnknown = false }: TaskAnswer): void {
    this.#lacksUsers = isUnknown;
    // Of days that are made up nobody waits for the users.
    if (date < this.#usersOf) return;
    this.#usersOf = date;
    const [first] = issues;
    const words = first === undefined ? undefined : notice("report_users", { date, message: first });
    this.#context.notice("report-users", words);
  }

  #showNotices(): void {
    const { notice: show, reportRuns } = this.#context;
    const nodes = this.#plan?.nodes ?? [];
    show("report", this.#failed("source"));
    show("report-folder", this.#failed("folder"));
    const last = nodes.flatMap(({ name }): NodeReport[] => {
      const report = reportRuns.last(name);
      return report === undefined ? [] : [{ node: name, ...report }];
    });
    for (const [topic, sentence] of checkNotices(last)) show(`report-${topic}`, sentence);
    if (this.#plan?.tasks === undefined) show("report-users", undefined);
  }

  #failed(of: Failing["of"]): Sentence | undefined {
    const [first, ...others] = [...this.#failing].filter(([, failing]) => failing.of === of);
    if (first === undefined) return undefined;
    const [node, { error }] = first;
    return notice(of === "source" ? "report_failed" : "report_unwritable", { node, others: others.length, error });
  }

  #onReading({ host, at, late, devices }: HostReading): void {
    if (!late) return;
    const names = this.#hosts.get(host);
    const plan = this.#plan;
    if (names === undefined || plan === undefined || !devices.some(({ level }) => level === "gpu")) return;
    const now = this.#context.view.clock.now();
    if (at < now - mostLateMs) return;
    const date = plan.zone.dayOf(at);
    for (const name of names) this.#nodes.get(name)?.days.reopen(date, now);
  }
}

function tallyOf(outcomes: readonly NodeOutcome[]): string {
  const count = (state: NodeOutcome["state"]): number => outcomes.filter((one) => one.state === state).length;
  return `${count("complete")} complete, ${count("partial")} incomplete, ${count("failed")} without data`;
}

function hostsOf(nodes: readonly ReportNode[], keyOf: (name: string) => string): Map<string, string[]> {
  const hosts = new Map<string, string[]>();
  for (const { name, host } of nodes) {
    if (host === undefined) continue;
    const key = keyOf(host);
    const others = hosts.get(key);
    if (others === undefined) hosts.set(key, [name]);
    else others.push(name);
  }
  return hosts;
}
