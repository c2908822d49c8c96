import { speaker } from "./sentence.ts";

/** Size limit of a notice, in bytes: it may name several paths. */
const limit = 16_384;

/** What happened to a file of the hub that was open. */
type Loss = "deleted" | "replaced" | "emptied";

/** Messages about the hub itself, for administrators. The page has each sentence in its languages (`Text.notices`). */
const rows = {
  /** `now` is the time that the clock says, in Unix milliseconds. */
  clock_wrong: ({ now }: { readonly now: number }) =>
    `${doubt(now)}: until it is set, live values go on and nothing is kept in history.`,
  settings_bad: ({ message }: { readonly message: string }) => `${message}. The previous settings remain in effect.`,
  nodes_waiting: ({ most }: { readonly most: number }) =>
    `${most} machines wait for approval, so that no further one can register: approve those that you know, and delete the others.`,
  nodes_full: ({ most }: { readonly most: number }) =>
    `${most} machines are registered, and no further one can be: an administrator must delete those that are gone.`,
  logger_gateway: ({ origin }: { readonly origin: string }) =>
    `Records of the GPU Metrics Logger come from ${origin}, the gateway of this hub's network: behind it all clients seem to have this address, from wherever they come. If the hub is in a container, give it the network of its machine, or set push.logger to "token".`,
  /** `aside` is what the file that was found there is called now, or "". */
  book_restored: ({ path, lost, aside }: { readonly path: string; readonly lost: Loss; readonly aside: string }) =>
    `Administration data in ${path} was ${lost} while the hub ran; it was written there again, and nothing is lost.${aside && ` The file that was there is ${aside} now: stop the hub to restore a backup.`}`,
  book_damaged: ({ path, error, aside }: { readonly path: string; readonly error: string; readonly aside: string }) =>
    `Administration data in ${path} is damaged (${error}). It was moved to ${aside}, and a new file was begun: its content must be restored from a backup or created again.`,
  book_row: ({ path, message }: { readonly path: string; readonly message: string }) =>
    `${message}. Correct it in ${path} while the hub is stopped, or restore a backup.`,
  book_unusable: ({ path, error }: { readonly path: string; readonly error: string }) =>
    `Cannot use the administration data in ${path}: ${error}. Live values and history still work.`,
  export_failed: ({
    path,
    error,
    retryMs,
  }: {
    readonly path: string;
    readonly error: string;
    readonly retryMs: number;
  }) =>
    `The daily CSV file cannot be written to ${path} (export.folder): ${error}. It is tried again every ${retryMs / 60_000} minutes.`,
  history_unwritable: (values: { readonly folder: string; readonly error: string; readonly retryMs: number }) =>
    `History cannot be written to ${values.folder}: ${values.error}. Live values go on; writing is tried again every ${values.retryMs / 1000} s.`,
  /** `others` is the number of hosts beside the one that is named. */
  history_crowded: ({
    most,
    host,
    others,
  }: {
    readonly most: number;
    readonly host: string;
    readonly others: number;
  }) =>
    `More devices than history keeps of one machine (${most}, history.max_devices): ${host}${others > 0 ? ` and ${others} more` : ""}. Those not seen for the longest time are removed from history.`,
  history_restored: ({ path, lost, aside }: { readonly path: string; readonly lost: Loss; readonly aside: string }) =>
    // Of an emptied file only memory and journal are left; an open file without a name is still whole.
    `The history ${path} was ${lost} while the hub ran; it was written there again, and ${lost === "emptied" ? "of what was in it, only the last hours are left" : "nothing is lost"}.${aside && ` The file that stood there is ${aside} now: stop the hub before you restore a backup.`}`,
} as const;

export type NoticeRows = typeof rows;

/** Makes a message about the hub itself. */
export const notice = speaker(rows, limit);

/** Beginning of messages about a clock that cannot be right. @param now Unix milliseconds */
export function doubt(now: number): string {
  return `This machine's clock says ${new Date(now).toISOString().slice(0, 16)}Z, which cannot be right`;
}
