import { Fault } from "../../fault.ts";

/** Attempts without a pause, of one account and of one network. */
const freeOfAccount = 5;
const freeOfNetwork = 20;
/** Sign-ins of one account from one network without a pause: each adds a session and an audit entry. */
const freeSignIns = 30;
/** Pauses after that: each is twice as long as the one before. */
const firstPauseMs = 1000;
const longestPauseMs = 300_000;
/** Attempts are forgotten so long after the last one. */
const forgetMs = 3_600_000;
/** Most accounts and networks that are remembered; those with the oldest attempts are forgotten first. */
const mostRemembered = 10_000;
/** Most pairs of an account and a network from which it signed in. */
const mostFamiliar = 1000;

/** Who attempts to sign in. */
export interface Attempted {
  /** The account, also one that does not exist; undefined if a link names it. */
  readonly account?: string;
  readonly network: string;
}

/** An attempt that counts as failed until one of these is called. */
export interface Attempt {
  /** The password or the link was right. */
  succeeded(): void;
  /** Nothing was compared. */
  undo(): void;
}

interface Tally {
  count: number;
  /** Time of the last attempt, and until when there must be no other. */
  at: number;
  until: number;
}

/**
 * Slows down attempts to sign in, for each account and each network, by refusing them for a while: nothing waits. An attempt
 * counts before its password is compared, so that many at the same time are no way around. Others cannot lock out a person at
 * a network from which the account signed in before: its attempts are counted apart.
 */
export class Attempts {
  readonly #ticks: () => number;
  readonly #tallies = new Map<string, Tally>();
  readonly #familiar = new Set<string>();

  /** @param ticks milliseconds, monotonic: the hub's clock may be set */
  constructor(ticks: () => number = () => performance.now()) {
    this.#ticks = ticks;
  }

  /** Accounts and networks that are remembered. */
  get size(): number {
    return this.#tallies.size;
  }

  /** @throws Fault too_many_attempts, with the time to wait */
  begin({ account, network }: Attempted): Attempt {
    const pair = account === undefined ? undefined : JSON.stringify([account, network]);
    const keys = [{ key: `network ${network}`, free: freeOfNetwork }];
    if (pair !== undefined) {
      const key = this.#familiar.has(pair) ? `account here ${pair}` : `account ${account}`;
      keys.push({ key, free: freeOfAccount });
    }
    const signIns = { key: `sign-ins ${pair}`, free: freeSignIns };
    const now = this.#ticks();
    const wait = Math.max(...[...keys, signIns].map(({ key }) => (this.#tallies.get(key)?.until ?? now) - now));
    if (wait > 0) {
      const retryAfter = Math.ceil(wait / 1000);
      throw new Fault("too_many_attempts", `Too many attempts to sign in: try again in ${retryAfter} s.`, {
        retryAfter,
      });
    }
    for (const one of keys) this.#count(one, now);
    const undo = (): void => {
      for (const { key } of keys) this.#uncount(key);
    };
    return {
      undo,
      succeeded: () => {
        undo();
        if (pair === undefined) return;
        this.#tallies.delete(`account here ${pair}`);
        this.#count(signIns, this.#ticks());
        remember(this.#familiar, pair);
      },
    };
  }

  #count({ key, free }: { readonly key: string; readonly free: number }, now: number): void {
    const before = this.#tallies.get(key);
    const count = before === undefined || now - before.at > forgetMs ? 1 : before.count + 1;
    const pause = count < free ? 0 : Math.min(longestPauseMs, firstPauseMs * 2 ** (count - free));
    this.#tallies.delete(key);
    this.#tallies.set(key, { count, at: now, until: now + pause });
    const oldest = this.#tallies.keys().next();
    if (this.#tallies.size > mostRemembered && !oldest.done) this.#tallies.delete(oldest.value);
  }

  #uncount(key: string): void {
    const tally = this.#tallies.get(key);
    if (tally === undefined) return;
    tally.count--;
    tally.until = tally.at;
    if (tally.count === 0) this.#tallies.delete(key);
  }
}

function remember(familiar: Set<string>, pair: string): void {
  familiar.delete(pair);
  familiar.add(pair);
  const oldest = familiar.keys().next();
  if (familiar.size > mostFamiliar && !oldest.done) familiar.delete(oldest.value);
}
