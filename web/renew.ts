import { signal } from "@preact/signals";
import { passing } from "./choice.ts";

// A page that is open while the hub is upgraded asks for files that are gone, and reads events of a form it does not know.

/** True when the hub has another version of the page, and this one could not take it by itself. */
export const outdated = signal(false);

/** Versions that this tab has loaded itself again for, and what was chosen then. */
const tried = "gohm.renewed";
const kept = "gohm.passing";

/** Takes over what the page before this one was showing, once. */
export function takeOver(): void {
  try {
    const held: unknown = JSON.parse(sessionStorage.getItem(kept) ?? "{}");
    sessionStorage.removeItem(kept);
    for (const [name, choice] of Object.entries(passing)) {
      const value = (held as Record<string, unknown>)[name];
      if (typeof value === "string") choice.take(value);
    }
  } catch {
    // No storage: nothing is kept, and nothing was.
  }
}

/** Loads the page anew where it is, with what is chosen. */
export function reload(): void {
  try {
    const held = Object.fromEntries(Object.entries(passing).map(([name, choice]) => [name, choice.peek()]));
    sessionStorage.setItem(kept, JSON.stringify(held));
  } catch {
    // No storage: then the filter is lost.
  }
  location.reload();
}

/**
 * Takes the page that the hub has now, if it is another one than this. Once for each version: where something in between
 * goes on giving out an old one, or two hubs of different versions take turns, the page must not load itself for ever.
 * @param page Name of the script that the hub's page is built into; "" where it says nothing about it.
 */
export function renew(page: string): void {
  const own = document.querySelector("script[src]")?.getAttribute("src");
  if (page === "" || own == null) return;
  outdated.value = page !== own;
  if (page === own) return;
  try {
    const before = sessionStorage.getItem(tried)?.split(" ") ?? [];
    if (before.includes(page)) return;
    sessionStorage.setItem(tried, [...before, page].join(" "));
  } catch {
    // No storage: nobody would know that it was tried already.
    return;
  }
  reload();
}
