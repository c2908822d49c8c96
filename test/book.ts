// Test fixture of the book: opens it with a log, notices and timers that tests can see and run.
import type { Book } from "../hub/book/book.ts";
import { openBook } from "../hub/book/sqlite.ts";
import { listening } from "./store.ts";

export class BookFixture {
  readonly log = listening();
  /** Text by topic. */
  readonly notices = new Map<string, string>();
  /** Books that `close` closes. */
  readonly books: Book[] = [];
  timers: (() => void)[] = [];

  open(folder: string): Book {
    const book = openBook({
      folder,
      log: this.log,
      clock: {
        now: () => 0,
        after: (_ms, run) => {
          this.timers.push(run);
          return () => {
            this.timers = this.timers.filter((other) => other !== run);
          };
        },
      },
      notice: (topic, text) => void (text === undefined ? this.notices.delete(topic) : this.notices.set(topic, text)),
    });
    this.books.push(book);
    return book;
  }

  /** Runs the timers that are due, as after the time between two checks of the file. */
  runTimers(): void {
    for (const run of this.timers.splice(0)) run();
  }

  close(): void {
    for (const book of this.books) book.close();
  }
}
