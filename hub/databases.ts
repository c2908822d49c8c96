import { bookCopies } from "./book/sqlite.ts";
import type { DatabaseKind } from "./database/database.ts";
import { engines } from "./history/all.ts";

/** What a backup into one file holds; engines that keep no file of their own have nothing to copy. */
export const histories: readonly DatabaseKind[] = engines.flatMap(({ file, copy }) =>
  file === undefined ? [] : [{ name: "history", file, copy }],
);

/** Every database of a hub. A backup into a folder holds all of them. */
export const databases: readonly DatabaseKind[] = [...histories, bookCopies];
