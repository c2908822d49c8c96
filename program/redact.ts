/** Stands for a secret in a text. */
const masked = "***";

/**
 * Replaces secrets in a text from a peer, as they are and as JSON writes them: a peer may quote what it was shown, and its
 * words go to the log and the page.
 * @param secrets those that this program shows to the peer; "" for none
 */
export function mask(text: string, secrets: readonly string[]): string {
  const forms = secrets.filter((secret) => secret !== "").flatMap((one) => [JSON.stringify(one).slice(1, -1), one]);
  // Of two of which one contains the other, no part may stay.
  const longestFirst = forms.toSorted((a, b) => b.length - a.length);
  return longestFirst.reduce((rest, secret) => rest.replaceAll(secret, () => masked), text);
}
