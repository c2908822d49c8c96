// The filter of the home page in its address, so that a link and a bookmark have it: "#/?show=mine".
import { batch, effect, untracked } from "@preact/signals";
import { tabChoices } from "./choice.ts";
import { address, amendAddress, fleetPath } from "./route.ts";

/** Addresses of the home page, with what is behind "?". */
const home = /^(?:#\/?(?:\?(.*))?)?$/s;

const firsts: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(tabChoices).map(([name, choice]) => [name, choice.peek()]),
);

/** The address of the home page with the present filter. */
function filtered(): string {
  const chosen = Object.entries(tabChoices).filter(([name, choice]) => choice.get() !== firsts[name]);
  const query = new URLSearchParams(chosen.map(([name, choice]) => [name, choice.get()]));
  return chosen.length === 0 ? fleetPath : `${fleetPath}?${query}`;
}

/** Takes the filter from the address, now and whenever one with a filter is opened, and keeps the address up to date. */
export function followFilter(): void {
  /** The address that the present filter was taken from, or that was written for it. */
  let known: string | undefined;
  effect(() => {
    const hash = address.value;
    const [found, query] = home.exec(hash) ?? [];
    if (found === undefined) return;
    if (query !== undefined && hash !== known) {
      known = hash;
      const given = new URLSearchParams(query);
      untracked(() =>
        batch(() => {
          for (const [name, choice] of Object.entries(tabChoices)) choice.take(given.get(name) ?? firsts[name] ?? "");
        }),
      );
    }
    const next = filtered();
    if (next === hash || (next === fleetPath && query === undefined)) return;
    known = next;
    amendAddress(next);
  });
}
