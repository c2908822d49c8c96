/** Replacement of a secret. */
const redacted = "***";

/**
 * Replaces secrets in a text from a peer, literally and as JSON escapes them: a peer may quote the credentials it received,
 * and its messages go to the log and the page.
 * @param secrets Secrets that this program sends to the peer; "" for none.
 */
export function redact(text: string, secrets: readonly string[]): string {
  const forms = secrets.filter((secret) => secret !== "").flatMap((one) => [JSON.stringify(one).slice(1, -1), one]);
  // One secret may contain another: the longer one is replaced first, so that no part of it remains.
  const longestFirst = forms.toSorted((a, b) => b.length - a.length);
  return longestFirst.reduce((rest, secret) => rest.replaceAll(secret, () => redacted), text);
}
