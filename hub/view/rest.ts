import { create, toBinary } from "@bufbuild/protobuf";
import type { Hono } from "hono";
import { catalog, devices, type Level, type Metric } from "../../proto/catalog.ts";
import { HistMapSchema } from "../../proto/gen/history_pb.js";
import { Unit } from "../../proto/gen/metric_pb.js";
import { Fault } from "../fault.ts";
import { gpusOf, type Integers, integers } from "../history/series.ts";
import type { Columns } from "../history/store.ts";
import type { Sight, View } from "./view.ts";

/** Samples in one answer of /pk or /hist, over all GPUs: the newest ones of each. */
const samples = 1_000_000;
/** Milliseconds for which an answer of /pk or /hist is given again. */
const fresh = 5000;
/** Points of one series in one answer of /api/history, and series in it. */
const points = 2000;
const most = 16;
const hour = 3_600_000;

/** Paths for programs: those of the first GOHM, and what the page's charts are drawn from. */
export const rest: View = {
  name: "rest",
  async open(sight) {
    const all = shared(sight, () => memoryOfAll(sight));
    return {
      routes: (app: Hono) => {
        app.get("/pk", async (c) => {
          const data = Object.fromEntries([...(await all())].map(([key, series]) => [key, series]));
          const map = create(HistMapSchema, { data });
          return c.text(Buffer.from(toBinary(HistMapSchema, map)).toString("base64"));
        });
        app.get("/hist", async (c) =>
          c.json(Object.fromEntries([...(await all())].map(([key, { v }]) => [key, v.map(Number)]))),
        );
        app.get("/api/history", async (c) => c.json(await charts(sight, (name) => c.req.query(name))));
        app.get("/api/health", (c) => c.json(health(sight)));
      },
      close: async () => {},
    };
  },
};

function health({ live, version, hub, name }: Sight): object {
  const hosts = live.hosts();
  const open = hosts.filter(({ link }) => link.state === "open").length;
  return { status: "ok", name: name(), version, hub, hosts: hosts.length, open, notices: live.notices() };
}

/** One making at a time, given to all who asked meanwhile and shortly after: these answers cost seconds in a large fleet. */
function shared<T>({ clock }: Sight, make: () => Promise<T>): () => Promise<T> {
  let made: { at: number; value: Promise<T> } | undefined;
  return () => {
    if (made === undefined || Math.abs(clock.now() - made.at) > fresh) {
      made = { at: clock.now(), value: make() };
      const mine = made;
      mine.value.catch(() => {
        if (made === mine) made = undefined;
      });
    }
    return made.value;
  };
}

