import type { CopySource } from "../database/database.ts";

/** Values that an audit entry records beside its target; never a secret. */
export type AuditDetails = Readonly<Record<string, string | number | boolean | null>>;

/** "done": written in one transaction with the entry. "refused": the actor lacked the right, and nothing was written. */
export type AuditResult = "done" | "refused";

/** Who did what, when and from where. */
export interface AuditEntry {
  /** Unix milliseconds. */
  readonly time: number;
  readonly actor: string;
  /** Network address of the request, or "control" for the control socket. */
  readonly origin: string;
  /** "account.create" */
  readonly action: string;
  readonly target: string;
  readonly details: AuditDetails;
  readonly result: AuditResult;
}

/** A stored entry. Numbers ascend and are never reused. */
export interface NumberedEntry extends AuditEntry {
  readonly id: number;
}

/** A page of the audit log. */
export interface AuditPage {
  /** Only entries with a smaller number: the smallest of the page before. Without it, the newest. */
  readonly before?: number | undefined;
  /** 1 to 1000 entries. */
  readonly limit: number;
  /** Only entries of this actor, action or target, each compared as a whole; an actor may be its name alone, "alice", and an action the part before the dot: "account". */
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly target?: string | undefined;
}

/** Rights of an account. */
export const roles = ["administrator", "viewer"] as const;
export type Role = (typeof roles)[number];

/** Times are Unix milliseconds of the hub's clock, here and below. */
export interface Account {
  readonly id: number;
  /** Unique, upper and lower case not distinguished. */
  readonly name: string;
  readonly role: Role;
  /** False if it can only be entered by a link, or from elsewhere. */
  readonly hasPassword: boolean;
  /** Who vouches for the person, if the account is one that signs in elsewhere: it has no password, and its role is set at each sign-in. */
  readonly external?: ExternalIdentity;
  readonly created: number;
  /** Time of the last sign-in. */
  readonly used: number | undefined;
}

/** A person as an OpenID Connect provider knows them. Names may change and be given again, subjects may not. */
export interface ExternalIdentity {
  /** Address of the provider. */
  readonly issuer: string;
  /** The provider's own identifier of the person. */
  readonly subject: string;
}

/** Names with the same key are one account: case, width and ligatures make no difference. */
export const accountKey = (name: string): string => name.normalize("NFKC").toLowerCase().normalize("NFKC");

/** An account that is signed in, in one browser. */
export interface Session {
  readonly account: Account;
  readonly created: number;
  readonly used: number;
  readonly expires: number;
  /** Network address of the sign-in. */
  readonly origin: string;
  readonly way: SignInWay;
  /** The browser, as its header User-Agent says: at most 256 characters, "" if it says nothing. */
  readonly agent: string;
}

/** By what a session began. */
export const signInWays = ["password", "link", "oidc"] as const;
export type SignInWay = (typeof signInWays)[number];

/** A session that begins: with a password if `way` is absent. `agent` is cut to its longest length. */
export type NewSession = Omit<Session, "account" | "way" | "agent"> & Partial<Pick<Session, "way" | "agent">>;

/** A session in a list of them. Its number tells nothing of its secret. */
export interface ListedSession extends Omit<Session, "account"> {
  /** The first 8 bytes of its hash, in hexadecimal. */
  readonly id: string;
}

/** The number of a session whose secret has this hash. It never begins with "-", which a command line takes for an option. */
export const sessionId = (hash: Uint8Array): string => Buffer.from(hash).subarray(0, 8).toString("hex");

/** What an API token is for. "push" sends reports, "enroll" registers machines that send their own. */
export const scopes = ["read", "push", "admin", "enroll"] as const;
export type Scope = (typeof scopes)[number];

/** An API token without its secret, of which only the SHA-256 is stored. */
export interface ApiToken {
  readonly id: number;
  /** Unique. */
  readonly name: string;
  readonly scope: Scope;
  readonly created: number;
  /** The actor that created it. */
  readonly creator: string;
  /** Undefined: never. */
  readonly expires: number | undefined;
  readonly used: number | undefined;
}

/** A link that can be followed once: it signs in to an account, which it creates where there is none of that name. */
export interface Link {
  readonly name: string;
  readonly role: Role;
  readonly created: number;
  readonly expires: number;
}

/** Milliseconds by which the hub's clock may be set back without ending anything. */
const setBackMs = 86_400_000;

/**
 * The latest time at which something valid can have been created: what a clock made that was ahead by years would last as
 * long.
 */
export const latestCreation = (now: number): number => now + setBackMs;

