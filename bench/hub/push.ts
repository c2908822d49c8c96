// Cost of machines that push beside machines that are polled: CPU of a push of each kind, how late answers and polls are,
// compared with the same hub before anything is pushed, and what hostile pushes cost.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type HostileBody, hostileBodies } from "../../test/hostile.ts";
import { hubFolder, type RunningHub, startHub } from "../../test/hub.ts";
import { post } from "../../test/post.ts";
import { top } from "../../test/program.ts";
import { cpu, lasting, memory, type Quantiles, shown } from "../measure.ts";
import type { PushCounts, PushKind, PushOrder } from "../pushers.ts";
import { type Phase, Polls, watch } from "./lag.ts";

const polled = 200;
/** Seconds between two polls of a host. */
const pollInterval = 10;
const pushing = 1000;
/** Seconds between two pushes of a host. */
const pushInterval = 5;
/** Twice the interval of polls: the hub polls all hosts at its start, and each gets its place within the interval with the next poll. */
const warmUp = 2 * pollInterval * 1000;
const settling = lasting(5000);
const measured = lasting(30_000);
const attempts = 12;
const watched = { hosts: polled, intervalMs: pollInterval * 1000, forMs: measured };

/** What the hub did while one kind of push arrived, or none. */
interface PushPhase extends Phase {
  readonly pushes?: PushCounts;
}

export interface PushCost {
  readonly quiet: PushPhase;
  readonly phases: Readonly<Record<PushKind, PushPhase>>;
  readonly rss: number;
  /** CPU milliseconds of each hostile push. */
  readonly hostile: readonly { readonly name: string; readonly bytes: number; readonly each: number }[];
}

async function asked<T>(child: ChildProcess, question: PushOrder | PushKind | "counts"): Promise<T> {
  child.send(question);
  const [answer] = (await once(child, "message")) as [T];
  return answer;
}

/** CPU milliseconds of one hostile push, of a machine of its own. @throws Error if the hub answers otherwise than it must */
async function costOf({ name, type, headers, body, status }: HostileBody, { url, child }: RunningHub): Promise<number> {
  const registration = Buffer.from(
    JSON.stringify({ hostname: `hostile ${name}`.replaceAll(/[^\w ]/g, "").slice(0, 60), capabilities: {} }),
  );
  const at = `${url}/api/monitoring`;
  const { text } = await post(`${at}/register`, registration, { "content-type": "application/json" });
  const { token } = JSON.parse(text) as { token: string };
  const pid = child.pid ?? 0;
  const before = cpu(pid);
  for (let i = 0; i < attempts; i++) {
    const answer = await post(`${at}/report`, body, {
      "content-type": type,
      authorization: `Bearer ${token}`,
      ...headers,
    });
    // Of a body that is too large, the rest is not read: the answer may be lost with the connection.
    if (answer.status !== status && (answer.status !== 0 || status !== 413)) {
      throw new Error(`${name}: ${answer.status} instead of ${status}: ${answer.text}`);
    }
  }
  return ((cpu(pid) - before) / attempts) * 1000;
}

/** @param fleet port of the machines that are polled */
export async function pushCost(fleet: { readonly grpc: number }): Promise<PushCost> {
  const at = hubFolder();
  const servers = Object.fromEntries(Array.from({ length: polled }, (_, i) => [`h${i}`, `127.0.0.1:${fleet.grpc}`]));
  at.write({ servers, poll: { interval: pollInterval }, push: { register: "open" } });
  const hub = await startHub(at);
  const pushers = fork(join(top, "bench", "pushers.ts"));
  const during = async (kind: PushKind): Promise<PushPhase> => {
    await asked(pushers, kind);
    await wait(settling);
    await asked<PushCounts>(pushers, "counts");
    const phase = await watch(hub, watched);
    return { ...phase, pushes: await asked<PushCounts>(pushers, "counts") };
  };
  try {
    await wait(warmUp);
    const quiet = await watch(hub, watched);
    await asked(pushers, { url: hub.url, count: pushing, interval: pushInterval });
    // Each machine sends its first report.
    await wait(pushInterval * 1000);
    const phases = { sample: await during("sample"), report: await during("report") };
    const { rss } = memory(hub.child.pid ?? 0);
    pushers.disconnect();
    const hostile: PushCost["hostile"][number][] = [];
    for (const one of hostileBodies) {
      hostile.push({ name: one.name, bytes: one.body.length, each: await costOf(one, hub) });
    }
    return { quiet, phases, rss, hostile };
  } finally {
    if (pushers.connected) pushers.disconnect();
    await hub.stop();
    at.remove();
  }
}

/** CPU milliseconds of a push: what the hub uses beyond what it did without pushes. */
export function each(kind: PushKind, { quiet, phases }: PushCost): number {
  const { load, pushes } = phases[kind];
  return ((load - quiet.load) / ((pushes?.answered ?? 0) / (measured / 1000))) * 1000;
}

/** How late polls end, as everybody sees them. Their schedules are those of the whole run. */
export function pollEnds(cost: PushCost): Readonly<Record<"quiet" | PushKind, Quantiles>> {
  const { quiet, sample, report } = latenessOf(cost);
  return { quiet: quiet.ends, sample: sample.ends, report: report.ends };
}

function latenessOf({ quiet, phases: { sample, report } }: PushCost) {
  const schedules = Polls.schedules([quiet.polls, sample.polls, report.polls]);
  return {
    quiet: Polls.lateness([quiet.polls], schedules),
    sample: Polls.lateness([sample.polls], schedules),
    report: Polls.lateness([report.polls], schedules),
  };
}

/** Rows for the results. */
export function* rows(cost: PushCost): Iterable<string> {
  const { quiet, phases, rss, hostile } = cost;
  const late = latenessOf(cost);
  const row = (what: string, show: (phase: PushPhase, of: keyof typeof late) => string): string =>
    `| ${what} | ${[show(quiet, "quiet"), show(phases.sample, "sample"), show(phases.report, "report")].join(" | ")} |`;
  yield `${polled} hosts are polled every ${pollInterval} s; then ${pushing} machines push every ${pushInterval} s, too: whole samples with 24 processes as hmonitor sends them, then JSON as the Lab Exporter does; times in ms: median, 99th percentile, maximum`;
  yield "| measured | polls alone | and samples | and JSON |";
  yield "|---|---|---|---|";
  yield row("CPU of the hub", ({ load }) => `${(load * 100).toFixed(1)} %`);
  yield row("CPU per push", (_, kind) => (kind === "quiet" ? "" : `${each(kind, cost).toFixed(3)} ms`));
  yield row("pushes", ({ pushes }) => (pushes ? `${pushes.answered}, ${pushes.failed} failed` : ""));
  yield row("a push is answered after", ({ pushes }) => (pushes ? shown(pushes.waits) : ""));
  yield row("a poll starts late by", (_, of) => shown(late[of].starts));
  yield row("a poll ends late by", (_, of) => shown(late[of].ends));
  yield row("polls looked at", ({ polls }) => `${polls.count} of ${(polled * measured) / 1000 / pollInterval}`);
  yield row("GET /feed/host is answered after", ({ answers }) => shown(answers));
  yield `| RSS at the end | | | ${(rss / 2 ** 20).toFixed(0)} MiB |`;
  yield "";
  yield "| a hostile push | bytes | CPU |";
  yield "|---|---|---|";
  for (const { name, bytes, each: used } of hostile) yield `| ${name} | ${bytes} | ${used.toFixed(1)} ms |`;
}
