import { Fault } from "./fault.ts";
import { type Sentence, speaker, type Words } from "./sentence.ts";

/** Size limit of a text, in bytes. */
const limit = 1024;

/** Of the task API. */
interface At {
  readonly url: string;
}

interface Why {
  readonly why: string;
}

interface Task {
  readonly task: string;
}

const placed = (place: string, preposition = "in"): string => place && ` ${preposition} ${place}`;
const api = (url: string): string => `The task API${placed(url, "at")}`;
const taskOf = (task: string): string => (task ? `Task ${task}` : "A task");

/**
 * Why daily reports lack something, or files cannot be written: part of notices, of issues of reports, and of reasons why a host
 * is down. The page has each in its languages (`SaidText.causes`). Those who may not see people, addresses and paths are told
 * them with "" in place of every text that is not listed below, as in notices.
 */
const rows = {
  // Requests

  nothing_listens: () => "nothing listens there",
  connection_cut: () => "the connection was cut",
  no_route_to_machine: () => "there is no route to that machine",
  no_route_to_network: () => "there is no route to that network",
  machine_silent: () => "that machine does not answer",
  machine_unknown: () => "there is no machine of that name",
  name_not_looked_up: () => "the name could not be looked up",
  certificate_own: () => "its certificate is signed by itself (NODE_EXTRA_CA_CERTS can name it)",
  certificate_authority: () => "the authority of its certificate is not known here (NODE_EXTRA_CA_CERTS can name it)",
  certificate_expired: () => "its certificate has expired",
  certificate_name: () => "its certificate is for another name",
  answer_late: ({ limitMs }: { readonly limitMs: number }) => `no complete answer within ${limitMs / 1000} s`,
  answer_large: ({ mib }: { readonly mib: number }) => `an answer of more than ${mib} MiB`,
  // Node says so of an answer that ends before it is complete.
  answer_cut: () => "the answer was cut off",
  link_local: () =>
    "its address is link-local, as those of cloud metadata services are, and the hub requests nothing there",
  not_http: () => "what answers there does not speak HTTP",
  /** `error` is a code of the operating system, or "". */
  connection_failed: ({ error }: { readonly error: string }) => `the connection failed${error && ` (${error})`}`,

  // Netdata

  rest_follows: ({ limitMs }: { readonly limitMs: number }) =>
    `not all was read within ${limitMs / 1000} s, and the rest follows with the next interval`,
  netdata: ({ address, why }: Why & { readonly address: string }) => `${address && `${address}: `}${why}`,
  no_chart: () => "it has no such chart",
  no_chart_then: () => "it has no such chart, or nothing of that time",
  no_charts: () => "this Netdata has no charts of AMD GPUs",
  charts_long: ({ mib }: { readonly mib: number }) => `its list of charts has more than ${mib} MiB`,
  charts_broken: () => "its list of charts is not whole, or not in the form of Netdata",
  rows_broken: () => "its answer is not whole, or not valid JSON",
  rows_none: () => 'its answer has no list "data"',
  no_time: () => "there was no more time to read it",
  /** `to` may be "". */
  redirected: ({ to }: { readonly to: string }) =>
    `it redirects${to && ` to ${to}`}: the settings must have the address itself`,
  status: ({ status }: { readonly status: number }) => `it answers with status ${status}`,
  html: () => "it answers with a page (HTML) and not with JSON",

  // A node

  not_read_in_time: ({ node, limitMs }: { readonly node: string; readonly limitMs: number }) =>
    `${node} was not read within ${limitMs / 1000} s`,
  /** `hosts` are names that history has. */
  host_without_gpus: ({ host, hosts }: { readonly host: string; readonly hosts: string }) =>
    `history has no GPU of a host "${host}"${hosts && `: hosts are ${hosts}`}`,

  // Files

  write_failed: ({ path, error }: { readonly path: string; readonly error: string }) =>
    `files cannot be written${placed(path, "to")}${error && `: ${error}`}`,
  may_not_write: () => "this user may not write there",
  hub_may_not_write: () => "the hub may not write there",
  disk_full: () => "the disk is full",
  read_only: () => "the file system is read-only",
  no_folder: () => "the folder does not exist",
  is_file: ({ path }: { readonly path: string }) => `${path || "it"} is a file, and must be a folder`,
  not_made: ({ path }: { readonly path: string }) => `${path || "it"} cannot be made`,
  no_file: () => "there is no such file",
  may_not_read: () => "this user may not read it",

  // The task API

  token_missing: () => "There is no token for the task API (reports.tasks.token_file, GOHM_REPORTS_TASKS_TOKEN)",
  token_unread: ({ place, why }: Why & { readonly place: string }) =>
    `The token of the task API cannot be read${placed(place, "from")}${why && `: ${why}`}`,
  token_empty: ({ place }: { readonly place: string }) => `The token of the task API${placed(place)} is empty`,
  token_odd: ({ place }: { readonly place: string }) =>
    `The token of the task API${placed(place)} has characters that no token has, such as spaces or lines`,
  tasks_away: ({ url, why }: At & Why) => `${api(url)} cannot be reached: ${why}`,
  tasks_odd: ({ url, why }: At & Why) => `${api(url)} answers ${why}`,
  tasks_refused: ({ url, status }: At & { readonly status: number }) =>
    `${api(url)} rejects the token (status ${status}): it may have expired`,
  tasks_redirected: ({ url, to }: At & { readonly to: string }) =>
    `${api(url)} redirects to ${to || "another address"}, which is not followed: set reports.tasks.url to where it is`,
  tasks_missing: ({ url }: At) => `There is no task API${placed(url, "at")} (status 404): check reports.tasks.url`,
  tasks_failed: ({ url, status }: At & { readonly status: number }) => `${api(url)} failed (status ${status})`,
  tasks_unasked: ({ error }: { readonly error: string }) => `The task API cannot be asked${error && `: ${error}`}`,
  /** `then` is the time of that answer. */
  users_earlier: ({ why, then }: Why & { readonly then: string }) => `${why}: users are those of its answer of ${then}`,
  users_unknown: ({ why }: Why) => `${why}: no earlier answer of that day is kept, so users are unknown`,
  answer_unread: ({ error }: { readonly error: string }) =>
    `The last answer of the task API cannot be read${error && `: ${error}`}`,
  tasks_wrong: ({ why }: Why) => `The task API: ${why}`,
  ids_without_first: ({ node }: { readonly node: string }) =>
    `The ids of GPUs of ${node} count through the nodes, and reports.tasks.first does not have its first one`,
  id_strange: ({ id, node, ids }: { readonly id: string; readonly node: string; readonly ids: string }) =>
    `The task API names ${id ? `GPU "${id}"` : "a GPU"} of ${node}, whose ids are ${ids}: check reports.tasks.ids`,
  id_strange_first: ({ id, node, firstId }: { readonly id: string; readonly node: string; readonly firstId: number }) =>
    `The task API names ${id ? `GPU "${id}"` : "a GPU"} of ${node}, whose ids are those from ${firstId} on: check reports.tasks.ids`,
  host_strange: ({ strange, node }: { readonly strange: string; readonly node: string }) =>
    `The task API names ${strange ? `the host "${strange}"` : "a host"}, which is not the node ${node}: a node must have the name that the task API uses`,

  // Its answer: the rest of "The task API answers …"

  form_html: () => "with HTML instead of JSON",
  form_nothing: () => "with nothing",
  form_no_object: () => "another form than an object",
  form_no_tasks: () => "another form than tasks by their ids",
  form_ends: () => "JSON that ends in the middle",
  form_no_json: () => "what is not JSON",
  task_large: ({ kib }: { readonly kib: number }) => `a task of more than ${kib} KiB`,
  task_parts: ({ most }: { readonly most: number }) => `a task of more than ${most} parts`,

  // Its values

  task_no_object: ({ task }: Task) => `${taskOf(task)} is not an object`,
  task_gpus: ({ task }: Task) => `${taskOf(task)} has "gpus" that are not a list`,
  task_details: ({ task }: Task) => `${taskOf(task)} has a "task" that is not an object`,
  task_gpu: ({ task }: Task) => `${taskOf(task)} has a GPU that is not an object`,
  task_text: ({ task, key }: Task & { readonly key: string }) => `${taskOf(task)} has a "${key}" that is not a text`,
  task_seconds: ({ task }: Task) => `${taskOf(task)} has "total_seconds" that are not a number`,
  gpus_left_out: ({ most }: { readonly most: number }) => `There are more than ${most} GPUs: the rest is left out`,
  values_more: ({ more }: { readonly more: number }) => `${more} more values of tasks have another form`,
} as const;

