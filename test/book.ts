// Test fixture of the book: opens it with a log, notices and timers that tests can see and run, and fills it.
import { hash } from "node:crypto";
import { type Book, type BookReader, type BookWriter, type Credentials, everything } from "../hub/book/book.ts";
import { openBook } from "../hub/book/sqlite.ts";
import { listening } from "./store.ts";

/** The SHA-256 of a secret, as the book keeps it. */
export const sha256 = (secret: string): Buffer => hash("sha256", secret, "buffer");

/** Writes one row of each kind, with the secrets "session", "link", "token" and "node". @param now Unix milliseconds */
export function fillBook(writer: BookWriter, now: number): void {
  const { id } = writer.addAccount(
    { name: "alice", role: "administrator", created: now },
    "$scrypt$ln=15,r=8,p=1$c2FsdA$aGFzaA",
  );
  const expires = now + 3_600_000;
  writer.addSession(sha256("session"), { created: now, used: now, expires, origin: "127.0.0.1" }, id);
  writer.addLink(sha256("link"), { name: "bob", role: "viewer", created: now, expires });
  writer.addToken(sha256("token"), {
    name: "grafana",
    scope: "read",
    created: now,
    creator: "administrator alice",
    expires,
  });
  writer.changeHost("gpu1", {
    shown: "Rack 1",
    group: "vision",
    labels: { room: "2.14" },
    config: { ...everything, gpuIndices: [0, 1] },
    address: "127.0.0.1:5405",
  });
  writer.addNode(
    {
      hostname: "gpu2",
      host: "gpu2",
      state: "waiting",
      registered: now,
      origin: "127.0.0.1",
      capabilities: {
        cpuCores: 64,
        memoryTotalGB: 503.6,
        gpus: [{ index: 0, name: "NVIDIA H100", memoryTotalMB: 81_559 }],
        disks: [{ mount: "/", totalGB: 1800 }],
        nics: [{ name: "eth0", ipv4: "127.0.0.1" }],
      },
    },
    sha256("node"),
  );
}

/** Everything that a book with the rows of `fillBook` answers, apart from the audit log. */
export const contentOf = (book: BookReader & Credentials, now: number): Readonly<Record<string, unknown>> => ({
  accounts: book.accounts().map((account) => [account, book.sessions(account.id, now), book.passwordOf(account.name)]),
  tokens: book.tokens(),
  hosts: book.hosts(),
  nodes: book.nodes(),
  session: book.session(sha256("session")),
  link: book.link(sha256("link")),
  token: book.token(sha256("token")),
  node: book.nodeOf(sha256("node")),
});

export class BookFixture {
  readonly log = listening();
  /** Text by topic. */
  readonly notices = new Map<string, string>();
  /** Books that `close` closes. */
  readonly books: Book[] = [];
  /** Time of the clock, Unix milliseconds. */
  now = 0;
  timers: (() => void)[] = [];

  open(folder: string): Book {
    const book = openBook({
      folder,
      log: this.log,
      clock: {
        now: () => this.now,
        after: (_ms, run) => {
          this.timers.push(run);
          return () => {
            this.timers = this.timers.filter((other) => other !== run);
          };
        },
      },
      notice: (topic, words) =>
        void (words === undefined ? this.notices.delete(topic) : this.notices.set(topic, words.text)),
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
