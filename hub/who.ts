// Who sends a request, and what each may do. The check itself is admit(), called once per request (http/application.ts) and once per action (desk.ts).
import { Fault } from "./fault.ts";

export type Principal =
  | { readonly kind: "anonymous" }
  | { readonly kind: "viewer" }
  | { readonly kind: "administrator" }
  /** A machine that reports by itself. */
  | { readonly kind: "node"; readonly name: string }
  /** The hub's own user or root, on the control socket. */
  | { readonly kind: "owner" };

/** What a route requires of a principal. */
export type Needs = "open" | "read" | "node" | "admin" | "owner";

const rights: Readonly<Record<Principal["kind"], readonly Needs[]>> = {
  anonymous: ["open"],
  viewer: ["open", "read"],
  administrator: ["open", "read", "admin"],
  node: ["open", "node"],
  owner: ["open", "read", "node", "admin", "owner"],
};

/** True if a principal has a right. */
export const may = ({ kind }: Principal, needs: Needs): boolean => rights[kind].includes(needs);

/**
 * Checks that a principal has a right.
 * @param what subject of the messages
 * @throws Fault sign_in_needed for an anonymous principal, access_denied for one without the right
 */
export function admit(by: Principal, needs: Needs, what = "This path"): void {
  if (may(by, needs)) return;
  const { kind } = by;
  if (kind === "anonymous") throw new Fault("sign_in_needed", `${what} requires an account or a token.`);
  throw new Fault(
    "access_denied",
    `${what} requires the right "${needs}", which a principal of kind "${kind}" does not have.`,
  );
}

/** A port or socket of the hub: the routes that it has, and who its clients are. */
export interface EntryPoint {
  /** Routes that need another right do not exist here. */
  readonly offers: readonly Needs[];
  identify(): Principal;
}

/** The TCP port. There are no accounts: everyone who can connect may read. */
export const port: EntryPoint = { offers: ["open", "read", "node", "admin"], identify: () => ({ kind: "viewer" }) };

/** The control socket, which only the hub's own user and root can open. */
export const socket: EntryPoint = { offers: rights.owner, identify: () => ({ kind: "owner" }) };
