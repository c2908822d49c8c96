// A book in plain lists: what the one in SQLite is compared with.
import {
  type Account,
  type ApiToken,
  type AuditEntry,
  type AuditPage,
  accountKey,
  type BookWriter,
  type ExternalIdentity,
  everything,
  type HostRecord,
  isExpired,
  type Link,
  type ListedSession,
  type NewSession,
  type NodeRecord,
  type NumberedEntry,
  type Session,
} from "../hub/book/book.ts";
import { earliest } from "../hub/clock.ts";
import { Fault } from "../hub/fault.ts";
import { clean } from "../proto/clean.ts";

type SessionRow = Omit<Session, "account">;

interface Lists {
  accounts: { row: Account; password: string | undefined }[];
  sessions: { hash: string; account: number; row: SessionRow }[];
  links: { hash: string; row: Link }[];
  tokens: { hash: string; row: ApiToken }[];
  hosts: HostRecord[];
  nodes: { hash: string | undefined; row: NodeRecord }[];
  entries: NumberedEntry[];
  drafts: { key: string; entry: AuditEntry }[];
  /** Numbers given so far. */
  last: { account: number; token: number; node: number };
}

const hex = (hash: Uint8Array): string => Buffer.from(hash).toString("hex");
/** The number of a session in lists: the first 12 bytes of its hash. */
const numberOf = (hash: string): string => hash.slice(0, 16);
const byText = (one: string, other: string): number => Buffer.compare(Buffer.from(one), Buffer.from(other));

const fits = (text: string | undefined): boolean =>
  text === undefined || (text !== "" && Buffer.byteLength(text) <= 1024 && text.isWellFormed());

function check(...texts: (string | undefined)[]): void {
  if (!texts.every(fits)) throw new Fault("bad_request", "text");
}

function checkPassword(password: string | undefined): void {
  if (!fits(password)) throw new RangeError("the hash of a password");
}

