import { sslReason } from "../../program/certificate.ts";
import { redact } from "../../program/redact.ts";
import { quoted } from "../../program/setting.ts";
import { isPlaintextPeer } from "../../program/tls.ts";
import { clean } from "../../proto/clean.ts";
import type { UploadAnswer } from "./client.ts";

/**
 * Describes an unexpected answer, with the server's own message if it has one, without the secrets sent to it.
 * @param setting What names the server's address, for the advice after a redirect: "--server".
 */
export function describeAnswer(answer: UploadAnswer, secrets: readonly string[], setting: string): string {
  const { status, headers } = answer;
  if (status >= 300 && status < 400) {
    const where = headers.location ? ` to ${JSON.stringify(clean(redact(headers.location, secrets)))}` : "";
    return `it answers with a redirect (${status})${where}, which is not followed: give the address it really has as ${setting}`;
  }
  return `it answers ${status}${reasonIn(answer, ": ", secrets)}`;
}

/**
 * Returns `before` followed by the server's `error`, `detail` or `message`, with the secrets redacted; "" if the answer has none of
 * them. The body is read whatever the status is.
 */
export function reasonIn({ text }: UploadAnswer, before: string, secrets: readonly string[]): string {
  const { error, detail, message } = parseObject(redact(text, secrets)) ?? {};
  const said = error ?? detail ?? message;
  return said === undefined || said === null ? "" : `${before}${clean(typeof said === "string" ? said : quoted(said))}`;
}

/** Describes an error of the connection. */
export function describeError(error: NodeJS.ErrnoException): string {
  const { code = "", message } = error;
  if (/SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)/.test(code)) {
    return `its certificate is not from a trusted authority (${code}): --server-ca names a file of further ones`;
  }
  if (isPlaintextPeer(error)) return "it does not speak TLS: its address may begin with http://";
  return sslReason(error) ?? (message || code);
}

/** Parses a JSON object; undefined if the text is something else. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined; // not JSON
  }
}