/** True if a session, link or token is not valid at a time. One that never ends is always valid. */
export const isExpired = (
  { created, expires }: { readonly created: number; readonly expires: number | undefined },
  now: number,
): boolean => expires !== undefined && (now >= expires || created > latestCreation(now));

/**
 * What is taken of a host's reports, as the Lab Portal writes it: null is everything. Indices of GPUs, mounts, names of
 * interfaces; the interval in seconds, null for the usual one.
 */
export interface HostConfig {
  readonly gpuIndices: readonly number[] | null;
  readonly diskMounts: readonly string[] | null;
  readonly nicNames: readonly string[] | null;
  readonly reportIntervalSec: number | null;
}

export const everything: HostConfig = { gpuIndices: null, diskMounts: null, nicNames: null, reportIntervalSec: null };

/** What administrators have set for a host. A host without a record has none of it. */
export interface HostRecord {
  /** Its name in live state and history, which never changes. */
  readonly name: string;
  /** The name that is shown instead. Unique among all names. */
  readonly shown: string | undefined;
  readonly group: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly config: HostConfig;
  /** 0 until the configuration is saved for the first time, then one more each time. */
  readonly configVersion: number;
  /** "host:port" or "tls://host:port" at which the hub polls it; undefined if only settings.json says so, or nobody does. */
  readonly address: string | undefined;
  /** True if a person said that a machine of another name is not this one (see `NodeRecord.host`). */
  readonly parted: boolean;
}

/** What a host can report, as it said when it registered. */
export interface Capabilities {
  readonly cpuCores?: number;
  readonly memoryTotalGB?: number;
  readonly gpus: readonly { readonly index: number; readonly name: string; readonly memoryTotalMB?: number }[];
  readonly disks: readonly { readonly mount: string; readonly totalGB?: number }[];
  readonly nics: readonly { readonly name: string; readonly ipv4: string }[];
}

export type NodeState = "waiting" | "approved";

/** How a machine reports by itself: with a token of its own, or as a client of the GPU Metrics Logger, which has none. */
export const nodeWays = ["portal", "logger"] as const;
export type NodeWay = (typeof nodeWays)[number];

/** A machine that reports by itself. Only the SHA-256 of its token is stored. */
export interface NodeRecord {
  readonly id: number;
  /** The name it registered with. Unique. */
  readonly hostname: string;
  /** The host that its reports belong to: of the same name, or that polled host which is the same machine. */
  readonly host: string;
  readonly way: NodeWay;
  readonly state: NodeState;
  /** True after its token was reset: this host name may register once. */
  readonly reset: boolean;
  readonly registered: number;
  /** Network address of the registration. */
  readonly origin: string;
  readonly capabilities: Capabilities;
  /** Last use of its token, and from where; written at most once a minute. */
  readonly used: number | undefined;
  readonly usedFrom: string | undefined;
  /** The newest configuration that it has fetched, and when. */
  readonly taken: { readonly version: number; readonly time: number } | undefined;
  /**
   * Time of the newest sample that history is known to have of another machine of this name; undefined if it has none. Until
   * this machine is approved, its own samples are not added to those.
   */
  readonly history: number | undefined;
  /** Milliseconds between its reports, as they have shown; undefined until they have. */
  readonly intervalMs: number | undefined;
  /** By how much the times of its reports are ahead, as the hub has found out; undefined if they are right. */
  readonly clock: NodeClock | undefined;
}

export interface NodeClock {
  readonly aheadMs: number;
  /** Time zone in which the hub read them; undefined if they have their own. */
  readonly zone: string | undefined;
}

/** A machine that registers; `way` is "portal" if absent. */
export type NewNode = Omit<
  NodeRecord,
  "id" | "used" | "usedFrom" | "taken" | "reset" | "history" | "way" | "intervalMs" | "clock"
> &
  Partial<Pick<NodeRecord, "history" | "way">>;

/**
 * Administration that views may read: accounts, sessions, tokens, hosts, nodes and the audit log. A host or node whose row is
 * damaged is missing in lists, which a notice says.
 * @throws Fault book_unusable
 */
export interface BookReader {
  /** Entries, newest first. @throws Fault bad_request */
  audit(page: AuditPage): readonly NumberedEntry[];
  /** By name. */
  accounts(): readonly Account[];
  account(name: string): Account | undefined;
  /** The account of a person who signs in elsewhere. */
  externalAccount(identity: ExternalIdentity): Account | undefined;
  /** Number of sessions of an account that are valid at a time. */
  sessions(account: number, now: number): number;
  /** These sessions, last used first; at most 1000. */
  sessionList(account: number, now: number): readonly ListedSession[];
  /** Tokens of the API, the newest last. */
  tokens(): readonly ApiToken[];
  hosts(): readonly HostRecord[];
  host(name: string): HostRecord | undefined;
  nodes(): readonly NodeRecord[];
  node(hostname: string): NodeRecord | undefined;
}

