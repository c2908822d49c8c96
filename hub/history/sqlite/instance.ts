import { join } from "node:path";
import type { Clock } from "../../clock.ts";
import { quarantine } from "../../database/database.ts";
import { DatabasePath } from "../../database/path.ts";
import type { Log } from "../../log.ts";
import type { Sentence } from "../../sentence.ts";
import { Querier } from "./ask.ts";
import type { File } from "./database.ts";
import { openFile } from "./file.ts";
import { Journal } from "./journal.ts";
import { Keeper, type RetentionLimits } from "./keep.ts";
import { NameTable } from "./names.ts";
import { Rows } from "./row.ts";

export interface SqliteOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Retention of samples and of each rollup, in milliseconds; Infinity for ever. */
  readonly retention: () => {
    readonly raw: number;
    readonly fiveMinutes: number;
    readonly hour: number;
    readonly day: number;
  };
  /** Maximum bytes of the file; Infinity without a limit. */
  readonly maxSize: () => number;
  /** Maximum devices of one host; without it, no limit. */
  readonly maxDevices?: () => number;
  /** Shows an administrator a message on a topic, or with undefined removes it. */
  readonly notice?: (topic: string, sentence: Sentence | undefined) => void;
  /** Called after each write to the journal with the milliseconds that it took. */
  readonly wrote?: (ms: number) => void;
  /** Called with a message when nothing can be written, and with undefined once that works again. */
  readonly trouble: (sentence: Sentence | undefined) => void;
}

/** Everything built on one database file. */
export interface SqliteInstance {
  readonly file: File;
  readonly databasePath: DatabasePath;
  readonly names: NameTable;
  readonly head: Keeper["head"];
  readonly journal: Journal;
  readonly keeper: Keeper;
  readonly query: Querier;
}

/**
 * Opens or creates the file of a folder, and replays the journal.
 * @throws Fault data_folder_unusable, data_folder_busy, data_newer
 */
export function assemble(options: SqliteOptions): SqliteInstance {
  const { folder, clock, log } = options;
  let names: NameTable | undefined;
  const file = openFile(folder, options, (opened) => {
    names = new NameTable(opened, options.maxDevices);
  });
  try {
    return built(file, names ?? new NameTable(file, options.maxDevices), {
      ...options,
      journal: new Journal(folder, { now: clock.now, log }),
    });
  } catch (error) {
    file.close();
    log.error(`the journal of the history in ${folder} cannot be read: ${(error as Error).message}`);
    throw error;
  }
}

function built(file: File, names: NameTable, options: SqliteOptions & { journal: Journal }): SqliteInstance {
  const { clock, log, journal } = options;
  const { now } = clock;
  const limits = (): RetentionLimits => {
    const { raw, fiveMinutes: five, hour, day } = options.retention();
    return { raw, five, hour, day, bytes: options.maxSize() };
  };
  const rows = new Rows(file, log);
  const keeper = new Keeper({ file, names, rows, limits, now });
  const query = new Querier(names, rows, keeper.head);
  keeper.replay(journal, log);
  const databasePath = new DatabasePath(join(options.folder, "history.db"));
  return { file, databasePath, names, head: keeper.head, journal, keeper, query };
}

/**
 * Replaces an instance whose file is damaged: quarantines the file, and replays the journal into a new one.
 * @throws Error if that fails; the old instance goes on taking polls
 */
export function renewed(old: SqliteInstance, options: SqliteOptions, error: unknown): SqliteInstance {
  old.journal.write();
  if (old.file.open) {
    old.file.close();
    const path = join(options.folder, "history.db");
    options.log.error(
      `the history ${path} is damaged (${(error as Error).message}); it was moved to ${quarantine(path)} and a new one begun`,
    );
  }
  const made = assemble(options);
  old.journal.close(false);
  return made;
}

/**
 * Replaces an instance whose file was deleted or replaced at its path: continues on a copy of the open file there.
 * @throws Error if that fails; the old instance goes on
 */
export async function restored(
  old: SqliteInstance,
  options: SqliteOptions,
): Promise<{ made: SqliteInstance; aside: string | undefined }> {
  await old.databasePath.copy(old.file);
  if (!old.file.open) throw new Error("the history was closed meanwhile");
  old.journal.write();
  old.file.close();
  const aside = old.databasePath.install();
  const made = assemble(options);
  old.journal.close(false);
  return { made, aside };
}
