// Credentials of a request: the cookie of a session, or a token in the header Authorization.
import { clean } from "../proto/clean.ts";
import {
  type ApiToken,
  type Book,
  isExpired,
  type Link,
  type Scope,
  type Session,
  type SignInWay,
} from "./book/book.ts";
import type { Clock } from "./clock.ts";
import type { Desk } from "./desk.ts";
import { ProxySignIn } from "./door/person.ts";
import { Proxies } from "./door/proxies.ts";
import type { DoorSettings } from "./door/settings.ts";
import { basePathOf } from "./door/url.ts";
import { Fault } from "./fault.ts";
import { hashOf } from "./secret.ts";
import { type Actor, type EntryPoint, offered, type Principal, type RequestHead } from "./who.ts";

const hour = 3_600_000;
const day = 24 * hour;
/** A session ends when it was not used for so long. */
const idleMs = 30 * day;
/** A session ends so long after the sign-in, however often it is used. */
const longestMs = 90 * day;
/** Shortest time between two records of a session's use. */
const usedMs = 60_000;

/**
 * Names of the session's cookie. A browser sends the first two over https only, and no connection without encryption can set
 * them; it drops them on plain http, where the third one is used. The first one is of one host name and all of its paths, so no
 * other host can set it. The second one is for a proxy that serves the hub below a path: a browser sends it to that path only.
 */
const cookies: CookieNames = { host: "__Host-gohm", path: "__Secure-gohm", plain: "gohm_session_http" };
/** Those of the cookie with sign-ins that are under way at a provider. */
const signInCookies: CookieNames = {
  host: "__Host-gohm_sign_in",
  path: "__Secure-gohm_sign_in",
  plain: "gohm_sign_in_http",
};

type CookieNames = Readonly<Record<"host" | "path" | "plain", string>>;

/** A value that the hub itself may have given a cookie. */
const valueForm = /^[A-Za-z0-9_.-]{1,4096}$/;

/** Most cookies of these names that are looked up: another service of this host name may have set some. */
const mostCookies = 8;

/** A session's secret (hub/secret.ts). */
const secretForm = /^[A-Za-z0-9_-]{43}$/;

/** Schemes of a proxy in front of the hub, which browsers send to the hub as well. */
const foreignSchemes = /^(Basic|Digest|Negotiate|NTLM) /i;

/** The header Authorization with a token; portals of the first exporters compare its scheme with case, too. */
const bearerForm = /^Bearer ([\x21-\x7e]{1,512})$/;

/** A session and the hash of its secret. */
export interface HeldSession extends Session {
  readonly hash: Uint8Array;
}

/** What the settings say of those who may ask. */
export interface IdentitySettings {
  readonly read: "open" | "login";
  /** Address at which people open the page; "" if it is not set. */
  readonly url: string;
  /** Further names of the hub. */
  readonly hosts: readonly string[];
  /** By which ways people come in. */
  readonly door: DoorSettings;
}

export interface IdentityOptions {
  readonly book: Pick<Book, "session" | "token" | "nodeOf" | "link" | "passwordOf">;
  readonly desk: Pick<Desk, "note">;
  readonly clock: Pick<Clock, "now">;
  readonly settings: () => IdentitySettings;
}

