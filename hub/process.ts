import { readdir, readFile } from "node:fs/promises";
import type { Instruments } from "./instrument.ts";

/** Interval of the timer whose delay is measured. */
const beatMs = 100;

/**
 * Measures this process for /metrics: CPU, memory, files, and the delay of its event loop.
 * @returns a function that ends it
 */
export function measureProcess(instruments: Instruments): () => void {
  const none = {};
  const started = Date.now() / 1000 - process.uptime();
  let openFiles: number | undefined;
  let mostFiles: number | undefined;
  instruments.before(async () => {
    // Missing where there is no /proc.
    openFiles = await readdir("/proc/self/fd").then(
      (names) => names.length,
      () => undefined,
    );
    mostFiles = await readFile("/proc/self/limits", "utf8").then(mostFilesIn, () => undefined);
  });
  const given = (value: number | undefined) => (value === undefined ? [] : [[none, value] as const]);
  instruments.read("process_cpu_seconds_total", () => {
    const { user, system } = process.cpuUsage();
    return [[none, (user + system) / 1e6]];
  });
  instruments.read("process_resident_memory_bytes", () => [[none, process.memoryUsage.rss()]]);
  instruments.read("process_heap_bytes", () => [[none, process.memoryUsage().heapUsed]]);
  instruments.read("process_open_fds", () => given(openFiles));
  instruments.read("process_max_fds", () => given(mostFiles));
  instruments.read("process_start_time_seconds", () => [[none, started]]);
  let due = performance.now() + beatMs;
  const timer = setInterval(() => {
    const now = performance.now();
    instruments.observe("gohm_event_loop_delay_seconds", none, (now - due) / 1000);
    due = now + beatMs;
  }, beatMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** The limit of open files in /proc/self/limits; undefined if there is none. */
function mostFilesIn(limits: string): number | undefined {
  const [, most] = /^Max open files\s+(\d+)/m.exec(limits) ?? [];
  return most === undefined ? undefined : Number(most);
}
