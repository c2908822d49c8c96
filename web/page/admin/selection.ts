/** Devices that are kept of a host: null for all, also those that it will have later. */
export type Selection<T> = readonly T[] | null;

export const isSelected = <T>(selection: Selection<T>, device: T): boolean =>
  selection === null || selection.includes(device);

/**
 * Selects a device or leaves it out. From null this gives the list of the others that the host has now.
 * @param present devices that the host has
 */
export function select<T>(selection: Selection<T>, device: T, on: boolean, present: readonly T[]): Selection<T> {
  if (isSelected(selection, device) === on) return selection;
  if (selection === null) return [...new Set(present)].filter((one) => one !== device);
  if (!on) return selection.filter((one) => one !== device);
  // In the order of the host; what it lacks now stays behind.
  const chosen = new Set([...selection, device]);
  return [...new Set([...present.filter((one) => chosen.has(one)), ...chosen])];
}

/** Devices to show: those that the host has, then those that are selected though it has not got them now. */
export const listed = <T>(selection: Selection<T>, present: readonly T[]): readonly T[] => [
  ...new Set([...present, ...(selection ?? [])]),
];

/** How many of the devices that the host has are selected. */
export const countSelected = <T>(selection: Selection<T>, present: readonly T[]): number =>
  [...new Set(present)].filter((one) => isSelected(selection, one)).length;

/** True if both keep the same devices, in whatever order. */
export function sameSelection<T>(a: Selection<T>, b: Selection<T>): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((one) => b.includes(one));
}
