import type { ActionName, DetailName } from "../../hub/desk.ts";
import type { FaultCode } from "../../hub/fault.ts";
import type { adminRoutes } from "../../hub/route/admin.ts";
import type { JsonAnswer, JsonBody } from "../../hub/route/route.ts";
import type { sessionRoutes } from "../../hub/route/session.ts";

type Rows = typeof adminRoutes & typeof sessionRoutes;
/** Codes with which the routes of accounts and administration refuse. */
type RefusalCode = Rows[keyof Rows]["refuses"][number];
type Node = JsonAnswer<Rows["nodes"]>["nodes"][number];
type Role = JsonAnswer<Rows["accounts"]>["accounts"][number]["role"];
type Scope = JsonBody<Rows["addToken"]>["scope"];
/** Kinds of actors in the audit log: the first word, before a name. */
type ActorKind = "administrator" | "viewer" | "token" | "node" | "owner" | "anonymous";
type RefusalReason = JsonAnswer<Rows["refusals"]>["refusals"][number]["counts"][number]["reason"];

/** Texts of the browsers in which people are signed in. */
export interface SessionText {
  /** In place of signing out, where a proxy in front of the hub signs people in. */
  readonly byProxy: string;
  /** Title of the page with the browsers in which an account is signed in. */
  readonly signedInWhere: string;
  readonly noSessions: string;
  readonly thisBrowser: string;
  readonly unknownBrowser: string;
  readonly signedInFrom: (origin: string, time: string) => string;
  readonly signInWays: Readonly<Record<JsonAnswer<Rows["sessions"]>["sessions"][number]["way"], string>>;
  readonly endSessionOf: (browser: string, origin: string) => string;
  readonly sessionEnded: (browser: string) => string;
  /** Button that shows those of another account. */
  readonly browsers: string;
  readonly browsersOf: (name: string) => string;
}

/** All texts of accounts and administration in one language, which are loaded with them. */
export interface AdminText extends SessionText {
  // Sign-in and account

  readonly notEncrypted: string;
  readonly noAccounts: string;
  /** `name` is that of the provider, where a person signs in. */
  readonly signInAt: (name: string) => string;
  /** Before the fields for name and password. */
  readonly orPassword: string;
  /** Leads to the page where the person was. */
  readonly back: string;
  readonly name: string;
  /** Field of the sign-in. */
  readonly accountName: string;
  readonly password: string;
  /** While the hub checks a password. */
  readonly busy: string;
  /** Where only people who are signed in may see the page. */
  readonly forAccounts: string;
  readonly forAdministrators: string;
  /** The account that is signed in has not got the right to see the page. */
  readonly lacksRight: (name: string) => string;
  readonly signedInAs: (name: string, administrator: boolean) => string;
  readonly changePassword: string;
  readonly signOut: string;
  readonly signOutEverywhere: string;
  readonly oldPassword: string;
  readonly newPassword: string;
  readonly passwordHint: string;
  readonly repeatPassword: string;
  readonly wrongPassword: string;
  readonly passwordsDiffer: string;
  readonly passwordChanged: string;
  readonly choosePassword: string;
  readonly setPassword: string;
  readonly linkFor: (name: string, administrator: boolean) => string;
  /** The page of a link was loaded without one. */
  readonly linkGone: string;
  readonly linkNew: string;
  readonly tryAgain: string;
  readonly cancel: string;
  /** Refusals that the viewer can do something about. Others are shown in the hub's own words. */
  readonly refusals: Readonly<Partial<Record<RefusalCode, string>>>;
  /** `reason` is the hub's sentence, or that of the browser. */
  readonly notDone: (reason: string) => string;

  // What all views have

  readonly views: Readonly<Record<"hosts" | "accounts" | "tokens" | "audit", string>>;
  readonly add: string;
  readonly save: string;
  readonly saved: string;
  readonly discard: string;
  readonly unsaved: string;
  readonly remove: string;
  readonly copy: string;
  readonly copyThis: (what: string) => string;
  readonly copyFailed: string;
  /** A secret that the hub shows only now. */
  readonly shownOnce: string;
  /** Closes a secret that was taken. */
  readonly taken: string;
  readonly never: string;
  readonly timeAndAge: (time: string, ago: string) => string;

  // Hosts

