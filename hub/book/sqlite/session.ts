import { clean } from "../../../proto/clean.ts";
import { earliest } from "../../clock.ts";
import type { Database } from "../../database/database.ts";
import {
  accountKey,
  type Link,
  type ListedSession,
  latestCreation,
  type NewSession,
  type Session,
  type SignInWay,
  sessionId,
} from "../book.ts";
import { type AccountRow, accountOf } from "./account.ts";
import { sha256, text, whole } from "./column.ts";

interface SessionColumns {
  readonly began: number;
  readonly last: number;
  readonly expires: number;
  readonly origin: string;
  readonly way: SignInWay;
  readonly agent: string;
}

type SessionRow = AccountRow & SessionColumns;

/** Characters of a User-Agent that are kept. */
const longestAgent = 256;

/** Most sessions in one list. */
const mostListed = 1000;

const columns = "session.created AS began, session.used AS last, expires, origin, way, agent";

/** The tables of sessions and of links, which both end by themselves, with their statements prepared. */
export class SessionTable {
  readonly #get;
  readonly #count;
  readonly #list;
  readonly #insert;
  readonly #use;
  readonly #remove;
  readonly #removeListed;
  readonly #removeOf;
  readonly #link;
  readonly #insertLink;
  readonly #removeLink;
  readonly #removeLinks;
  readonly #expire;

  constructor(file: Database) {
    this.#get = file.prepare(
      `SELECT account.id, name, role, password IS NOT NULL AS has_password, account.created, account.used, issuer, subject,
         ${columns}
       FROM session JOIN account ON account.id = session.account WHERE hash = ?`,
    );
    this.#count = file
      .prepare("SELECT count(*) FROM session WHERE account = @account AND expires > @now AND created <= @latest")
      .pluck();
    this.#list = file.prepare(
      `SELECT hash, ${columns} FROM session
       WHERE account = @account AND expires > @now AND created <= @latest ORDER BY used DESC, hash LIMIT ${mostListed}`,
    );
    this.#insert = file.prepare(
      `INSERT INTO session (hash, account, created, used, expires, origin, way, agent)
       SELECT @hash, id, @created, @used, @expires, @origin, @way, @agent FROM account WHERE id = @account`,
    );
    this.#use = file.prepare("UPDATE session SET used = ?, expires = ? WHERE hash = ?");
    this.#remove = file.prepare("DELETE FROM session WHERE hash = ?");
    this.#removeListed = file.prepare("DELETE FROM session WHERE account = @account AND substr(hash, 1, 8) = @start");
    this.#removeOf = file.prepare("DELETE FROM session WHERE account = ?");
    this.#link = file.prepare("SELECT name, role, created, expires FROM link WHERE hash = ?");
    this.#insertLink = file.prepare(
      `INSERT INTO link (hash, name, key, role, created, expires)
       VALUES (@hash, @name, @key, @role, @created, @expires)`,
    );
    this.#removeLink = file.prepare("DELETE FROM link WHERE hash = ?");
    this.#removeLinks = file.prepare("DELETE FROM link WHERE key = ?");
    // Two statements for each table, so that each can have an index.
    this.#expire = ["session", "link"].flatMap((table) => [
      { statement: file.prepare(`DELETE FROM ${table} WHERE expires <= ?`), limit: (now: number) => now },
      { statement: file.prepare(`DELETE FROM ${table} WHERE created > ?`), limit: latestCreation },
    ]);
  }

  get(hash: Uint8Array): Session | undefined {
    const row = this.#get.get(hash) as SessionRow | undefined;
    if (row === undefined) return undefined;
    return { account: accountOf(row), ...sessionOf(row) };
  }

  count(account: number, now: number): number {
    return Number(this.#count.get({ account, now, latest: latestCreation(now) }));
  }

  /** The valid sessions of an account, last used first. */
  list(account: number, now: number): ListedSession[] {
    const rows = this.#list.all({ account, now, latest: latestCreation(now) }) as (SessionColumns & { hash: Buffer })[];
    return rows.map((row) => ({ id: sessionId(row.hash), ...sessionOf(row) }));
  }

  add(
    hash: Uint8Array,
    { created, used, expires, origin, way = "password", agent = "" }: NewSession,
    account: number,
  ): void {
    this.#insert.run({
      hash: sha256(hash),
      account,
      created: whole(created, "time of a sign-in"),
      used: whole(used, "last use of a session"),
      expires: whole(expires, "end of a session"),
      origin: text(origin, "address of a sign-in"),
      way,
      agent: clean(agent, longestAgent),
    });
  }

  use(hash: Uint8Array, used: number, expires: number): void {
    this.#use.run(whole(used, "last use of a session"), whole(expires, "end of a session"), hash);
  }

  remove(hash: Uint8Array): void {
    this.#remove.run(hash);
  }

  /** Removes a session of an account by its number. @returns false if there is none */
  removeListed(account: number, id: string): boolean {
    const start = /^[0-9a-f]{16}$/.test(id) ? Buffer.from(id, "hex") : undefined;
    return start !== undefined && this.#removeListed.run({ account, start }).changes > 0;
  }

  /** Removes all sessions of an account. @returns how many there were */
  removeOf(account: number): number {
    return this.#removeOf.run(account).changes;
  }

  link(hash: Uint8Array): Link | undefined {
    return this.#link.get(hash) as Link | undefined;
  }

  addLink(hash: Uint8Array, { name, role, created, expires }: Link): void {
    this.#insertLink.run({
      hash: sha256(hash),
      name: text(name, "name of an account"),
      key: accountKey(name),
      role,
      created: whole(created, "time of creation"),
      expires: whole(expires, "end of a link"),
    });
  }

  removeLink(hash: Uint8Array): void {
    this.#removeLink.run(hash);
  }

  removeLinks(name: string): void {
    this.#removeLinks.run(accountKey(name));
  }

  /** Removes what has expired. A clock that is decades behind, as of a machine without a battery for it, ends nothing. */
  expire(now: number): void {
    if (now < earliest) return;
    for (const { statement, limit } of this.#expire) statement.run(limit(now));
  }
}

const sessionOf = ({ began, last, expires, origin, way, agent }: SessionColumns): Omit<Session, "account"> => ({
  created: began,
  used: last,
  expires,
  origin,
  way,
  agent,
});
