import { rateLimited } from "../../../program/rate-limit.ts";
import type { Account, BookWriter, SignInWay } from "../../book/book.ts";
import type { ActionName, Details } from "../../desk.ts";
import { failure, SignInFailure } from "../../door/failure.ts";
import { type Person, Provider } from "../../door/provider.ts";
import { asFault } from "../../fault.ts";
import type { HeldSession } from "../../identity.ts";
import { accountName } from "../../route/admin.ts";
import type { RouteRequest } from "../../route/handler.ts";
import type { JsonAnswer } from "../../route/route.ts";
import type { providerRoutes, sessionRoutes } from "../../route/session.ts";
import type { Sentence } from "../../sentence.ts";
import type { Actor, RequestHead } from "../../who.ts";
import type { HubView } from "../view.ts";
import type { Attempt, Attempts } from "./attempts.ts";
import { Flows, flowMs } from "./flow.ts";
import { roleOf } from "./member.ts";
import { Outcomes } from "./outcome.ts";

type ProviderRequest<K extends keyof typeof providerRoutes> = RouteRequest<(typeof providerRoutes)[K]>;
type FailureRequest = RouteRequest<(typeof sessionRoutes)["signInFailure"]>;

/** A change that leads to a session, in one transaction with its beginning. */
export interface SessionStart {
  readonly name: ActionName;
  readonly details?: Details;
  readonly way?: SignInWay;
  /** @returns number of the account */
  write(writer: BookWriter): number;
  /** Called with the hash of the session's secret. */
  readonly began?: (hash: Uint8Array) => void;
}

export interface ElsewhereOptions {
  readonly hub: HubView;
  readonly attempts: Pick<Attempts, "begin">;
  /** The network whose attempts are counted together. */
  readonly network: (head: RequestHead) => string;
  /** Begins a session. @returns the header Set-Cookie @throws Fault book_unusable */
  readonly begin: (head: RequestHead, account: Pick<Account, "name" | "role">, change: SessionStart) => string;
}

/** A page of the hub, from # on: nothing else is an address to return to. */
const pageForm = /^#\/(?!sign-in\/|link)[\x21-\x7e]{0,255}$/;
const start = "api/v1/session/oidc";
/** From the two routes to the page, also below a path that a proxy adds. */
const upFromStart = "../../../";
const upFromCallback = "../../../../";
/** Most sessions whose ID token is remembered. */
const mostHints = 1000;

/** Sign-in at an OpenID Connect provider (hub/door/provider.ts). */
export class ElsewhereDesk {
  readonly provider: Provider;
  readonly #options: ElsewhereOptions;
  /** Logs why a sign-in failed: each reason once a minute, as strangers may begin sign-ins without end. */
  readonly #warn: (why: string) => void;
  readonly #flows = new Flows();
  readonly #outcomes = new Outcomes();
  /** ID tokens by the hash of the session, for the provider when the person signs out; the oldest first. */
  readonly #hints = new Map<string, string>();

