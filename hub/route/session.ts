import * as v from "valibot";
import { roles, signInWays } from "../book/book.ts";
import { listedSessions, sessionNumber } from "./listed-session.ts";
import { choice, required, text } from "./parameter.ts";
import type { Routes } from "./route.ts";

const name = v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(64));
/** A text of a person; scrypt takes any. */
const password = v.pipe(v.string(), v.minLength(1), v.maxLength(1024));

const account = v.pipe(
  v.object({ name: v.string(), role: v.picklist(roles) }),
  v.title("AccountName"),
  v.examples([{ name: "alice", role: "administrator" }]),
);

const me = v.pipe(
  v.object({
    kind: v.pipe(
      v.picklist(["anonymous", "viewer", "administrator", "node", "reporter", "owner"]),
      v.description("What the request was made as."),
    ),
    name: v.pipe(v.nullable(v.string()), v.description("Name of the account or token; null for anonymous requests.")),
    rights: v.pipe(v.array(v.string()), v.description("Of `open`, `read`, `node`, `admin`, `owner`.")),
    session: v.pipe(v.boolean(), v.description("True if it came with the cookie of a session.")),
    way: v.pipe(
      v.optional(v.picklist([...signInWays, "proxy"])),
      v.description("By what the person is signed in; `proxy`: by the proxy in front of the hub, at each request."),
    ),
    users: v.pipe(
      v.optional(v.array(v.string())),
      v.description("User names that this person has on the machines; only for people who are signed in."),
    ),
    encrypted: v.pipe(v.boolean(), v.description("False where a password would be readable on the network.")),
    accounts: v.pipe(v.boolean(), v.description("True if there is an account to sign in to.")),
    provider: v.pipe(
      v.optional(v.string()),
      v.description("Name of the OpenID Connect provider where people may sign in (auth.oidc); absent without one."),
    ),
    external: v.pipe(
      v.optional(v.literal(true)),
      v.description("The account is one of that provider: it has no password here."),
    ),
    reports: v.pipe(
      v.optional(v.literal(true)),
      v.description("There are daily reports, or they are set up; only for those who may read them."),
    ),
    waiting: v.pipe(
      v.optional(v.pipe(v.number(), v.integer())),
      v.description("Machines that wait for approval; only for administrators."),
    ),
    url: v.pipe(
      v.optional(v.string()),
      v.description("Address at which other machines reach the hub, as far as it knows; only for administrators."),
    ),
  }),
  v.title("Me"),
  v.examples([
    {
      kind: "administrator",
      name: "alice",
      rights: ["open", "read", "admin"],
      session: true,
      way: "password",
      users: ["alice"],
      encrypted: true,
      accounts: true,
      waiting: 2,
      url: "http://10.0.0.2:5000",
    },
  ]),
);

const link = v.pipe(v.string(), v.maxLength(128));
/** 43 characters, as in the fragment of a link. */
const exampleLink = "q8f3nZ0eWmB5rT1xK7cV2yL4uH6jP9sD0aG3fE5iN8o";
const examplePassword = "correct horse battery";

const credentials = v.pipe(
  v.object({ name, password }),
  v.title("Credentials"),
  v.examples([{ name: "alice", password: examplePassword }]),
);
const linkToFollow = v.pipe(
  v.object({ token: link, password }),
  v.title("LinkToFollow"),
  v.examples([{ token: exampleLink, password: examplePassword }]),
);
const linkToRead = v.pipe(v.object({ token: link }), v.title("LinkToRead"), v.examples([{ token: exampleLink }]));
const passwordChange = v.pipe(
  v.object({ old: password, new: password }),
  v.title("PasswordChange"),
  v.examples([{ old: examplePassword, new: "staple of the battery" }]),
);

const signInFailure = v.pipe(
  v.object({
    code: v.pipe(v.string(), v.description("Name of the sentence.")),
    values: v.pipe(
      v.record(v.string(), v.union([v.string(), v.number()])),
      v.description("What is in the sentence, by name."),
    ),
    text: v.pipe(v.string(), v.description("The sentence in English.")),
    to: v.pipe(v.string(), v.description("The page where the person was, from # on.")),
  }),
  v.title("SignInFailure"),
  v.examples([
    {
      code: "not_admitted",
      values: { name: "alice" },
      text: '"alice" is in none of the groups whose members may sign in (auth.oidc.groups).',
      to: "#/",
    },
  ]),
);

const signedOut = v.pipe(
  v.object({
    ok: v.literal(true),
    next: v.pipe(
      v.optional(v.string()),
      v.description("Address at which the person signs out at the provider, too; it leads back to the hub."),
    ),
  }),
  v.title("SignedOut"),
  v.examples([{ ok: true }]),
);

const done = v.pipe(v.object({ ok: v.literal(true) }), v.title("Done"), v.examples([{ ok: true }]));