  readonly waitingHosts: (n: number) => string;
  readonly waitingHint: string;
  readonly approve: string;
  readonly approveHost: (name: string) => string;
  readonly approved: (name: string) => string;
  readonly approveAll: string;
  readonly approveAllTitle: (n: number) => string;
  readonly approvedAll: (n: number) => string;
  /** A machine that was approved is one that the hub polls. `registered` is the name under which it registered. */
  readonly sameMachine: (registered: string, shown: string) => string;
  readonly sentences: (all: readonly string[]) => string;
  /** Joins statements that may have lists in them. */
  readonly clauses: (all: readonly string[]) => string;
  readonly registeredFrom: (ago: string, origin: string) => string;
  readonly noGpus: string;
  readonly cores: (n: number) => string;
  readonly memoryOf: (size: string) => string;
  readonly findHost: string;
  readonly host: string;
  readonly way: string;
  readonly ways: Readonly<Record<Node["ways"][number], string>>;
  readonly states: Readonly<Record<Node["state"], string>>;
  readonly troubles: (n: number) => string;
  readonly lastReport: string;
  readonly recorded: string;
  readonly everything: string;
  /** In the list: the host has not fetched its configuration. */
  readonly notTakenShort: string;
  readonly addHost: string;
  readonly polled: string;
  readonly polledHint: string;
  readonly reports: string;
  readonly reportsHint: string;
  readonly command: string;
  readonly addressOf: string;
  readonly addressHint: string;
  readonly added: (name: string) => string;

  // Addresses that were refused

  readonly refusedAddresses: (n: number) => string;
  readonly refusedHint: string;
  readonly showAll: string;
  /** The host name that a machine said it has. */
  readonly claims: (name: string) => string;
  /** `reason` is one of `refusalReasons`. */
  readonly timesRefused: (reason: string, n: number) => string;
  /** The name under which it called the hub. */
  readonly calledHub: (name: string) => string;
  readonly refusedLast: (ago: string) => string;
  readonly refusalReasons: Readonly<Record<RefusalReason, string>>;
  readonly refusalAdvice: Readonly<Record<RefusalReason, string>>;

  // A host

  readonly showHost: string;
  readonly nameInHistory: string;
  readonly hardware: string;
  readonly clock: string;
  readonly clockRight: string;
  readonly clockOff: (span: string, ahead: boolean) => string;
  readonly registeredAs: string;
  readonly registeredAt: string;
  readonly tokenUsed: string;
  readonly devices: string;
  readonly selectDevices: string;
  readonly devicesHint: string;
  readonly gpus: string;
  readonly countOf: (selected: number, all: number) => string;
  readonly allOfThem: string;
  /** A device that is selected, and that the host does not report. */
  readonly notThere: string;
  readonly noneReported: string;
  readonly interval: string;
  readonly usual: string;
  readonly intervalHint: string;
  readonly intervalWrong: (longest: number) => string;
  readonly savedAs: (version: number) => string;
  readonly inEffect: (version: number) => string;
  /** `has` is the version that the host has fetched. */
  readonly notTaken: (version: number, has: number | undefined) => string;
  readonly takenAt: (version: number, time: string) => string;
  readonly changedMeanwhile: (version: number) => string;
  readonly identity: string;
  readonly shownName: string;
  readonly shownHint: (name: string) => string;
  readonly group: string;
  readonly labels: string;
  /** What belongs into the two fields of a label. */
  readonly labelNameHint: string;
  readonly labelValueHint: string;
  readonly labelName: (line: number) => string;
  readonly labelValue: (line: number) => string;
  readonly removeLabel: (line: number) => string;
  readonly addLabel: string;
  readonly labelEmpty: (line: number) => string;
  readonly labelTwice: (line: number) => string;
  readonly machine: string;
  readonly joinedHint: (hostname: string) => string;
  readonly partedHint: string;
  readonly part: string;
  readonly join: string;
  readonly partedNow: string;
  readonly joinedNow: string;
  readonly resetHint: string;
  readonly resetDone: string;
  readonly resetToken: string;
  readonly resetConsequence: string;
  /** In place of those before for a client of the logger, which has no token. */
  readonly openHint: string;
  readonly openName: string;
  readonly openEffect: string;
  readonly deleteHint: string;
  /** In place of `deleteHint` while the host waits for approval. */
  readonly rejectHint: string;
  readonly unregisterHint: string;
  readonly unregister: string;
  readonly unregisterTitle: (name: string) => string;
  readonly unregisterConsequence: string;
  readonly unregistered: (name: string) => string;
  readonly inFile: (path: string) => string;
  /** `why` is one of `obstacles`, or the sentence of the hub; `owner` may be "". */
  readonly notInFile: (path: string, why: string, owner: string) => string;
  readonly obstacles: Readonly<Record<Exclude<NonNullable<NonNullable<Node["file"]>["obstacle"]>, "invalid">, string>>;
  readonly deleteInFile: (path: string) => string;
  readonly deleteHost: string;
  readonly deleteTitle: (name: string) => string;
  /** `pushes`: the machine reports by itself. */
  readonly deleteConsequence: (pushes: boolean) => string;
  /** Of a machine that waits for approval. */
  readonly rejectConsequence: string;
  readonly alsoHistory: string;
  readonly alsoHistoryHint: string;
  readonly deleteWithHistory: string;
  readonly deleted: (name: string, history: boolean) => string;

