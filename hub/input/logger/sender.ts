import { networkOf, networksIn } from "../../../program/network.ts";
import { Fault } from "../../fault.ts";
import type { Actor, RequestHead } from "../../who.ts";

/** Who may send records, as `push.logger` says. */
export class Senders {
  readonly #text: string;
  readonly #has: (address: string) => boolean;

  constructor(text: string) {
    this.#text = text;
    this.#has = text === "off" || text === "token" ? () => false : networksIn(text).has;
  }

  /**
   * Checks that a client may send records at all.
   * @returns true if its address suffices, false if its token is needed
   * @throws Fault sender_refused, sign_in_needed
   */
  check(by: Actor, head: RequestHead): boolean {
    if (this.#text === "off") {
      throw new Fault("sender_refused", 'This hub takes no records of the GPU Metrics Logger (push.logger is "off").');
    }
    const from = [head.peer, head.address, ...forwarded(head)];
    const stranger = from.find((address) => !this.#has(address));
    if (stranger === undefined || hasToken(by)) return stranger === undefined;
    if (this.#text === "token") {
      throw new Fault(
        "sign_in_needed",
        'Records are taken only with a token of scope push (push.logger is "token"): it belongs into the header Authorization, after "Bearer ".',
      );
    }
    throw new Fault(
      "sender_refused",
      `Records from ${stranger} are not taken: push.logger lists the networks whose clients may send them; others need a token of scope push in the header Authorization.`,
    );
  }
}

/** True for a client with a token that may have records of its own, from anywhere. */
const hasToken = ({ kind }: Actor): boolean => kind === "reporter" || kind === "enroller" || kind === "node";

/**
 * Address that a proxy names, one that is believed (hub.proxies) or another. It can take a right away, never give one: through a
 * proxy on the hub's machine everybody would be a neighbour.
 */
function forwarded(head: RequestHead): string[] {
  const last = head.header("x-forwarded-for")?.split(",").at(-1)?.trim();
  return last === undefined ? [] : [last.replace(/^::ffff:(?=\d+\.)/, "")];
}

/** The address that a client is at; undefined if a proxy hides it. */
export const placeOf = ({ origin }: Actor, head: RequestHead): string | undefined =>
  forwarded(head).length > 0 ? undefined : origin;

/** Requests with one text share limits. */
export const senderOf = (by: Actor): string => ("name" in by ? `${by.kind} ${by.name}` : networkOf(by.origin));
