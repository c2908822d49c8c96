// The state of a hub for tests of views and their applications: no hosts, no accounts, and nothing happens by itself.
import type { Book } from "../hub/book/book.ts";
import { Desk } from "../hub/desk.ts";
import { Identity } from "../hub/identity.ts";
import { Live } from "../hub/live.ts";
import { silent } from "../hub/log.ts";
import { Roster } from "../hub/roster.ts";
import { ServerList } from "../hub/servers.ts";
import { Troubles } from "../hub/trouble.ts";
import type { HubView } from "../hub/view/view.ts";
import { Model } from "./model.ts";

/** A book without entries, which cannot be written. */
export const emptyBook: Book = {
  audit: () => [],
  accounts: () => [],
  account: () => undefined,
  sessions: () => 0,
  tokens: () => [],
  hosts: () => [],
  host: () => undefined,
  nodes: () => [],
  node: () => undefined,
  passwordOf: () => undefined,
  session: () => undefined,
  token: () => undefined,
  nodeOf: () => undefined,
  link: () => undefined,
  write: () => {
    throw new Error("the empty book cannot be written");
  },
  onChange: () => () => {},
  backup: async () => {},
  bytes: () => 0,
  close: () => {},
};

export interface ViewOptions extends Partial<Omit<HubView, "book" | "desk" | "identity" | "roster" | "servers">> {
  readonly book?: Book;
  /** Servers of the settings; none by default. */
  readonly servers?: ServerList;
  /** `auth.read`; "open" by default. */
  readonly read?: () => "open" | "login";
}

/** A hub as views see it, with a desk and an identity over its book. */
export function viewOf({
  book = emptyBook,
  read = () => "open",
  servers = new ServerList({}),
  ...more
}: ViewOptions = {}): HubView {
  const clock = more.clock ?? { now: Date.now, after: () => () => {} };
  const log = more.log ?? silent;
  const desk = new Desk({ book, clock, log });
  return {
    live: new Live(clock.now),
    history: new Model(),
    clock,
    log,
    version: "1.2.3",
    instance: "h",
    name: () => "",
    interval: () => 10,
    troubles: new Troubles(clock.now),
    offered: () => undefined,
    web: "",
    ...more,
    roster: new Roster({ servers, book }),
    servers,
    book,
    desk,
    identity: new Identity({ book, desk, clock, settings: () => ({ read: read(), url: "", hosts: [] }) }),
  };
}
