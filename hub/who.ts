// Who sends a request, and what each may do. The check itself is admit(), called once per request (http/application.ts) and once per action (desk.ts).
import type { Client, Proxies } from "./door/proxies.ts";
import { Fault } from "./fault.ts";

export type Principal =
  | { readonly kind: "anonymous" }
  /** `name` is that of the account or API token, here and below. */
  | { readonly kind: "viewer"; readonly name: string }
  | { readonly kind: "administrator"; readonly name: string }
  /** A machine that reports by itself; `name` is its host name. */
  | { readonly kind: "node"; readonly name: string }
  /** An API token of scope "push", which may report for any host. */
  | { readonly kind: "reporter"; readonly name: string }
  /** An API token of scope "enroll", on routes that register machines. */
  | { readonly kind: "enroller"; readonly name: string }
  /** The hub's own user or root, on the control socket. */
  | { readonly kind: "owner" };

/** Who asks, by what, and from where. */
export type Actor = Principal & {
  /** Network address of the request, or "control". */
  readonly origin: string;
  /** What identified a viewer, administrator or reporter: the session of an account, the proxy in front of the hub (auth.proxy), or an API token. */
  readonly credential?: "session" | "proxy" | "token";
};

/** What a route requires of a principal. */
export type Needs = "open" | "read" | "node" | "admin" | "owner";

const rights: Readonly<Record<Principal["kind"], readonly Needs[]>> = {
  anonymous: ["open"],
  viewer: ["open", "read"],
  administrator: ["open", "read", "admin"],
  node: ["open", "node"],
  reporter: ["open", "node"],
  enroller: ["open"],
  owner: ["open", "read", "node", "admin", "owner"],
};

/** Principals in messages: as people know them, who create accounts of a role and tokens of a scope. */
const holders: Readonly<Record<Exclude<Principal["kind"], "anonymous">, string>> = {
  viewer: 'a "viewer" or a token of scope "read"',
  administrator: 'an "administrator" or a token of scope "admin"',
  node: "the token of a machine",
  reporter: 'a token of scope "push"',
  enroller: 'a token of scope "enroll"',
  owner: "the hub's own user",
};

/** True if a principal has a right. @param open true if everyone may read (`auth.read` is "open") */
export const may = ({ kind }: Principal, needs: Needs, open = false): boolean =>
  rights[kind].includes(needs) || (open && needs === "read");

/**
 * Checks that a principal has a right.
 * @param what subject of the messages
 * @throws Fault sign_in_needed for an anonymous principal, access_denied for one without the right
 */
export function admit(by: Principal, needs: Needs, { what = "This path", open = false } = {}): void {
  if (may(by, needs, open)) return;
  const { kind } = by;
  if (kind === "anonymous") throw new Fault("sign_in_needed", `${what} requires an account or a token.`);
  throw new Fault("access_denied", `${what} requires the right "${needs}", which ${holders[kind]} does not have.`);
}

/** The head of a request, as far as it tells who sends it. */
export interface RequestHead extends Client {
  readonly method: string;
  /** Value of a header, by its name in lower case. */
  header(name: string): string | undefined;
  /** How often a header is there; 1 or 0 where that is not known. */
  times?(name: string): number;
  /** Network address of the other end of the connection, which is that of a proxy if there is one: access lists compare it. */
  readonly peer: string;
}

/** A port or socket of the hub: the routes that it has, and who its clients are. */
export interface EntryPoint {
  /** Routes that need another right do not exist here. */
  readonly offers: readonly Needs[];
  /** True if everyone may read. */
  readonly open: () => boolean;
  /** Proxies in front of it; none if absent. */
  readonly proxies?: Proxies;
  /** Names of headers, in lower case, that are not believed from this other end of a connection: nobody gets to see them. */
  readonly foreign?: (peer: string) => readonly string[];
  /**
   * Finds out who sends a request. A cookie of a session that has ended identifies nobody: the browser cannot remove it.
   * @param enrolls true if a token of scope "enroll" is one of the route; it is refused otherwise
   * @throws Fault sign_in_needed for a token that is not valid, access_denied for a request of another web site, book_unusable
   */
  identify(request: RequestHead, enrolls?: boolean): Actor;
}

/** The control socket, which only the hub's own user and root can open. */
export const socket: EntryPoint = {
  offers: rights.owner,
  open: () => false,
  identify: () => ({ kind: "owner", origin: "control" }),
};

/** What the TCP port offers. */
export const offered: readonly Needs[] = ["open", "read", "node", "admin"];
