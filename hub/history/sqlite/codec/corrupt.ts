/** Thrown for bytes that are not a chunk of this codec: damaged, cut short, or something else. */
export class CorruptChunk extends Error {
  override readonly name = "CorruptChunk";
}
