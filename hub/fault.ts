/** Kinds of errors: the closed codes of the Connect protocol (https://connectrpc.com/docs/protocol/#error-codes). */
export type Kind =
  | "canceled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "data_loss"
  | "unauthenticated";

/** What a fault code means to the client. */
export interface Meaning {
  readonly kind: Kind;
  /** HTTP status, where HTTP has a more specific one than the kind gives. */
  readonly http?: number;
  readonly text: string;
}

const meanings = {
  host_unknown: { kind: "not_found", text: "No host of that name is in the settings or in history." },
  device_unknown: { kind: "not_found", text: "The host is known, but has no such GPU, disk or network interface." },
  metric_unknown: {
    kind: "invalid_argument",
    text: "The catalogue (docs/metrics.md) has no kept metric of that name for this kind of device.",
  },
  bad_request: {
    kind: "invalid_argument",
    text: "The request, or a parameter of it, cannot be read; the message names it and what was wanted.",
  },
  page_unknown: { kind: "not_found", text: "There is nothing at that path." },
  method_refused: {
    kind: "unimplemented",
    http: 405,
    text: "The path is there, and is only read: the header Allow lists the methods it takes.",
  },
  sign_in_needed: {
    kind: "unauthenticated",
    text: "The request requires an account or a token.",
  },
  access_denied: { kind: "permission_denied", text: "The account or token does not have the right to do this." },
  name_refused: {
    kind: "permission_denied",
    http: 421,
    text: "The request calls the hub by a name that is not its own; see hub.hosts and hub.url.",
  },
  expectation_refused: {
    kind: "failed_precondition",
    http: 417,
    text: "The header Expect asks for something that the hub does not do.",
  },
  request_too_long: {
    kind: "resource_exhausted",
    http: 431,
    text: "The address and headers of the request are longer than 16 KiB.",
  },
  body_too_large: {
    kind: "resource_exhausted",
    http: 413,
    text: "The request body exceeds the size limit of this path.",
  },
  media_type_refused: {
    kind: "invalid_argument",
    http: 415,
    text: "The request body has a type that this path does not accept.",
  },
  request_too_slow: { kind: "deadline_exceeded", http: 408, text: "The request did not arrive in time." },
  canceled: { kind: "canceled", text: "The client went away before its request was answered." },
  busy: { kind: "unavailable", text: "Too many large answers are being made or sent at the moment." },
  setting_bad: {
    kind: "internal",
    text: "The settings file, a flag or an environment variable cannot be used; the message names it.",
  },
  data_folder_unusable: { kind: "internal", text: "The data folder cannot be made or written to." },
  data_folder_busy: { kind: "internal", text: "Another hub is using the data folder." },
  data_newer: { kind: "internal", text: "A database was written by a newer version of the hub." },
  sample_bad: { kind: "invalid_argument", text: "A measurement carries a time or a name that history does not take." },
  history_unwritable: {
    kind: "unavailable",
    text: "History cannot be written at the moment (disk full or read-only); the live view goes on.",
  },
  book_unusable: {
    kind: "unavailable",
    text: "Administration data cannot be read or written at the moment; live view and history go on.",
  },
  database_damaged: { kind: "data_loss", text: "A database is damaged, so that no whole copy of it can be made." },
  backup_failed: { kind: "internal", text: "A backup could not be written; what it was to be taken of is as it was." },
  restore_failed: { kind: "internal", text: "A backup could not be restored; nothing of it is in the data folder." },
  port_in_use: { kind: "internal", text: "Another program listens on an address that the hub was told to use." },
  address_unusable: { kind: "internal", text: "The hub cannot listen on an address it was told to use." },
  internal: { kind: "internal", text: "The hub itself is at fault; its log has the details." },
} as const satisfies Readonly<Record<string, Meaning>>;

export type Code = keyof typeof meanings;

/** Every fault code of the hub. docs/faults.md lists the same; a test compares them. */
export const faults: Readonly<Record<Code, Meaning>> = meanings;

/** An error that the hub expects. HTTP and gRPC map the kind of its code to a status of their own. */
export class Fault extends Error {
  override name = "Fault";
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get kind(): Kind {
    return faults[this.code].kind;
  }
}

/** Anything thrown, as a Fault: what was not expected is `internal`. */
export function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  return new Fault("internal", "The hub failed to answer; its log has the details.", { cause: error });
}
