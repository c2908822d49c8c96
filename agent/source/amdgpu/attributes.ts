/** One quantity of a table that names what it holds. */
interface Attribute {
  /** Number of enum amdgpu_metrics_attr_unit. */
  readonly unit: number;
  /** One, or one for each instance of what is measured. */
  readonly values: readonly bigint[];
}

/** By number of enum amdgpu_metrics_attr_id. */
export type Attributes = ReadonlyMap<number, Attribute>;

/** Bytes of a value by enum amdgpu_metrics_attr_type: 8, 16, 32 and 64 bits, each without and with a sign. */
const widths = [1, 1, 2, 2, 4, 4, 8, 8];

const start = 8;

/**
 * gpu_metrics of revision 1.9 (kgd_pp_interface.h): after the header and a count, each attribute is 64 bits that say
 * what it is (unit, type, id, number of values: AMDGPU_METRICS_ENC_ATTR) and its values, without gaps.
 * @returns Undefined if count and lengths do not match the table: then all of it is implausible.
 */
export function parseAttributes(view: DataView): Attributes | undefined {
  const found = new Map<number, Attribute>();
  if (view.byteLength < start) return undefined;
  let at = start;
  for (let left = view.getInt32(4, true); left > 0; left--) {
    if (at + 8 > view.byteLength) return undefined;
    const code = view.getUint32(at, true);
    // The upper half of the code is not used yet: a table that uses it is laid out otherwise.
    const width = view.getUint32(at + 4, true) === 0 ? widths[(code >>> 20) & 0xf] : undefined;
    const count = code & 0x3ff;
    at += 8;
    if (width === undefined || at + width * count > view.byteLength) return undefined;
    const values = Array.from({ length: count }, (_, i) => valueAt(view, at + width * i, width));
    found.set((code >>> 10) & 0x3ff, { unit: code >>> 24, values });
    at += width * count;
  }
  return at === view.byteLength && found.size > 0 ? found : undefined;
}

/** Without its sign: nothing that is read here can be negative. */
function valueAt(view: DataView, at: number, width: number): bigint {
  if (width === 8) return view.getBigUint64(at, true);
  return BigInt(width === 4 ? view.getUint32(at, true) : width === 2 ? view.getUint16(at, true) : view.getUint8(at));
}