export class BookModel implements BookWriter {
  #now: Lists = {
    accounts: [],
    sessions: [],
    links: [],
    tokens: [],
    hosts: [],
    nodes: [],
    entries: [],
    drafts: [],
    last: { account: 0, token: 0, node: 0 },
  };
  /** True if hosts or nodes changed. */
  changed = false;

  /** Runs a change; if it throws, the lists are as before. */
  write<T>(change: (writer: BookWriter) => T): T {
    const before = structuredClone(this.#now);
    try {
      return change(this);
    } catch (error) {
      this.#now = before;
      throw error;
    }
  }

  audit({ before = Number.POSITIVE_INFINITY, limit, actor, action, target }: AuditPage): readonly NumberedEntry[] {
    const fits = (entry: NumberedEntry): boolean =>
      entry.id < before &&
      (actor === undefined ||
        ["", "administrator ", "viewer ", "token "].some((role) => entry.actor === `${role}${actor}`)) &&
      (target === undefined || entry.target === target) &&
      (action === undefined ||
        entry.action === action ||
        (!action.includes(".") && entry.action.split(".")[0] === action));
    return this.#now.entries.filter(fits).reverse().slice(0, limit);
  }
  appendAudit(entry: Omit<NumberedEntry, "id">): number {
    return this.#now.entries.push({ ...entry, id: this.#now.entries.length + 1 });
  }
  draftAudit(key: string, entry: AuditEntry): void {
    check(key);
    this.#now.drafts = [...this.#now.drafts.filter((one) => one.key !== key), { key, entry }];
  }
  appendDrafts(key?: string): void {
    const chosen = this.#now.drafts.filter((one) => key === undefined || one.key === key);
    this.#now.drafts = this.#now.drafts.filter((one) => !chosen.includes(one));
    for (const { entry } of chosen.toSorted((a, b) => a.entry.time - b.entry.time)) this.appendAudit(entry);
  }

  #account(name: string): Lists["accounts"][number] | undefined {
    return this.#now.accounts.find(({ row }) => accountKey(row.name) === accountKey(name));
  }
  accounts(): readonly Account[] {
    const key = ({ name }: Account): string => accountKey(name);
    return this.#now.accounts.map(({ row }) => row).sort((one, other) => byText(key(one), key(other)));
  }
  account(name: string): Account | undefined {
    return this.#account(name)?.row;
  }
  passwordOf(name: string): string | undefined {
    return this.#account(name)?.password;
  }
  externalAccount({ issuer, subject }: ExternalIdentity): Account | undefined {
    const isTheirs = ({ external }: Account): boolean => external?.issuer === issuer && external.subject === subject;
    return this.accounts().find(isTheirs);
  }
  addAccount({ name, role, created, external }: Parameters<BookWriter["addAccount"]>[0], password?: string): Account {
    if (this.#account(name)) throw new Fault("name_taken", name);
    check(name);
    checkPassword(password);
    check(external?.issuer, external?.subject);
    if (external && this.externalAccount(external)) throw new Fault("name_taken", external.subject);
    const id = ++this.#now.last.account;
    const hasPassword = password !== undefined;
    const row = { id, name, role, created, hasPassword, ...(external && { external }), used: undefined };
    this.#now.accounts.push({ row, password });
    return row;
  }
  changeAccount(id: number, change: Parameters<BookWriter["changeAccount"]>[1]): void {
    const found = this.#now.accounts.find(({ row }) => row.id === id);
    const other = change.name === undefined ? undefined : this.#account(change.name);
    if (other !== undefined && other.row.id !== id) throw new Fault("name_taken", other.row.name);
    check(change.name);
    checkPassword(change.password);
    if (found === undefined) return;
    const { password = found.password, ...others } = change;
    found.password = "password" in change ? change.password : password;
    found.row = { ...found.row, ...others, hasPassword: found.password !== undefined };
  }
  removeAccount(id: number): void {
    const name = this.#now.accounts.find(({ row }) => row.id === id)?.row.name;
    this.#now.accounts = this.#now.accounts.filter(({ row }) => row.id !== id);
    this.#now.sessions = this.#now.sessions.filter(({ account }) => account !== id);
    if (name !== undefined) this.removeLinks(name);
  }

  sessions(id: number, now: number): number {
    return this.#now.sessions.filter(({ account, row }) => account === id && !isExpired(row, now)).length;
  }
  session(hash: Uint8Array): Session | undefined {
    const found = this.#now.sessions.find((one) => one.hash === hex(hash));
    const account = this.#now.accounts.find(({ row }) => row.id === found?.account)?.row;
    return found && account && { account, ...found.row };
  }
  sessionList(id: number, now: number): ListedSession[] {
    const valid = this.#now.sessions.filter(({ account, row }) => account === id && !isExpired(row, now));
    valid.sort((one, other) => other.row.used - one.row.used || byText(one.hash, other.hash));
    return valid.map(({ hash, row }) => ({ id: numberOf(hash), ...row }));
  }
  removeListedSession(id: number, number: string): boolean {
    const found = this.#now.sessions.find(({ account, hash }) => account === id && numberOf(hash) === number);
    this.#now.sessions = this.#now.sessions.filter((one) => one !== found);
    return found !== undefined;
  }
  addSession(hash: Uint8Array, { way = "password", agent = "", ...more }: NewSession, account: number): void {
    const row = { ...more, way, agent: clean(agent) };
    check(row.origin);
    if (!this.#now.accounts.some((one) => one.row.id === account)) return;
    this.#fresh(this.#now.sessions, hash);
    this.#now.sessions.push({ hash: hex(hash), account, row });
  }
  useSession(hash: Uint8Array, used: number, expires: number): void {
    const found = this.#now.sessions.find((one) => one.hash === hex(hash));
    if (found) found.row = { ...found.row, used, expires };
  }
  removeSession(hash: Uint8Array): void {
    this.#now.sessions = this.#now.sessions.filter((one) => one.hash !== hex(hash));
  }
  removeSessions(account: number): number {
    const kept = this.#now.sessions.filter((one) => one.account !== account);
    const removed = this.#now.sessions.length - kept.length;
    this.#now.sessions = kept;
    return removed;
  }

  link(hash: Uint8Array): Link | undefined {
    return this.#now.links.find((one) => one.hash === hex(hash))?.row;
  }
  addLink(hash: Uint8Array, row: Link): void {
    check(row.name);
    this.#fresh(this.#now.links, hash);
    this.#now.links.push({ hash: hex(hash), row });
  }
  removeLink(hash: Uint8Array): void {
    this.#now.links = this.#now.links.filter((one) => one.hash !== hex(hash));
  }
  removeLinks(name: string): void {
    this.#now.links = this.#now.links.filter(({ row }) => accountKey(row.name) !== accountKey(name));
  }
  expire(now: number): void {
    if (now < earliest) return;
    this.#now.sessions = this.#now.sessions.filter(({ row }) => !isExpired(row, now));
    this.#now.links = this.#now.links.filter(({ row }) => !isExpired(row, now));
  }

  tokens(): readonly ApiToken[] {
    return this.#now.tokens.map(({ row }) => row);
  }
  token(hash: Uint8Array): ApiToken | undefined {
    return this.#now.tokens.find((one) => one.hash === hex(hash))?.row;
  }
  addToken(hash: Uint8Array, token: Omit<ApiToken, "id" | "used">): ApiToken {
    if (this.#now.tokens.some(({ row }) => row.name === token.name)) throw new Fault("name_taken", token.name);
    check(token.name, token.creator);
    this.#fresh(this.#now.tokens, hash);
    const row = { ...token, id: ++this.#now.last.token, used: undefined };
    this.#now.tokens.push({ hash: hex(hash), row });
    return row;
  }
  useToken(id: number, used: number): void {
    for (const one of this.#now.tokens) if (one.row.id === id) one.row = { ...one.row, used };
  }
  removeToken(id: number): void {
    this.#now.tokens = this.#now.tokens.filter(({ row }) => row.id !== id);
  }

  hosts(): readonly HostRecord[] {
    return [...this.#now.hosts].sort((one, other) => byText(one.name, other.name));
  }
  host(name: string): HostRecord | undefined {
    return this.#now.hosts.find((one) => one.name === name);
  }
  changeHost(name: string, change: Parameters<BookWriter["changeHost"]>[1]): HostRecord {
    const none = { shown: undefined, group: undefined, address: undefined, labels: {}, parted: false };
    const old = this.host(name) ?? { name, ...none, config: everything, configVersion: 0 };
    const row = { ...old, ...change, configVersion: old.configVersion + ("config" in change ? 1 : 0) };
    const others = this.#now.hosts.filter((one) => one.name !== name).flatMap((one) => [one.name, one.shown]);
    const reporting = this.#now.nodes.map((one) => one.row.host).filter((host) => host !== name);
    if (row.shown !== undefined && row.shown !== old.shown && [...others, ...reporting].includes(row.shown)) {
      throw new Fault("name_taken", name);
    }
    check(name, row.shown, row.group, row.address);
    this.removeHost(name);
    this.#now.hosts.push(row);
    this.changed = true;
    return row;
  }
  removeHost(name: string): void {
    if (this.host(name)) this.changed = true;
    this.#now.hosts = this.#now.hosts.filter((one) => one.name !== name);
  }

  nodes(): readonly NodeRecord[] {
    return this.#now.nodes.map(({ row }) => row).sort((one, other) => byText(one.hostname, other.hostname));
  }
  node(hostname: string): NodeRecord | undefined {
    return this.#now.nodes.find(({ row }) => row.hostname === hostname)?.row;
  }
  nodeOf(hash: Uint8Array): NodeRecord | undefined {
    return this.#now.nodes.find((one) => one.hash === hex(hash))?.row;
  }
  addNode(node: Parameters<BookWriter["addNode"]>[0], token: Uint8Array | undefined): NodeRecord {
    if (this.node(node.hostname)) throw new Fault("name_taken", node.hostname);
    check(node.hostname, node.host, node.origin);
    if (token !== undefined) this.#fresh(this.#now.nodes, token);
    const row: NodeRecord = {
      history: undefined,
      way: "portal",
      ...node,
      id: ++this.#now.last.node,
      reset: false,
      used: undefined,
      usedFrom: undefined,
      taken: undefined,
      intervalMs: undefined,
      clock: undefined,
    };
    this.#now.nodes.push({ hash: token && hex(token), row });
    this.changed = true;
    return row;
  }
  changeNode(id: number, change: Parameters<BookWriter["changeNode"]>[1]): void {
    const { token, ...others } = change;
    check(others.host, others.origin, others.usedFrom);
    const found = this.#now.nodes.find(({ row }) => row.id === id);
    if (found === undefined) return;
    found.row = { ...found.row, ...others };
    if ("token" in change) {
      const rest = this.#now.nodes.filter((one) => one !== found);
      if (token !== undefined) this.#fresh(rest, token);
      found.hash = token && hex(token);
    }
    const routine = ["used", "usedFrom", "taken"];
    if (Object.keys(change).some((field) => !routine.includes(field))) this.changed = true;
  }
  removeNode(id: number): void {
    if (this.#now.nodes.some(({ row }) => row.id === id)) this.changed = true;
    this.#now.nodes = this.#now.nodes.filter(({ row }) => row.id !== id);
  }

  /** No hash is used twice. */
  #fresh(rows: readonly { readonly hash: string | undefined }[], hash: Uint8Array): void {
    if (rows.some((one) => one.hash === hex(hash))) throw new Error("the hash exists");
  }
}
