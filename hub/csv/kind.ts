/** Kinds of files that people take for CSV, by their first bytes. */
const kinds: readonly (readonly [start: readonly number[], words: string])[] = [
  [[0x25, 0x50, 0x44, 0x46], "a PDF"],
  [[0x50, 0x4b, 0x03, 0x04], "a ZIP archive, as .xlsx and .ods are: save the sheet as CSV (UTF-8) first"],
  [[0xd0, 0xcf, 0x11, 0xe0], "an Excel workbook (.xls): save the sheet as CSV (UTF-8) first"],
  [[0x1f, 0x8b], "compressed by gzip: it must be decompressed first"],
  [[0x28, 0xb5, 0x2f, 0xfd], "compressed by zstd: it must be decompressed first"],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], "compressed by xz: it must be decompressed first"],
  [[0xff, 0xfe], 'text in UTF-16, as "Unicode text" of Excel is: save the sheet as CSV (UTF-8)'],
  [[0xfe, 0xff], 'text in UTF-16, as "Unicode text" of Excel is: save the sheet as CSV (UTF-8)'],
  [[0x89, 0x50, 0x4e, 0x47], "an image"],
  [[0xff, 0xd8, 0xff], "an image"],
];

/** Bytes that `foreignKind` looks at. */
export const kindBytes = 512;

/** What a file is, if its first bytes are not those of CSV, as the end of a sentence. */
export function foreignKind(start: Uint8Array): string | undefined {
  const found = kinds.find(([bytes]) => bytes.every((byte, i) => start[i] === byte));
  if (found !== undefined) return found[1];
  const text = Buffer.from(start)
    .toString("latin1")
    .replace(/^\xef\xbb\xbf/, "")
    .trimStart();
  if (/^<(!doctype|html|\?xml|[a-z]+[ >])/i.test(text)) return "HTML or XML";
  if (/^[{[]/.test(text)) return "JSON";
  return start.includes(0) ? "no text" : undefined;
}
