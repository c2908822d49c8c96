/** Size limit of names from a machine, in bytes; error texts may be longer. */
const nameLimit = 256;
const errorLimit = 1024;

/**
 * Characters that names must not have: control characters, line and paragraph separators, and everything that shows as
 * nothing or turns the writing direction of what follows. "toor" behind U+202E reads "root", and so does "root" with a
 * zero-width space in it.
 */
export const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const plain = /^[\x20-\x7e]*$/;

/** Returns the size limit of texts in a field of this name, in bytes. */
export const limitOf = (field: string): number => (field === "err" ? errorLimit : nameLimit);

/** Removes hidden characters, and cuts a text to valid UTF-8 of at most `limit` bytes. */
export function clean(text: string, limit = nameLimit): string {
  if (text.length <= limit && plain.test(text)) return text;
  // Every character is one byte or more: the rest of a text of megabytes is not looked at. Half a pair that is left at the
  // end would become U+FFFD.
  const short = text.length > 64 * limit ? text.slice(0, 64 * limit).replace(/[\uD800-\uDBFF]$/, "") : text;
  // Encoding turns lone surrogates into U+FFFD.
  const bytes = encoder.encode(short.replace(hidden, ""));
  if (bytes.length <= limit) return decoder.decode(bytes);
  let end = limit;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return decoder.decode(bytes.subarray(0, end));
}

const run = new RegExp(`${hidden.source}+`, "gu");

/** Replaces hidden characters by spaces: a text becomes one line, which cannot steer a terminal or read as another line. */
export const oneLine = (text: string): string => text.replace(run, " ");

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
