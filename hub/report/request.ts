import type { Clock } from "../clock.ts";
import { Fault } from "../fault.ts";

/** A request to another program. */
export interface TextRequest {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds until the answer must be complete. */
  readonly limitMs: number;
  /** Most bytes of the answer. */
  readonly limitBytes: number;
  /** Takes the pieces of a long answer as they arrive, which `text` then has not. It returns false if it wants no more. */
  readonly take?: ((piece: string) => boolean) | undefined;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Replaces the one of Node. */
  readonly fetch?: typeof fetch | undefined;
}

export interface TextAnswer {
  readonly status: number;
  /** Content-Type; "" without one. */
  readonly type: string;
  /** Where a redirect leads, which is not followed; "" without one. */
  readonly location: string;
  /** Time of the answer by the clock of its machine, in Unix milliseconds; undefined without one. */
  readonly at: number | undefined;
  readonly text: string;
}

/** Reasons why a connection fails, by error code. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was cut",
  UND_ERR_SOCKET: "the connection was cut",
  EHOSTUNREACH: "there is no route to that machine",
  ENETUNREACH: "there is no route to that network",
  ETIMEDOUT: "that machine does not answer",
  UND_ERR_CONNECT_TIMEOUT: "that machine does not answer",
  ENOTFOUND: "there is no machine of that name",
  EAI_AGAIN: "the name could not be looked up",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is signed by itself (NODE_EXTRA_CA_CERTS can name it)",
  SELF_SIGNED_CERT_IN_CHAIN: "the authority of its certificate is not known here (NODE_EXTRA_CA_CERTS can name it)",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    "the authority of its certificate is not known here (NODE_EXTRA_CA_CERTS can name it)",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "the authority of its certificate is not known here (NODE_EXTRA_CA_CERTS can name it)",
  CERT_HAS_EXPIRED: "its certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
};

/** A limit that ended a request. */
class LimitError extends Error {}

/**
 * Requests a text by GET, whatever its status. Follows no redirect, so that no header reaches another server.
 * @throws Fault source_failed with a reason that quotes neither headers nor the answer; canceled
 */
export async function requestText(request: TextRequest): Promise<TextAnswer> {
  const { url, headers = {}, limitMs, clock, signal, fetch: ask = fetch } = request;
  const own = new AbortController();
  const cancel = clock.after(limitMs, () => own.abort(new LimitError(`no complete answer within ${limitMs / 1000} s`)));
  const stop = (): void => own.abort(signal?.reason);
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) stop();
  try {
    const response = await ask(url, { headers, redirect: "manual", signal: own.signal });
    const text = await textOf(response, request);
    const of = (name: string): string => response.headers.get(name) ?? "";
    const at = Date.parse(of("date"));
    return {
      status: response.status,
      type: of("content-type"),
      location: of("location"),
      at: Number.isNaN(at) ? undefined : at,
      text,
    };
  } catch (error) {
    if (signal?.aborted) throw new Fault("canceled", "The report was canceled.", { cause: error });
    throw new Fault("source_failed", reasonOf(own.signal.aborted ? own.signal.reason : error), { cause: error });
  } finally {
    cancel();
    signal?.removeEventListener("abort", stop);
  }
}

/** @throws LimitError; Error of the connection */
async function textOf({ body }: Response, { limitBytes, take }: TextRequest): Promise<string> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  // A loop that is left early cancels the rest.
  for await (const bytes of body as unknown as AsyncIterable<Uint8Array>) {
    size += bytes.length;
    if (size > limitBytes) throw new LimitError(`an answer of more than ${limitBytes / 2 ** 20} MiB`);
    const piece = decoder.decode(bytes, { stream: true });
    if (take === undefined) text += piece;
    else if (!take(piece)) return "";
  }
  return text + decoder.decode();
}

function reasonOf(error: unknown): string {
  if (error instanceof LimitError) return error.message;
  // Node says so of an answer that ends before it is complete.
  if (error instanceof TypeError && error.message === "terminated") return "the answer was cut off";
  const { cause } = error as Error;
  // Node gives it no code: 6000 and 10080 are such ports.
  if (cause instanceof Error && cause.message === "bad port")
    return "its port is one of another service, which the Fetch standard blocks: give it another one";
  const all = cause instanceof AggregateError ? cause.errors : [cause ?? error];
  const code = String((all[0] as NodeJS.ErrnoException | undefined)?.code ?? "");
  if (reasons[code] !== undefined) return reasons[code];
  if (code.startsWith("HPE_")) return "what answers there does not speak HTTP";
  return code === "" ? "the connection failed" : `the connection failed (${code})`;
}