/** The TCP port: finds out who sends a request, by the book. */
export class Identity implements EntryPoint {
  readonly offers = offered;
  /** Proxies in front of the hub. */
  readonly proxies = new Proxies(() => this.#options.settings().door.proxies);
  readonly #options: IdentityOptions;
  /** People whom a proxy in front of the hub has signed in. */
  readonly #proxied = new ProxySignIn(() => this.#options.settings().door);

  constructor(options: IdentityOptions) {
    this.#options = options;
  }

  readonly open = (): boolean => this.#options.settings().read === "open";

  identify(head: RequestHead, enrolls = false): Actor {
    const origin = head.address;
    const authorization = tokenHeader(head);
    if (authorization !== undefined) return { ...this.#ofToken(authorization, origin, enrolls), origin };
    const isChange = head.method !== "GET" && head.method !== "HEAD";
    const person = this.#proxied.personOf(head);
    if (person !== undefined) {
      // The proxy, too, knows people by a cookie.
      if (isChange) this.checkSite(head);
      const { name, isAdministrator } = person;
      return { kind: isAdministrator ? "administrator" : "viewer", name, origin, credential: "proxy" };
    }
    const session = this.session(head);
    if (session === undefined) return { kind: "anonymous", origin };
    // A browser sends the cookie for any site that makes a request.
    if (isChange) this.checkSite(head);
    this.#use(session);
    const { name, role } = session.account;
    return { kind: role, name, origin, credential: "session" };
  }

  readonly foreign = (peer: string): readonly string[] => this.#proxied.foreign(peer);

  /** The session of a request's cookie; undefined if it has none that is valid, or if a token or a proxy says who sends it. @throws Fault book_unusable */
  session(head: RequestHead): HeldSession | undefined {
    const found = new Map(this.sessions(head).map((session) => [session.account.id, session]));
    // Of two accounts, one may be that of somebody who planted its cookie: neither is believed.
    const [one, other] = found.values();
    return other === undefined ? one : undefined;
  }

  /** All sessions of a request's cookies: a browser has several where it knows the hub by several paths. @throws Fault book_unusable */
  sessions(head: RequestHead): HeldSession[] {
    if (tokenHeader(head) !== undefined || this.#proxied.personOf(head) !== undefined) return [];
    const now = this.#options.clock.now();
    const values = cookiesIn(head.header("cookie") ?? "", this.#cookieNames(head, cookies), secretForm);
    return [...values].flatMap((value) => {
      const hash = hashOf(value);
      const session = this.#options.book.session(hash);
      return session === undefined || isExpired(session, now) || !this.#isAllowed(session) ? [] : { ...session, hash };
    });
  }

  /** When a session begins and ends. @param created time of the sign-in */
  lifetime(created: number, way?: SignInWay): Pick<Session, "created" | "used" | "expires"> {
    const now = this.#options.clock.now();
    // The provider says anew who a person is, and with which groups.
    const longest = way === "oidc" ? this.#options.settings().door.oidcSession * hour : longestMs;
    return { created, used: now, expires: Math.min(now + idleMs, created + longest) };
  }

  /** The header Set-Cookie that gives a browser a session, or removes it. @param secret undefined to remove it */
  cookie(head: RequestHead, secret: string | undefined): string {
    return this.#setCookie(head, cookies, {
      value: secret ?? "",
      seconds: secret === undefined ? 0 : longestMs / 1000,
    });
  }

  /** The header Set-Cookie with the sign-ins that are under way at a provider. @param value undefined to remove it */
  signInCookie(head: RequestHead, value: string | undefined, seconds: number): string {
    return this.#setCookie(head, signInCookies, { value: value ?? "", seconds: value === undefined ? 0 : seconds });
  }

  /** Values of that cookie in a request; other services of the host name may have set some. */
  signInsUnderWay(head: RequestHead): readonly string[] {
    return [...cookiesIn(head.header("cookie") ?? "", this.#cookieNames(head, signInCookies), valueForm)];
  }

  /**
   * Address of the hub for people, without a slash at the end: hub.url, else as the request calls it; undefined for one
   * without a host. `isHere` is false if the request calls it otherwise.
   */
  place(head: RequestHead): { readonly address: string; readonly isHere: boolean } | undefined {
    const { url } = this.#options.settings();
    if (url !== "") {
      const { protocol, origin } = new URL(url);
      return { address: url.replace(/\/$/, ""), isHere: originOf(protocol, head.host) === origin };
    }
    const address = originOf(this.isSecure(head) ? "https:" : "http:", head.host);
    return address === undefined ? undefined : { address, isHere: true };
  }

  /**
   * True if the client sent a request encrypted: to this port, to a proxy of hub.proxies that says so, or to the proxy of hub.url,
   * if that says nothing. A client that makes the latter up chooses the name of its own cookie, and nothing else.
   */
  isSecure({ secure, host }: RequestHead): boolean {
    const { url } = this.#options.settings();
    return secure ?? (/^https:/i.test(url) && originOf("https:", host) === new URL(url).origin);
  }

  /**
   * Checks that a request comes from the hub's own page or from the person at the browser, not from a page of another site.
   * A browser does not let a page choose these headers.
   * @throws Fault access_denied
   */
  checkSite(head: RequestHead): void {
    const site = head.header("sec-fetch-site");
    const origin = head.header("origin");
    // A form of any site sends "null" if that site keeps referrers to itself.
    const known = site === undefined ? this.#isOwn(origin, head) : site === "same-origin" || site === "none";
    if (known && origin !== "null") return;
    const from =
      site !== undefined && !known
        ? `its header Sec-Fetch-Site is ${quoted(site)}`
        : `its header Origin is ${quoted(origin)}, and the hub was asked as ${quoted(head.host)}`;
    throw new Fault(
      "access_denied",
      `Only the hub's own page may do this with a cookie or a password: ${from}. Behind a proxy, set "hub.url" (GOHM_HUB_URL); programs use a token.`,
    );
  }

  /** A one-time link that can still be followed. @throws Fault book_unusable */
  link(secret: string): Link | undefined {
    const { book, clock } = this.#options;
    const link = secretForm.test(secret) ? book.link(hashOf(secret)) : undefined;
    return link === undefined || isExpired(link, clock.now()) ? undefined : link;
  }

  /** The PHC string of an account's password (hub/password.ts). @throws Fault book_unusable */
  passwordOf(account: string): string | undefined {
    return this.#options.book.passwordOf(account);
  }

  #base(): string {
    return basePathOf(this.#options.settings().url);
  }

  #cookieNames(head: RequestHead, names: CookieNames): readonly string[] {
    if (!this.isSecure(head)) return [names.plain];
    return this.#base() === "" ? [names.host] : [names.host, names.path];
  }

  /** True if a browser sees the hub below the path of hub.url: a proxy may cut it off, and ask under another name. */
  #isBelowBase({ peer, host, header }: RequestHead): boolean {
    if (this.#base() === "" || !this.proxies.has(peer)) return false;
    const { protocol, origin } = new URL(this.#options.settings().url);
    return originOf(protocol, host) === origin || header("origin") === origin;
  }

  /** @throws Fault sign_in_needed, access_denied, book_unusable */
  #ofToken(authorization: string, origin: string, enrolls: boolean): Principal & Pick<Actor, "credential"> {
    const { book, clock, desk } = this.#options;
    const [, token] = bearerForm.exec(authorization) ?? [];
    const hash = token === undefined ? undefined : hashOf(token);
    const api = hash && book.token(hash);
    const now = clock.now();
    if (api !== undefined && !isExpired(api, now)) {
      const { id } = api;
      const principal = holderOf(api, enrolls);
      desk.note({ of: `token ${id}`, write: (writer) => writer.useToken(id, now) });
      return { ...principal, credential: "token" };
    }
    const node = api === undefined && hash ? book.nodeOf(hash) : undefined;
    if (node === undefined) throw new Fault("sign_in_needed", wrongToken(authorization, api));
    const { id, hostname } = node;
    desk.note({ of: `node ${id}`, write: (writer) => writer.changeNode(id, { used: now, usedFrom: origin }) });
    return { kind: "node", name: hostname };
  }

  /** False for a session from a provider that the settings have no more. */
  #isAllowed({ way }: Session): boolean {
    return way !== "oidc" || this.#options.settings().door.oidcIssuer !== "";
  }

  #setCookie(
    head: RequestHead,
    names: CookieNames,
    { value, seconds }: { readonly value: string; readonly seconds: number },
  ): string {
    const path = this.#isBelowBase(head) ? this.#base() : "";
    const isSecure = this.isSecure(head);
    const name = isSecure ? (path === "" ? names.host : names.path) : names.plain;
    const rest = `Path=${path || "/"}; HttpOnly; SameSite=Lax${isSecure ? "; Secure" : ""}`;
    return `${name}=${value}; Max-Age=${seconds}; ${rest}`;
  }

  #use({ hash, created, used, way }: HeldSession): void {
    const { clock, desk } = this.#options;
    if (Math.abs(clock.now() - used) < usedMs) return;
    const { used: now, expires } = this.lifetime(created, way);
    desk.note({
      of: `session ${Buffer.from(hash).toString("hex")}`,
      write: (writer) => writer.useSession(hash, now, expires),
    });
  }

