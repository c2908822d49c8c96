/** Kinds of errors: the closed codes of the Connect protocol (https://connectrpc.com/docs/protocol/#error-codes). */
export type FaultKind =
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
export interface FaultMeaning {
  readonly kind: FaultKind;
  /** HTTP status, where HTTP has a more specific one than the kind gives. */
  readonly http?: number;
  readonly text: string;
}

const meanings = {
  host_unknown: { kind: "not_found", text: "The hub has no host of that name, nor has its history." },
  device_unknown: { kind: "not_found", text: "The host is known, but has no such GPU, disk or network interface." },
  metric_unknown: {
    kind: "invalid_argument",
    text: "The history has no metric of that name for this kind of device (docs/metrics.md lists them).",
  },
  bad_request: {
    kind: "invalid_argument",
    text: "The request or one of its parameters is not valid; the message names it and what is expected.",
  },
  validation_error: {
    kind: "invalid_argument",
    http: 422,
    text: "The body of a request in the form of the GPU Metrics Logger is not valid; `errors` of the answer names each place.",
  },
  page_unknown: { kind: "not_found", text: "There is nothing at that path." },
  method_refused: {
    kind: "unimplemented",
    http: 405,
    text: "The path exists but does not support this method; the header Allow lists those it supports.",
  },
  sign_in_needed: {
    kind: "unauthenticated",
    text: "The request requires an account or a token.",
  },
  access_denied: { kind: "permission_denied", text: "The account or token does not have the right to do this." },
  sign_in_refused: { kind: "unauthenticated", text: "There is no account with this name and password." },
  too_many_attempts: {
    kind: "resource_exhausted",
    text: "Too many attempts to sign in or to register failed, from this address or with this name.",
  },
  password_weak: { kind: "invalid_argument", text: "The new password is too short or too easy to guess." },
  link_unknown: {
    kind: "not_found",
    text: "The one-time link was used, has expired, or was replaced by a newer one.",
  },
  session_unknown: { kind: "not_found", text: "The account has no session of that number: it may have ended." },
  account_unknown: { kind: "not_found", text: "There is no account of that name." },
  account_external: {
    kind: "failed_precondition",
    http: 409,
    text: "The account is one of a person who signs in at the OpenID Connect provider (auth.oidc), which sets its name and role; it has no password here.",
  },
  last_administrator: {
    kind: "failed_precondition",
    http: 409,
    text: "Without this account there would be no administrator.",
  },
  token_unknown: { kind: "not_found", text: "There is no API token of that name." },
  name_taken: { kind: "already_exists", text: "An account, token or host has this name already." },
  host_in_settings: {
    kind: "failed_precondition",
    http: 409,
    text: "The settings file says this of the host, and the hub cannot change the file; the message says why and to whom it belongs.",
  },
  sender_refused: {
    kind: "permission_denied",
    text: "Records of a client of the GPU Metrics Logger are not taken from this address, or not under this name; the message says why.",
  },
  secret_refused: {
    kind: "permission_denied",
    text: "The registration needs the hub's secret or an enrolment token, and sent neither or a wrong one.",
  },
  approval_needed: {
    kind: "unavailable",
    text: "A client of the GPU Metrics Logger waits for approval under a name that history has from an import, or that another machine has or had, so its records are not kept yet; it sends them again until it is approved.",
  },
  node_registered: {
    kind: "already_exists",
    text: "A machine with this host name is registered already.",
  },
  too_many_nodes: {
    kind: "resource_exhausted",
    text: "Too many machines are registered, or wait for approval in all or from this address.",
  },
  name_refused: {
    kind: "permission_denied",
    http: 421,
    text: "The host name in the request is not one of the hub's names; see hub.hosts and hub.url.",
  },
  tls_needed: {
    kind: "failed_precondition",
    http: 403,
    text: "The hub has a certificate and answers this only over an encrypted connection (https; TLS for gRPC).",
  },
  expectation_refused: {
    kind: "failed_precondition",
    http: 417,
    text: "The header Expect asks for something that the hub does not support.",
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
  canceled: { kind: "canceled", text: "The client disconnected before its request was answered." },
  busy: {
    kind: "unavailable",
    text: "Too many large answers are being made or sent, or too many reports come at once.",
  },
  report_unknown: {
    kind: "not_found",
    text: "There is no report of that node and day, or it has no file of that name.",
  },
  source_failed: {
    kind: "unavailable",
    text: "A program that the hub reads from, such as Netdata on a node, did not answer, or not in the expected form.",
  },
  setting_bad: {
    kind: "internal",
    text: "The settings file, a flag or an environment variable cannot be used; the message names it.",
  },
  data_folder_unusable: { kind: "internal", text: "The data folder cannot be created or written to." },
  data_folder_busy: { kind: "internal", text: "Another hub is using the data folder." },
  data_newer: { kind: "internal", text: "A database was written by a newer version of the hub." },
  sample_bad: {
    kind: "invalid_argument",
    text: "A measurement has a time or a name that the history does not accept.",
  },
  history_unwritable: {
    kind: "unavailable",
    text: "The history cannot be written (disk full or read-only); the live view still works.",
  },
  book_unusable: {
    kind: "unavailable",
    text: "Administration data cannot be read or written; live view and history still work.",
  },
  database_damaged: { kind: "data_loss", text: "A database is damaged, so it cannot be copied completely." },
  backup_failed: { kind: "internal", text: "A backup could not be written; the databases were not changed." },
  restore_failed: { kind: "internal", text: "A backup could not be restored; none of it is in the data folder." },
  port_in_use: { kind: "internal", text: "Another program already listens on an address of the hub's settings." },
  address_unusable: { kind: "internal", text: "The hub cannot listen on an address of its settings." },
  internal: { kind: "internal", text: "An error in the hub itself; its log has the details." },
} as const satisfies Readonly<Record<string, FaultMeaning>>;

export type FaultCode = keyof typeof meanings;

/** Every fault code of the hub. docs/faults.md lists the same; a test compares them. */
export const faults: Readonly<Record<FaultCode, FaultMeaning>> = meanings;

/** A place in a body that is not valid, in the form of FastAPI, whose clients read it. */
export interface BodyError {
  /** "body", then keys and indices. */
  readonly loc: readonly (string | number)[];
  /** Never the value itself, which may be as long as the body. */
  readonly msg: string;
  /** "missing", "json_invalid", or what the value should have been. */
  readonly type: string;
}

interface FaultOptions extends ErrorOptions {
  /** Seconds after which a client may try again. */
  readonly retryAfter?: number;
  /** What is wrong with the body, place by place. */
  readonly errors?: readonly BodyError[];
}

/** An error that the hub expects. HTTP and gRPC map the kind of its code to a status of their own. */
export class Fault extends Error {
  override name = "Fault";
  readonly code: FaultCode;
  /** Seconds after which a client may try again; undefined if that is not known. */
  readonly retryAfter: number | undefined;
  /** What is wrong with the body, place by place; undefined for faults of other things. */
  readonly errors: readonly BodyError[] | undefined;

  constructor(code: FaultCode, message: string, options?: FaultOptions) {
    super(message, options);
    this.code = code;
    this.retryAfter = options?.retryAfter;
    this.errors = options?.errors;
  }

  get kind(): FaultKind {
    return faults[this.code].kind;
  }
}

/** The fault of a body in the form of the GPU Metrics Logger, with the detail that its server answers. */
export const validationFault = (errors: readonly BodyError[], options?: ErrorOptions): Fault =>
  new Fault("validation_error", "資料格式驗證失敗", { ...options, errors });

/** Converts anything thrown to a Fault: an unexpected error is `internal`. */
export function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  return new Fault("internal", "The hub failed to answer; its log has the details.", { cause: error });
}