  // Accounts

  readonly addAccount: string;
  readonly role: string;
  readonly roles: Readonly<Record<Role, string>>;
  readonly roleHints: Readonly<Record<Role, string>>;
  readonly byLink: string;
  readonly byLinkHint: string;
  readonly byPassword: string;
  readonly accountAdded: (name: string) => string;
  readonly you: string;
  readonly lastSignIn: (time: string) => string;
  readonly noPassword: string;
  /** Of an account whose person signs in at a provider, which says name and role. */
  readonly externalOf: (provider: string) => string;
  readonly sessions: (n: number) => string;
  readonly roleOf: (name: string) => string;
  readonly roleNow: (role: string) => string;
  readonly passwordOf: (name: string) => string;
  readonly passwordEnds: string;
  readonly makeLink: string;
  readonly makeLinkFor: (name: string) => string;
  readonly linkOf: (name: string) => string;
  readonly linkAbout: (name: string, expires: string) => string;
  readonly linkLabel: string;
  readonly deleteOf: (name: string) => string;
  readonly deleteAccount: (name: string) => string;
  readonly deleteAccountHint: string;
  readonly accountDeleted: (name: string) => string;

  // Tokens

  readonly addToken: string;
  readonly noTokens: string;
  readonly scope: string;
  readonly scopes: Readonly<Record<Scope, string>>;
  readonly scopeHints: Readonly<Record<Scope, string>>;
  /** How a program sends a token of this scope. */
  readonly scopeUse: Readonly<Record<Scope, string>>;
  readonly expires: string;
  readonly inDays: (n: number) => string;
  readonly neverExpires: string;
  readonly expiresAt: (time: string) => string;
  readonly expiredAt: (time: string) => string;
  readonly tokenMade: (name: string) => string;
  readonly tokenLabel: (name: string) => string;
  readonly madeBy: (creator: string, time: string) => string;
  readonly neverUsed: string;
  readonly usedLast: (ago: string) => string;
  readonly revoke: string;
  readonly revokeOf: (name: string) => string;
  readonly revokeHint: string;
  readonly revoked: (name: string) => string;

  // Audit log

  readonly time: string;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly details: string;
  readonly detail: (name: string, value: string) => string;
  readonly actions: Readonly<Record<ActionName, string>>;
  readonly detailNames: Readonly<Record<DetailName, string>>;
  readonly actorKinds: Readonly<Record<ActorKind, string>>;
  /** What the hub does by itself, such as removing an old registration. */
  readonly hubItself: string;
  /** A change by gohm on the hub's machine. */
  readonly fromShell: string;
  readonly yes: string;
  readonly no: string;
  readonly approvedState: string;
  readonly selectedAll: string;
  readonly selectedNone: string;
  /** Why the hub refused something, in short. */
  readonly faults: Readonly<Partial<Record<FaultCode, string>>>;
  readonly from: (origin: string) => string;
  readonly refused: string;
  readonly actorHint: string;
  readonly actionHint: string;
  readonly targetHint: string;
  readonly filter: string;
  readonly noEntries: string;
  readonly entriesShown: (n: number, more: boolean) => string;
  readonly older: string;
}
