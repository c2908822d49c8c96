import { constants, deflateRawSync } from "node:zlib";

/** Header of a gzip stream. */
export const gzipHeader = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);

/** One event, as plain text and as a piece of a gzip stream that needs none of the pieces before it. */
export interface EventFrame {
  readonly plain: Buffer;
  readonly packed: Buffer;
}

/** @param before lines in front of the data */
export function frame(before: string, event: Uint8Array): EventFrame {
  const plain = Buffer.from(`${before}data: ${Buffer.from(event).toString("base64")}\n\n`);
  // A full flush ends on a byte and refers to nothing before it, so one packed event fits into every viewer's stream.
  const packed = deflateRawSync(plain, { finishFlush: constants.Z_FULL_FLUSH });
  return { plain, packed };
}
