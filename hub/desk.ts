import { clean } from "../proto/clean.ts";
import type { AuditDetails, AuditEntry, Book, BookWriter } from "./book/book.ts";
import type { Clock } from "./clock.ts";
import { asFault } from "./fault.ts";
import type { Log } from "./log.ts";
import { type Actor, admit, type Needs } from "./who.ts";

/** Actions that the audit log records. The page names each in its languages. */
export type ActionName =
  | `account.${"change" | "create" | "delete" | "password"}`
  | "history.import"
  | `link.${"create" | "follow"}`
  | `node.${"add" | "approve" | "change" | "configure" | "delete" | "expire" | "join" | "register" | "reset"}`
  | `session.${"create" | "end" | "end-all"}`
  | `token.${"create" | "revoke"}`;

/** What entries say beside their target, by name. The page names each in its languages. */
export type DetailName =
  | "address"
  | "addressBefore"
  | "after"
  | "before"
  | "created"
  | "days"
  | "diskMounts"
  | "failed"
  | "files"
  | "from"
  | "gpuIndices"
  | "group"
  | "history"
  | "hostname"
  | "issuer"
  | "labels"
  | "nicNames"
  | "omitted"
  | "parted"
  | "password"
  | "reason"
  | "registration"
  | "reportIntervalSec"
  | "role"
  | "rows"
  | "scope"
  | "setLabels"
  | "settings"
  | "shown"
  | "state"
  | "token"
  | "unrecorded";

export type Details = Readonly<Partial<Record<DetailName, AuditDetails[string]>>>;

/** What an audit entry says of an action. */
export interface Attempt {
  readonly name: ActionName;
  /** What is changed: the name of an account, token or node. */
  readonly target: string;
  /** Recorded in the audit log; never a secret. */
  readonly details?: Details;
}

/** A change outside the book: made last in the transaction of its action, and undone unless that is committed. */
export interface Effect {
  /** @param entry number of the audit entry @throws what keeps it from being made: nothing of the action is written */
  make(entry: number): void;
  /** Must not throw. Called also if it was not made. */
  undo(): void;
  /** Called once the action is committed. Must not throw. */
  keep(): void;
}

/** One administrative change. */
export interface Action<T> extends Attempt {
  readonly needs: Needs;
  /** Writes the change; if it throws, nothing is written. */
  write(book: BookWriter): T;
  /** A change outside the book that belongs to it. */
  readonly effect?: Effect;
}

/**
 * Makes a change and its audit entry, then deletes the history of a host, which no query finds from the call on.
 * @returns once all of it is deleted
 * @throws Fault as `Desk.do`; history_unwritable, after the change was made
 */
export type Forget = (who: Actor, action: Action<unknown>, host: string) => Promise<void>;

/** Most values that an audit entry records. */
const detailLimit = 32;
/** Entries on refusals of one actor within `refusalMs`; any number of attempts must not fill the disk. */
const refusalLimit = 10;
const refusalMs = 60_000;
/** Actors whose refusals are counted. */
const actorLimit = 1000;

/** Shortest time between two writes of uses, and the pause before one that somebody waits for. */
const usesMs = 60_000;
const soonMs = 1000;

/** A use of a credential, which the book records without an audit entry. */
export interface Use {
  /** The credential: a later use replaces an earlier one that is not written yet. */
  readonly of: string;
  /** True if somebody waits to see it. */
  readonly soon?: true;
  write(book: BookWriter): void;
}

interface Refusals {
  readonly since: number;
  written: number;
  unwritten: number;
}

export interface DeskOptions {
  readonly book: Pick<Book, "write">;
  readonly clock: Clock;
  readonly log: Log;
}

