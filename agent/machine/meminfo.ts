/** Bytes by key of /proc/meminfo; empty where the text is something else. */
export function meminfo(text: string): ReadonlyMap<string, bigint> {
  const bytes = new Map<string, bigint>();
  for (const [, key = "", amount = "0"] of text.matchAll(/^([^\s:]+):\s+(\d+) kB$/gm)) {
    bytes.set(key, BigInt(amount) * 1024n);
  }
  return bytes;
}
