import { clean } from "../proto/clean.ts";
import type { AuditDetails, AuditEntry, Book, BookWriter } from "./book/book.ts";
import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";
import { admit, type Needs, type Principal } from "./who.ts";

/** Who asks for a change, and from where. */
export type Actor = Principal & {
  /** Name of the account, token or node. */
  readonly name?: string;
  /** Network address of the request, or "control". */
  readonly origin: string;
};

/** One administrative change. */
export interface Action<T> {
  /** "account.create" */
  readonly name: string;
  readonly needs: Needs;
  /** What is changed: the name of an account, token or node. */
  readonly target: string;
  /** Recorded in the audit log; never a secret. */
  readonly details?: AuditDetails;
  /** Writes the change; if it throws, nothing is written. */
  write(book: BookWriter): T;
}

/** Most values that an audit entry records. */
const detailLimit = 32;
/** Entries on refusals of one actor within `refusalMs`; any number of attempts must not fill the disk. */
const refusalLimit = 10;
const refusalMs = 60_000;
/** Actors whose refusals are counted. */
const actorLimit = 1000;

interface Refusals {
  readonly since: number;
  written: number;
  unwritten: number;
}

export interface DeskOptions {
  readonly book: Pick<Book, "write">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
}

/** The only writer of administration: checks the right, writes the change, and records both in the audit log. */
export class Desk {
  readonly #options: DeskOptions;
  /** By actor, the least recent first. All anonymous principals are one actor. */
  readonly #refusals = new Map<string, Refusals>();

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
      admit(who, action.needs, `The action "${action.name}"`);
    } catch (refusal) {
      this.#recordRefusal(who, action);
      throw refusal;
    }
    return book.write((writer) => {
      const result = action.write(writer);
      writer.appendAudit(this.#entry(who, action, "done"));
      return result;
    });
  }

  #recordRefusal(who: Actor, action: Action<unknown>): void {
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

  #entry(who: Actor, { name, target, details = {} }: Action<unknown>, result: AuditEntry["result"]): AuditEntry {
    return {
      time: this.#options.clock.now(),
      actor: clean(who.name === undefined ? who.kind : `${who.kind} ${who.name}`),
      origin: clean(who.origin),
      action: clean(name),
      target: clean(target),
      details: bounded(details),
      result,
    };
  }
}

/** Details without hidden characters, within limits of count and length. */
function bounded(details: AuditDetails): AuditDetails {
  const entries = Object.entries(details);
  const kept = entries.slice(0, detailLimit).map(([name, value]) => [clean(name), cleanValue(value)]);
  if (entries.length > kept.length) kept.push(["omitted", entries.length - kept.length]);
  return Object.fromEntries(kept);
}

function cleanValue(value: AuditDetails[string]): AuditDetails[string] {
  if (typeof value === "string") return clean(value);
  return typeof value === "number" && !Number.isFinite(value) ? null : value;
}
