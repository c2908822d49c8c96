import { type LookupAddress, type LookupAllOptions, lookup } from "node:dns";
import { type IncomingMessage, request as plainRequest } from "node:http";
import { request as encryptedRequest } from "node:https";
import type { LookupFunction } from "node:net";
import { pipeline, Readable } from "node:stream";
import type { SecureContext } from "node:tls";
import { createGunzip } from "node:zlib";
import { isLinkLocal } from "../../program/network.ts";

/** Why an answer was not taken. */
export type RefusedAnswer = "link-local" | "redirect" | "too-large";

/** An answer of another server that the hub does not take. */
export class OutgoingError extends Error {
  readonly kind: RefusedAnswer;
  /** Where a redirect leads; "" for other kinds. */
  readonly location: string;

  constructor(kind: RefusedAnswer, location = "") {
    super(kind);
    this.kind = kind;
    this.location = location;
  }
}

/** Most bytes of the headers of an answer. */
const headerLimit = 32_768;

type LookupDone = (error: NodeJS.ErrnoException | null, found?: readonly LookupAddress[]) => void;

export interface OutgoingOptions {
  /** Whom the server's certificate must be from. */
  readonly trust: () => SecureContext;
  /** Most bytes of an answer's body. */
  readonly limitBytes: number;
  /** Looks up a name; that of the system by default. */
  readonly lookup?: (name: string, options: LookupAllOptions, done: LookupDone) => void;
}

export interface OutgoingRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** Ends the request, also while its answer arrives. */
  readonly signal: AbortSignal;
}

/** Looks up a name, without its link-local addresses: what is connected to is what was checked. */
const lookupOutside =
  (find: NonNullable<OutgoingOptions["lookup"]>): LookupFunction =>
  (name, options, done) => {
    find(name, { ...options, all: true }, (error, found = []) => {
      const outside = found.filter(({ address }) => !isLinkLocal(address));
      const [first] = outside;
      if (first === undefined) done(error ?? new OutgoingError("link-local"), []);
      else if (options.all) done(null, outside);
      else done(null, first.address, first.family);
    });
  };

/** Milliseconds until a connection is there, its name's look-up included. */
const connectMs = 10_000;

interface Connection {
  readonly find: NonNullable<OutgoingOptions["lookup"]>;
  /** Whom the server's certificate must be from; those whom Node trusts if it is undefined. */
  readonly trust?: (() => SecureContext) | undefined;
  readonly fail: (error: Error) => void;
  readonly take: (answer: IncomingMessage) => void;
}

/**
 * Requests an address, unless it is link-local or its name has such addresses only.
 * @throws OutgoingError "link-local"; an error of the certificate's files or of a header
 */
function ask(
  address: string,
  { method, headers, body, signal }: OutgoingRequest,
  { find, trust, fail, take }: Connection,
): void {
  const url = new URL(address);
  const encrypted = url.protocol === "https:";
  // A name of digits is an address already, which is not looked up.
  if (isLinkLocal(url.hostname.replace(/^\[|\]$/g, ""))) throw new OutgoingError("link-local");
  const options = {
    method,
    headers: { ...headers, ...(body !== undefined && { "Content-Length": String(Buffer.byteLength(body)) }) },
    agent: false,
    lookup: lookupOutside(find),
    maxHeaderSize: headerLimit,
    signal,
    ...(encrypted && trust !== undefined && { secureContext: trust() }),
  };
  const request = (encrypted ? encryptedRequest : plainRequest)(url, options, take);
  request.on("socket", (socket) => {
    const silent = Object.assign(new Error(`no connection within ${connectMs} ms`), { code: "ETIMEDOUT" });
    socket.setTimeout(connectMs, () => request.destroy(silent));
    socket.once(encrypted ? "secureConnect" : "connect", () => socket.setTimeout(0));
  });
  request.on("error", (error) => fail(signal.aborted ? signal.reason : error));
  request.end(body);
}

/**
 * Returns a function that requests an address of another server. It follows no redirect, connects to no link-local address,
 * and ends an answer that is too large.
 * @throws OutgoingError; an error of the connection, with the system's code; the reason of an aborted signal
 */
export const outgoing =
  ({ trust, limitBytes, lookup: find = lookup }: OutgoingOptions) =>
  (address: string, request: OutgoingRequest): Promise<Response> =>
    new Promise((resolve, reject) => {
      const take = (answer: IncomingMessage): void => {
        const { statusCode = 0 } = answer;
        const refuse = (error: OutgoingError): void => {
          reject(error);
          answer.destroy();
        };
        if (statusCode >= 300 && statusCode < 400) {
          refuse(new OutgoingError("redirect", answer.headers.location ?? ""));
          return;
        }
        const pieces: Buffer[] = [];
        let size = 0;
        answer.on("data", (piece: Buffer) => {
          size += piece.length;
          if (size > limitBytes) return refuse(new OutgoingError("too-large"));
          pieces.push(piece);
        });
        answer.on("error", (error) => reject(request.signal.aborted ? request.signal.reason : error));
        answer.on("end", () => {
          try {
            resolve(responseOf(answer, Buffer.concat(pieces)));
          } catch (error) {
            reject(error);
          }
        });
      };
      ask(address, request, { find, trust, fail: reject, take });
    });

export interface FetchRequest {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/**
 * Requests an address by GET as `fetch` does with `redirect: "manual"`, but connects to no link-local address. The body is
 * read, and decompressed, as fast as it is taken; whoever stops taking it ends the connection.
 * @throws OutgoingError; an error of the connection, with the system's code; the reason of an aborted signal
 */
export function fetchOutside(
  address: string,
  { headers, signal }: FetchRequest,
  find: NonNullable<OutgoingOptions["lookup"]> = lookup,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const take = (answer: IncomingMessage): void => {
      const isPacked = /^(?:x-)?gzip$/i.test(answer.headers["content-encoding"] ?? "");
      // Errors of either reach whoever reads the body.
      const body = isPacked ? pipeline(answer, createGunzip(), () => {}) : answer;
      try {
        resolve(responseOf(answer, Readable.toWeb(body) as ConstructorParameters<typeof Response>[0]));
      } catch (error) {
        answer.destroy();
        reject(error);
      }
    };
    const request = { method: "GET", headers: { "Accept-Encoding": "gzip", ...headers }, signal };
    ask(address, request, { find, fail: reject, take });
  });
}

/** @throws RangeError, TypeError for a status or header that no answer can have */
function responseOf(
  { statusCode = 0, headersDistinct }: IncomingMessage,
  body: ConstructorParameters<typeof Response>[0],
): Response {
  const headers = Object.entries(headersDistinct).map(([name, values = []]) => [name, values.join(", ")]);
  // These statuses have no body, and Response takes none with them.
  const content = [204, 205, 304].includes(statusCode) ? null : body;
  return new Response(content, { status: statusCode, headers: Object.fromEntries(headers) });
}
