import { limitOf } from "../proto/clean.ts";
import { span } from "../proto/quantity.ts";
import type { FaultCode } from "./fault.ts";
import { type Sentence, speaker } from "./sentence.ts";

/** With an address of a host. */
interface At {
  readonly address: string;
}

/** As programs write it: "2.5 s". */
const seconds = (ms: number): string => `${Number((ms / 1000).toFixed(1))} s`;

/** Why a host cannot be reached, or sends no reports. The page has each sentence in its languages (`SaidText.reasons`). */
const rows = {
  no_connection_in_time: ({ address, deadlineMs }: At & { readonly deadlineMs: number }) =>
    `no connection to ${address} within ${seconds(deadlineMs)}`,
  no_answer_in_time: ({ deadlineMs }: { readonly deadlineMs: number }) => `no answer within ${seconds(deadlineMs)}`,
  no_tls: ({ address, error }: At & { readonly error: string }) => `no TLS with ${address}: ${error}`,
  no_tls_half: ({ address }: At) => `no TLS with ${address}: poll.cert and poll.key go together: set both or neither`,
  no_tls_pair: ({ address, key, cert }: At & { readonly key: string; readonly cert: string }) =>
    `no TLS with ${address}: the key in ${key} belongs to another certificate than that in ${cert}`,
  unreadable: ({ error }: { readonly error: string }) => `the answer could not be read: ${error}`,
  empty: () => "the answer was empty",
  not_hmonitor: ({ address }: At) => `what answers at ${address} is no hmonitor: it does not know gpu.HostMonitor`,
  not_grpc: ({ address }: At) => `what answers at ${address} does not speak gRPC`,
  not_tls: ({ address, error }: At & { readonly error: string }) =>
    `what answers at ${address} does not speak TLS: an hmonitor without a certificate has an address without tls:// (${error})`,
  flooding: ({ address }: At) => `what answers at ${address} sends more than any hmonitor does`,
  link_local: ({ address }: At) =>
    `the hub does not connect to ${address}: link-local addresses (169.254.0.0/16, fe80::/10) are those of cloud metadata services; give the machine another address`,
  /** `answer` is what the peer said. */
  refused: ({ address, answer }: At & { readonly answer: string }) => `refused by ${address}: ${answer}`,
  closed: ({ address }: At) => `the connection to ${address} was closed`,
  reset: ({ address }: At) => `the connection to ${address} was reset`,
  hanging: ({ address }: At) =>
    `${address} has stopped answering: its hmonitor hangs, or the network between is interrupted`,
  // An agent resets connections from addresses that it does not allow; with a certificate it closes those without TLS.
  not_allowed: ({ address }: At) =>
    `connection to ${address} was reset: does the agent's GOHM_ALLOW name this hub's address? If it has a certificate, its address here is tls://${address}`,
  not_allowed_tls: ({ address }: At) =>
    `connection to ${address} was reset: does the agent's GOHM_ALLOW name this hub's address?`,
  not_listening: ({ address }: At) => `connection refused at ${address}: is hmonitor running there?`,
  no_route: ({ address }: At) => `no route to ${address}`,
  no_answer: ({ address }: At) => `no connection to ${address}: nothing answers at that address`,
  no_name: ({ address }: At) => `the name in ${address} cannot be resolved`,
  no_connection: ({ address, error }: At & { readonly error: string }) => `no connection to ${address}: ${error}`,
  /** `error` is "" if the peer gave none. */
  own_certificate: ({ address, error }: At & { readonly error: string }) =>
    `${address} does not accept this hub's certificate (poll.cert and poll.key): is it from an authority in GOHM_TLS_CLIENT_CA there?${error && ` (${error})`}`,
  its_certificate: ({ address, error }: At & { readonly error: string }) =>
    `the certificate shown at ${address} is not accepted: ${error}`,
  token_reset: () => "its token was reset: it must register again",
  reports_refused: ({ message }: { readonly fault: FaultCode; readonly message: string }) =>
    `its reports are refused: ${message}`,
  catching_up: () => "it sends samples that it stored, the oldest first: no current one has come yet",
  never_reported: () => "it has sent no report since the hub started",
  /** Its newest record is too old for the present state. */
  records_old: ({ behindMs }: { readonly behindMs: number }) =>
    `its newest record is ${span(behindMs / 1000)} old: it catches up, or its clock or time zone is wrong`,
  /** No report comes, but rows of its Netdata enter history. */
  means_only: () =>
    "its Netdata gives means of 10 minutes, for history only: with hmonitor on this machine its present state is shown",
  /** `error` is a cause (hub/cause.ts). */
  netdata_unread: ({ error }: { readonly error: string }) => `its Netdata cannot be read: ${error}`,
  stopped: () => "it has stopped sending reports",
} as const;

export type ReasonRows = typeof rows;

/** Code of the reason of a host that is not down. */
const historyOnly = "means_only" satisfies keyof ReasonRows;

/**
 * True if only rows of the past come of a host, and nothing else is expected of it: it is neither up nor down. If their source
 * cannot be read, it is down.
 */
export const isHistoryOnly = (link: { readonly state: string; readonly cause?: Sentence }): boolean =>
  link.state === "waiting" && link.cause?.code === historyOnly;

/** Makes the reason why a host is down. */
export const reason = speaker(rows, { limit: limitOf("err") });
