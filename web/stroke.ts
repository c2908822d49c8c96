// Strokes of chart lines: a colour and a dash pattern, so that more lines than colours can be distinguished.

export type Background = "light" | "dark";

/**
 * Eight colours for each background. Each has a contrast of at least 3:1 to it, and every pair keeps an OKLab distance
 * of 0.1 for normal vision, protanopia, deuteranopia and tritanopia: `stroke.test.ts` measures both.
 */
export const palette: Readonly<Record<Background, readonly string[]>> = {
  light: ["#2f2ec6", "#9e5c04", "#108369", "#705394", "#979815", "#4b9dbd", "#ae44ec", "#7c2937"],
  dark: ["#2c6dff", "#e99504", "#53efc7", "#b8479d", "#ffd225", "#07ba97", "#b5b0f3", "#547529"],
};

/**
 * One period of each pattern: "-" is a dash, "." a dot, "" a solid line. These are Lyndon words, therefore no pattern is
 * another one repeated or shifted.
 */
const words = [
  "",
  "-",
  ".",
  "-.",
  "--.",
  "-..",
  "---.",
  "-...",
  "--..",
  "----.",
  "-.-..",
  "--.-.",
  "---..",
  "--...",
  "-....",
];
const [dash, dot, space] = [6, 1.5, 3];

export interface Stroke {
  readonly colour: string;
  /** Lengths of ink and space in pixels, alternating; empty for a solid line. */
  readonly dash: readonly number[];
}

/** Number of slots until a stroke repeats. */
export const strokes = words.length * palette.light.length;

/** The stroke of a slot: colours first, then patterns. */
export function strokeOf(slot: number, theme: Background): Stroke {
  const colours = palette[theme];
  const word = words[Math.floor(slot / colours.length) % words.length] ?? "";
  return {
    colour: colours[slot % colours.length] ?? "#888888",
    dash: [...word].flatMap((sign) => [sign === "-" ? dash : dot, space]),
  };
}

/** Width of a sample of the stroke that shows its whole pattern. Pixels. */
export const sampleWidth = ({ dash }: Stroke): number =>
  Math.max(
    16,
    dash.reduce((sum, length) => sum + length, 0),
  );

export interface Keyed {
  readonly key: string;
  /** Preferred slot. */
  readonly slot?: number;
}

/**
 * Gives every key a slot that depends on its identity, not on its place in the list: it keeps the one it had in `before`.
 * A new key takes the slot it names, or the lowest free one. Slots of absent keys stay reserved while there are free ones.
 */
export function slotsOf(before: ReadonlyMap<string, number>, wanted: readonly Keyed[]): ReadonlyMap<string, number> {
  const present = new Set(wanted.map(({ key }) => key));
  const room = before.size + wanted.length <= strokes;
  const slots = new Map([...before].filter(([key]) => room || present.has(key)));
  const taken = new Set(slots.values());
  const take = (key: string, slot: number): void => {
    slots.set(key, slot);
    taken.add(slot);
  };
  const fresh = wanted.filter(({ key }) => !slots.has(key));
  for (const { key, slot } of fresh) {
    if (slot !== undefined && slot < strokes && !taken.has(slot)) take(key, slot);
  }
  let free = 0;
  for (const { key } of fresh) {
    if (slots.has(key)) continue;
    while (taken.has(free)) free++;
    take(key, free);
  }
  return slots;
}
