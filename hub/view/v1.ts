import type { Log } from "../log.ts";
import type { RouteRequest } from "../route/handler.ts";
import { serve } from "../route/handler.ts";
import { v1Routes } from "../route/v1.ts";
import { Fleet, type SeenHost } from "./fleet.ts";
import { cardCell, cardColumns, cardRow, cardsOf, cardTest, countVerdicts, indexOf, type SeenCard } from "./v1/card.ts";
import { choose, freeCell, freeColumns, freeRow, isOffered, usesOf } from "./v1/free.ts";
import { hostCell, hostColumns, hostDetails, hostRow } from "./v1/host.ts";
import { lazily, listed, pageOf } from "./v1/list.ts";
import { Reports } from "./v1/report.ts";
import { Holders, holderPosition, userCell, userColumns, userRow } from "./v1/user.ts";
import type { View } from "./view.ts";

/** `/api/v1`: hosts, cards and users as they are now, and daily reports, for people and programs. */
export const v1: View = {
  name: "v1",
  table: {},
  async open(hub) {
    const seen = { log: hub.log, fleet: new Fleet(hub) };
    const reports = new Reports(hub);
    return {
      routes: serve(v1Routes, {
        listHosts: (request) => listHosts(seen, request),
        getHost: (request) => getHost(seen, request),
        listGpus: (request) => listGpus(seen, request),
        findFree: (request) => findFree(seen, request),
        listUsers: (request) => listUsers(seen, request),
        listReports: (request) => reports.list(request),
        getReport: (request) => reports.details(request),
        getReportPage: (request) => reports.page(request),
        getReportFile: (request) => reports.file(request),
      }),
      close: async () => {},
    };
  },
};

interface Seen {
  readonly log: Log;
  readonly fleet: Fleet;
}

type V1Request<K extends keyof typeof v1Routes> = RouteRequest<(typeof v1Routes)[K]>;

async function listHosts({ log, fleet }: Seen, request: V1Request<"listHosts">): Promise<Response> {
  const { given, by } = request;
  const part = given.name?.toLowerCase();
  const found: SeenHost[] = [];
  for await (const seen of fleet.hosts(by, given)) {
    const isNamed =
      part === undefined || [seen.host.name, seen.shown].some((name) => name.toLowerCase().includes(part));
    if (isNamed && (given.state.length === 0 || given.state.includes(seen.state))) found.push(seen);
  }
  const { rows, total, next } = pageOf(found, ({ host }) => [host.name], given);
  const count = { up: 0, stale: 0, down: 0, pending: 0, history: 0 };
  for (const { state } of found) count[state]++;
  const shown = lazily(rows, hostRow);
  return listed(log, request, {
    json: { hosts: shown, count, total, next },
    table: { name: "hosts", rows: shown, columns: hostColumns, cell: hostCell },
    size: rows.length,
    next,
  });
}

/** @throws Fault host_unknown */
async function getHost({ log, fleet }: Seen, request: V1Request<"getHost">): Promise<Response> {
  const seen = fleet.host(request.by, request.given.name);
  const { gpus = [], disks = [], nics = [] } = seen.info ?? {};
  return listed(log, request, { json: hostDetails(seen), size: gpus.length + disks.length + nics.length });
}

async function listGpus({ log, fleet }: Seen, request: V1Request<"listGpus">): Promise<Response> {
  const { given, by } = request;
  const test = cardTest(given);
  const found: SeenCard[] = [];
  for await (const seen of fleet.hosts(by, given)) found.push(...cardsOf(seen).filter(test));
  const { rows, total, next } = pageOf(found, (card) => [card.seen.host.name, ...indexOf(card), card.key], given);
  const shown = lazily(rows, cardRow);
  return listed(log, request, {
    json: { gpus: shown, count: countVerdicts(found), total, next },
    table: { name: "gpus", rows: shown, columns: cardColumns, cell: cardCell },
    size: rows.length,
    next,
  });
}

async function findFree({ log, fleet }: Seen, request: V1Request<"findFree">): Promise<Response> {
  const { given, by } = request;
  const need = { count: given.count ?? 1, memory: given.min_mem, together: given.same_host ?? false };
  const test = cardTest(given);
  const found: SeenCard[] = [];
  for await (const seen of fleet.hosts(by, given))
    found.push(...cardsOf(seen).filter((card) => test(card) && isOffered(card, need)));
  const chosen = choose(found, need);
  const satisfied = chosen.length === need.count;
  const hosts = satisfied ? usesOf(chosen) : [];
  const gpus = chosen.map(freeRow);
  return listed(log, request, {
    json: { satisfied, count: need.count, matching: found.length, gpus, hosts },
    table: { name: "free", rows: gpus, columns: freeColumns, cell: (row, column) => freeCell(row, column, hosts) },
    size: gpus.length,
  });
}

async function listUsers({ log, fleet }: Seen, request: V1Request<"listUsers">): Promise<Response> {
  const { given, by } = request;
  const holders = new Holders();
  for await (const seen of fleet.hosts(by, given)) for (const card of cardsOf(seen)) holders.add(card);
  const { rows, total, next } = pageOf(holders.list(given.user), holderPosition, given);
  const shown = lazily(rows, userRow);
  return listed(log, request, {
    json: { users: shown, total, next },
    table: { name: "users", rows: shown, columns: userColumns, cell: userCell },
    size: rows.reduce((all, { held }) => all + held.length, 0),
    next,
  });
}
