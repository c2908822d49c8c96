import { bookCopies } from "./book/sqlite.ts";
import type { CopySource, DatabaseKind } from "./database/database.ts";
import { engines } from "./history/all.ts";

/** What a backup into one file holds; engines that keep no file of their own have nothing to copy. */
export const histories = engines.flatMap(({ file, copy }) =>
  file === undefined ? [] : [{ name: "history", noun: "history", file, copy } as const satisfies DatabaseKind],
);

/**
 * Every database of a hub, and the only list of them: backups into a folder hold all of them, a restore knows no others, their
 * files are private, and the running hub must name a source of copies for each.
 */
export const databases = [...histories, bookCopies];

/** Sources of copies in the running hub, by name of the database; undefined if another server keeps it. */
export type DatabaseSources = Readonly<Record<(typeof databases)[number]["name"], CopySource | undefined>>;
