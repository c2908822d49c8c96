import { speaker } from "./sentence.ts";

/** Size limit of a notice, in bytes: it may name several paths. */
const limit = 16_384;

/** What happened to a file of the hub that was open. */
type Loss = "deleted" | "replaced" | "emptied";

/** Nodes of daily reports: one, and the number of the others. */
interface Nodes {
  readonly node: string;
  readonly others: number;
}

interface Gpus {
  /** "YYYY-MM-DD". */
  readonly date: string;
  /** Cards of the node that is named. */
  readonly gpus: string;
}

/** Behind a colon, if there is a reason. */
const why = (error: string): string => error && `: ${error}`;

/** Behind a preposition, if the place may be named. */
const at = (preposition: string, place: string): string => place && ` ${preposition} ${place}`;

const nodesOf = (node: string, others: number): string => (others > 0 ? `${node} and ${others} more` : node);

/**
 * Messages about the hub itself, for administrators. The page has each sentence in its languages (`SaidText.notices`). Everybody
 * who may read sees them: those who may not see people (`privacy.users`) without addresses, paths, and texts from elsewhere,
 * which are "" in their sentences.
 */
const rows = {
  /** `now` is the time that the clock says, in Unix milliseconds. */
  clock_wrong: ({ now }: { readonly now: number }) =>
    `${doubt(now)}: until it is set, live values go on and nothing is kept in history.`,
  settings_bad: ({ message }: { readonly message: string }) =>
    `${message || "The settings have an error"}. The previous settings remain in effect.`,
  /** `to` is the last moment at which the certificate is valid, in Unix milliseconds. */
  certificate_ends: ({ path, to }: { readonly path: string; readonly to: number }) =>
    `The certificate${at("in", path)} (hub.tls.cert) ends at ${minute(to)}: renew it before. The hub uses a new file without a restart.`,
  certificate_invalid: ({ path, from, to }: { readonly path: string; readonly from: number; readonly to: number }) =>
    `The certificate${at("in", path)} (hub.tls.cert) is only valid from ${minute(from)} to ${minute(to)}, so that browsers and machines refuse it now: renew it, or correct this machine's clock. The hub uses a new file without a restart.`,
  certificate_unusable: ({ message }: { readonly message: string }) =>
    `${message || "The certificate of the hub (hub.tls.cert) cannot be used"}. The previous certificate remains in effect until the files can be used, without a restart.`,
  nodes_waiting: ({ most }: { readonly most: number }) =>
    `${most} machines wait for approval, so that no further one can register: approve those that you know, and delete the others.`,
  nodes_full: ({ most }: { readonly most: number }) =>
    `${most} machines are registered, and no further one can be: an administrator must delete those that are gone.`,
  logger_gateway: ({ origin }: { readonly origin: string }) =>
    `Records of the GPU Metrics Logger come from ${origin && `${origin}, `}the gateway of this hub's network: behind it all clients seem to have this address, from wherever they come. If the hub is in a container, give it the network of its machine, or set push.logger to "token".`,
  /** `aside` is what the file that was found there is called now, or "". */
  book_restored: ({ path, lost, aside }: { readonly path: string; readonly lost: Loss; readonly aside: string }) =>
    `Administration data${at("in", path)} was ${lost} while the hub ran; it was written there again, and nothing is lost.${aside && ` The file that was there is ${aside} now: stop the hub to restore a backup.`}`,
  book_damaged: ({ path, error, aside }: { readonly path: string; readonly error: string; readonly aside: string }) =>
    `Administration data${at("in", path)} is damaged${error && ` (${error})`}. It was moved${aside ? ` to ${aside}` : " aside"}, and a new file was begun: its content must be restored from a backup or created again.`,
  book_row: ({ path, message }: { readonly path: string; readonly message: string }) =>
    `${message || "Administration data has a damaged row"}. Correct it${at("in", path)} while the hub is stopped, or restore a backup.`,
  book_unusable: ({ path, error }: { readonly path: string; readonly error: string }) =>
    `Cannot use the administration data${at("in", path)}${why(error)}. Live values and history still work.`,
  export_failed: ({
    path,
    error,
    retryMs,
  }: {
    readonly path: string;
    readonly error: string;
    readonly retryMs: number;
  }) =>
    `The daily CSV file cannot be written${at("to", path)} (export.folder)${why(error)}. It is tried again every ${retryMs / 60_000} minutes.`,
  /** `others` is the number of nodes beside the one that is named. */
  report_failed: ({ node, others, error }: Nodes & { readonly error: string }) =>
    `Daily reports of ${nodesOf(node, others)} lack data${why(error)}. The source is asked again at least every hour, and days that are missing are made up.`,
  report_unwritable: ({ node, others, error }: Nodes & { readonly error: string }) =>
    `Daily reports of ${nodesOf(node, others)} cannot be written (reports.folder)${why(error)}. It is tried again at least every hour.`,
  report_rows: ({
    date,
    node,
    others,
    gpus,
    missing,
    expected,
  }: Nodes & Gpus & { readonly missing: number; readonly expected: number }) =>
    `The daily report of ${nodesOf(node, others)} of ${date} is not whole: ${missing} of ${expected} rows of ${node} are missing (${gpus}).`,
  report_values: ({ date, node, others, gpus, count }: Nodes & Gpus & { readonly count: number }) =>
    `The daily report of ${nodesOf(node, others)} of ${date} has values below 0 % or above 100 %: ${count} rows of ${node} (${gpus}).`,
  /** `before` is the date of the last report with these cards. */
  report_cards: ({ date, node, others, gpus, before }: Nodes & Gpus & { readonly before: string }) =>
    `The daily report of ${nodesOf(node, others)} of ${date} lacks cards that were there before: ${node} had ${gpus} on ${before}.`,
  /** `most` is the greatest number of users of one card at a time. */
  report_shared: ({ date, node, others, gpus, most }: Nodes & Gpus & { readonly most: number }) =>
    `On ${date} several users had tasks on one card at the same time on ${nodesOf(node, others)}: up to ${most} users (${gpus} of ${node}).`,
  report_users: ({ date, message }: { readonly date: string; readonly message: string }) =>
    `Users in the daily reports of ${date} may be missing or wrong.${message && ` ${message}`}`,
  history_unwritable: (values: { readonly folder: string; readonly error: string; readonly retryMs: number }) =>
    `History cannot be written${at("to", values.folder)}${why(values.error)}. Live values go on; writing is tried again every ${values.retryMs / 1000} s.`,
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
    `The history${path && ` ${path}`} was ${lost} while the hub ran; it was written there again, and ${lost === "emptied" ? "of what was in it, only the last hours are left" : "nothing is lost"}.${aside && ` The file that stood there is ${aside} now: stop the hub before you restore a backup.`}`,
} as const;

export type NoticeRows = typeof rows;

/** Texts that tell neither a person nor an address or path. */
const open: ReadonlySet<string> = new Set(["node", "host", "date", "before", "gpus", "lost"]);

/** Makes a message about the hub itself. */
export const notice = speaker(rows, { limit, open });

/** Beginning of messages about a clock that cannot be right. @param now Unix milliseconds */
export function doubt(now: number): string {
  return `This machine's clock says ${minute(now)}, which cannot be right`;
}

/** "2026-11-28T08:36Z". @param time Unix milliseconds */
const minute = (time: number): string => `${new Date(time).toISOString().slice(0, 16)}Z`;