/** The only writer of administration: checks the right, writes the change, and records both in the audit log. */
export class Desk {
  readonly #options: DeskOptions;
  /** By actor, the least recent first. All anonymous principals are one actor. */
  readonly #refusals = new Map<string, Refusals>();
  /** Uses that are not written yet, by credential. */
  readonly #uses = new Map<string, Use>();
  #usesWritten = Number.NEGATIVE_INFINITY;
  #usesDue = Number.POSITIVE_INFINITY;
  #cancelUses: (() => void) | undefined;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  /**
   * Makes a change and its audit entry in one transaction.
   * @returns what the action's `write` returns
   * @throws Fault sign_in_needed, access_denied: only an audit entry is written
   * @throws Fault book_unusable, and what the action throws: nothing is written
   */
  do<T>(who: Actor, action: Action<T>): T {
    const { book } = this.#options;
    try {
      admit(who, action.needs, { what: `The action "${action.name}"` });
    } catch (refusal) {
      this.refused(who, action);
      throw refusal;
    }
    const { effect } = action;
    let result: T;
    try {
      result = book.write((writer) => {
        const made = action.write(writer);
        const entry = writer.appendAudit(this.#entry(who, action, "done"));
        effect?.make(entry);
        return made;
      });
    } catch (error) {
      effect?.undo();
      throw error;
    }
    effect?.keep();
    return result;
  }

  /**
   * Records how far an action in several steps is. It becomes an entry of the audit log by `complete`, or by the next start of
   * the hub if this one is killed before.
   * @param key of the action: a later call replaces an earlier one
   * @throws Fault as `do`
   */
  draft(key: string, who: Actor, action: Attempt & Pick<Action<unknown>, "needs">): void {
    admit(who, action.needs, { what: `The action "${action.name}"` });
    this.#options.book.write((writer) => writer.draftAudit(key, this.#entry(who, action, "done")));
  }

  /** Appends what `draft` recorded under a key to the audit log; without one all, as at a start. @throws Fault book_unusable */
  complete(key?: string): void {
    this.#options.book.write((writer) => writer.appendDrafts(key));
  }

  /**
   * Records an action that was refused for another reason than a right: a wrong password. Of many refusals of one actor only
   * some are recorded, with the number of the others.
   */
  refused(who: Actor, action: Attempt): void {
    const entry = this.#entry(who, action, "refused");
    const more = this.#room(entry);
    if (more === undefined) return;
    const details = more > 0 ? { ...entry.details, unrecorded: more } : entry.details;
    try {
      this.#options.book.write((writer) => writer.appendAudit({ ...entry, details }));
    } catch (error) {
      // The change is refused even if that cannot be recorded.
      this.#options.log.warn(`a refusal of ${entry.action} to ${entry.actor} was not recorded: ${String(error)}`);
    }
  }

  /**
   * Records the use of a credential, without an audit entry. All uses of a minute (of a second, if somebody waits for one) are
   * written together, so that a flush of the disk is not needed for each. What cannot be written is left out.
   */
  note(use: Use): void {
    this.#uses.set(use.of, use);
    const { clock } = this.#options;
    const now = clock.now();
    // At most a minute: the clock of the machine may be set back.
    const pause = use.soon ? soonMs : Math.min(usesMs, Math.max(0, this.#usesWritten + usesMs - now));
    if (this.#cancelUses !== undefined && now + pause >= this.#usesDue) return;
    this.#cancelUses?.();
    this.#usesDue = now + pause;
    this.#cancelUses = clock.after(pause, () => this.#writeUses());
  }

  /** Writes what is noted. */
  close(): void {
    if (this.#cancelUses !== undefined) this.#writeUses();
  }

  #writeUses(): void {
    const { book, clock, log } = this.#options;
    this.#cancelUses?.();
    this.#cancelUses = undefined;
    this.#usesWritten = clock.now();
    const uses = [...this.#uses.values()];
    this.#uses.clear();
    try {
      book.write((writer) => {
        for (const use of uses) use.write(writer);
      });
    } catch (error) {
      // The book itself logs a failure of the disk once.
      if (asFault(error).code !== "book_unusable") log.error(`uses of credentials were not recorded: ${String(error)}`);
    }
  }

  /** Counts the refusals of this actor since the last recorded one; undefined if this one is over the limit, too. */
  #room({ actor, time }: AuditEntry): number | undefined {
    const last = this.#refusals.get(actor);
    const fresh = last === undefined || Math.abs(time - last.since) >= refusalMs;
    const held = fresh ? { since: time, written: 0, unwritten: last?.unwritten ?? 0 } : last;
    this.#refusals.delete(actor);
    this.#refusals.set(actor, held);
    const oldest = this.#refusals.keys().next();
    if (this.#refusals.size > actorLimit && !oldest.done) this.#refusals.delete(oldest.value);
    if (held.written >= refusalLimit) {
      held.unwritten++;
      return undefined;
    }
    held.written++;
    const { unwritten } = held;
    held.unwritten = 0;
    return unwritten;
  }

  #entry(who: Actor, { name, target, details = {} }: Attempt, result: AuditEntry["result"]): AuditEntry {
    return {
      time: this.#options.clock.now(),
      actor: clean(actorName(who)),
      origin: clean(who.origin),
      action: clean(name),
      target: clean(target),
      details: bounded(details),
      result,
    };
  }
}

/** "administrator alice". A token may be called as an account is: the first word tells which it is. */
export function actorName(who: Actor): string {
  if (!("name" in who)) return who.kind;
  return `${who.credential === "token" ? "token" : who.kind} ${who.name}`;
}

/** Details without hidden characters, within limits of count and length. */
function bounded(details: Details): AuditDetails {
  const entries = Object.entries(details);
  const kept = entries.slice(0, detailLimit).map(([name, value]) => [clean(name), cleanValue(value)]);
  if (entries.length > kept.length) kept.push(["omitted", entries.length - kept.length]);
  return Object.fromEntries(kept);
}

function cleanValue(value: AuditDetails[string]): AuditDetails[string] {
  if (typeof value === "string") return clean(value);
  return typeof value === "number" && !Number.isFinite(value) ? null : value;
}
