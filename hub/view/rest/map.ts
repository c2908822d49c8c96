// /pk and /hist, as the first GOHM had them: one type of every GPU or host, under its history key.
import { packEntry, type Samples } from "../../../proto/history.ts";
import { Fault } from "../../fault.ts";
import { gpusOf, metricOf, type SeriesRef, samples, some, typesOf } from "../../history/series.ts";
import { checkSignal, type HistoryReader, type Range, until } from "../../history/store.ts";
import type { RouteRequest } from "../../route/handler.ts";
import type { ParameterValues } from "../../route/parameter.ts";
import type { restRoutes } from "../../route/rest.ts";
import { answer, turn, whole } from "../body.ts";
import { counts, type HubView, matchesEtag } from "../view.ts";
import { numbers } from "./json.ts";

/** Samples in one answer, over all series: the newest ones of each. */
const mostSamples = 1_000_000;
/** Milliseconds for which an answer is cached: it costs seconds in a large fleet. */
const fresh = 5000;
/** Cached answers, each up to 16 MB. */
const held = 4;
/** Bytes of a sample: its time and its value. */
const sampleBytes = 16;
/** Samples read at a time. */
const batch = 100_000;
/** Values written at a time: about a millisecond. */
const slice = 20_000;

interface MapRequest {
  readonly wanted: ReadonlyMap<string, SeriesRef>;
  readonly range: Range;
  /** Samples of each. */
  readonly most: number;
}

interface CachedMap {
  readonly etag: string;
  readonly map: Promise<ReadonlyMap<string, Samples>>;
  /** Requests that wait for it; the query ends when the last of them has gone. */
  waiting: number;
  cancel(): void;
}

interface MapFormat {
  readonly type: string;
  write(map: ReadonlyMap<string, Samples>): AsyncGenerator<Uint8Array>;
}

type MapParameters = ParameterValues<typeof restRoutes.pk.params>;
type MapRouteRequest = RouteRequest<typeof restRoutes.pk>;

/** Caches answers by request. Simultaneous requests of one answer share one query. */
export class Maps {
  readonly #hub: HubView;
  readonly #made = new Map<string, CachedMap>();
  readonly #timers = new Set<() => void>();
  #count = 0;

  constructor(hub: HubView) {
    this.#hub = hub;
  }

  /** Base64 of a HistMap. */
  async pk(request: MapRouteRequest): Promise<Response> {
    return this.#answer(request, { type: "text/plain; charset=UTF-8", write: base64 });
  }

  /** JSON, values only. */
  async hist(request: MapRouteRequest): Promise<Response> {
    return this.#answer(request, { type: "application/json", write: json });
  }

