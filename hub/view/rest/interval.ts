import { Fault } from "../../fault.ts";
import { historyReader } from "../../report/history.ts";
import type { NodeDay } from "../../report/report.ts";
import type { RouteRequest } from "../../route/handler.ts";
import type { intervalRoutes } from "../../route/interval.ts";
import { textOf } from "../../sentence.ts";
import type { HubView } from "../view.ts";
import { rangeOf } from "./query.ts";

const hourMs = 3_600_000;
const quarterMs = hourMs / 4;
/** The longest local day. */
const longestMs = 25 * hourMs;

/** Rows of a daily report from the history of a host. @throws Fault bad_request, host_unknown */
export async function intervals(
  hub: HubView,
  { c, given }: RouteRequest<typeof intervalRoutes.intervals>,
): Promise<Response> {
  const { from, to } = rangeOf(given, hub.clock.now(), 0);
  if (from % quarterMs !== 0 || to - from > longestMs) {
    throw new Fault(
      "bad_request",
      `"from" must be at a quarter of an hour, and "to" at most 25 hours later: they are ${from} and ${to}.`,
    );
  }
  const host = hub.roster.keyOf(given.host);
  const { cards, issues } = await read(hub, host, { from, to, signal: c.req.raw.signal });
  const gpus = cards.map(({ index, rows = [] }) => ({
    index,
    t: rows.map(({ at }) => at),
    gpu_percent: rows.map(({ gpu }) => gpu),
    vram_percent: rows.map(({ vram }) => vram),
  }));
  return c.json({ host, gpus, issues: issues.map(textOf) });
}

interface Asked {
  readonly from: number;
  readonly to: number;
  readonly signal: AbortSignal;
}

async function read({ history, clock, zone }: HubView, host: string, { from, to, signal }: Asked): Promise<NodeDay> {
  const day = { date: zone().dayOf(from), from: from / 1000, to: Math.floor(to / 1000), zone: zone() };
  try {
    return await historyReader({ history, now: clock.now })({ name: host, host }, day, signal);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "source_failed") throw error;
    throw new Fault("host_unknown", error.message, { cause: error });
  }
}
