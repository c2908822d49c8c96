import { siteOf } from "../../../program/network.ts";
import { Fault } from "../../fault.ts";
import type { Standing } from "../../password.ts";
import { Buckets } from "./buckets.ts";
import { Pauses } from "./pauses.ts";

/** Attempts without a pause of one account, also of one that does not exist. */
const freeOfAccount = 5;
/** Sign-ins of one account from one network without a pause: each adds a session and an audit entry. */
const freeSignIns = 30;
/** Attempts of one network at the same time, and milliseconds until it has another one. */
const ofNetwork = { capacity: 20, refillMs: 60_000, limit: 2500 };
/** Attempts of a network, and of networks near each other, that decide whose turn comes first: nobody is refused for them. */
const forTurns = { capacity: 1000, refillMs: 3600 };
/** Most pairs of an account and a network from which it signed in. */
const mostFamiliar = 1000;

/** Who attempts to sign in. */
export interface Attempted {
  /** The account: its number, or the name of one that does not exist; undefined if a link names it. */
  readonly account?: string;
  /** False if there is no such account. */
  readonly exists?: boolean;
  readonly network: string;
}

/** An attempt that counts as failed until one of its functions is called. */
export interface Attempt {
  readonly standing: Standing;
  /** The password or the link was right. */
  succeeded(): void;
  /** Nothing was compared. */
  undo(): void;
}

/**
 * Slows down attempts to sign in, by account and by network, by refusing them for a while: nothing waits. An attempt counts
 * before its password is compared, so that many at the same time are no way around. At a network from which an account signed
 * in before, its attempts are counted apart from all others: nobody elsewhere can lock out a person there, nor can others of
 * that network who try other accounts.
 */
export class Attempts {
  readonly #networks: Buckets;
  /** By network and site: also those that got no turn, so that nobody stays the first by coming again and again. */
  readonly #turns: Buckets;
  readonly #turnsNear: Buckets;
  /** Names of no account have tallies of their own: any number of them does not make the hub forget an account's. */
  readonly #accounts: Pauses;
  readonly #names: Pauses;
  /** Of familiar pairs. */
  readonly #here: Pauses;
  readonly #signIns: Pauses;
  readonly #familiar = new Set<string>();

  /** @param ticks milliseconds, monotonic: the hub's clock may be set */
  constructor(ticks: () => number = () => performance.now()) {
    this.#networks = new Buckets(ticks, ofNetwork);
    this.#turns = new Buckets(ticks, { ...forTurns, limit: 2000 });
    this.#turnsNear = new Buckets(ticks, { ...forTurns, limit: 500 });
    this.#accounts = new Pauses(ticks, { free: freeOfAccount, limit: 1500 });
    this.#names = new Pauses(ticks, { free: freeOfAccount, limit: 1500 });
    this.#here = new Pauses(ticks, { free: freeOfAccount, limit: mostFamiliar });
    this.#signIns = new Pauses(ticks, { free: freeSignIns, limit: mostFamiliar });
  }

  /** Accounts, networks and sites that are remembered. */
  get size(): number {
    const all = [this.#networks, this.#turns, this.#turnsNear, this.#accounts, this.#names, this.#here, this.#signIns];
    return all.reduce((sum, { size }) => sum + size, 0);
  }

  /** Remembers that an account signed in from a network. @param account its number */
  recall(account: string, network: string): void {
    remember(this.#familiar, pairOf(account, network));
  }

  /** @throws Fault too_many_attempts, with the time to wait */
  begin({ account, exists = true, network }: Attempted): Attempt {
    const pair = account === undefined ? "" : pairOf(account, network);
    const isFamiliar = exists && this.#familiar.has(pair);
    const accounts = exists ? this.#accounts : this.#names;
    const site = siteOf(network);
    const wait = Math.max(
      account === undefined ? 0 : this.#signIns.wait(pair),
      account === undefined ? 0 : isFamiliar ? this.#here.wait(pair) : accounts.wait(account),
      isFamiliar ? 0 : this.#networks.wait(network),
    );
    if (wait > 0) {
      const retryAfter = Math.ceil(wait / 1000);
      const message = `Too many attempts to sign in: try again in ${retryAfter} s.`;
      throw new Fault("too_many_attempts", message, { retryAfter });
    }
    const standing: Standing = isFamiliar
      ? { known: true, earlier: this.#here.count(pair), near: 0 }
      : { known: false, earlier: this.#turns.taken(network), near: this.#turnsNear.taken(site) };
    const counted = isFamiliar ? [this.#here.add(pair)] : [this.#networks.take(network)];
    if (!isFamiliar && account !== undefined) counted.push(accounts.add(account));
    const turns = isFamiliar ? [] : [this.#turns.take(network), this.#turnsNear.take(site)];
    const undo = (): void => {
      for (const one of counted) one();
    };
    return {
      standing,
      undo,
      succeeded: () => {
        undo();
        for (const one of turns) one();
        if (account === undefined) return;
        this.#here.forget(pair);
        this.#signIns.add(pair);
        remember(this.#familiar, pair);
      },
    };
  }
}

const pairOf = (account: string, network: string): string => JSON.stringify([account, network]);

function remember(familiar: Set<string>, pair: string): void {
  familiar.delete(pair);
  familiar.add(pair);
  const oldest = familiar.keys().next();
  if (familiar.size > mostFamiliar && !oldest.done) familiar.delete(oldest.value);
}
