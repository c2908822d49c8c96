// The questions of the GPU Metrics Logger's dashboards, asked of a running hub, and answered by pandas from CSV files.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { Agent } from "node:http";
import { join } from "node:path";
import { post } from "../post.ts";
import { top } from "../program.ts";

const python = "/usr/bin/python3";

/** Why there is no pandas; undefined if there is. */
export const missingPandas = (): string | undefined =>
  existsSync("/usr/lib/python3/dist-packages/pandas") ? undefined : "python3-pandas is not installed";

export interface Filter {
  readonly client_name?: string | null;
  readonly gpu_id?: number | null;
}

export interface Period {
  readonly start_date?: string | null;
  readonly end_date?: string | null;
}

export interface Question {
  readonly path: string;
  readonly body: Filter & Period;
}

/** No filter, each client, each GPU, and each pair of them. */
export function filtersOf(clients: readonly string[], cards: number): Filter[] {
  const gpus = Array.from({ length: cards }, (_, gpu_id) => gpu_id);
  return [
    {},
    ...clients.map((client_name) => ({ client_name })),
    ...gpus.map((gpu_id) => ({ gpu_id })),
    ...clients.flatMap((client_name) => gpus.map((gpu_id) => ({ client_name, gpu_id }))),
  ];
}

const about =
  (path: string) =>
  (body: Question["body"]): Question => ({ path: `/api/gpu/${path}`, body });
const statistics = about("statistics");
const hourly = about("hourly-usage");
const daily = about("daily-usage");
const list = about("list");
const realtime = about("realtime");

/** The five questions for every filter, those of a period for every period; statistics also without one. */
export function questionsOf(filters: readonly Filter[], periods: readonly Period[]): Question[] {
  return filters.flatMap((filter) => [
    ...(filter.gpu_id === undefined ? [list(filter)] : []),
    realtime(filter),
    statistics(filter),
    ...periods.flatMap((period) => {
      const body = { ...period, ...filter };
      return [statistics(body), hourly(body), daily(body)];
    }),
  ]);
}

/** "data" of each answer of a hub. @throws Error for an answer that is not a success */
export async function ask(url: string, questions: readonly Question[]): Promise<unknown[]> {
  // Connections of its own: the hub may have closed one that was idle.
  const agent = new Agent({ keepAlive: true, maxSockets: 2 });
  const given: unknown[] = [];
  const left = questions.entries();
  const work = async (): Promise<void> => {
    for (const [i, { path, body }] of left) {
      const json = JSON.stringify(body);
      const headers = { "content-type": "application/json" };
      const { status, text } = await post(`${url}${path}`, Buffer.from(json), headers, agent);
      if (status !== 200) throw new Error(`${path} ${json}: ${status} ${text}`);
      const answer = JSON.parse(text) as { success?: boolean; data?: unknown };
      if (answer.success !== true) throw new Error(`${path} ${json}: ${text}`);
      given[i] = answer.data;
    }
  };
  try {
    await Promise.all([work(), work()]);
  } finally {
    agent.destroy();
  }
  return given;
}

interface PandasAnswers {
  readonly rows: number;
  readonly answers: unknown[];
}

/** What pandas answers from the CSV files of a folder (statistics.py). */
export function askPandas(folder: string, questions: readonly Question[]): Promise<PandasAnswers> {
  return new Promise((resolve, reject) => {
    const args = [join(top, "test", "logger", "statistics.py"), folder];
    const options = { timeout: 120_000, maxBuffer: 2 ** 30 };
    const child = execFile(python, args, options, (error, stdout) =>
      error ? reject(error) : resolve(JSON.parse(stdout) as PandasAnswers),
    );
    child.stdin?.end(JSON.stringify(questions));
  });
}

/** The first place at which two values differ. */
interface Difference {
  readonly at: string;
  readonly our: unknown;
  readonly their: unknown;
}

/** Questions whose answers differ, each with the first difference. */
export const differing = (
  questions: readonly Question[],
  ours: readonly unknown[],
  theirs: readonly unknown[],
): (Question & Difference)[] =>
  questions.flatMap((question, i) => {
    const found = differenceOf(ours[i], theirs[i], "");
    return found === undefined ? [] : [{ ...question, ...found }];
  });

function differenceOf(our: unknown, their: unknown, at: string): Difference | undefined {
  if (our === their) return undefined;
  if (typeof our !== "object" || typeof their !== "object" || our === null || their === null) return { at, our, their };
  const [one, other] = [our as Record<string, unknown>, their as Record<string, unknown>];
  for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const found = differenceOf(one[key], other[key], `${at}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
