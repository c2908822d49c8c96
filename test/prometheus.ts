// Debian's Prometheus, scraping agents of a test.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { type Program, programOf } from "./program.ts";

/** Returns the reason why Prometheus cannot be run; undefined if it can. */
export function missingPrometheus(): string | undefined {
  const there = existsSync("/usr/bin/promtool") && existsSync("/usr/bin/prometheus");
  return there ? undefined : "the package prometheus is not installed";
}

/** Finds a free port, for a program that does not print which one it listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [at: number, value: string];
}

export interface Prometheus {
  readonly program: Program;
  /** Runs an instant query. @throws Error with the message of Prometheus */
  query(text: string): Promise<Sample[]>;
}

/** Starts Prometheus with scrape targets. @param folder for its files @param targets as host:port */
export const startPrometheus = (folder: string, targets: readonly string[]): Promise<Prometheus> =>
  runPrometheus(
    folder,
    `global: { scrape_interval: 500ms, scrape_timeout: 500ms }
scrape_configs:
  - job_name: gohm
    static_configs: [{ targets: ${JSON.stringify(targets)} }]
`,
  );

/** Starts Prometheus. @param folder for its files @param settings text of its settings file */
export async function runPrometheus(folder: string, settings: string): Promise<Prometheus> {
  const config = join(folder, "prometheus.yml");
  writeFileSync(config, settings);
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    "/usr/bin/prometheus",
    [`--config.file=${config}`, `--storage.tsdb.path=${join(folder, "data")}`, `--web.listen-address=${address}`],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const program = programOf(child, "prometheus");
  await program.line(/Server is ready to receive web requests/);
  return {
    program,
    async query(text) {
      const answer = await fetch(`http://${address}/api/v1/query?query=${encodeURIComponent(text)}`);
      const { status, error, data } = await answer.json();
      if (status !== "success") throw new Error(`${error}: ${text}`);
      return data.result;
    },
  };
}
