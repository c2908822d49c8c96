import { Kind } from "../proto/gen/metric_pb.js";
import { histogramSamples, labels, type MetricFamily, type Sample } from "../proto/text.ts";

/** Upper bounds of durations, in seconds. */
const short = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** A metric of the hub itself. */
interface MetricRow {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels?: readonly string[];
  /** Upper bounds of the buckets of a histogram. */
  readonly bounds?: readonly number[];
}

/** Metrics of the hub itself, in the order of /metrics and of docs/metrics.md. Values of labels are words of the hub. */
const rows = {
  gohm_build_info: {
    kind: "gauge",
    help: "Version of the hub and of Node, in labels; always 1.",
    labels: ["version", "node"],
  },
  gohm_health: {
    kind: "gauge",
    help: "1 if a part of the hub works, 0 if it does not, as /healthz says.",
    labels: ["part"],
  },
  gohm_notices: { kind: "gauge", help: "Messages to administrators that are shown at the moment." },
  gohm_hosts: {
    kind: "gauge",
    help: "Hosts by state: up, stale (the last report is too old to be current), down, pending (no report yet), history (only its Netdata is read), waiting (for approval).",
    labels: ["state"],
  },
  gohm_poll_lag_seconds: {
    kind: "histogram",
    help: "Time from when a poll was due until it began.",
    bounds: short,
  },
  gohm_poll_duration_seconds: {
    kind: "histogram",
    help: "Time that a poll took, failed ones included.",
    bounds: short,
  },
  gohm_polls_total: {
    kind: "counter",
    help: "Polls by result: answer, timeout, bad (an answer that is none), lost (no connection).",
    labels: ["result"],
  },
  gohm_poll_failures_total: {
    kind: "counter",
    help: "Failed polls by reason, the code of the reason that the page shows.",
    labels: ["reason"],
  },
  gohm_polls_running: { kind: "gauge", help: "Polls that wait for their answer." },
  gohm_polls_queued: { kind: "gauge", help: "Polls that are due and wait for others to end (poll.concurrency)." },
  gohm_reports_total: {
    kind: "counter",
    help: "Reports that were taken, by input, and by time: current, late (of an outage before) or imported.",
    labels: ["input", "time"],
  },
  gohm_samples_total: { kind: "counter", help: "Values of series that were passed on to history." },
  gohm_nodes: { kind: "gauge", help: "Machines that registered to report by themselves, by state.", labels: ["state"] },
  gohm_history_append_seconds: {
    kind: "histogram",
    help: "Time to add one report to the history in memory.",
    bounds: [0.00001, 0.000025, 0.00005, 0.0001, 0.00025, ...short],
  },
  gohm_history_write_seconds: {
    kind: "histogram",
    help: "Time to write what was added since the write before to the journal.",
    bounds: short,
  },
  gohm_history_query_seconds: {
    kind: "histogram",
    help: "Time of a query of the history, its waits for other work included: read (series), fold (groups) or known (list of devices).",
    labels: ["query"],
    bounds: short,
  },
  gohm_history_unwritten_bytes: {
    kind: "gauge",
    help: "Samples that are only in memory, as they will be in the journal.",
  },
  gohm_history_size_bytes: { kind: "gauge", help: "Size of the history on disk." },
  gohm_http_requests_total: {
    kind: "counter",
    help: "Requests over TCP that were answered, by group of routes (docs/api.md; none: no such path) and status.",
    labels: ["handler", "code"],
  },
  gohm_http_request_duration_seconds: {
    kind: "histogram",
    help: "Time from the head of a request to the first byte of its answer, by group of routes.",
    labels: ["handler"],
    bounds: short,
  },
  gohm_viewers: { kind: "gauge", help: "Pages that follow the live feed." },
  gohm_accounts: { kind: "gauge", help: "Accounts by role.", labels: ["role"] },
  gohm_sessions: { kind: "gauge", help: "Sessions of accounts that have not ended." },
  gohm_tls_certificate_expiry_seconds: {
    kind: "gauge",
    help: "When the hub's certificate ends, in seconds since 1970; absent without one.",
  },
  gohm_event_loop_delay_seconds: {
    kind: "histogram",
    help: "Delay of a timer that is due ten times a second: the time for which other work kept the hub from answering.",
    bounds: short,
  },
  process_cpu_seconds_total: { kind: "counter", help: "CPU time that the process has used." },
  process_resident_memory_bytes: { kind: "gauge", help: "Memory of the process." },
  process_heap_bytes: { kind: "gauge", help: "Memory in use for JavaScript objects." },
  process_open_fds: { kind: "gauge", help: "Open files and connections." },
  process_max_fds: { kind: "gauge", help: "Most files and connections that the process may open." },
  process_start_time_seconds: { kind: "gauge", help: "When the process was started, in seconds since 1970." },
} as const satisfies Readonly<Record<string, MetricRow>>;

