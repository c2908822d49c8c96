/**
 * The known name closest to a mistyped one, or undefined if none is near: the more letters, the more may be wrong. Of a
 * dotted name, the last part alone may have been meant.
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const most = name.length < 2 ? 0 : name.length < 4 ? 1 : Math.max(2, Math.floor(name.length / 3));
  const last = (s: string): string => s.slice(s.lastIndexOf(".") + 1);
  let best: { name: string; distance: number } | undefined;
  for (const candidate of known) {
    const distance = Math.min(edits(name, candidate), edits(last(name), last(candidate)) + 1);
    if (best === undefined || distance < best.distance) best = { name: candidate, distance };
  }
  return best && best.distance <= most ? best.name : undefined;
}

/** Damerau-Levenshtein distance (optimal string alignment): letters added, removed, replaced, or swapped with the next one. */
export function edits(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      }
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
