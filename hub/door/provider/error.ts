import { unreachableReason } from "../../../program/unreachable.ts";
import type { Sentence } from "../../sentence.ts";
import { failure, SignInFailure } from "../failure.ts";
import { OutgoingError } from "../outgoing.ts";

/** What an error of openid-client has, as far as it is looked at. Its code says which one it is. */
interface LibraryError extends Error {
  readonly code?: unknown;
  /** Error that the provider answers. */
  readonly error?: unknown;
  readonly error_description?: unknown;
}

interface ErrorContext {
  /** Host of the provider. */
  readonly host: string;
  /** Seconds by which clocks may differ. */
  readonly tolerance: number;
  /** Seconds of a request. */
  readonly limit: number;
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** The property of an error's causes; undefined if none has it. */
function inCauses(error: unknown, name: string): unknown {
  let at: unknown = error;
  for (let depth = 0; depth < 5 && typeof at === "object" && at !== null; depth++) {
    if (Object.hasOwn(at, name)) return (at as Record<string, unknown>)[name];
    at = (at as { cause?: unknown }).cause;
  }
  return undefined;
}

/** The first error among the causes that is one of a class. */
function causeOf<T extends Error>(error: unknown, kind: new (...given: never[]) => T): T | undefined {
  let at: unknown = error;
  for (let depth = 0; depth < 5 && at instanceof Error; depth++) {
    if (at instanceof kind) return at;
    at = at.cause;
  }
  return undefined;
}

/** True if the provider does not accept how the client proves who it is. */
export function isClientRefusal(error: unknown): boolean {
  const { code, error: word } = error as LibraryError;
  return word === "invalid_client" || code === "OAUTH_WWW_AUTHENTICATE_CHALLENGE";
}

/** The issuer that metadata name, if it is another one than was asked for. */
export function issuerFound(error: unknown): string | undefined {
  if (!(error instanceof Error) || inCauses(error, "attribute") !== "issuer") return undefined;
  return textOf((inCauses(error, "body") as { issuer?: unknown } | undefined)?.issuer);
}

/** The sentence for an error of a request to a provider, or of its answer. */
export function failureOf(error: unknown, { host, tolerance, limit }: ErrorContext): Sentence {
  const known = causeOf(error, SignInFailure);
  if (known !== undefined) return known.sentence;
  const wrong = (why: string): Sentence => failure("provider_wrong", { host, why });
  const refused = causeOf(error, OutgoingError);
  if (refused !== undefined) return wrong(refusedText(refused));
  if (!(error instanceof Error)) return wrong(String(error));
  const { code, error: word, error_description: more } = error as LibraryError;
  const reason = cause(error);
  switch (code) {
    case "OAUTH_AUTHORIZATION_RESPONSE_ERROR":
      return failure("provider_refused", { host, error: textOf(word), description: textOf(more) });
    case "OAUTH_WWW_AUTHENTICATE_CHALLENGE":
      return failure("client_refused", { host, error: "401" });
    case "OAUTH_RESPONSE_BODY_ERROR": {
      const said = textOf(more) === "" ? textOf(word) : `${textOf(word)} (${textOf(more)})`;
      const client = word === "invalid_client" || word === "unauthorized_client";
      return failure(client ? "client_refused" : "code_refused", { host, error: said });
    }
    case "OAUTH_TIMEOUT":
      return failure("provider_away", { host, why: `no complete answer within ${limit} s` });
    case "OAUTH_JWT_TIMESTAMP_CHECK_FAILED":
      return failure("token_time", { host, seconds: tolerance });
    case "OAUTH_JWT_CLAIM_COMPARISON_FAILED":
      return failure("token_claim", { host, claim: textOf(inCauses(error, "claim")) });
    case "OAUTH_KEY_SELECTION_FAILED":
      return failure("token_signature", { host });
    case "OAUTH_UNSUPPORTED_OPERATION": {
      const alg = textOf(inCauses(error, "alg"));
      if (alg.startsWith("HS")) {
        return wrong(`its ID tokens are signed by ${alg}, with the client's secret: give it a signing key (RS256)`);
      }
      return reason.includes("JWS") ? failure("token_signature", { host }) : wrong(reason);
    }
    case "OAUTH_HTTP_REQUEST_FORBIDDEN":
      return wrong("it is without https, or names an address without it (auth.oidc.insecure)");
    case "OAUTH_RESPONSE_IS_NOT_CONFORM":
      return wrong(`status ${(error.cause as { status?: unknown } | undefined)?.status ?? "unknown"}`);
    case "OAUTH_RESPONSE_IS_NOT_JSON":
    case "OAUTH_PARSE_ERROR":
      return wrong("what it sent is not JSON");
    case "OAUTH_INVALID_RESPONSE":
      return /signature|"alg"/.test(reason) ? failure("token_signature", { host }) : wrong(reason);
    case undefined:
      // An error of the connection, which the library wraps without a code.
      return failure("provider_away", { host, why: unreachableReason(error, "auth.oidc.ca") });
    default:
      return wrong(reason);
  }
}

/** What the library says in detail. */
const cause = (error: Error): string => (error.cause instanceof Error ? error.cause.message : error.message);

function refusedText({ kind, location }: OutgoingError): string {
  switch (kind) {
    case "link-local":
      return "its address is one of the link, such as the metadata service of a cloud, which the hub never asks";
    case "too-large":
      return "its answer is too large";
    case "redirect":
      return `it redirects${location === "" ? "" : ` to ${location}`}, which the hub does not follow (auth.oidc.issuer)`;
    default:
      return kind satisfies never;
  }
}