type Rows = typeof rows;
type NameOf<K extends MetricRow["kind"]> = { [N in keyof Rows]: Rows[N]["kind"] extends K ? N : never }[keyof Rows];
type LabelsOf<N extends keyof Rows> = Rows[N] extends { readonly labels: readonly (infer L extends string)[] }
  ? Readonly<Record<L, string>>
  : Readonly<Record<never, string>>;

/** Every metric of the hub itself, for the documents. */
export const hubMetrics: Readonly<Record<string, MetricRow>> = rows;

/** What the hub knows of each host, beside the metrics of its report: gauges, and what they are. */
export const hostMetrics = {
  gohm_host_up: "1 if the last report of the host is current; 0 if not, and then it has no other values.",
  gohm_host_info: "Shown name and group of the host, in labels; always 1.",
  gohm_host_report_age_seconds:
    "Time since the last report of the host; absent if there was none since the hub started.",
} as const;

/** Most label sets of one metric: their values are words of the hub, so no more are expected. */
const mostSeries = 1000;

/** A gauge's values at the moment. */
type ReadGauge<N extends keyof Rows> = () => Iterable<readonly [set: LabelsOf<N>, value: number]>;

/** Reads gauges that need a wait, just before all are read. */
type Refresh = () => Promise<void>;

interface Series {
  value: number;
  readonly counts: Float64Array;
}

/** Counts what the hub does, for /metrics. */
export class Instruments {
  readonly #series = new Map<string, Map<string, Series>>();
  readonly #gauges = new Map<string, () => Iterable<readonly [set: Readonly<Record<string, string>>, value: number]>>();
  readonly #refreshes = new Set<Refresh>();

  count<N extends NameOf<"counter">>(name: N, set: LabelsOf<N>, by = 1): void {
    const series = this.#find(name, set);
    if (series !== undefined) series.value += by;
  }

  /** Adds an observation to a histogram. @param value in seconds */
  observe<N extends NameOf<"histogram">>(name: N, set: LabelsOf<N>, value: number): void {
    const series = this.#find(name, set);
    if (series === undefined || Number.isNaN(value)) return;
    // A clock may have been set back.
    const amount = Math.max(0, value);
    const { bounds }: { readonly bounds: readonly number[] } = rows[name];
    const at = bounds.findIndex((bound) => amount <= bound);
    const bucket = at < 0 ? bounds.length : at;
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
    series.value += amount;
  }

  /**
   * Sets what a gauge, or a counter that somebody else counts, is read from; a later call replaces an earlier one.
   * @param read must be quick; if it throws, the metric is left out
   */
  read<N extends NameOf<"gauge" | "counter">>(name: N, read: ReadGauge<N>): void {
    this.#gauges.set(name, read);
  }

  /** Calls a function before each reading of all metrics. It must not reject. */
  before(refresh: Refresh): void {
    this.#refreshes.add(refresh);
  }

  /** Reads all metrics; those that were never measured have no samples. */
  async families(): Promise<MetricFamily[]> {
    await Promise.all([...this.#refreshes].map((refresh) => refresh()));
    return Object.entries(hubMetrics).map(([name, { kind, help, bounds }]) => {
      const samples = [...this.#samples(name, bounds), ...this.#gaugeSamples(name)];
      return { name, help, kind: kind === "histogram" ? kind : kinds[kind], samples };
    });
  }

  *#samples(name: string, bounds: readonly number[] | undefined): Generator<Sample> {
    for (const [set, { value, counts }] of this.#series.get(name) ?? []) {
      if (bounds === undefined) yield { labels: set, value };
      else yield* histogramSamples(set, bounds, { counts, sum: value });
    }
  }

  #gaugeSamples(name: string): Sample[] {
    try {
      return [...(this.#gauges.get(name)?.() ?? [])].map(([set, value]) => ({ labels: labels(set), value }));
    } catch {
      // The book cannot be read: /healthz says so.
      return [];
    }
  }

  #find<N extends NameOf<"counter" | "histogram">>(name: N, set: LabelsOf<N>): Series | undefined {
    const all = this.#series.get(name) ?? new Map<string, Series>();
    this.#series.set(name, all);
    const written = labels(set);
    const known = all.get(written);
    if (known !== undefined || all.size >= mostSeries) return known;
    const { bounds }: MetricRow = rows[name];
    const made = { value: 0, counts: new Float64Array(bounds === undefined ? 0 : bounds.length + 1) };
    all.set(written, made);
    return made;
  }
}

const kinds = { counter: Kind.COUNTER, gauge: Kind.GAUGE } as const;
