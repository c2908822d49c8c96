/** Reasons why a connection fails, by error code. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was cut",
  UND_ERR_SOCKET: "the connection was cut",
  EPIPE: "the connection was cut",
  EHOSTUNREACH: "there is no route to that machine",
  ENETUNREACH: "there is no route to that network",
  ETIMEDOUT: "that machine does not answer",
  UND_ERR_CONNECT_TIMEOUT: "that machine does not answer",
  ENOTFOUND: "there is no machine of that name",
  EAI_AGAIN: "the name could not be looked up",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
};

/** The same for certificates of authorities that are not trusted, without what can name the authority. */
const authorityReasons: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is signed by itself",
  SELF_SIGNED_CERT_IN_CHAIN: "the authority of its certificate is not known here",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the authority of its certificate is not known here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the authority of its certificate is not known here",
};

/**
 * Says why a connection to another server failed, in a few words that quote nothing of it.
 * @param authority variable or setting that can name an authority of certificates
 */
export function unreachableReason(error: unknown, authority: string): string {
  const { cause } = error as Error;
  const all = cause instanceof AggregateError ? cause.errors : [cause ?? error];
  const [first = error] = all[0] instanceof AggregateError ? all[0].errors : all;
  const code = String((first as NodeJS.ErrnoException | undefined)?.code ?? "");
  if (reasons[code] !== undefined) return reasons[code];
  if (authorityReasons[code] !== undefined) return `${authorityReasons[code]} (${authority} can name it)`;
  if (code.startsWith("HPE_")) return "what answers there does not speak HTTP";
  return code === "" ? "the connection failed" : `the connection failed (${code})`;
}
