import { computed, effect, signal } from "@preact/signals";
import { printing, theme } from "./choice.ts";

const dark = matchMedia("(prefers-color-scheme: dark)");
const system = signal(dark.matches);
dark.addEventListener("change", () => {
  system.value = dark.matches;
});

// Some browsers announce printing by the media query, others only by events.
const paper = matchMedia("print");
const look = (): void => {
  printing.value = paper.matches;
};
look();
paper.addEventListener("change", look);
addEventListener("beforeprint", () => {
  printing.value = true;
});
addEventListener("afterprint", look);

/** The theme in effect; light for printing. */
export const painted = computed((): "light" | "dark" => {
  if (printing.value) return "light";
  if (theme.value !== "auto") return theme.value;
  return system.value ? "dark" : "light";
});

/** Sets the root element's data-theme to the theme in effect, whenever it changes. */
export function paintRoot(root: HTMLElement): () => void {
  return effect(() => {
    root.dataset.theme = painted.value;
  });
}
