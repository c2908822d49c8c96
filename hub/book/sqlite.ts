import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { copyDatabase } from "../database/copy.ts";
import { type Database, type DatabaseKind, isDamage, quarantine } from "../database/database.ts";
import { databaseBytes, isDiskFailure, openDatabase } from "../database/open.ts";
import { DatabasePath } from "../database/path.ts";
import { Fault } from "../fault.ts";
import type { Log } from "../log.ts";
import { notice } from "../notice.ts";
import type { Sentence } from "../sentence.ts";
import type { Book, BookReader, BookWriter, Credentials } from "./book.ts";
import { bookSchema } from "./sqlite/schema.ts";
import { type FileWriter, writerOf } from "./sqlite/writer.ts";

/** Interval of checking that the file is at its path, and can be used again. */
const careMs = 30_000;

/** Refused attempts that are kept: so many days, and so many at most. Anybody can cause them. */
const refusalMs = 90 * 86_400_000;
const mostRefusals = 100_000;
/** Interval of deleting the others, and the pause between two steps of it, each of so many rows. */
const pruneMs = 3_600_000;
const stepMs = 1000;
const stepRows = 500;

const bookFile = "gohm.db";

/** The book in backups. */
export const bookCopies = {
  name: "book",
  noun: "administration data",
  file: bookFile,
  copy: ({ folder, path }) => copyDatabase(join(folder, bookFile), path, bookSchema),
} as const satisfies DatabaseKind;

export interface BookOptions {
  /** The data folder. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Shows a notice on a topic to administrators; undefined takes it back. */
  readonly notice: (topic: string, sentence: Sentence | undefined) => void;
}

/**
 * Opens or creates gohm.db of a data folder. A damaged file is renamed and a new one begun; the notice of it stays until
 * the hub ends. Where the disk fails (full, read-only) the book is not usable, says so in a notice, and tries again.
 * @throws Fault data_newer, data_folder_unusable (another program's file), data_folder_busy
 */
export function openBook(options: BookOptions): Book {
  return new SqliteBook(options);
}

interface OpenBook {
  readonly file: Database;
  readonly writer: FileWriter;
  readonly path: DatabasePath;
}

class SqliteBook implements Book {
  readonly #options: BookOptions;
  readonly #path: string;
  #open: OpenBook | undefined;
  /** The failure that was logged last, while it lasts. */
  #trouble: string | undefined;
  #cancel: () => void;
  #cancelPrune: () => void;
  #closed = false;
  /** True if hosts or nodes changed since the listeners were called. */
  #changed = false;
  readonly #listeners = new Set<() => void>();
  /** Messages on damaged rows. */
  readonly #damagedRows = new Set<string>();

  constructor(options: BookOptions) {
    this.#options = options;
    this.#path = join(options.folder, bookFile);
    this.#cancel = options.clock.after(careMs, () => this.#care());
    this.#cancelPrune = options.clock.after(careMs, () => this.#prune());
    try {
      this.#opened();
    } catch (error) {
      if (error instanceof Fault) {
        this.#cancel();
        this.#cancelPrune();
        throw error;
      }
      this.#fails(error);
    }
  }

  readonly audit: Book["audit"] = (page) => this.#read((book) => book.audit(page));
  readonly accounts: Book["accounts"] = () => this.#read((book) => book.accounts());
  readonly account: Book["account"] = (name) => this.#read((book) => book.account(name));
  readonly sessions: Book["sessions"] = (account, now) => this.#read((book) => book.sessions(account, now));
  readonly externalAccount: Book["externalAccount"] = (identity) =>
    this.#read((book) => book.externalAccount(identity));
  readonly sessionList: Book["sessionList"] = (account, now) => this.#read((book) => book.sessionList(account, now));
  readonly tokens: Book["tokens"] = () => this.#read((book) => book.tokens());
  readonly hosts: Book["hosts"] = () => this.#read((book) => book.hosts());
  readonly host: Book["host"] = (name) => this.#read((book) => book.host(name));
  readonly nodes: Book["nodes"] = () => this.#read((book) => book.nodes());
  readonly node: Book["node"] = (hostname) => this.#read((book) => book.node(hostname));
  readonly passwordOf: Book["passwordOf"] = (account) => this.#read((book) => book.passwordOf(account));
  readonly session: Book["session"] = (hash) => this.#read((book) => book.session(hash));
  readonly token: Book["token"] = (hash) => this.#read((book) => book.token(hash));
  readonly nodeOf: Book["nodeOf"] = (hash) => this.#read((book) => book.nodeOf(hash));
  readonly link: Book["link"] = (hash) => this.#read((book) => book.link(hash));