  close(): void {
    for (const cancel of this.#timers) cancel();
  }

  async #answer({ c, budget, given }: MapRouteRequest, { type, write }: MapFormat): Promise<Response> {
    // Only what changes the answer: the first GOHM ignored other parameters, and so does this hub.
    const key = JSON.stringify(given);
    const { signal } = c.req.raw;
    const mapped = await mapRequest(this.#hub, given, signal);
    const before = this.#made.get(key);
    if (before !== undefined && matchesEtag(c, before.etag)) {
      return new Response(null, { status: 304, headers: headersOf(before) });
    }
    const reservation = await budget.reserve(c, whole + sampleBytes * mostSamples);
    const made = this.#get(key, mapped);
    if (matchesEtag(c, made.etag)) return new Response(null, { status: 304, headers: headersOf(made) });
    const map = await waitFor(made, signal);
    reservation.shrink(whole + sampleBytes * [...map.values()].reduce((sum, { t }) => sum + t.length, 0));
    return answer({ c, log: this.#hub.log }, write(map), { "Content-Type": type, ...headersOf(made) });
  }

  #get(key: string, request: MapRequest): CachedMap {
    const before = this.#made.get(key);
    if (before !== undefined) return before;
    const { instance, clock } = this.#hub;
    const controller = new AbortController();
    const map = read(until(this.#hub.history, controller.signal), request);
    const forget = (): void => {
      if (this.#made.get(key) === made) this.#made.delete(key);
    };
    const cancel = (): void => {
      // Later requests must not wait for a canceled query.
      forget();
      controller.abort();
    };
    const made: CachedMap = { etag: `"${instance}-${++this.#count}"`, map, waiting: 0, cancel };
    const [oldest] = this.#made.keys();
    if (oldest !== undefined && this.#made.size >= held) this.#made.delete(oldest);
    this.#made.set(key, made);
    map.then(() => {
      const cancel = clock.after(fresh, () => {
        forget();
        this.#timers.delete(cancel);
      });
      this.#timers.add(cancel);
    }, forget);
    return made;
  }
}

const headersOf = ({ etag }: CachedMap): Record<string, string> => ({ "Cache-Control": "no-cache", ETag: etag });

/** Waits for an answer that several requests share. @throws Fault canceled */
async function waitFor(made: CachedMap, signal: AbortSignal): Promise<ReadonlyMap<string, Samples>> {
  checkSignal(signal);
  const leave = (): void => {
    if (--made.waiting === 0) made.cancel();
  };
  made.waiting++;
  signal.addEventListener("abort", leave);
  try {
    return await made.map;
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

/** Nanoseconds as milliseconds, rounded up: a sample just before the time asked for is not at or after it. */
function toMilliseconds(nanoseconds: string | undefined): number | undefined {
  return nanoseconds === undefined ? undefined : Number((BigInt(nanoseconds) + 999_999n) / 1_000_000n);
}

/** @throws Fault host_unknown, metric_unknown */
async function mapRequest(hub: HubView, given: MapParameters, signal: AbortSignal): Promise<MapRequest> {
  const { live, history, clock, roster } = hub;
  const { type = "gpumem" } = given;
  const name = given.host === undefined ? undefined : roster.keyOf(given.host);
  const level = (["gpu", "host"] as const).find((one) => metricOf(one, type) !== undefined);
  const metric = level && metricOf(level, type);
  if (level === undefined || metric === undefined) {
    const allowed = [...typesOf("gpu"), ...typesOf("host")].join(", ");
    throw new Fault("metric_unknown", `There is no type "${type}": types are ${allowed}`);
  }
  const known = await history.known({}, signal);
  const there = live.hosts().map((host) => host.name);
  const names = name === undefined ? there : [...new Set([...there, ...known.map(({ host }) => host)])];
  const counted = names.filter((host) => counts(hub, host));
  if (name !== undefined && !names.includes(name)) {
    throw new Fault("host_unknown", `There is no host "${given.host}": servers are ${some(counted)}`);
  }
  const wanted = new Map<string, SeriesRef>();
  for (const host of name === undefined ? counted : [name]) {
    if (level === "host") wanted.set(host, { host, level, key: "", metric });
    else for (const [id, { key }] of gpusOf(known, host)) wanted.set(`${host}_${id}`, { host, level, key, metric });
  }
  const range = {
    from: toMilliseconds(given.from) ?? 0,
    to: toMilliseconds(given.to) ?? clock.now() + 1,
    step: toMilliseconds(given.step) ?? 0,
  };
  return { wanted, range, most: Math.max(1, Math.floor(mostSamples / Math.max(1, wanted.size))) };
}

async function read(
  history: HistoryReader,
  { wanted, range, most }: MapRequest,
): Promise<ReadonlyMap<string, Samples>> {
  const all = new Map<string, Samples>();
  const entries = [...wanted];
  const together = Math.max(1, Math.floor(batch / most));
  for (let at = 0; at < entries.length; at += together) {
    const part = entries.slice(at, at + together);
    const series = part.map(([, one]) => one);
    const got = await samples(history, series, { range, most });
    for (const [i, [key]] of part.entries()) {
      const one = got[i];
      if (one !== undefined) all.set(key, one);
    }
    await turn();
  }
  return all;
}

/** Encodes base64. It takes three bytes at a time: the remainder of a piece begins the next. */
async function* base64(map: ReadonlyMap<string, Samples>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array();
  for (const [key, one] of map) {
    const bytes = Buffer.concat([rest, packEntry(key, one)]);
    const end = bytes.length - (bytes.length % 3);
    rest = bytes.subarray(end);
    yield Buffer.from(bytes.toString("base64", 0, end));
  }
  yield Buffer.from(Buffer.from(rest).toString("base64"));
}

async function* json(map: ReadonlyMap<string, Samples>): AsyncGenerator<Uint8Array> {
  let before = "{";
  for (const [key, { v }] of map) {
    yield Buffer.from(`${before}${JSON.stringify(key)}:[`);
    for (let start = 0; start < v.length; start += slice) {
      if (start > 0) yield Buffer.from(",");
      // Without the brackets that each slice has.
      yield numbers(v, start, Math.min(v.length, start + slice)).subarray(1, -1);
    }
    before = "],";
  }
  yield Buffer.from(before === "{" ? "{}" : "]}");
}
