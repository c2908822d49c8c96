/** The bytes are no chunk of this codec: damaged, cut short, or never one. */
export class CorruptChunk extends Error {
  override readonly name = "CorruptChunk";
}
