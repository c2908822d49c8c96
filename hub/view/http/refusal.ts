import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Code, Fault } from "../../fault.ts";

/** HTTP status of each fault. */
export const statusOf: Readonly<Record<Code, number>> = {
  host_unknown: 404,
  device_unknown: 404,
  metric_unknown: 400,
  bad_request: 400,
  page_unknown: 404,
  method_refused: 405,
  name_refused: 421,
  expectation_refused: 417,
  request_too_long: 431,
  request_too_slow: 408,
  busy: 503,
  setting_bad: 500,
  data_folder_unusable: 500,
  data_folder_busy: 500,
  data_newer: 500,
  sample_bad: 400,
  history_unwritable: 503,
  backup_failed: 500,
  port_in_use: 500,
  address_unusable: 500,
  internal: 500,
};

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
  const status = statusOf[code];
  return {
    "Content-Type": type,
    ...(status === 503 ? { "Retry-After": pause } : {}),
    ...(status === 405 ? { Allow: reading } : {}),
  };
}

/** `{error: {code, message}}` under the status of the fault. */
export function refusal(fault: Fault): Response {
  return new Response(bodyOf(fault), { status: statusOf[fault.code], headers: headersOf(fault) });
}

/** Sends the same for a request that no handler has seen. */
export function refuse(outgoing: ServerResponse, fault: Fault): void {
  const body = bodyOf(fault);
  const headers = { ...always, ...headersOf(fault), "Content-Length": Buffer.byteLength(body), Connection: "close" };
  outgoing.writeHead(statusOf[fault.code], headers).end(body);
}

/** Bytes of the same as the last answer on a connection, for what Node cannot parse as a request. */
export function rawRefusal(fault: Fault): string {
  const body = bodyOf(fault);
  const status = statusOf[fault.code];
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
