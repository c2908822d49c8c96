// STAND-IN until the codec is merged
export class CorruptBlock extends Error {}
export interface Block { readonly count: number; readonly width: number; readonly v: Float64Array }
export interface BucketColumns { readonly count: Float64Array; readonly min: Float64Array; readonly max: Float64Array; readonly sum: Float64Array }
export interface BucketBlock { readonly buckets: number; readonly width: number; readonly b: Block }
export function encode(columns: readonly Float64Array[], count: number): Uint8Array {
  const f = new Float64Array(2 + columns.length * count); f[0] = count; f[1] = columns.length;
  columns.forEach((c, i) => f.set(c.subarray(0, count), 2 + i * count));
  return new Uint8Array(f.buffer);
}
export function open(bytes: Uint8Array): Block {
  if (bytes.length % 8) throw new CorruptBlock("length");
  const f = new Float64Array(bytes.slice().buffer); const [count = 0, width = 0] = f;
  if (f.length !== 2 + count * width) throw new CorruptBlock("length");
  return { count, width, v: f };
}
export function column(block: Block, index: number, out: Float64Array): void { out.set(block.v.subarray(2 + index * block.count, 2 + (index + 1) * block.count)); }
export function encodeBuckets(series: readonly BucketColumns[], buckets: number): Uint8Array { return encode(series.flatMap((s) => [s.count, s.min, s.max, s.sum]), buckets); }
export function openBuckets(bytes: Uint8Array): BucketBlock { const b = open(bytes); return { buckets: b.count, width: b.width / 4, b }; }
export function bucketColumns(block: BucketBlock, index: number, out: BucketColumns): void { column(block.b, index * 4, out.count); column(block.b, index * 4 + 1, out.min); column(block.b, index * 4 + 2, out.max); column(block.b, index * 4 + 3, out.sum); }
