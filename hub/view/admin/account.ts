import type { Account, BookReader, BookWriter, Role } from "../../book/book.ts";
import { Fault } from "../../fault.ts";
import { firstName } from "../../first.ts";
import { checkPassword, hashPassword } from "../../password.ts";
import type { adminRoutes } from "../../route/admin.ts";
import type { RouteRequest } from "../../route/handler.ts";
import type { JsonAnswer } from "../../route/route.ts";
import { newLink } from "../../secret.ts";
import type { HubView } from "../view.ts";

type Routes = typeof adminRoutes;
type AccountAnswer = JsonAnswer<Routes["changeAccount"]>;

const answerOf = (
  { book, clock }: HubView,
  { id, name, role, hasPassword, external, created, used }: Account,
): AccountAnswer => ({
  name,
  role,
  hasPassword,
  external: external?.issuer ?? null,
  created,
  used: used ?? null,
  sessions: book.sessions(id, clock.now()),
});

export const accounts = (hub: HubView): JsonAnswer<Routes["accounts"]> => ({
  accounts: hub.book.accounts().map((account) => answerOf(hub, account)),
});

/** Creates an account; without a password, with a link that sets one. @throws Fault name_taken, password_weak */
export async function addAccount(
  hub: HubView,
  { body, recheck }: RouteRequest<Routes["addAccount"]>,
): Promise<JsonAnswer<Routes["addAccount"]>> {
  const { name, role, password } = body;
  const hash = password === undefined ? undefined : await hashed(password, name);
  const created = hub.clock.now();
  const link = hash === undefined ? newLink({ name, role }, created) : undefined;
  // The administrator may have been deleted while the password was hashed.
  const account = hub.desk.do(recheck(), {
    name: "account.create",
    needs: "admin",
    target: name,
    details: { role, password: hash !== undefined },
    write(book) {
      const made = book.addAccount({ name, role, created }, hash);
      book.removeLinks(name);
      if (link !== undefined) book.addLink(link.hash, link.link);
      return made;
    },
  });
  return {
    account: answerOf(hub, account),
    link: link === undefined ? null : { ...addressOf(hub, link), expires: link.link.expires },
  };
}

/** @throws Fault password_weak */
function hashed(password: string, name: string): Promise<string> {
  checkPassword(password, name);
  return hashPassword(password);
}

/**
 * Changes role and password of an account. Its links end in both cases: they would give back the old role, or let somebody
 * replace the new password. @throws Fault account_unknown, account_external, last_administrator, password_weak
 */
export async function changeAccount(
  hub: HubView,
  { given, body, recheck }: RouteRequest<Routes["changeAccount"]>,
): Promise<AccountAnswer> {
  const { role, password } = body;
  const { name } = ownAccount(accountNamed(hub.book, given.name));
  const hash = password === undefined ? undefined : await hashed(password, name);
  if (role !== undefined || hash !== undefined) {
    // The administrator may have been deleted while the password was hashed.
    hub.desk.do(recheck(), {
      name: "account.change",
      needs: "admin",
      target: name,
      details: { ...(role === undefined ? {} : { role }), ...(hash === undefined ? {} : { password: true }) },
      write(book) {
        const account = ownAccount(accountNamed(book, name));
        if (role !== undefined && role !== "administrator") checkNotLast(book, account);
        if (role !== undefined) book.changeAccount(account.id, { role });
        if (hash !== undefined) {
          book.changeAccount(account.id, { password: hash });
          book.removeSessions(account.id);
        }
        book.removeLinks(name);
      },
    });
  }
  return answerOf(hub, accountNamed(hub.book, name));
}

/** @throws Fault account_unknown, last_administrator */
export function deleteAccount(hub: HubView, { by, given }: RouteRequest<Routes["deleteAccount"]>): { ok: true } {
  const { name } = accountNamed(hub.book, given.name);
  hub.desk.do(by, {
    name: "account.delete",
    needs: "admin",
    target: name,
    write(book) {
      const account = accountNamed(book, name);
      checkNotLast(book, account);
      book.removeAccount(account.id);
    },
  });
  return { ok: true };
}

/** @throws Fault account_unknown */
export function accountNamed(book: Pick<BookReader, "account">, name: string): Account {
  const account = book.account(name);
  if (account !== undefined) return account;
  throw new Fault("account_unknown", `There is no account "${name}".`);
}

/** An account that is not one of a provider, which sets its role. @throws Fault account_external */
function ownAccount(account: Account): Account {
  if (account.external === undefined) return account;
  throw new Fault(
    "account_external",
    `"${account.name}" signs in at ${account.external.issuer}, which sets name and role: it has no password here.`,
  );
}

/**
 * Checks that an administrator remains without an account, and one who can sign in if this one can: an account that still
 * waits for its link to be followed cannot.
 * @throws Fault last_administrator
 */
function checkNotLast(book: BookWriter, { id, name, role, hasPassword, external }: Account): void {
  if (role !== "administrator") return;
  const others = book.accounts().filter((other) => other.role === "administrator" && other.id !== id);
  const canSignIn = hasPassword || external !== undefined;
  if (others.some((other) => other.hasPassword || other.external !== undefined || !canSignIn)) return;
  throw new Fault(
    "last_administrator",
    others.length === 0
      ? `"${name}" is the last administrator: make another account one first.`
      : `"${name}" is the last administrator ${external === undefined ? "with a password" : "who can sign in"}: another one must sign in by its link first.`,
  );
}

/** The address of a link, relative to the hub and as a whole. */
const addressOf = ({ url }: HubView, { path }: { readonly path: string }): { path: string; url: string } => ({
  path,
  url: `${url()}/${path}`,
});

/** Makes a link that signs in once. @throws Fault bad_request, account_external */
export function addLink(hub: HubView, { by, body }: RouteRequest<Routes["addLink"]>): JsonAnswer<Routes["addLink"]> {
  const asked = body.name ?? onlyAdministrator(hub.book);
  const found = hub.book.account(asked);
  const known = found && ownAccount(found);
  const name = known?.name ?? asked;
  const role: Role = known?.role ?? "administrator";
  const { hash, path, link } = newLink({ name, role }, hub.clock.now());
  hub.desk.do(by, {
    name: "link.create",
    needs: "admin",
    target: name,
    details: { role },
    write(book) {
      book.removeLinks(name);
      book.addLink(hash, link);
    },
  });
  return { name, ...addressOf(hub, { path }), expires: link.expires };
}

/** Name of the only administrator with a password of this hub, or for a first one. @throws Fault bad_request if there are more */
function onlyAdministrator(book: BookReader): string {
  const [first, ...others] = book
    .accounts()
    .filter(({ role, external }) => role === "administrator" && external === undefined);
  if (others.length === 0) return first?.name ?? firstName(book);
  throw new Fault(
    "bad_request",
    `There are ${others.length + 1} administrators: name the account that the link is for.`,
  );
}