/** History key → memory share of that GPU, as type gpumem. */
async function memoryOfAll({ live, history, clock, interval, keepDays }: Sight): Promise<Map<string, Integers>> {
  const known = history.known();
  const gpus = live.hosts().flatMap(({ name }) => [...gpusOf(known, name)].map(([id, { key }]) => ({ name, id, key })));
  const each = Math.floor(samples / Math.max(1, gpus.length));
  const now = clock.now();
  const from = now - Math.min(keepDays() * 24 * hour, each * interval() * 1000);
  const all = new Map<string, Integers>();
  for (const { name, id, key } of gpus) {
    const wanted = { host: name, level: "gpu", key, metric: "gpumem" } as const;
    all.set(`${name}_${id}`, integers(history, wanted, { from, to: now + 1, step: 0 }));
    // Polls and viewers get their turn between two GPUs.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return all;
}

interface Asked {
  readonly host: string;
  readonly level: Level;
  readonly key: string;
  readonly metrics: readonly Metric[];
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

type Query = (name: string) => string | undefined;

/** `{host, level, key, from, to, step, series: [{metric, unit, t, min, avg, max}]}`; times in Unix ms, values in wire units. */
async function charts(sight: Sight, query: Query): Promise<object> {
  const asked = ask(sight, query);
  const { host, level, key, from, to, metrics } = asked;
  const least = round((to - from) / points);
  // Every sample as it is, where the pace of the polls promises few enough; where they were faster before, buckets.
  const few = asked.step === 0 && (to - from) / (1000 * sight.interval()) <= points;
  let step = few ? 0 : Math.max(asked.step, least);
  let columns = await read(sight, { ...asked, step });
  if (columns.some(({ t }) => t.length > points + 1)) {
    step = least;
    columns = await read(sight, { ...asked, step });
  }
  const series = metrics.map(({ name, unit }, i) => ({
    metric: name,
    unit: Unit[unit].toLowerCase(),
    t: [...(columns[i]?.t ?? [])],
    min: [...(columns[i]?.min ?? [])],
    avg: [...(columns[i]?.avg ?? [])],
    max: [...(columns[i]?.max ?? [])],
  }));
  return { host, level, key, from, to, step, series };
}

async function read({ history }: Sight, { host, level, key, metrics, from, to, step }: Asked): Promise<Columns[]> {
  const columns: Columns[] = [];
  for (const { name } of metrics) {
    columns.push(history.read({ host, level, key, metric: name }, { from, to, step }));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return columns;
}

/** @throws Fault bad_request, host_unknown, device_unknown, metric_unknown */
function ask(sight: Sight, query: Query): Asked {
  const host = query("host");
  if (!host) throw new Fault("bad_request", 'The parameter "host" is missing: it must be the name of a server.');
  const level = levelOf(query("level") ?? "host");
  const key = query("key") ?? "";
  check(sight, { host, level, key });
  const names = (query("metric") ?? "").split(",").filter((name) => name !== "");
  if (names.length === 0 || names.length > most) {
    throw new Fault("bad_request", `The parameter "metric" must be 1 to ${most} names with commas between.`);
  }
  const to = number(query, "to") ?? sight.clock.now();
  // What is older than anything kept would only make the buckets wider.
  const oldest = sight.clock.now() - sight.keepDays() * 24 * hour;
  const first = number(query, "from") ?? to - hour;
  const from = oldest < to ? Math.max(first, oldest) : first;
  if (!(from < to)) throw new Fault("bad_request", `"from" must be before "to": they are ${from} and ${to}.`);
  const step = number(query, "step") ?? 0;
  return { host, level, key, metrics: names.map((name) => metricOf(level, name)), from, to, step };
}

function levelOf(asked: string): Level {
  const levels: readonly Level[] = ["host", "gpu", "disk", "nic"];
  const level = levels.find((one) => one === asked);
  if (level) return level;
  throw new Fault("bad_request", `The parameter "level" must be one of ${levels.join(", ")}: it is "${asked}".`);
}

function metricOf(level: Level, name: string): Metric {
  const kept = catalog.filter((metric) => metric.keep && metric.level === level);
  const metric = kept.find((one) => one.name === name);
  if (metric) return metric;
  const allowed = kept.map((one) => one.name).join(", ");
  throw new Fault("metric_unknown", `There is no metric "${name}" of level ${level}: there are ${allowed}.`);
}

function number(query: Query, name: string): number | undefined {
  const text = query(name);
  if (text === undefined || text === "") return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new Fault("bad_request", `The parameter "${name}" must be a number of milliseconds: it is "${text}".`);
}

function check({ live, history }: Sight, { host, level, key }: Pick<Asked, "host" | "level" | "key">): void {
  const now = live.host(host);
  const known = history.known(host);
  if (now === undefined && known.length === 0) throw new Fault("host_unknown", `There is no host "${host}".`);
  const present = now?.info ? devices(now.info) : [];
  const there = [...known, ...present].some((device) => device.level === level && device.key === key);
  if (!there && level !== "host") {
    throw new Fault("device_unknown", `There is no ${level} "${key}" on "${host}".`);
  }
}

const steps = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

/** The least round step, in milliseconds, that is no shorter. */
function round(least: number): number {
  const seconds = least / 1000;
  return 1000 * (steps.find((step) => step >= seconds) ?? Math.ceil(seconds / 86_400) * 86_400);
}