/**
 * What identifies a request. Hashes are SHA-256. What has expired is found, too (see `isExpired`).
 * @throws Fault book_unusable
 */
export interface Credentials {
  /** The PHC string of an account's password; undefined without one. */
  passwordOf(account: string): string | undefined;
  session(hash: Uint8Array): Session | undefined;
  token(hash: Uint8Array): ApiToken | undefined;
  nodeOf(hash: Uint8Array): NodeRecord | undefined;
  link(hash: Uint8Array): Link | undefined;
}

/** Fields of a host's record that a change gives new values; `undefined` as a value removes one. */
export type HostChange = Partial<Omit<HostRecord, "name" | "configVersion">>;
export type NodeChange = Partial<Omit<NodeRecord, "id" | "hostname">> & {
  /** Undefined: no token. */
  readonly token?: Uint8Array | undefined;
};

/**
 * One transaction: its reads see its own writes. To change or remove what does not exist does nothing.
 * @throws Fault name_taken for a name that exists already
 * @throws Fault bad_request for a text or list that is empty, too long or not valid (see sqlite/column.ts)
 */
export interface BookWriter extends BookReader, Credentials {
  /** Entries are never changed; old refusals are removed. @returns the number of the entry */
  appendAudit(entry: AuditEntry): number;
  /** Keeps the entry of an action that is not complete, in place of the one before with that key. No page of the log has it. */
  draftAudit(key: string, entry: AuditEntry): void;
  /** Appends the entry that is kept for a key, or without one all of them, and keeps them no longer. */
  appendDrafts(key?: string): void;
  /** @param password a PHC string */
  addAccount(
    account: Pick<Account, "name" | "role" | "created"> & { readonly external?: ExternalIdentity },
    password: string | undefined,
  ): Account;
  /** A new name must not be another account's. Links of the old name stay. */
  changeAccount(id: number, change: { name?: string; role?: Role; password?: string | undefined; used?: number }): void;
  /** Removes its sessions and the links of its name, too: a link would create it again. */
  removeAccount(id: number): void;
  /** Does nothing if the account does not exist any more. */
  addSession(hash: Uint8Array, session: NewSession, account: number): void;
  /** Marks it as used. */
  useSession(hash: Uint8Array, used: number, expires: number): void;
  removeSession(hash: Uint8Array): void;
  /** Removes one session of an account by its number (ListedSession). @returns false if there is none of that number */
  removeListedSession(account: number, id: string): boolean;
  /** Removes all sessions of an account. @returns how many there were */
  removeSessions(account: number): number;
  addLink(hash: Uint8Array, link: Link): void;
  /** Removes the link of a hash; without one, all of an account's name. */
  removeLink(hash: Uint8Array): void;
  removeLinks(name: string): void;
  addToken(hash: Uint8Array, token: Omit<ApiToken, "id" | "used">): ApiToken;
  useToken(id: number, used: number): void;
  removeToken(id: number): void;
  /**
   * Changes a host's record, which is created where there is none. A change of its configuration makes the version one more.
   * @throws Fault name_taken if a new shown name is that of another record or node, or shown for it
   */
  changeHost(name: string, change: HostChange): HostRecord;
  removeHost(name: string): void;
  /** @param token undefined for a machine without one */
  addNode(node: NewNode, token: Uint8Array | undefined): NodeRecord;
  changeNode(id: number, change: NodeChange): void;
  removeNode(id: number): void;
  /** Removes sessions and links that have expired (see `isExpired`), unless the clock cannot be right. */
  expire(now: number): void;
}

/**
 * Stores administration, apart from the reports of machines. All methods are synchronous, so that no change sees another
 * half done. Once `write` returns, the change survives kill -9 and a power failure.
 */
export interface Book extends BookReader, Credentials, CopySource {
  /**
   * Runs a change in one transaction: if it throws, nothing of it is written.
   * @throws Fault book_unusable, and what the change throws
   */
  write<T>(change: (writer: BookWriter) => T): T;
  /**
   * Calls the listener after every transaction that changed hosts or nodes, and when the file was opened again. The last use of
   * a node's token and the configuration that it took are no change.
   * @param listener must not write; what it throws is logged
   * @returns a function that ends this
   */
  onChange(listener: () => void): () => void;
  close(): void;
}
