import * as v from "valibot";
import { roles, scopes } from "../book/book.ts";
import { account, exampleAccount, exampleLink } from "./admin/account.ts";
import { entry, exampleEntry } from "./admin/entry.ts";
import { configChange, exampleNode, node } from "./admin/node.ts";
import { exampleRefusal, refusal } from "./admin/refusal.ts";
import { exampleToken, token } from "./admin/token.ts";
import { listedSessions, sessionNumber } from "./listed-session.ts";
import { choice, count, required, text } from "./parameter.ts";
import type { Routes } from "./route.ts";

const time = v.pipe(v.number(), v.integer());
/** Characters that a person's text must not have: those that proto/clean.ts removes from names of machines. */
const visible = /^[^\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]*$/u;
/** A name of a person's choice. Names of machines come as they are. */
const label = v.pipe(
  v.string(),
  v.trim(),
  v.normalize("NFC"),
  v.nonEmpty("a name of 1 to 64 characters"),
  v.maxLength(64, "at most 64 characters"),
  // Clients take these out of a path, also if they are encoded.
  v.notValues([".", ".."], 'a name other than "." and ".."'),
  v.regex(visible, "a text without line breaks and hidden characters"),
);
/** A name from elsewhere as an account may have it; undefined if none may. */
export function accountName(name: string): string | undefined {
  const { success, output } = v.safeParse(label, name);
  return success ? output : undefined;
}
const labelText = v.pipe(
  v.string(),
  v.maxLength(256, "at most 256 characters"),
  v.regex(visible, "a text without line breaks and hidden characters"),
);
const labels = v.pipe(v.record(label, labelText), v.maxEntries(32));

const address = v.pipe(
  v.string(),
  v.trim(),
  v.maxLength(300, "at most 300 characters"),
  v.regex(visible, "a text without line breaks and hidden characters"),
);

const password = v.pipe(v.string(), v.maxLength(1024, "at most 1024 characters"));

const done = v.pipe(v.object({ ok: v.literal(true) }), v.title("Done"), v.examples([{ ok: true }]));
const removed = v.pipe(
  v.object({
    ok: v.literal(true),
    history: v.pipe(v.boolean(), v.description("True if its history was deleted, too.")),
  }),
  v.title("Removed"),
  v.examples([{ ok: true, history: false }]),
);
const host = required("name a host", text({ help: "Name of the host, or the name that is shown.", example: "gpu1" }));
const ofAccount = required("name an account", text({ help: "Name of the account.", example: "alice" }));
const of = <const T extends object>(row: T) => ({ needs: "admin", tag: "admin", ...row }) as const;

