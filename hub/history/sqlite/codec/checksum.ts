import { crc32 } from "node:zlib";
import type { Words } from "./bits.ts";
import { CorruptChunk } from "./corrupt.ts";

/** Bytes of the CRC-32 at the beginning of a chunk, lowest first, of everything behind it. */
export const CHECK = 4;

/** Joins parts behind their checksum. */
export function withChecksum(parts: readonly Uint8Array[]): Uint8Array {
  const chunk = new Uint8Array(parts.reduce((sum, part) => sum + part.length, CHECK));
  let at = CHECK;
  for (const part of parts) {
    chunk.set(part, at);
    at += part.length;
  }
  new DataView(chunk.buffer).setUint32(0, crc32(chunk.subarray(CHECK)), true);
  return chunk;
}

/** @throws CorruptChunk if the checksum differs */
export function verifyChecksum(bytes: Uint8Array): void {
  if (bytes.length <= CHECK) throw new CorruptChunk(`A chunk of ${bytes.length} bytes is cut short`);
  const sum = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (crc32(bytes.subarray(CHECK)) !== sum) throw new CorruptChunk("The chunk's checksum is not that of its bytes");
}

/** Copies bytes into words, with two more of 32 bits that decoding may read but not use. @param length in units of 16 bits */
export function wordsOf(bytes: Uint8Array, length: number): Words {
  if (bytes.length !== length * 2) throw new CorruptChunk("The chunk's series do not fit its length");
  const by32 = new Uint32Array((bytes.length >> 2) + 3);
  new Uint8Array(by32.buffer).set(bytes);
  return { by32, by16: new Uint16Array(by32.buffer) };
}
