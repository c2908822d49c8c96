import { effect, type ReadonlySignal, type Signal } from "@preact/signals";
import type { HostInfo } from "../../../proto/gen/host_pb.js";
import {
  type ChartData,
  type ChartRequest,
  extend,
  fetchChart,
  newestSample,
  type RangeName,
  ranges,
} from "../../history.ts";
import { errorText } from "../../language.ts";
import { fleet, type HostEntry } from "../../store.ts";
import type { HostDetail } from "./detail.ts";
import { busiest, nicMetrics, nicsShown, seriesOf } from "./panel.ts";

/** History of a host, as it was loaded last. */
export interface LoadedRange {
  readonly range: RangeName;
  /** Series of the request, as JSON. */
  readonly asked: string;
  readonly from: number;
  readonly to: number;
  readonly answer: ChartData;
  /** Time of the request for the whole range; later ones load only new samples. */
  readonly begun: number;
}

/** The whole range is loaded again after so long, with samples that arrived late. */
const refetchMs = 300_000;

/** A failed request is repeated after so long, or with the host's next answer if that is earlier. */
const retryMs = 5000;

/** Which interfaces are charted. */
export interface NicChoice {
  /** All interfaces of the host, the busiest of the range first. */
  readonly order: readonly string[];
  /** Chosen interfaces; undefined for the busiest. */
  readonly chosen: ReadonlySet<string> | undefined;
}

/** Names of the charted interfaces. */
export function nicsOf(info: HostInfo, { order, chosen }: NicChoice): readonly string[] {
  const there = busiest(info, undefined);
  const known = [...order.filter((name) => there.includes(name)), ...there.filter((name) => !order.includes(name))];
  return chosen === undefined ? known.slice(0, nicsShown) : known.filter((name) => chosen.has(name));
}

interface RangeState {
  readonly entry: HostEntry;
  readonly detail: ReadonlySignal<HostDetail>;
  readonly loaded: Signal<LoadedRange | undefined>;
  readonly error: Signal<string>;
  readonly nics: Signal<NicChoice>;
}

/** Loads the whole range, then new samples with the host's ticks. */
export function followRange({ entry, detail, loaded, error, nics }: RangeState, chosen: RangeName): () => void {
  const stop = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asked = 0;
  let sorted = 0;
  let busy = false;
  const load = async (info: HostInfo): Promise<void> => {
    const now = fleet.now.peek();
    const { name: host } = entry.host.peek();
    // The order of interfaces is loaded first, and again with the whole range.
    if (info.nics.length > nicsShown && now - sorted > refetchMs) {
      const order = busiest(info, await fetchChart(trafficOver(host, now, chosen), stop.signal));
      sorted = now;
      nics.value = { ...nics.peek(), order };
    }
    const series = seriesOf(info, nicsOf(info, nics.peek()));
    const last = loaded.peek();
    const before = last?.range === chosen && last.asked === JSON.stringify(series) ? last : undefined;
    loaded.value = await next({ chosen, now, before, asked: JSON.stringify(series) }, (from, step) =>
      fetchChart({ host, ...series, from, to: now + 1, step }, stop.signal),
    );
    error.value = "";
  };
  const look = async (): Promise<void> => {
    const { info } = detail.peek();
    if (info === undefined || busy) return;
    const now = fleet.now.peek();
    const { step = refetchMs } = ranges[chosen];
    const due = Math.max(Math.min(step / 4, refetchMs), fleet.interval.peek() * 1000);
    const same = loaded.peek()?.asked === JSON.stringify(seriesOf(info, nicsOf(info, nics.peek())));
    if (same && now - asked < due * 0.9) return;
    asked = now;
    busy = true;
    await load(info).catch((reason: unknown) => {
      if (stop.signal.aborted) return;
      error.value = errorText(reason);
      asked = 0;
      timer = setTimeout(retry, retryMs);
    });
    busy = false;
  };
  const retry = (): void => {
    // No requests while the feed is closed: when it is back it reports every host.
    if (fleet.connection.peek().state === "live") look();
  };
  const end = effect(() => {
    entry.tick.value;
    nics.value;
    look();
  });
  return () => {
    end();
    clearTimeout(timer);
    stop.abort();
  };
}

/** Request for the traffic of all interfaces with few points, so that it is cheap for dozens of them. */
function trafficOver(host: string, now: number, chosen: RangeName): ChartRequest {
  const { span = now } = ranges[chosen];
  return { host, metrics: nicMetrics, keys: [], from: now - span, to: now + 1, step: undefined, most: 24 };
}

interface RangeRequest {
  readonly chosen: RangeName;
  readonly now: number;
  readonly before: LoadedRange | undefined;
  readonly asked: string;
}

type LoadRange = (from: number, step: number | undefined) => Promise<ChartData>;

async function next({ chosen, now, before, asked }: RangeRequest, load: LoadRange): Promise<LoadedRange> {
  const { span, step } = ranges[chosen];
  if (span === undefined || step === undefined) {
    const answer = await load(0, undefined);
    return { range: chosen, asked, from: answer.from, to: now, answer, begun: now };
  }
  // Buckets are aligned to the epoch: the range begins with a whole one.
  const from = step > 0 ? Math.floor((now - span) / step) * step : now - span;
  const last = before === undefined || now - before.begun > refetchMs ? undefined : newestSample(before.answer);
  const loaded = { range: chosen, asked, from: now - span, to: now };
  if (before === undefined || last === undefined) return { ...loaded, answer: await load(from, step), begun: now };
  const late = await load(last, step);
  return { ...loaded, answer: extend(before.answer, late, from), begun: before.begun };
}
