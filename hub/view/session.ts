import { isLoopback, networkOf } from "../../program/network.ts";
import { type Account, accountKey, type SignInWay, sessionId } from "../book/book.ts";
import { asFault, Fault } from "../fault.ts";
import type { HeldSession } from "../identity.ts";
import { checkPassword, hashPassword, type Standing, verifyPassword } from "../password.ts";
import { isShelf } from "../report/shelf.ts";
import { type RouteRequest, serve } from "../route/handler.ts";
import { providerRoutes, sessionRoutes } from "../route/session.ts";
import { hashOf, newSecret } from "../secret.ts";
import { type Actor, may, type Needs, type RequestHead } from "../who.ts";
import { Attempts } from "./session/attempts.ts";
import { ElsewhereDesk, type SessionStart } from "./session/elsewhere.ts";
import type { HubView, View } from "./view.ts";

type SignInRequest<K extends keyof typeof sessionRoutes> = RouteRequest<(typeof sessionRoutes)[K]>;

const rights: readonly Needs[] = ["open", "read", "node", "admin", "owner"];

/** Sign-in and sign-out of accounts, their passwords, and one-time links. */
export const session: View = {
  name: "session",
  table: {},
  async open(hub) {
    const desk = new SignInDesk(hub);
    return {
      routes: serve(
        { ...sessionRoutes, ...providerRoutes },
        {
          me: (request) => desk.me(request),
          signIn: (request) => desk.signIn(request),
          followLink: (request) => desk.followLink(request),
          readLink: (request) => desk.readLink(request),
          signOut: (request) => desk.signOut(request),
          signOutEverywhere: (request) => desk.signOutEverywhere(request),
          sessions: (request) => desk.sessions(request),
          endSession: (request) => desk.endSession(request),
          changePassword: (request) => desk.changePassword(request),
          signInElsewhere: (request) => desk.elsewhere.start(request),
          signedInElsewhere: (request) => desk.elsewhere.callback(request),
          signInFailure: (request) => desk.elsewhere.failure(request),
        },
      ),
      close: async () => {},
    };
  },
};

interface Compared {
  readonly name: string;
  readonly account: Account | undefined;
  readonly password: string;
  readonly isSignedIn?: true;
}

const done = { ok: true };

/** The account in counts of attempts. */
const keyOf = ({ id }: Pick<Account, "id">): string => String(id);

const refusal = (): Fault => new Fault("sign_in_refused", "There is no account with this name and password.");
const unknownLink = (): Fault =>
  new Fault("link_unknown", "This link was used, has expired, or was replaced: ask for a new one.");

class SignInDesk {
  readonly #hub: HubView;
  readonly #attempts = new Attempts();
  readonly elsewhere: ElsewhereDesk;

  constructor(hub: HubView) {
    this.#hub = hub;
    this.elsewhere = new ElsewhereDesk({
      hub,
      attempts: this.#attempts,
      network: networkOfClient,
      begin: (head, account, change) => this.#begin(head, account, change),
    });
    this.#recall();
  }

  async me({ c, by, head }: SignInRequest<"me">): Promise<Response> {
    const { book, identity, roster, url, reports } = this.#hub;
    const open = identity.open();
    const { nodes: reported, folder } = reports();
    const hasReports = may(by, "read", open) && (reported.length > 0 || (await isShelf(folder)));
    const nodes = may(by, "admin") ? roster.nodes() : undefined;
    const { provider } = this.elsewhere;
    const isExternal = by.credential === "session" && identity.session(head)?.account.external !== undefined;
    return c.json({
      kind: by.kind,
      name: "name" in by ? by.name : null,
      rights: rights.filter((one) => may(by, one, open)),
      session: by.credential === "session",
      ...this.#person(by, head),
      encrypted: identity.isSecure(head) || isLocal(head),
      accounts: book.accounts().length > 0,
      ...(provider.isSetUp && { provider: provider.name }),
      ...(isExternal && { external: true }),
      ...(hasReports && { reports: true }),
      ...(nodes && { waiting: nodes.filter(({ state }) => state === "waiting").length, url: url() }),
    });
  }

