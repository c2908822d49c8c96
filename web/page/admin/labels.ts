/** A label as it is typed. */
export interface TypedLabel {
  readonly key: string;
  readonly value: string;
}

export const typedLabels = (labels: Readonly<Record<string, string>>): readonly TypedLabel[] =>
  Object.entries(labels).map(([key, value]) => ({ key, value }));

/** What is wrong with typed labels, and in which line. */
export interface LabelFault {
  readonly line: number;
  readonly kind: "empty" | "twice";
}

/** Labels without the empty lines, or the first line that cannot be used. */
export function labelsOf(
  typed: readonly TypedLabel[],
): { readonly labels: Record<string, string> } | { readonly fault: LabelFault } {
  // Without a prototype, a label may have any name.
  const labels: Record<string, string> = Object.create(null);
  for (const [line, { key, value }] of typed.entries()) {
    const name = key.trim();
    if (name === "" && value.trim() === "") continue;
    if (name === "") return { fault: { line, kind: "empty" } };
    if (name in labels) return { fault: { line, kind: "twice" } };
    labels[name] = value.trim();
  }
  return { labels };
}

export function sameLabels(a: readonly TypedLabel[], b: readonly TypedLabel[]): boolean {
  const [one, other] = [labelsOf(a), labelsOf(b)];
  if ("fault" in one || "fault" in other) return false;
  const keys = Object.keys(one.labels);
  return keys.length === Object.keys(other.labels).length && keys.every((key) => one.labels[key] === other.labels[key]);
}
