import { join } from "node:path";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import { Query } from "./ask.ts";
import type { File } from "./database.ts";
import { openFile } from "./file.ts";
import { Journal } from "./journal.ts";
import { Keeper, type Limits } from "./keep.ts";
import { Names } from "./names.ts";
import { DatabasePath } from "./path.ts";
import { quarantine } from "./quarantine.ts";
import { Rows } from "./row.ts";

export interface Options {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds that samples and each kind of summary are kept; Infinity for ever. */
  readonly retention: () => {
    readonly raw: number;
    readonly fiveMinutes: number;
    readonly hour: number;
    readonly day: number;
  };
  /** Bytes that the file may have; Infinity for no limit. */
  readonly maxSize: () => number;
  /** Devices that history keeps of one host; without it, all. */
  readonly maxDevices?: () => number;
  /** Told in words what else an administrator should know of a topic, and with undefined when that is over. */
  readonly notice?: (topic: string, text: string | undefined) => void;
  /** Told in words when nothing can be written, and with undefined when it can again. */
  readonly trouble: (text: string | undefined) => void;
}

/** What stands on one file. */
export interface Instance {
  readonly file: File;
  readonly databasePath: DatabasePath;
  readonly names: Names;
  readonly head: Keeper["head"];
  readonly journal: Journal;
  readonly keeper: Keeper;
  readonly query: Query;
}

/**
 * Opens the file of a folder, or begins one, and takes back what the journal holds.
 * @throws Fault data_folder_unusable, data_folder_busy, data_newer
 */
export function assemble(options: Options): Instance {
  const { folder, clock, log } = options;
  let names: Names | undefined;
  const file = openFile(folder, options, (opened) => {
    names = new Names(opened, options.maxDevices);
  });
  try {
    return built(file, names ?? new Names(file, options.maxDevices), {
      ...options,
      journal: new Journal(folder, { now: clock.now, log }),
    });
  } catch (error) {
    file.close();
    log.error(`the journal of the history in ${folder} cannot be read: ${(error as Error).message}`);
    throw error;
  }
}

function built(file: File, names: Names, options: Options & { journal: Journal }): Instance {
  const { clock, log, journal } = options;
  const { now } = clock;
  const limits = (): Limits => {
    const { raw, fiveMinutes: five, hour, day } = options.retention();
    return { raw, five, hour, day, bytes: options.maxSize() };
  };
  const rows = new Rows(file, log);
  const keeper = new Keeper({ file, names, rows, limits, now });
  const query = new Query(names, rows, keeper.head);
  keeper.replay(journal, log);
  const databasePath = new DatabasePath(join(options.folder, "history.db"));
  return { file, databasePath, names, head: keeper.head, journal, keeper, query };
}

/**
 * An instance on a new file, for one whose file turned out to be damaged: that is moved aside, and what the journal still
 * holds goes into the new one.
 * @throws when that cannot be done now; the old instance takes polls until it can
 */
export function renewed(old: Instance, options: Options, error: unknown): Instance {
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
 * An instance on a copy of the open file, at the path from which that was deleted or where another one stands now.
 * @throws when that cannot be done now; the old instance goes on until it can
 */
export async function restored(
  old: Instance,
  options: Options,
): Promise<{ made: Instance; aside: string | undefined }> {
  await old.databasePath.copy(old.file);
  if (!old.file.open) throw new Error("the history was closed meanwhile");
  old.journal.write();
  old.file.close();
  const aside = old.databasePath.settle();
  const made = assemble(options);
  old.journal.close(false);
  return { made, aside };
}