  constructor(options: ElsewhereOptions) {
    this.#options = options;
    const { door, log } = options.hub;
    this.provider = new Provider({ settings: door, log });
    this.#warn = rateLimited(
      (line) => log.warn(line),
      () => performance.now(),
      "a sign-in failed:",
    );
  }

  /** Sends a person to the provider. */
  async start({ by, head, given }: ProviderRequest<"signInElsewhere">): Promise<Response> {
    const { identity } = this.#options.hub;
    const to = pageForm.test(given.to ?? "") ? (given.to ?? "") : "#/";
    try {
      const place = identity.place(head);
      if (place === undefined) {
        throw new SignInFailure(failure("settings_wrong", { setting: "hub.url", why: "it is empty" }));
      }
      // The cookie is set and read under the name to which the provider leads back. Once only: a proxy may ask otherwise.
      if (!place.isHere && !given.moved) {
        return redirect(`${place.address}/${start}?moved=true&to=${encodeURIComponent(to)}`);
      }
      const wanted = { to, redirect: `${place.address}/${start}/callback` };
      const { flow, cookie } = this.#flows.begin(wanted, identity.signInsUnderWay(head));
      return redirect(await this.provider.begin(flow), identity.signInCookie(head, cookie, flowMs / 1000));
    } catch (error) {
      return this.#failed({ by, error, to, up: upFromStart });
    }
  }

  /** Takes a person who comes back from the provider, and begins their session. */
  async callback({ c, by, head }: ProviderRequest<"signedInElsewhere">): Promise<Response> {
    const { attempts, begin, hub, network } = this.#options;
    const { identity } = hub;
    const { searchParams, search } = new URL(c.req.url);
    const taken = this.#flows.take(searchParams.get("state") ?? "", identity.signInsUnderWay(head));
    if (taken === undefined) {
      return this.#failed({ by, error: new SignInFailure(failure("expired")), to: "#/", up: upFromCallback });
    }
    const { flow } = taken;
    const underWay = identity.signInCookie(head, taken.cookie, flowMs / 1000);
    let person: Person | undefined;
    let attempt: Attempt | undefined;
    try {
      attempt = attempts.begin({ network: network(head) });
      person = await this.provider.finish(flow, search);
      const account = this.#admit(person, head);
      const { issuer, hint } = person;
      const session = begin(head, account, {
        name: "session.create",
        way: "oidc",
        details: { issuer },
        write: () => account.id,
        began: (hash) => this.#remember(hash, hint),
      });
      attempt.succeeded();
      return redirect(`${upFromCallback}${flow.to}`, session, underWay);
    } catch (error) {
      // Nobody tried anything.
      if (sentenceOf(error).code === "provider_away") attempt?.undo();
      return this.#failed({ by, error, to: flow.to, up: upFromCallback, person, cookie: underWay });
    }
  }

  /** Why a sign-in failed, for the page to which it led. */
  failure({ c, given }: FailureRequest): Response {
    const { sentence, to } = this.#outcomes.get(given.id) ?? { sentence: failure("expired"), to: "#/" };
    const { code, values, text } = sentence;
    const answer: JsonAnswer<(typeof sessionRoutes)["signInFailure"]> = { code, values, text, to };
    return c.json(answer);
  }

  /** Address at which a person goes on to sign out at the provider, too; undefined if there is none. */
  async leave(head: RequestHead, { way, hash }: Pick<HeldSession, "way" | "hash">): Promise<string | undefined> {
    if (way !== "oidc" || !this.provider.isSetUp) return undefined;
    const key = keyOf(hash);
    const hint = this.#hints.get(key) ?? "";
    this.#hints.delete(key);
    const place = this.#options.hub.identity.place(head);
    return place && (await this.provider.end({ back: `${place.address}/`, hint }));
  }

  #remember(hash: Uint8Array, hint: string): void {
    if (hint !== "") this.#hints.set(keyOf(hash), hint);
    const oldest = this.#hints.keys().next();
    if (this.#hints.size > mostHints && !oldest.done) this.#hints.delete(oldest.value);
  }

  /**
   * The account of a person: created at the first sign-in, with the role and the name that they have now.
   * @throws SignInFailure; Fault book_unusable
   */
  #admit(person: Person, head: RequestHead): Account {
    const { book, clock, desk, door } = this.#options.hub;
    const { issuer, subject, groups } = person;
    const name = accountName(person.name);
    if (name === undefined) throw new SignInFailure(failure("name_bad", { name: person.name }));
    const external = { issuer, subject };
    const known = book.externalAccount(external);
    const named = book.account(name);
    // A name that is another account's stays with it, and so does what the settings say of it.
    const isTaken = known !== undefined && named !== undefined && named.id !== known.id;
    const shown = isTaken ? known.name : name;
    // Written as the provider has it: an account's name has been made legible.
    const role = roleOf({ name: isTaken ? "" : person.name, groups }, door());
    if (role === undefined) throw new SignInFailure(failure("not_admitted", { name }));
    if (known === undefined && named !== undefined)
      throw new SignInFailure(failure("name_taken", { name: named.name }));
    const who: Actor = { kind: role, name: known?.name ?? name, origin: head.address, credential: "session" };
    if (known === undefined) {
      return desk.do(who, {
        name: "account.create",
        needs: "open",
        target: name,
        details: { role, issuer },
        write(writer) {
          // A link would give the account a password.
          writer.removeLinks(name);
          return writer.addAccount({ name, role, created: clock.now(), external }, undefined);
        },
      });
    }
    const change = { ...(role !== known.role && { role }), ...(shown !== known.name && { name: shown }) };
    if (Object.keys(change).length === 0) return known;
    desk.do(who, {
      name: "account.change",
      needs: "open",
      target: change.name ?? known.name,
      details: { ...(change.role && { role }), ...(change.name && { before: known.name }), issuer },
      write(writer) {
        if (change.name !== undefined) writer.removeLinks(change.name);
        writer.changeAccount(known.id, change);
      },
    });
    return { ...known, ...change };
  }

  /** Leads to the page that says what went wrong. */
  #failed({
    by,
    error,
    to,
    up,
    person,
    cookie,
  }: {
    readonly by: Actor;
    readonly error: unknown;
    readonly to: string;
    readonly up: string;
    readonly person?: Person | undefined;
    readonly cookie?: string;
  }): Response {
    const { desk, log } = this.#options.hub;
    const sentence = sentenceOf(error);
    const { code, text } = sentence;
    if (code === "internal") log.error(`a sign-in failed: ${(error as Error).stack ?? String(error)}`);
    else if (!harmless.includes(code)) this.#warn(`${text}${detailOf(error)}`);
    if (cookie !== undefined && !harmless.includes(code)) {
      desk.refused(by, { name: "session.create", target: person?.name ?? "", details: { reason: code } });
    }
    const id = this.#outcomes.add({ sentence, to });
    return redirect(`${up}#/sign-in/${id}`, ...(cookie === undefined ? [] : [cookie]));
  }
}

/** Failures that strangers cause at will, or that say nothing of the hub. */
const harmless: readonly string[] = ["expired", "too_many_attempts", "not_set_up"];

const keyOf = (hash: Uint8Array): string => Buffer.from(hash).toString("base64");

function redirect(location: string, ...cookies: readonly string[]): Response {
  const headers = new Headers({ Location: location });
  for (const cookie of cookies) headers.append("Set-Cookie", cookie);
  return new Response(null, { status: 302, headers });
}

function sentenceOf(error: unknown): Sentence {
  if (error instanceof SignInFailure) return error.sentence;
  const { code, retryAfter = 1 } = asFault(error);
  if (code === "too_many_attempts") return failure("too_many_attempts", { seconds: retryAfter });
  return failure(code === "book_unusable" ? "book_unusable" : "internal");
}

/** What is only for the log: why a file cannot be read, with its path. Other errors may quote what a provider sent. */
function detailOf(error: unknown): string {
  const isFile = error instanceof SignInFailure && error.sentence.code === "settings_wrong";
  return isFile && error.cause instanceof Error ? ` (${error.cause.message})` : "";
}