  write<T>(change: (writer: BookWriter) => T): T {
    const result = this.#use((file, writer) => file.transaction(() => change(writer)).immediate());
    this.#works();
    if (this.#changed) this.#announce();
    return result;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async backup(path: string): Promise<void> {
    if (existsSync(path)) {
      throw new Fault("backup_failed", `Cannot back up to ${path}: it already exists; name a new file`);
    }
    try {
      await this.#use((file) => file).backup(path);
    } catch (error) {
      throw new Fault("backup_failed", `Cannot back up to ${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  bytes(): number {
    return databaseBytes(this.#path);
  }

  close(): void {
    this.#cancel();
    this.#cancelPrune();
    try {
      if (this.#open?.path.lost !== undefined) this.#reinstall(this.#open);
    } catch (error) {
      this.#options.log.error(
        `administration data cannot be written to ${this.#path} again, from which it was removed: ${(error as Error).message}`,
      );
    }
    this.#closed = true;
    this.#release();
  }

  #release(): void {
    this.#open?.file.close();
    this.#open = undefined;
  }

  /** @throws Fault book_unusable */
  #read<T>(question: (reader: BookReader & Credentials) => T): T {
    return this.#use((_file, reader) => question(reader));
  }

  /** Runs work on the open file. @throws Fault book_unusable, and what the work throws */
  #use<T>(work: (file: Database, writer: FileWriter) => T): T {
    if (this.#closed) throw unusable("The hub is stopping.");
    const { file, writer } = this.#ready();
    try {
      return work(file, writer);
    } catch (error) {
      if (isDamage(error)) throw this.#renew(error);
      if (error instanceof Fault && error.code === "book_unusable") this.#reportRow(error);
      throw isDiskFailure(error) ? this.#fails(error) : error;
    }
  }

  /** The open file, at its path. @throws Fault */
  #ready(): OpenBook {
    try {
      const open = this.#opened();
      return open.path.lost === undefined ? open : this.#reinstall(open);
    } catch (error) {
      throw isDamage(error) ? this.#renew(error) : this.#fails(error);
    }
  }

  #opened(): OpenBook {
    if (this.#open !== undefined) return this.#open;
    const file = this.#file();
    const writer = writerOf(file, {
      onChange: () => {
        this.#changed = true;
      },
      onDamage: (fault) => this.#reportRow(fault),
    });
    const open = { file, writer, path: new DatabasePath(this.#path) };
    this.#open = open;
    // It may be another file than before.
    this.#announce();
    return open;
  }

  #announce(): void {
    this.#changed = false;
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        this.#options.log.error(`a change of hosts was written but is not in effect: ${(error as Error).message}`);
      }
    }
  }

  /** Writes the open file to its path again, from which it was deleted or where another one is now. */
  #reinstall({ file, path }: OpenBook): OpenBook {
    const { lost } = path;
    path.copyNow(file);
    this.#release();
    const aside = path.install();
    this.#show("book file", notice("book_restored", { path: this.#path, lost: lost ?? "deleted", aside: aside ?? "" }));
    return this.#opened();
  }

  #file(): Database {
    try {
      return openDatabase(this.#path, bookSchema);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#quarantine(error);
      return openDatabase(this.#path, bookSchema);
    }
  }

  /** Begins a new file while the hub runs. */
  #renew(error: unknown): Fault {
    this.#release();
    try {
      this.#quarantine(error);
      this.#opened();
    } catch (again) {
      return this.#fails(again);
    }
    return unusable(
      `Administration data in ${this.#path} was damaged, and a new file was begun; nothing was changed`,
      error,
    );
  }

  #quarantine(error: unknown): void {
    const aside = quarantine(this.#path);
    const { message } = error as Error;
    this.#show("book damaged", notice("book_damaged", { path: this.#path, error: message, aside }));
  }

  /** Reports a row that is damaged, once. The rest of the book is used as ever. */
  #reportRow({ message }: Fault): void {
    if (this.#damagedRows.has(message)) return;
    this.#damagedRows.add(message);
    this.#show("book row", notice("book_row", { path: this.#path, message }));
  }

  #show(topic: string, words: Sentence): void {
    this.#options.log.error(words.text);
    this.#options.notice(topic, words);
  }

  /** Logs a failure of the disk once; the file is tried again later. */
  #fails(error: unknown): Fault {
    if (error instanceof Fault) return error;
    const words = notice("book_unusable", { path: this.#path, error: (error as Error).message });
    if (this.#trouble === undefined) this.#show("book", words);
    this.#trouble = words.text;
    return unusable(words.text, error);
  }

  #works(): void {
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.#options.log.info("administration data can be written again");
    this.#options.notice("book", undefined);
  }

  /** Deletes old refusals from the audit log, some at a time: there may be millions in a file of an earlier hub. */
  #prune(): void {
    const { clock } = this.#options;
    let done = 0;
    try {
      const limits = { from: clock.now() - refusalMs, count: mostRefusals };
      done = this.#use((file, writer) => file.transaction(() => writer.pruneAudit(limits, stepRows)).immediate());
    } catch (error) {
      // A failure of the disk is logged already. It is tried again later.
      if (!(error instanceof Fault)) this.#options.log.error(`old refusals are not deleted: ${String(error)}`);
    }
    this.#cancelPrune = clock.after(done < stepRows ? pruneMs : stepMs, () => this.#prune());
  }

  /** Checks the file while it is not in use. */
  #care(): void {
    this.#cancel = this.#options.clock.after(careMs, () => this.#care());
    try {
      if (this.#trouble !== undefined) {
        this.#use(probe);
        this.#works();
      } else if (this.#open?.path.lost !== undefined) this.#ready();
    } catch {
      // Logged already; it is tried again later.
    }
  }
}

/** Commits that `probe` makes, of a page each: a change writes a row, its audit entry and their indexes. */
const probePages = 16;

/** Writes the value that the version has, to find out whether a change can be written. @throws SqliteError */
function probe(file: Database): void {
  for (let page = 0; page < probePages; page++) file.pragma(`user_version = ${bookSchema.newest}`);
}

const unusable = (text: string, cause?: unknown): Fault => new Fault("book_unusable", text, { cause });
