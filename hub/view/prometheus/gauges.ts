import type { BookReader } from "../../book/book.ts";
import { isHealthy, partNames } from "../../health.ts";
import type { Fleet } from "../fleet.ts";
import type { HubView } from "../view.ts";

const none = {};

/** Sets the gauges of the hub that are read from its state. */
export function setGauges({ instruments, live, roster, book, clock, front, version }: HubView, fleet: Fleet): void {
  instruments.read("gohm_build_info", () => [[{ version, node: process.version }, 1]]);
  instruments.read("gohm_health", () => partNames.map((part) => [{ part }, Number(isHealthy(live, part))]));
  instruments.read("gohm_notices", () => [[none, live.messages().length]]);
  instruments.read("gohm_hosts", () => {
    const count = { up: 0, stale: 0, down: 0, pending: 0, history: 0, waiting: 0 };
    for (const host of live.hosts()) count[host.profile?.waiting ? "waiting" : fleet.stateOf(host)]++;
    return Object.entries(count).map(([state, value]) => [{ state }, value]);
  });
  instruments.read("gohm_nodes", () => {
    const count = { approved: 0, waiting: 0 };
    for (const { state } of roster.nodes()) count[state]++;
    return Object.entries(count).map(([state, value]) => [{ state }, value]);
  });
  instruments.read("gohm_accounts", () => {
    const count = { administrator: 0, viewer: 0 };
    for (const { role } of book.accounts()) count[role]++;
    return Object.entries(count).map(([role, value]) => [{ role }, value]);
  });
  instruments.read("gohm_tls_certificate_expiry_seconds", () => {
    const certificate = front.certificate();
    return certificate === undefined ? [] : [[none, certificate.validity.to / 1000]];
  });
  instruments.read("gohm_sessions", () => [[none, sessionsIn(book, clock.now())]]);
}

const sessionsIn = (book: Pick<BookReader, "accounts" | "sessions">, now: number): number =>
  book.accounts().reduce((sum, { id }) => sum + book.sessions(id, now), 0);
