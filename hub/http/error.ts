import { type ServerResponse, STATUS_CODES } from "node:http";
import { weightOf } from "../../program/accept.ts";
import { asFault, Fault, type FaultCode, type FaultKind, faults } from "../fault.ts";
import type { ErrorShape } from "../route/route.ts";

/** HTTP status of each kind of fault. */
const statuses: Readonly<Record<FaultKind, number>> = {
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
export function statusOf(code: FaultCode): number {
  const { kind, http } = faults[code];
  return http ?? statuses[kind];
}

/**
 * Default headers of every answer: browsers must not guess its type, send a referrer, keep a copy, run scripts in it, or
 * show it to a page of another site.
 */
export const always: Readonly<Record<string, string>> = {
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Accept-Ranges": "none",
};

/** Seconds after which a client may ask again, where the fault of status 503 does not say it. */
const pause = 5;

/** Default of the header Allow. */
const reading = "GET, HEAD";

/** The refused request. */
interface ErrorFormat {
  readonly shape?: ErrorShape | undefined;
  /** Header Accept. */
  readonly accept?: string | undefined;
  /** Header Allow: the methods of its path. */
  readonly allow?: string;
}

/** Bodies of the error shapes. */
const bodies: Readonly<Record<ErrorShape, (fault: Fault) => object>> = {
  gohm: ({ code, message }) => ({ error: { code, message } }),
  logger: ({ code, message, errors }) => ({
    success: false,
    detail: message,
    error_code: code === "internal" ? "INTERNAL_SERVER_ERROR" : code.toUpperCase(),
    ...(errors === undefined ? {} : { errors }),
  }),
  portal: ({ code, message }) => ({
    ...(code === "node_registered" ? { status: "already_registered" } : {}),
    error: message,
  }),
};

const problemType = "application/problem+json";

interface EncodedError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** True for RFC 9457, where the client names it and does not prefer plain JSON. */
function isProblem({ shape = "gohm", accept }: ErrorFormat): boolean {
  const wanted = weightOf(accept, problemType);
  return shape === "gohm" && wanted > 0 && wanted >= weightOf(accept, "application/json");
}

/** The body that an error has in an answer. */
export function errorBody(fault: Fault, format: ErrorFormat): object {
  const { code, message } = fault;
  if (!isProblem(format)) return bodies[format.shape ?? "gohm"](fault);
  return { title: faults[code].text, status: statusOf(code), detail: message, code };
}

function encode(fault: Fault, format: ErrorFormat): EncodedError {
  const { allow = reading } = format;
  const status = statusOf(fault.code);
  const retryAfter = fault.retryAfter ?? (status === 503 ? pause : undefined);
  const headers = {
    "Content-Type": isProblem(format) ? problemType : "application/json; charset=utf-8",
    ...(retryAfter === undefined ? {} : { "Retry-After": String(retryAfter) }),
    ...(status === 405 ? { Allow: allow } : {}),
    ...(status === 401 ? { "WWW-Authenticate": "Bearer" } : {}),
  };
  return { status, headers, body: JSON.stringify(errorBody(fault, format)) };
}

/** The answer to a request that the application refuses. */
export function errorResponse(fault: Fault, refused: ErrorFormat): Response {
  const { status, headers, body } = encode(fault, refused);
  return new Response(body, { status, headers });
}

/** Sends an error to a request that does not reach the application, and closes its connection. */
export function refuse(outgoing: ServerResponse, fault: Fault, refused: ErrorFormat): void {
  const { status, headers, body } = encode(fault, refused);
  const more = { "Content-Length": Buffer.byteLength(body), Connection: "close" };
  outgoing.writeHead(status, { ...always, ...headers, ...more }).end(body);
}

/** An error as the bytes of a whole HTTP answer, for input that Node cannot parse as a request. */
export function rawRefusal(fault: Fault): string {
  const { status, headers, body } = encode(fault, {});
  const all = {
    ...always,
    ...headers,
    "Content-Length": String(Buffer.byteLength(body)),
    Date: new Date().toUTCString(),
    Connection: "close",
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}`;
}

/** Fault codes of the statuses that Hono and its middleware throw. */
const codes: Readonly<Record<number, FaultCode>> = {
  401: "sign_in_needed",
  403: "access_denied",
  404: "page_unknown",
  405: "method_refused",
  408: "request_too_slow",
  413: "body_too_large",
  415: "media_type_refused",
  431: "request_too_long",
};

/** The fault of an HTTPException. */
export function faultOfStatus(status: number, message: string): Fault {
  const code = codes[status] ?? (status < 500 ? "bad_request" : "internal");
  return code === "internal" ? asFault(message) : new Fault(code, message || faults[code].text);
}
