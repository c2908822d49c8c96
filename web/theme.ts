import { computed, effect, signal } from "@preact/signals";
import { theme } from "./choice.ts";

const dark = matchMedia("(prefers-color-scheme: dark)");
const system = signal(dark.matches);
dark.addEventListener("change", () => {
  system.value = dark.matches;
});

/** The theme in force. */
export const painted = computed((): "light" | "dark" => {
  if (theme.value !== "auto") return theme.value;
  return system.value ? "dark" : "light";
});

/** Keeps the root element's data-theme to the theme in force. */
export function paintRoot(root: HTMLElement): () => void {
  return effect(() => {
    root.dataset.theme = painted.value;
  });
}
