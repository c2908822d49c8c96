// Data folders of hubs that do not run: samples in the history, an entry in the book.
import type { AuditEntry, Book } from "../hub/book/book.ts";
import { openBook } from "../hub/book/sqlite.ts";
import { systemClock } from "../hub/clock.ts";
import { silent } from "../hub/log.ts";
import { fillBook } from "./book.ts";
import { gpu, pairs, poll, StoreFixture, start, temperature } from "./store.ts";

/** What `fillFolder` writes into the audit log. */
export const entry: AuditEntry = {
  time: 1_700_000_000_000,
  actor: "administrator alice",
  origin: "10.0.0.7",
  action: "test.write",
  target: "kept",
  details: {},
  result: "done",
};

/** Opens the book of a folder for as long as the work takes. */
export function withBook<T>(folder: string, work: (book: Book) => T): T {
  const book = openBook({ folder, clock: systemClock, log: silent, notice: () => {} });
  try {
    return work(book);
  } finally {
    book.close();
  }
}

/** Targets of the entries of the audit log. */
export const audited = (folder: string): string[] =>
  withBook(folder, (book) => book.audit({ limit: 100 }).map(({ target }) => target));

/** Temperatures that a history holds. */
export async function values(folder: string): Promise<number[]> {
  const scene = new StoreFixture(folder);
  scene.now = start + 10_000_000;
  const one = scene.open();
  const found = await pairs(one, temperature());
  scene.shut(one);
  return found.map(([, value]) => value);
}

/** The temperatures that `fillFolder` writes unless it is told how many. */
export const ten: readonly number[] = Array.from({ length: 10 }, (_, i) => i);

/** Writes samples, ten seconds apart with the temperatures 0, 1, 2 …, an audit entry, and a row of each kind. */
export async function fillFolder(folder: string, samples = ten.length): Promise<void> {
  const scene = new StoreFixture(folder);
  const one = scene.open();
  for (let i = 0; i < samples; i++) one.append(poll(start + i * 10_000, gpu({ gpu_temperature: i })));
  scene.shut(one);
  withBook(folder, (book) =>
    book.write((writer) => {
      writer.appendAudit(entry);
      fillBook(writer, entry.time);
    }),
  );
}
