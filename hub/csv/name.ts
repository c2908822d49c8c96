import { hidden } from "../../proto/clean.ts";

/**
 * Letters and digits of any language, then also spaces, marks, and signs that no path, shell, list or spreadsheet takes for
 * something else. Clients of the logger may have any text for a name.
 */
const clientName = /^[\p{L}\p{N}_](?:[\p{L}\p{M}\p{N} ._()[\]#+@&'-]|(?![\0-\x7f])[\p{P}\p{S}]){0,63}$/u;

/** The host name of a client, in NFC; undefined if no host can have it. */
export function hostNameOf(text: string): string | undefined {
  if (text.length > 1024) return undefined;
  const name = text.normalize("NFC").trim();
  return clientName.test(name) && name.search(hidden) < 0 ? name : undefined;
}

export const nameWanted =
  "1 to 64 letters, digits, spaces and . _ - ( ) [ ] # + @ & ', beginning with a letter or digit";