  /** True if an Origin is the hub as the request calls it, or as its settings do. */
  #isOwn(origin: string | undefined, head: RequestHead): boolean {
    if (origin === undefined || !URL.canParse(origin)) return false;
    const { protocol, origin: plain, port, hostname } = new URL(origin);
    if (plain !== origin || !/^https?:$/.test(protocol)) return false;
    if (protocol === "http:" && this.isSecure(head)) return false;
    const { url, hosts } = this.#options.settings();
    if (originOf(protocol, head.host) === origin) return true;
    if (url !== "" && new URL(url).origin === origin) return true;
    // A proxy may ask under a name of its own. Another port of a name may be another service.
    return port === "" && hosts.some((host) => host.toLowerCase().replace(/\.$/, "") === hostname);
  }
}

/** The header Authorization, unless it is that of a proxy in front of the hub. */
function tokenHeader(head: RequestHead): string | undefined {
  const authorization = head.header("authorization");
  return authorization === undefined || foreignSchemes.test(authorization) ? undefined : authorization;
}

/** The origin of a page that a browser asks for under a host name, which the server has checked (hub/http/names.ts). */
function originOf(protocol: string, host: string | undefined): string | undefined {
  const address = `${protocol}//${host ?? ""}`;
  return /^[\w.:[\]-]+$/.test(host ?? "") && URL.canParse(address) ? new URL(address).origin : undefined;
}

