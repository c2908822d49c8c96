import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { SignInRequest } from "../../door/provider.ts";
import { newSecret } from "../../secret.ts";

/** Time that a person has at the provider. */
export const flowMs = 30 * 60_000;
/** Sign-ins of one browser at the same time, in several tabs, and most characters of their cookie. */
const mostFlows = 4;
const cookieLimit = 3800;
/** Sign-ins of all browsers that were completed within `flowMs`, and must not be again. */
const mostTaken = 10_000;

/** A sign-in that is under way at the provider. */
export interface Flow extends SignInRequest {
  /** Page where the person was, from # on. */
  readonly to: string;
}

/** What the cookie has of a flow: state, time of its beginning, page, and address of the callback. */
type Kept = readonly [state: string, at: number, to: string, redirect: string];

/**
 * Sign-ins under way. Everything about one is in a cookie of the browser that began it, with a signature: strangers cannot
 * fill a memory, and nobody can complete the sign-in of another browser. What is secret of it is made of its state by a key
 * that lasts as long as the hub runs.
 */
export class Flows {
  readonly #key = randomBytes(32);
  readonly #ticks: () => number;
  /** States that were completed, with their times, the oldest first. */
  readonly #taken = new Map<string, number>();

  /** @param ticks milliseconds, monotonic: the hub's clock may be set */
  constructor(ticks: () => number = () => performance.now()) {
    this.#ticks = ticks;
  }

  /**
   * Begins a sign-in.
   * @param cookies those of the browser's request
   * @returns the cookie's new value
   */
  begin({ to, redirect }: Pick<Flow, "to" | "redirect">, cookies: readonly string[]): { flow: Flow; cookie: string } {
    const begun: Kept = [newSecret(), Math.floor(this.#ticks()), to, redirect];
    return { flow: this.#flowOf(begun), cookie: this.#sign([begun, ...this.#read(cookies)]) };
  }

  /**
   * Takes the sign-in of a state out of a browser's cookies: once.
   * @returns it, and the cookie's new value, undefined if no other sign-in is under way; undefined if this one was taken, is
   * too old, or was not begun in this browser
   */
  take(state: string, cookies: readonly string[]): { flow: Flow; cookie: string | undefined } | undefined {
    const all = this.#read(cookies);
    const found = all.find(([one]) => one === state);
    if (found === undefined || this.#taken.has(state)) return undefined;
    const now = this.#ticks();
    for (const [one, at] of this.#taken) {
      if (now - at <= flowMs && this.#taken.size < mostTaken) break;
      this.#taken.delete(one);
    }
    this.#taken.set(state, now);
    const others = all.filter((one) => one !== found);
    return { flow: this.#flowOf(found), cookie: others.length === 0 ? undefined : this.#sign(others) };
  }

  #flowOf([state, , to, redirect]: Kept): Flow {
    return { state, nonce: this.#made("nonce", state), verifier: this.#made("verifier", state), to, redirect };
  }

  /** A text that only this hub can make of another one: 43 characters. */
  #made(use: string, of: string): string {
    return createHmac("sha256", this.#key).update(`${use} ${of}`).digest("base64url");
  }

  /** The newest flows that have room in a cookie. */
  #sign(flows: readonly Kept[]): string {
    for (let count = Math.min(flows.length, mostFlows); ; count--) {
      const content = Buffer.from(JSON.stringify(flows.slice(0, count))).toString("base64url");
      if (content.length <= cookieLimit || count <= 1) return `${content}.${this.#made("cookie", content)}`;
    }
  }

  /** Flows of those cookies that this hub signed, without those that are too old, each once. */
  #read(cookies: readonly string[]): Kept[] {
    const now = this.#ticks();
    const all = new Map<string, Kept>();
    for (const cookie of cookies) {
      const [content = "", signature = ""] = cookie.split(".");
      if (!isSame(signature, this.#made("cookie", content))) continue;
      for (const flow of JSON.parse(Buffer.from(content, "base64url").toString()) as Kept[]) {
        const [state, at] = flow;
        if (now - at <= flowMs) all.set(state, flow);
      }
    }
    return [...all.values()];
  }
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
