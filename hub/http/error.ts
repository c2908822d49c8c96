import { type ServerResponse, STATUS_CODES } from "node:http";
import { type Code, type Fault, faults, type Kind } from "../fault.ts";

/** HTTP status of each kind of fault. */
const statuses: Readonly<Record<Kind, number>> = {
  canceled: 499,
  unknown: 500,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  data_loss: 500,
  unauthenticated: 401,
};

/** HTTP status of a fault: its own, or that of its kind. */
export function statusOf(code: Code): number {
  const { kind, http } = faults[code];
  return http ?? statuses[kind];
}

/**
 * Headers of every answer, unless the answer has its own: browsers use the type it states, send no referrer, keep no copy, run
 * nothing in it, and give it to no page of another site.
 */
export const always: Readonly<Record<string, string>> = {
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Accept-Ranges": "none",
};

const type = "application/json; charset=utf-8";
/** Seconds after which a client may ask again. */
const pause = "5";

const bodyOf = ({ code, message }: Fault): string => JSON.stringify({ error: { code, message } });

/** Methods that every path takes, for the header Allow. */
const reading = "GET, HEAD";

function headersOf({ code }: Fault): Record<string, string> {
  const status = statusOf(code);
  return {
    "Content-Type": type,
    ...(status === 503 ? { "Retry-After": pause } : {}),
    ...(status === 405 ? { Allow: reading } : {}),
  };
}

/** `{error: {code, message}}` under the status of the fault. */
export function refusal(fault: Fault): Response {
  return new Response(bodyOf(fault), { status: statusOf(fault.code), headers: headersOf(fault) });
}

/** Sends the same for a request that no handler has seen. */
export function refuse(outgoing: ServerResponse, fault: Fault): void {
  const body = bodyOf(fault);
  const headers = { ...always, ...headersOf(fault), "Content-Length": Buffer.byteLength(body), Connection: "close" };
  outgoing.writeHead(statusOf(fault.code), headers).end(body);
}

/** Bytes of the same as the last answer on a connection, for what Node cannot parse as a request. */
export function rawRefusal(fault: Fault): string {
  const body = bodyOf(fault);
  const status = statusOf(fault.code);
  const headers = {
    ...always,
    ...headersOf(fault),
    "Content-Length": String(Buffer.byteLength(body)),
    Date: new Date().toUTCString(),
    Connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}`;
}