/**
 * Values of the cookies of some names that have a form, each once. Only the blank that browsers write is left out: a prefix as
 * "__Host-" is one to them at the very beginning of a name, and any host of the domain may set a cookie whose name begins with
 * another blank.
 */
function cookiesIn(header: string, names: readonly string[], form: RegExp): ReadonlySet<string> {
  const values = new Set<string>();
  for (const pair of header.split(";")) {
    const at = pair.indexOf("=");
    if (at < 0 || !names.includes(pair.slice(0, at).replace(/^ +/, ""))) continue;
    const value = pair.slice(at + 1);
    if (form.test(value)) values.add(value);
    if (values.size >= mostCookies) break;
  }
  return values;
}

const kinds = { read: "viewer", admin: "administrator", push: "reporter" } as const satisfies Partial<
  Record<Scope, Principal["kind"]>
>;

/** @throws Fault access_denied */
function holderOf({ name, scope }: ApiToken, enrolls: boolean): Principal {
  if (scope !== "enroll") return { kind: kinds[scope], name };
  if (enrolls) return { kind: "enroller", name };
  throw new Fault(
    "access_denied",
    'A token of the scope "enroll" only registers machines: it belongs into the body of the registration, as "secret".',
  );
}

function wrongToken(authorization: string, api: ApiToken | undefined): string {
  if (api !== undefined) return "The token in the header Authorization has expired.";
  return bearerForm.test(authorization)
    ? "The token in the header Authorization is not known: it was revoked, or is meant for another hub or for a proxy, which should not pass it on."
    : 'The header Authorization must be "Bearer " and a token.';
}

/** A value of a header for a message. */
const quoted = (value: string | undefined): string =>
  value === undefined ? "missing" : JSON.stringify(clean(value, 100));
