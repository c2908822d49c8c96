import type { Book } from "./book/book.ts";
import type { Clock } from "./clock.ts";
import type { Desk } from "./desk.ts";
import { asFault } from "./fault.ts";
import { newLink } from "./secret.ts";
import type { Actor } from "./who.ts";

interface FirstOptions {
  readonly book: Pick<Book, "accounts" | "account">;
  readonly desk: Pick<Desk, "do">;
  readonly clock: Pick<Clock, "now">;
}

/** The hub itself, for the person who started it. */
const owner: Actor = { kind: "owner", origin: "start" };

/** How a hub without an administrator gets one. */
export class FirstAdministrator {
  readonly #options: FirstOptions;

  constructor(options: FirstOptions) {
    this.#options = options;
  }

  /** True if no account is an administrator's; false if that cannot be read. */
  isMissing(): boolean {
    return unlessUnusable(() => !this.#options.book.accounts().some(({ role }) => role === "administrator")) ?? false;
  }

  /** Path of a new one-time link for an administrator's account; undefined if the book cannot be written. */
  link(): string | undefined {
    const { book, desk, clock } = this.#options;
    return unlessUnusable(() => {
      const name = firstName(book);
      const { hash, link, path } = newLink({ name, role: "administrator" }, clock.now());
      desk.do(owner, {
        name: "link.create",
        needs: "owner",
        target: name,
        details: { role: link.role },
        write(writer) {
          writer.removeLinks(name);
          writer.addLink(hash, link);
        },
      });
      return path;
    });
  }
}

/** The name of a first administrator; a viewer may be called "admin". @throws Fault book_unusable */
export function firstName(book: Pick<Book, "account">): string {
  let name = "admin";
  for (let i = 2; book.account(name) !== undefined; i++) name = `admin${i}`;
  return name;
}

/** Undefined where the book cannot be used, which it has logged. */
function unlessUnusable<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (asFault(error).code === "book_unusable") return undefined;
    throw error;
  }
}
