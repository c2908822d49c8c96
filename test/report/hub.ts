// The task of daily reports with a clock that is turned by hand, sources that play, and the folder that it writes.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { Fault } from "../../hub/fault.ts";
import type { HostReading } from "../../hub/ingest.ts";
import { expectedRows } from "../../hub/report/day.ts";
import type { GpuTask, NodeDay, ReadNode, ReportDay, ReportNode } from "../../hub/report/report.ts";
import { ReportRuns } from "../../hub/report/runs.ts";
import type { ReportPlan } from "../../hub/report/settings.ts";
import type { ReportSources } from "../../hub/task/report.ts";
import type { RunningTask, TaskContext } from "../../hub/task/task.ts";
import { Zone } from "../../program/zone.ts";
import { Model } from "../model.ts";
import { viewOf } from "../view.ts";

const minute = 60_000;

/** Opens the task. @param sources undefined for those of the settings */
export type OpenReports = (context: TaskContext, sources: ReportSources | undefined) => Promise<RunningTask>;

export const nodesNamed = (...names: string[]): ReportNode[] =>
  names.map((name) => ({ name, netdata: "http://127.0.0.1:1" }));

/** A task on the second GPU. */
export const amy: GpuTask = {
  ...{ user: "amy", uuid: "GPU-1", id: 1, index: 1, model: "", memory: "0", type: "", project: "", image: "" },
  ...{ start: "2026-11-27 10:00:00", end: "", seconds: 1 },
};

export class ReportScene {
  readonly root = mkdtempSync(join(tmpdir(), "gohm-report-"));
  now: number;
  timers: { at: number; ms: number; run: () => void }[] = [];
  plan: ReportPlan = {
    nodes: nodesNamed("gpu1"),
    folder: this.root,
    zone: new Zone("Asia/Taipei"),
    time: "23:45",
    tasks: undefined,
  };
  readonly runs = new ReportRuns();
  /** Texts of the notices by topic. */
  readonly notices = new Map<string, string>();
  readonly log: string[] = [];
  /** Days that sources were asked for: "node date". */
  asked: string[] = [];
  /** The time from which a source has data. */
  since: number;
  /** Nodes whose source does not answer. */
  readonly away = new Set<string>();
  /** True for rows that a source lacks, by node. */
  readonly lacking = new Map<string, (at: number) => boolean>();
  /** Tasks on gpu1. */
  held: readonly GpuTask[] = [];
  /** True while the task API is away, and has never answered. */
  lacksUsers = false;
  /** True for days of which something is wrong with the answer of the task API. */
  unasked: (date: string) => boolean = () => true;
  /** Passes a stored report to the task. */
  heard: ((reading: HostReading) => void) | undefined;
  readonly #open: OpenReports;
  #task: RunningTask | undefined;

  constructor(open: OpenReports) {
    this.#open = open;
    this.now = this.local("2026-11-27 23:44:00");
    this.since = this.local("2026-11-27 00:00:00");
  }

  async remove(): Promise<void> {
    await this.close();
    rmSync(this.root, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await this.#task?.close();
    this.#task = undefined;
  }

  local(text: string): number {
    return this.plan.zone.parse(text) ?? Number.NaN;
  }

  set(change: Partial<ReportPlan>): void {
    this.plan = { ...this.plan, ...change };
  }

  /** A source that has every row since a time, up to now. */
  readonly read: ReadNode = async (node: ReportNode, day: ReportDay): Promise<NodeDay> => {
    this.asked.push(`${node.name} ${day.date}`);
    if (this.away.has(node.name)) throw new Fault("source_failed", `http://${node.name}:19999 cannot be reached`);
    const lacks = this.lacking.get(node.name);
    const times = expectedRows(day, this.now / 1000);
    const rows = times.filter((at) => at > this.since / 1000 && lacks?.(at * 1000) !== true);
    const cards = [0, 1].map((index) => ({
      index,
      card: index,
      rows: rows.length === 0 ? undefined : rows.map((at) => ({ at, gpu: 50, vram: 25 })),
    }));
    return { node, day, cards, issues: rows.length === 0 ? ["nothing of that day"] : [] };
  };

  /** Opens the task, and waits until it has looked once. Parameters are those of `open`. */
  async begin(...how: Parameters<ReportScene["open"]>): Promise<void> {
    await this.open(...how);
    await this.pass(0);
  }

  /** @param read where reports are read from; null for the sources of the settings */
  async open(read: ReadNode | null = this.read, history = new Model()): Promise<void> {
    const say = (text: string): void => void this.log.push(text);
    const view = viewOf({
      clock: {
        now: () => this.now,
        after: (ms, run) => {
          const timer = { at: this.now + ms, ms, run };
          this.timers.push(timer);
          return () => {
            this.timers = this.timers.filter((other) => other !== timer);
          };
        },
      },
      log: { info: say, warn: say, error: say },
      reports: () => this.plan,
      history,
    });
    const context: TaskContext = {
      view,
      desk: { do: () => undefined as never },
      onReading: (listener) => {
        this.heard = listener;
        return () => {
          this.heard = undefined;
        };
      },
      notice: (topic, words) =>
        void (words === undefined ? this.notices.delete(topic) : this.notices.set(topic, words.text)),
      reportRuns: this.runs,
    };
    const answer = async ({ date }: ReportDay) => ({
      tasks: new Map(this.lacksUsers ? [] : [["gpu1", this.held]]),
      isUnknown: this.lacksUsers,
      issues: this.unasked(date) ? ["The task API is away"] : [],
    });
    this.#task = await this.#open(context, read === null ? undefined : { read, tasks: () => ({ read: answer }) });
  }

  /** True if the task waits for its own timer; others bound what it waits for. */
  #isIdle(): boolean {
    return this.runs.progress() === undefined && this.timers.some(({ ms }) => ms <= minute);
  }

  /** Runs the timers that are due. */
  fire(): void {
    const due = this.timers.filter(({ at }) => at <= this.now);
    this.timers = this.timers.filter(({ at }) => at > this.now);
    for (const { run } of due) run();
  }

  /** Lets time pass, with what is done in it. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      for (let i = 0; i < 1000 && !this.#isIdle(); i++) await new Promise((done) => setImmediate(done));
      if (!this.#isIdle()) await expect.poll(() => this.#isIdle(), { interval: 1, timeout: 15_000 }).toBe(true);
      const next = Math.min(...this.timers.map(({ at }) => at));
      if (next > end) break;
      this.now = Math.max(this.now, next);
      this.fire();
    }
    this.now = end;
  }

  async passTo(text: string): Promise<void> {
    await this.pass(this.local(text) - this.now);
  }

  /** The lines of a file of a node and day, without its heading; undefined without it. */
  lines(date: string, name = "gpu0", node = "gpu1"): string[] | undefined {
    const path = join(this.root, node, date, `${name}_${date}.csv`);
    return existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n").slice(1) : undefined;
  }

  /** Rows of the first card of a node. */
  rows(date: string, node = "gpu1"): number | undefined {
    return this.lines(date, "gpu0", node)?.length;
  }

  /** How often a day was asked for. */
  count(what: string): number {
    return this.asked.filter((one) => one === what).length;
  }

  /** Days of a node with a folder. */
  dates(node = "gpu1"): string[] {
    return existsSync(join(this.root, node)) ? readdirSync(join(this.root, node)).sort() : [];
  }
}
