// Cost of machines that push beside machines that are polled: CPU of a push, how late answers are, and what hostile pushes cost.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type HostileBody, hostileBodies } from "../../test/hostile.ts";
import { hubFolder, type RunningHub, startHub } from "../../test/hub.ts";
import { top } from "../../test/program.ts";
import { cpu, memory } from "../measure.ts";
import type { PushCounts, PushOrder } from "../pushers.ts";

const polled = 200;
/** Seconds between two polls of a host. */
const pollInterval = 10;
const pushing = 1000;
/** Seconds between two pushes of a host. */
const pushInterval = 5;
const alone = 20_000;
const warmUp = 10_000;
const measured = 45_000;
/** Pause between two requests that find out how late the hub answers. */
const probePause = 50;
const attempts = 12;

/** Milliseconds, of half of the answers and of the slowest hundredth. */
interface Lateness {
  readonly middle: number;
  readonly slowest: number;
}

export interface PushCost {
  /** CPU milliseconds of a push. */
  readonly each: number;
  readonly counts: PushCounts;
  /** Polls that were answered, and those that were due. */
  readonly polls: number;
  readonly due: number;
  /** How late an answer to a page is meanwhile. */
  readonly answers: Lateness;
  readonly rss: number;
  /** CPU milliseconds of each hostile push. */
  readonly hostile: readonly { readonly name: string; readonly bytes: number; readonly each: number }[];
}

async function asked<T>(child: ChildProcess, question: PushOrder | "counts"): Promise<T> {
  child.send(question);
  const [answer] = (await once(child, "message")) as [T];
  return answer;
}

/** Asks the hub for its health until a time is over. */
async function probe(url: string, ms: number): Promise<Lateness> {
  const end = performance.now() + ms;
  const waits: number[] = [];
  while (performance.now() < end) {
    const begun = performance.now();
    await (await fetch(`${url}/api/health`)).text();
    waits.push(performance.now() - begun);
    await wait(probePause);
  }
  const sorted = waits.toSorted((a, b) => a - b);
  const share = (part: number): number => sorted[Math.floor(sorted.length * part)] ?? 0;
  return { middle: share(0.5), slowest: share(0.99) };
}

/** Sends a body. @returns the status */
function post(
  url: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const all = { ...headers, "content-length": body.length };
    const sent = request(url, { method: "POST", agent: false, headers: all }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      response.on("error", () => resolve({ status: response.statusCode ?? 0, text }));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    sent.on("error", () => resolve({ status: 0, text: "" }));
    sent.end(body);
  });
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
    if (answer.status !== status) throw new Error(`${name}: ${answer.status} instead of ${status}: ${answer.text}`);
  }
  return ((cpu(pid) - before) / attempts) * 1000;
}

/** @param fleet port of the machines that are polled, and the number of their answers */
export async function pushCost(fleet: {
  readonly grpc: number;
  counts(): Promise<{ calls: number }>;
}): Promise<PushCost> {
  const at = hubFolder();
  const servers = Object.fromEntries(Array.from({ length: polled }, (_, i) => [`h${i}`, `127.0.0.1:${fleet.grpc}`]));
  at.write({ servers, poll: { interval: pollInterval }, push: { register: "open" } });
  const hub = await startHub(at);
  const pushers = fork(join(top, "bench", "pushers.ts"));
  try {
    const pid = hub.child.pid ?? 0;
    await wait(warmUp);
    const first = cpu(pid);
    await wait(alone);
    const idle = (cpu(pid) - first) / alone;
    await asked(pushers, { url: hub.url, count: pushing, interval: pushInterval });
    await wait(warmUp);
    await asked<PushCounts>(pushers, "counts");
    const [before, calls] = [cpu(pid), (await fleet.counts()).calls];
    const answers = await probe(hub.url, measured);
    const counts = await asked<PushCounts>(pushers, "counts");
    const [used, polls] = [cpu(pid) - before, (await fleet.counts()).calls - calls];
    const { rss } = memory(pid);
    pushers.disconnect();
    const each = ((used - idle * measured) / (counts.samples + counts.reports)) * 1000;
    const hostile: PushCost["hostile"][number][] = [];
    for (const one of hostileBodies) {
      hostile.push({ name: one.name, bytes: one.body.length, each: await costOf(one, hub) });
    }
    return { each, counts, polls, due: (polled * measured) / 1000 / pollInterval, answers, rss, hostile };
  } finally {
    if (pushers.connected) pushers.disconnect();
    await hub.stop();
    at.remove();
  }
}

/** Rows for the results. */
export function* rows({ each, counts, polls, due, answers, rss, hostile }: PushCost): Iterable<string> {
  const ms = ({ middle, slowest }: Lateness): string => `${middle.toFixed(1)} ms, ${slowest.toFixed(1)} ms`;
  yield `${pushing} machines push every ${pushInterval} s (half of them whole samples with 24 processes, half JSON), ${polled} are polled every ${pollInterval} s`;
  yield "| measured | |";
  yield "|---|---|";
  yield `| CPU per push | ${each.toFixed(3)} ms (${counts.samples} samples, ${counts.reports} reports in JSON, ${counts.failed} failed) |`;
  yield `| a push is answered after: half of them, the slowest hundredth | ${ms(counts)} |`;
  yield `| GET /api/health is answered after: half of them, the slowest hundredth | ${ms(answers)} |`;
  yield `| polls meanwhile | ${polls} of ${due} |`;
  yield `| RSS at the end | ${(rss / 2 ** 20).toFixed(0)} MiB |`;
  yield "";
  yield "| a hostile push | bytes | CPU |";
  yield "|---|---|---|";
  for (const { name, bytes, each: cost } of hostile) yield `| ${name} | ${bytes} | ${cost.toFixed(1)} ms |`;
}
