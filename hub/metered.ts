// What the hub measures of its history, reports and requests, for /metrics.
import type { Store } from "./history/store.ts";
import type { HostReading } from "./ingest.ts";
import type { Instruments } from "./instrument.ts";

/** A history whose calls are timed. */
export function metered(store: Store, instruments: Pick<Instruments, "observe">): Store {
  const timed = async <T>(query: "fold" | "known" | "read", work: () => Promise<T>): Promise<T> => {
    const begun = performance.now();
    try {
      return await work();
    } finally {
      instruments.observe("gohm_history_query_seconds", { query }, (performance.now() - begun) / 1000);
    }
  };
  return {
    append(poll) {
      const begun = performance.now();
      store.append(poll);
      instruments.observe("gohm_history_append_seconds", {}, (performance.now() - begun) / 1000);
    },
    read: (query, signal) => timed("read", () => store.read(query, signal)),
    fold: (query, signal) => timed("fold", () => store.fold(query, signal)),
    known: (filter, signal) => timed("known", () => store.known(filter, signal)),
    forget: (host) => store.forget(host),
    rename: (device, key) => store.rename(device, key),
    ready: () => store.ready(),
    close: () => store.close(),
  };
}

/** Counts a reading that was kept, and its values. */
export function countReading({ input, late, devices }: HostReading, instruments: Pick<Instruments, "count">): void {
  const time = input === "import" ? "imported" : late ? "late" : "current";
  instruments.count("gohm_reports_total", { input, time });
  let values = 0;
  for (const device of devices) {
    for (let i = 0; i < device.values.length; i++) if (!Number.isNaN(device.values[i] ?? Number.NaN)) values++;
  }
  instruments.count("gohm_samples_total", {}, values);
}

/** Counts answers of the HTTP server by group of routes and status, and measures their time in milliseconds. */
export const requestCounter =
  (instruments: Pick<Instruments, "count" | "observe">) =>
  (handler = "none", status: number, ms: number): void => {
    instruments.count("gohm_http_requests_total", { handler, code: String(status) });
    instruments.observe("gohm_http_request_duration_seconds", { handler }, ms / 1000);
  };