  /** How a person is signed in, and who they are on the machines; nothing for others. */
  #person({ credential, ...by }: Actor, head: RequestHead): { way?: SignInWay | "proxy"; users?: string[] } {
    if (!("name" in by) || credential === undefined || credential === "token") return {};
    const held = credential === "session" ? this.#hub.identity.session(head) : undefined;
    return { ...(credential === "proxy" ? { way: "proxy" } : held && { way: held.way }), users: usersOf(by.name) };
  }

  /** @throws Fault sign_in_refused, too_many_attempts, access_denied, book_unusable */
  async signIn({ by, head, body: { name, password } }: SignInRequest<"signIn">): Promise<Response> {
    const { book, desk, identity } = this.#hub;
    identity.checkSite(head);
    const account = book.account(name);
    if (!(await this.#compare(head, { name, account, password }))) {
      // A name that is not an account's may be a password that was typed in the wrong place.
      desk.refused(by, { name: "session.create", target: account?.name ?? "" });
      throw refusal();
    }
    // As it is after the time that the comparison took.
    const now = book.account(name);
    if (now === undefined) throw refusal();
    const cookie = this.#begin(head, now, { name: "session.create", write: () => now.id });
    return withCookie({ name: now.name, role: now.role }, cookie);
  }

  /** @throws Fault link_unknown, password_weak, too_many_attempts, access_denied, book_unusable */
  async followLink({ by, head, body: { token, password } }: SignInRequest<"followLink">): Promise<Response> {
    const { book, clock, identity } = this.#hub;
    const { name } = this.#linkOf({ by, head, token });
    checkPassword(password, name);
    const phc = await hashPassword(password);
    // It may have been followed meanwhile.
    const link = identity.link(token);
    if (link === undefined) throw unknownLink();
    const account = book.account(name);
    const owner = { name: account?.name ?? name, role: account?.role ?? link.role };
    const cookie = this.#begin(head, owner, {
      name: "link.follow",
      way: "link",
      details: { created: account === undefined },
      write: (writer) => {
        writer.removeLinks(name);
        if (account === undefined) return writer.addAccount({ name, role: link.role, created: clock.now() }, phc).id;
        writer.changeAccount(account.id, { password: phc });
        writer.removeSessions(account.id);
        return account.id;
      },
    });
    return withCookie(owner, cookie);
  }

  /** @throws Fault link_unknown, too_many_attempts, access_denied, book_unusable */
  readLink({ c, by, head, body: { token } }: SignInRequest<"readLink">): Response {
    const link = this.#linkOf({ by, head, token });
    const { name, role } = this.#hub.book.account(link.name) ?? link;
    return c.json({ name, role });
  }

  /** @throws Fault book_unusable */
  async signOut({ by, head }: SignInRequest<"signOut">): Promise<Response> {
    const { desk, identity } = this.#hub;
    const held = identity.session(head);
    if (held !== undefined) {
      desk.do(by, {
        name: "session.end",
        needs: "open",
        target: held.account.name,
        write: (writer) => writer.removeSession(held.hash),
      });
    }
    return await this.#signedOut(head, held);
  }

  /** @throws Fault sign_in_needed, book_unusable */
  async signOutEverywhere({ by, head }: SignInRequest<"signOutEverywhere">): Promise<Response> {
    const { desk } = this.#hub;
    const held = this.#signedIn(head);
    const { account } = held;
    desk.do(by, {
      name: "session.end-all",
      needs: "open",
      target: account.name,
      write: (writer) => writer.removeSessions(account.id),
    });
    return await this.#signedOut(head, held);
  }

  /** The answer after a session has ended: where it goes on at the provider, if it began there. */
  async #signedOut(head: RequestHead, held: HeldSession | undefined): Promise<Response> {
    const next = held && (await this.elsewhere.leave(head, held));
    return withCookie({ ...done, ...(next !== undefined && { next }) }, this.#hub.identity.cookie(head, undefined));
  }

  /** @throws Fault sign_in_needed, book_unusable */
  sessions({ c, head }: SignInRequest<"sessions">): Response {
    const { book, clock } = this.#hub;
    const { account, hash } = this.#signedIn(head);
    const own = sessionId(hash);
    const listed = book.sessionList(account.id, clock.now());
    return c.json({ sessions: listed.map((session) => ({ ...session, current: session.id === own })) });
  }

  /** @throws Fault sign_in_needed, session_unknown, book_unusable */
  endSession({ c, by, head, given: { id } }: SignInRequest<"endSession">): Response {
    const { desk, identity } = this.#hub;
    const { account, hash } = this.#signedIn(head);
    desk.do(by, {
      name: "session.end",
      needs: "open",
      target: account.name,
      write(writer) {
        if (writer.removeListedSession(account.id, id)) return;
        throw new Fault("session_unknown", "Your account has no session of that number: it may have ended.");
      },
    });
    return id === sessionId(hash) ? withCookie(done, identity.cookie(head, undefined)) : c.json(done);
  }

  /** @throws Fault sign_in_needed, sign_in_refused, password_weak, too_many_attempts, book_unusable */
  async changePassword({ by, head, body }: SignInRequest<"changePassword">): Promise<Response> {
    const { desk } = this.#hub;
    const { account } = this.#signedIn(head);
    const { name, id } = account;
    checkPassword(body.new, name);
    if (!(await this.#compare(head, { name, account, password: body.old, isSignedIn: true }))) {
      desk.refused(by, { name: "account.password", target: name });
      throw new Fault("sign_in_refused", "The old password is wrong.");
    }
    const phc = await hashPassword(body.new);
    // It may have been ended meanwhile, by a change of the password, too.
    this.#signedIn(head);
    const cookie = this.#begin(head, account, {
      name: "account.password",
      write: (writer) => {
        writer.changeAccount(id, { password: phc });
        writer.removeSessions(id);
        writer.removeLinks(name);
        return id;
      },
    });
    return withCookie(done, cookie);
  }

  /** Recalls from where people signed in before the hub was started, as far as their sessions go on. */
  #recall(): void {
    const { book, clock, log } = this.#hub;
    try {
      for (const account of book.accounts()) {
        for (const { origin } of book.sessionList(account.id, clock.now()).toReversed()) {
          this.#attempts.recall(keyOf(account), networkOf(origin));
        }
      }
    } catch (error) {
      // The book says what is wrong with it; whoever signs in is a stranger then.
      log.warn(`where people signed in before is not known: ${asFault(error).message}`);
    }
  }

  /** The session of a request. @throws Fault sign_in_needed */
  #signedIn(head: RequestHead): HeldSession {
    const held = this.#hub.identity.session(head);
    if (held === undefined) throw new Fault("sign_in_needed", "This path requires the session of an account.");
    return held;
  }

  /** True if a password is that of an account, also at the end of the comparison. @throws Fault too_many_attempts */
  async #compare(head: RequestHead, { name, account, password, isSignedIn }: Compared): Promise<boolean> {
    const { identity } = this.#hub;
    const exists = account !== undefined;
    const key = exists ? keyOf(account) : accountKey(name);
    const attempt = this.#attempts.begin({ account: key, exists, network: networkOfClient(head) });
    const standing: Standing = isSignedIn ? { known: true, earlier: 0, near: 0 } : attempt.standing;
    const phc = account && identity.passwordOf(account.name);
    try {
      const right = await verifyPassword(password, phc, standing);
      if (!right || account === undefined || identity.passwordOf(account.name) !== phc) return false;
    } catch (error) {
      attempt.undo();
      throw error;
    }
    attempt.succeeded();
    return true;
  }

  /** @throws Fault link_unknown, too_many_attempts, access_denied */
  #linkOf({ by, head, token }: { by: Actor; head: RequestHead; token: string }): {
    name: string;
    role: Account["role"];
  } {
    const { desk, identity } = this.#hub;
    identity.checkSite(head);
    const attempt = this.#attempts.begin({ network: networkOfClient(head) });
    const link = identity.link(token);
    if (link === undefined) {
      desk.refused(by, { name: "link.follow", target: "" });
      throw unknownLink();
    }
    attempt.succeeded();
    return link;
  }

  /**
   * Begins a session, in one transaction with the change that leads to it. All sessions end whose cookies the request has.
   * @returns the header Set-Cookie
   */
  #begin(head: RequestHead, { name, role }: Pick<Account, "name" | "role">, change: SessionStart): string {
    const { clock, desk, identity } = this.#hub;
    const now = clock.now();
    const secret = newSecret();
    const hash = hashOf(secret);
    const before = identity.sessions(head);
    const who: Actor = { kind: role, name, origin: head.address, credential: "session" };
    desk.do(who, {
      name: change.name,
      needs: "open",
      target: name,
      ...(change.details && { details: change.details }),
      write: (writer) => {
        const id = change.write(writer);
        writer.expire(now);
        for (const session of before) writer.removeSession(session.hash);
        const { way = "password" } = change;
        const begun = { ...identity.lifetime(now, way), origin: head.address, agent: head.header("user-agent") ?? "" };
        writer.addSession(hash, { ...begun, way }, id);
        writer.changeAccount(id, { used: now });
      },
    });
    change.began?.(hash);
    return identity.cookie(head, secret);
  }
}

const withCookie = (body: object, cookie: string): Response =>
  Response.json(body, { headers: { "Set-Cookie": cookie } });

/** True if a password does not leave this machine on its way here: whoever forwards it may have received it from elsewhere. */
const isLocal = ({ address, header }: RequestHead): boolean =>
  address === "" || (isLoopback(address) && header("x-forwarded-for") === undefined);

/** User names on the machines of a person of this name, which may be that of a directory: "alice@lab.example" or "LAB\alice" is "alice" there. */
const usersOf = (name: string): string[] => [
  ...new Set([name, name.replace(/^.*\\(?=.)/s, "").replace(/(?<=.)@.*$/s, "")]),
];

/** The network whose attempts are counted together. */
const networkOfClient = (head: RequestHead): string => networkOf(head.address);
