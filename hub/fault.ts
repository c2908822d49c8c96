/** Every way the hub refuses, with what it means for whoever asked. docs/faults.md says the same, and a test compares. */
export const faults = {
  host_unknown: "No host of that name is in the settings or in history.",
  device_unknown: "The host is known, but has no such GPU, disk or network interface.",
  metric_unknown: "The catalogue (docs/metrics.md) has no kept metric of that name for this kind of device.",
  bad_request: "The request, or a parameter of it, cannot be read; the message names it and what was wanted.",
  page_unknown: "There is nothing at that path.",
  method_refused: "The path is there, and is only read: the header Allow lists the methods it takes.",
  name_refused: "The request calls the hub by a name that is not its own; see hub.hosts and hub.url.",
  expectation_refused: "The header Expect asks for something that the hub does not do.",
  request_too_long: "The address and headers of the request are longer than 16 KiB.",
  request_too_slow: "The request did not arrive in time.",
  busy: "Too many large answers are being made or sent at the moment.",
  setting_bad: "The settings file, a flag or an environment variable cannot be used; the message names it.",
  data_folder_unusable: "The data folder cannot be made or written to.",
  data_folder_busy: "Another hub is using the data folder.",
  data_newer: "The history was written by a newer version of the hub.",
  sample_bad: "A measurement carries a time or a name that history does not take.",
  history_unwritable: "History cannot be written at the moment (disk full or read-only); the live view goes on.",
  backup_failed: "A copy of the history could not be written; the history itself is as it was.",
  port_in_use: "Another program listens on an address that the hub was told to use.",
  address_unusable: "The hub cannot listen on an address it was told to use.",
  internal: "The hub itself is at fault; its log has the details.",
} as const;

export type Code = keyof typeof faults;

/** The hub's one error for what it expects to go wrong. Views map the code to their own status, each once. */
export class Fault extends Error {
  override name = "Fault";
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Anything thrown, as a Fault: what was not expected is `internal`. */
export function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  return new Fault("internal", "The hub failed to answer; its log has the details.", { cause: error });
}
