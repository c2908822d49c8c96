import { cause, SourceFault } from "../cause.ts";
import type { Clock } from "../clock.ts";
import { fetchOutside, OutgoingError } from "../door/outgoing.ts";
import { Fault } from "../fault.ts";
import type { Sentence } from "../sentence.ts";

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
  /** Replaces the hub's own, which connects to no link-local address. */
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
const reasons = {
  ECONNREFUSED: "nothing_listens",
  ECONNRESET: "connection_cut",
  EHOSTUNREACH: "no_route_to_machine",
  ENETUNREACH: "no_route_to_network",
  ETIMEDOUT: "machine_silent",
  ENOTFOUND: "machine_unknown",
  EAI_AGAIN: "name_not_looked_up",
  DEPTH_ZERO_SELF_SIGNED_CERT: "certificate_own",
  SELF_SIGNED_CERT_IN_CHAIN: "certificate_authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "certificate_authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "certificate_authority",
  CERT_HAS_EXPIRED: "certificate_expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "certificate_name",
} as const;

/** Why a request ended before its answer was complete. */
class LimitError extends Error {
  readonly words: Sentence;

  constructor(words: Sentence, options?: ErrorOptions) {
    super(words.text, options);
    this.words = words;
  }
}

/**
 * Requests a text by GET, whatever its status. Follows no redirect, so that no header reaches another server.
 * @throws SourceFault with a reason that quotes neither headers nor the answer; Fault canceled
 */
export async function requestText(request: TextRequest): Promise<TextAnswer> {
  const { url, headers = {}, limitMs, clock, signal, fetch: ask = fetchOutside } = request;
  const own = new AbortController();
  const cancel = clock.after(limitMs, () => own.abort(new LimitError(cause("answer_late", { limitMs }))));
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
    throw new SourceFault(reasonOf(own.signal.aborted ? own.signal.reason : error), { cause: error });
  } finally {
    cancel();
    signal?.removeEventListener("abort", stop);
  }
}

/** @throws LimitError */
async function textOf({ body }: Response, { limitBytes, take }: TextRequest): Promise<string> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  try {
    // A loop that is left early cancels the rest.
    for await (const bytes of body as unknown as AsyncIterable<Uint8Array>) {
      size += bytes.length;
      if (size > limitBytes) throw new LimitError(cause("answer_large", { mib: limitBytes / 2 ** 20 }));
      const piece = decoder.decode(bytes, { stream: true });
      if (take === undefined) text += piece;
      else if (!take(piece)) return "";
    }
  } catch (error) {
    if (error instanceof LimitError) throw error;
    throw new LimitError(cause("answer_cut"), { cause: error });
  }
  return text + decoder.decode();
}

function reasonOf(error: unknown): Sentence {
  if (error instanceof LimitError) return error.words;
  if (error instanceof OutgoingError) return cause("link_local");
  // Of several addresses of a name each failed.
  const [first = error] = error instanceof AggregateError ? error.errors : [error];
  const code = String((first as NodeJS.ErrnoException | undefined)?.code ?? "");
  if (Object.hasOwn(reasons, code)) return cause(reasons[code as keyof typeof reasons]);
  return code.startsWith("HPE_") ? cause("not_http") : cause("connection_failed", { error: code });
}