export type CauseRows = typeof rows;

/** Texts that tell neither a person nor an address or path: `key` is one of the task API, `ids` are numbers of cards. */
const open: ReadonlySet<string> = new Set(["node", "host", "hosts", "then", "ids", "key"]);

/** Makes a cause. */
export const cause = speaker(rows, { limit, open });

/** A source that cannot be read, with the reason as a sentence. */
export class SourceFault extends Fault {
  readonly words: Sentence;

  constructor(words: Sentence, options?: ErrorOptions) {
    super("source_failed", words.text, options);
    this.words = words;
  }
}

/** Why something failed: a cause, or the message of an error. */
export function causeOf(error: unknown): Words {
  if (error instanceof SourceFault) return error.words;
  return error instanceof Error ? error.message : String(error);
}

/** Why files cannot be written, by the code of the error. @param folder true if the folder itself must be there */
export function writeCause(error: NodeJS.ErrnoException): Words {
  const { code, message, path = "" } = error;
  if (code === "EACCES" || code === "EPERM") return cause("may_not_write");
  if (code === "ENOSPC" || code === "EDQUOT") return cause("disk_full");
  if (code === "EROFS") return cause("read_only");
  if (code === "EEXIST" || code === "ENOTDIR") return cause("is_file", { path });
  if (code === "ENOENT") return cause("not_made", { path });
  return message;
}
