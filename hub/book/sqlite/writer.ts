import type { Database } from "../../database/database.ts";
import type { BookWriter } from "../book.ts";
import { AccountTable } from "./account.ts";
import { AuditTable, type RefusalLimits } from "./audit.ts";
import type { DamageReport } from "./column.ts";
import { HostTable } from "./host.ts";
import { NodeTable } from "./node.ts";
import { SessionTable } from "./session.ts";
import { TokenTable } from "./token.ts";

/** What a book is told of. */
interface BookListeners {
  /** Called if hosts or nodes changed. */
  readonly onChange: () => void;
  readonly onDamage: DamageReport;
}

/** Everything that a transaction can do with an open file. */
export interface FileWriter extends BookWriter {
  /** Deletes refusals from the audit log, as `AuditTable.prune`. */
  pruneAudit(limits: RefusalLimits, most: number): number;
}

/** Prepares the statements of an open file. */
export function writerOf(file: Database, { onChange, onDamage }: BookListeners): FileWriter {
  const audit = new AuditTable(file, onDamage);
  const accounts = new AccountTable(file);
  const sessions = new SessionTable(file);
  const tokens = new TokenTable(file);
  const hosts = new HostTable(file, onDamage);
  const nodes = new NodeTable(file, onDamage);
  /** The result of a change of hosts or nodes. */
  const changed = <T>(result: T): T => {
    onChange();
    return result;
  };
  return {
    audit: (page) => audit.page(page),
    appendAudit: (entry) => audit.append(entry),
    draftAudit: (key, entry) => audit.draft(key, entry),
    appendDrafts: (key) => audit.publish(key),
    pruneAudit: (limits, most) => audit.prune(limits, most),

    accounts: () => accounts.all(),
    account: (name) => accounts.named(name),
    externalAccount: (identity) => accounts.external(identity),
    passwordOf: (name) => accounts.passwordOf(name),
    addAccount: (account, password) => accounts.add(account, password),
    changeAccount: (id, change) => accounts.change(id, change),
    removeAccount(id) {
      const name = accounts.remove(id);
      if (name !== undefined) sessions.removeLinks(name);
    },

    sessions: (account, now) => sessions.count(account, now),
    sessionList: (account, now) => sessions.list(account, now),
    session: (hash) => sessions.get(hash),
    addSession: (hash, session, account) => sessions.add(hash, session, account),
    useSession: (hash, used, expires) => sessions.use(hash, used, expires),
    removeSession: (hash) => sessions.remove(hash),
    removeListedSession: (account, id) => sessions.removeListed(account, id),
    removeSessions: (account) => sessions.removeOf(account),

    link: (hash) => sessions.link(hash),
    addLink: (hash, link) => sessions.addLink(hash, link),
    removeLink: (hash) => sessions.removeLink(hash),
    removeLinks: (name) => sessions.removeLinks(name),
    expire: (now) => sessions.expire(now),

    tokens: () => tokens.all(),
    token: (hash) => tokens.get(hash),
    addToken: (hash, token) => tokens.add(hash, token),
    useToken: (id, used) => tokens.use(id, used),
    removeToken: (id) => tokens.remove(id),

    hosts: () => hosts.all(),
    host: (name) => hosts.get(name),
    changeHost: (name, change) => changed(hosts.change(name, change)),
    removeHost(name) {
      if (hosts.remove(name)) onChange();
    },

    nodes: () => nodes.all(),
    node: (hostname) => nodes.named(hostname),
    nodeOf: (hash) => nodes.ofToken(hash),
    addNode: (node, token) => changed(nodes.add(node, token)),
    changeNode(id, change) {
      if (nodes.change(id, change)) onChange();
    },
    removeNode(id) {
      if (nodes.remove(id)) onChange();
    },
  };
}