export const adminRoutes = {
  nodes: of({
    method: "GET",
    path: "/api/v1/admin/nodes",
    summary: "All hosts with what administrators have set for them, and machines that wait for approval",
    answer: {
      "application/json": v.pipe(
        v.object({ nodes: v.array(node) }),
        v.title("Nodes"),
        v.examples([{ nodes: [exampleNode] }]),
      ),
    },
    refuses: ["book_unusable"],
  }),
  refusals: of({
    method: "GET",
    path: "/api/v1/admin/refusals",
    summary:
      "Addresses whose registrations, reports or connections were refused within the last hour; the most recent first",
    description:
      "What is wrong with the reports of a registered machine is shown with it. At most 128 addresses since the start of the hub; the one that was refused least recently gives way to a new one.",
    answer: {
      "application/json": v.pipe(
        v.object({ refusals: v.array(refusal) }),
        v.title("Refusals"),
        v.examples([{ refusals: [exampleRefusal] }]),
      ),
    },
    refuses: [],
  }),
  changeNode: of({
    method: "PATCH",
    path: "/api/v1/admin/nodes/{name}",
    summary: "Changes the name that is shown, the group, the labels or the address of a host",
    description:
      "What is absent stays; null removes it. `labels` replaces all labels, `setLabels` changes some of them. `parted` true separates a machine that reports by itself from the polled host of another name that it was taken for. Of a host of settings.json, address, group and labels are changed in that file, if the hub may write it (`file`); if not, only what it does not say can be changed.",
    params: { name: host },
    body: v.pipe(
      v.strictObject({
        shown: v.optional(v.nullable(label)),
        group: v.optional(v.nullable(label)),
        labels: v.optional(labels),
        setLabels: v.optional(v.pipe(v.record(label, v.nullable(labelText)), v.maxEntries(64))),
        address: v.optional(address),
        parted: v.optional(v.boolean()),
      }),
      v.title("NodeChange"),
      v.examples([{ shown: "Blue", group: "lab-a", setLabels: { rack: "7" } }]),
    ),
    answer: { "application/json": node },
    refuses: ["bad_request", "host_unknown", "host_in_settings", "name_taken", "book_unusable"],
  }),
  configureNode: of({
    method: "PUT",
    path: "/api/v1/admin/nodes/{name}/config",
    summary: "Selects the GPUs, disks and interfaces that are kept of a host, and its interval",
    description:
      "The object of the Lab Portal. What is absent stays as it was, null is everything. Each call makes `configVersion` one more, and changes nothing else.",
    params: { name: host },
    body: configChange,
    limit: 1_048_576,
    answer: { "application/json": node },
    refuses: ["bad_request", "host_unknown", "book_unusable"],
  }),
  approveNode: of({
    method: "POST",
    path: "/api/v1/admin/nodes/{name}/approve",
    summary: "Approves a machine that waits; for one that is approved already, does nothing",
    description:
      "If the hub polls the same machine under another name, the answer is that host: the reports of the machine belong to it from then on.",
    params: { name: host },
    answer: { "application/json": node },
    refuses: ["bad_request", "host_unknown", "book_unusable"],
  }),
  resetNode: of({
    method: "DELETE",
    path: "/api/v1/admin/nodes/{name}/token",
    summary: "Revokes the token of a machine that reports by itself; its host name may register once more",
    description:
      "It stays approved, from whichever address it registers; administrators see if that is another one than before.",
    params: { name: host },
    answer: { "application/json": node },
    refuses: ["bad_request", "host_unknown", "book_unusable"],
  }),
  deleteNode: of({
    method: "DELETE",
    path: "/api/v1/admin/nodes/{name}",
    summary: "Removes a host, and what was set for it; its token is revoked",
    description:
      "With `history=true` its history is deleted, too, also if nothing but history is left of the host. What a machine sent that nobody has approved is always deleted, unless history has samples of another machine of its name. A host of settings.json is removed from that file, if the hub may write it (`file`). With `registration=true` only the machines that registered for a polled host are removed; the host stays, and is polled as before.",
    params: {
      name: host,
      history: choice(["true", "false"], { help: "Deletes its history, too.", example: "true" }),
      registration: choice(["true", "false"], { help: "Removes only what registered for it.", example: "false" }),
    },
    answer: { "application/json": removed },
    refuses: ["bad_request", "host_unknown", "host_in_settings", "book_unusable", "history_unwritable"],
  }),
  addServer: of({
    method: "POST",
    path: "/api/v1/admin/servers",
    summary: "Adds a host to poll; it may be known already by its own reports",
    body: v.pipe(
      v.strictObject({ name: v.pipe(v.string(), v.trim(), v.maxLength(64, "at most 64 characters")), address }),
      v.title("NewServer"),
      v.examples([{ name: "gpu9", address: "10.0.0.9:9203" }]),
    ),
    answer: { "application/json": node },
    refuses: ["bad_request", "name_taken", "book_unusable"],
  }),
  accounts: of({
    method: "GET",
    path: "/api/v1/admin/accounts",
    summary: "All accounts",
    answer: {
      "application/json": v.pipe(
        v.object({ accounts: v.array(account) }),
        v.title("Accounts"),
        v.examples([{ accounts: [exampleAccount] }]),
      ),
    },
    refuses: ["book_unusable"],
  }),
  addAccount: of({
    method: "POST",
    path: "/api/v1/admin/accounts",
    summary: "Creates an account, with a password or a link that lets a person set one",
    body: v.pipe(
      v.strictObject({ name: label, role: v.picklist(roles), password: v.optional(password) }),
      v.title("AccountToCreate"),
      v.examples([{ name: "alice", role: "administrator" }]),
    ),
    limit: 8192,
    answer: {
      "application/json": v.pipe(
        v.object({
          account,
          link: v.pipe(
            v.nullable(v.object({ path: v.string(), url: v.string(), expires: time })),
            v.description("A link that sets the password, relative to the hub and as a whole; it is shown once."),
          ),
        }),
        v.title("NewAccount"),
        v.examples([
          { account: { ...exampleAccount, hasPassword: false, used: null, sessions: 0 }, link: exampleLink },
        ]),
      ),
    },
    refuses: ["bad_request", "name_taken", "password_weak", "too_many_attempts", "book_unusable"],
  }),
  changeAccount: of({
    method: "PATCH",
    path: "/api/v1/admin/accounts/{name}",
    summary: "Changes the role or the password of an account; a new password ends its sessions",
    params: { name: ofAccount },
    body: v.pipe(
      v.strictObject({ role: v.optional(v.picklist(roles)), password: v.optional(password) }),
      v.title("AccountChange"),
      v.examples([{ role: "viewer" }]),
    ),
    limit: 8192,
    answer: { "application/json": account },
    refuses: [
      "bad_request",
      "account_unknown",
      "account_external",
      "last_administrator",
      "password_weak",
      "too_many_attempts",
      "book_unusable",
    ],
  }),
  deleteAccount: of({
    method: "DELETE",
    path: "/api/v1/admin/accounts/{name}",
    summary: "Deletes an account and ends its sessions",
    params: { name: ofAccount },
    answer: { "application/json": done },
    refuses: ["account_unknown", "last_administrator", "book_unusable"],
  }),
  accountSessions: of({
    method: "GET",
    path: "/api/v1/admin/accounts/{name}/sessions",
    summary: "Browsers in which an account is signed in, the last used first",
    params: { name: ofAccount },
    answer: { "application/json": listedSessions },
    refuses: ["account_unknown", "book_unusable"],
  }),
  endAccountSession: of({
    method: "DELETE",
    path: "/api/v1/admin/accounts/{name}/sessions/{id}",
    summary: "Ends one session of an account",
    params: { name: ofAccount, id: sessionNumber },
    answer: { "application/json": done },
    refuses: ["account_unknown", "session_unknown", "book_unusable"],
  }),
  endAccountSessions: of({
    method: "DELETE",
    path: "/api/v1/admin/accounts/{name}/sessions",
    summary: "Ends all sessions of an account; its password stays",
    params: { name: ofAccount },
    answer: {
      "application/json": v.pipe(
        v.object({ ok: v.literal(true), ended: v.pipe(v.number(), v.integer(), v.minValue(0)) }),
        v.title("SessionsEnded"),
        v.examples([{ ok: true, ended: 3 }]),
      ),
    },
    refuses: ["account_unknown", "book_unusable"],
  }),
  addLink: of({
    method: "POST",
    path: "/api/v1/admin/links",
    summary: "Makes a link that signs in once and sets a password",
    description:
      "For the account of that name; without a name for the only administrator, or for a first one called `admin`. If there is no such account, following the link creates an administrator. Earlier links of the account end.",
    body: v.pipe(v.strictObject({ name: v.optional(label) }), v.title("LinkToMake"), v.examples([{ name: "alice" }])),
    answer: {
      "application/json": v.pipe(
        v.object({ name: v.string(), path: v.string(), url: v.string(), expires: time }),
        v.title("Link"),
        v.examples([{ name: "alice", ...exampleLink }]),
      ),
    },
    refuses: ["bad_request", "account_external", "book_unusable"],
  }),
  tokens: of({
    method: "GET",
    path: "/api/v1/admin/tokens",
    summary: "All tokens of the API, without their secrets",
    answer: {
      "application/json": v.pipe(
        v.object({ tokens: v.array(token) }),
        v.title("Tokens"),
        v.examples([{ tokens: [exampleToken] }]),
      ),
    },
    refuses: ["book_unusable"],
  }),
  addToken: of({
    method: "POST",
    path: "/api/v1/admin/tokens",
    summary: "Creates a token, which is shown once",
    description: "`days` until it expires; absent or null for never.",
    body: v.pipe(
      v.strictObject({
        name: label,
        scope: v.picklist(scopes),
        days: v.optional(v.nullable(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(3650)))),
      }),
      v.title("TokenToCreate"),
      v.examples([{ name: "grafana", scope: "read", days: 365 }]),
    ),
    answer: {
      "application/json": v.pipe(
        v.object({ token, secret: v.string() }),
        v.title("NewToken"),
        v.examples([{ token: exampleToken, secret: "mV2kT9xQ4bL7nR0cY5sH8jD3fA6wE1gUzP2oI5tK9yB" }]),
      ),
    },
    refuses: ["bad_request", "name_taken", "book_unusable"],
  }),
  revokeToken: of({
    method: "DELETE",
    path: "/api/v1/admin/tokens/{name}",
    summary: "Revokes a token at once",
    params: { name: required("name a token", text({ help: "Name of the token.", example: "grafana" })) },
    answer: { "application/json": done },
    refuses: ["token_unknown", "book_unusable"],
  }),
  audit: of({
    method: "GET",
    path: "/api/v1/admin/audit",
    summary: "Who changed what, when and from where; newest first",
    params: {
      before: count({ help: "Only entries with a smaller number.", example: "1000" }),
      limit: count({ help: "Most entries, 1 to 1000. Default: 100.", example: "100" }),
      actor: text({ help: "Only entries of this actor, with or without its role.", example: "alice" }),
      action: text({ help: "Only this action, or all of its kind: `account`.", example: "account.create" }),
      target: text({ help: "Only entries on this host, account or token.", example: "gpu1" }),
    },
    answer: {
      "application/json": v.pipe(
        v.object({ entries: v.array(entry) }),
        v.title("Audit"),
        v.examples([{ entries: [exampleEntry] }]),
      ),
    },
    refuses: ["bad_request", "book_unusable"],
  }),
} as const satisfies Routes;