export const sessionRoutes = {
  me: {
    method: "GET",
    path: "/api/v1/me",
    needs: "open",
    tag: "session",
    summary: "Who sends this request, and what they may do",
    answer: { "application/json": me },
    refuses: ["book_unusable"],
  },
  signIn: {
    method: "POST",
    path: "/api/v1/session",
    needs: "open",
    tag: "session",
    summary: "Signs in",
    description:
      "Sets the cookie of the session, which only the browser reads. Only for the hub's own page: by the headers Sec-Fetch-Site or Origin; programs use a token. Wrong passwords make further attempts wait.",
    body: credentials,
    limit: 8192,
    answer: { "application/json": account },
    refuses: ["bad_request", "sign_in_refused", "too_many_attempts", "access_denied", "book_unusable"],
  },
  followLink: {
    method: "POST",
    path: "/api/v1/session/link",
    needs: "open",
    tag: "session",
    summary: "Follows a one-time link: sets the password of its account, and signs in",
    body: linkToFollow,
    limit: 8192,
    answer: { "application/json": account },
    refuses: ["bad_request", "link_unknown", "password_weak", "too_many_attempts", "access_denied", "book_unusable"],
  },
  readLink: {
    method: "POST",
    path: "/api/v1/session/link/read",
    needs: "open",
    tag: "session",
    summary: "What a one-time link is for; it stays valid",
    body: linkToRead,
    limit: 8192,
    answer: { "application/json": account },
    refuses: ["bad_request", "link_unknown", "too_many_attempts", "access_denied", "book_unusable"],
  },
  signOut: {
    method: "DELETE",
    path: "/api/v1/session",
    needs: "open",
    tag: "session",
    summary: "Ends the session of this request",
    answer: { "application/json": signedOut },
    refuses: ["access_denied", "book_unusable"],
  },
  signOutEverywhere: {
    method: "DELETE",
    path: "/api/v1/sessions",
    needs: "open",
    tag: "session",
    summary: "Ends all sessions of the account of this request",
    answer: { "application/json": signedOut },
    refuses: ["access_denied", "sign_in_needed", "book_unusable"],
  },
  signInFailure: {
    method: "GET",
    path: "/api/v1/session/failure/{id}",
    needs: "open",
    tag: "session",
    summary: "Why a sign-in at the provider failed",
    description: "For the page `/#/sign-in/{id}`, to which the failure led. It is known for ten minutes.",
    params: {
      id: required(
        "name a failure",
        text({ help: "Number in the page's address.", example: "q8f3nZ0eWmB5rT1xK7cV2y" }),
      ),
    },
    answer: { "application/json": signInFailure },
    refuses: ["bad_request"],
  },
  sessions: {
    method: "GET",
    path: "/api/v1/sessions",
    needs: "open",
    tag: "session",
    summary: "Browsers in which the account of this request is signed in, the last used first",
    answer: { "application/json": listedSessions },
    refuses: ["sign_in_needed", "book_unusable"],
  },
  endSession: {
    method: "DELETE",
    path: "/api/v1/sessions/{id}",
    needs: "open",
    tag: "session",
    summary: "Ends one session of the account of this request",
    params: { id: sessionNumber },
    answer: { "application/json": done },
    refuses: ["access_denied", "sign_in_needed", "session_unknown", "book_unusable"],
  },
  changePassword: {
    method: "PUT",
    path: "/api/v1/me/password",
    needs: "open",
    tag: "session",
    summary: "Changes the password of the account of this request, and ends its other sessions",
    body: passwordChange,
    limit: 8192,
    answer: { "application/json": done },
    refuses: [
      "bad_request",
      "sign_in_needed",
      "sign_in_refused",
      "password_weak",
      "too_many_attempts",
      "access_denied",
      "book_unusable",
    ],
  },
} as const satisfies Routes;

/** Routes that a browser opens by itself, on its way to the provider and back. */
export const providerRoutes = {
  signInElsewhere: {
    method: "GET",
    path: "/api/v1/session/oidc",
    // A program that looks at links must not begin or complete anything.
    head: false,
    needs: "open",
    tag: "session",
    summary: "Redirects to the OpenID Connect provider, to sign in there",
    description: "A link for people (docs/accounts.md). It leads to `/#/sign-in/{id}` if the provider cannot be asked.",
    params: {
      to: text({ help: "The page to return to, from # on.", example: "#/host/gpu1" }),
      moved: choice(["true"], { help: "The hub adds this when it redirects to `hub.url` first.", example: "true" }),
    },
    answer: {},
    others: { 302: "The provider, or the page of the failure" },
    refuses: ["bad_request"],
  },
  signedInElsewhere: {
    method: "GET",
    path: "/api/v1/session/oidc/callback",
    head: false,
    needs: "open",
    tag: "session",
    summary: "Takes a person who comes back from the OpenID Connect provider: begins a session",
    description:
      "This is the redirect URI that the provider must have registered. The parameters are those of OpenID Connect; the sign-in must have begun in the same browser, within 30 minutes, and is completed once.",
    answer: {},
    others: { 302: "The page where the person was, or the page of the failure, `/#/sign-in/{id}`" },
    refuses: [],
  },
} as const satisfies Routes;
