/** The bytes are no block of this codec: damaged, cut short, or never one. */
export class CorruptBlock extends Error {
  override readonly name = "CorruptBlock";
}
